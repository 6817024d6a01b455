//! The tracker itself: who may write its maps, and from where it is used.

use killer_tests::{Launch, TestEnv};
use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// bpf(2) with an attribute of 64 bytes.
fn bpf(cmd: i32, attr: &[u64; 8]) -> Result<i32, i32> {
    // SAFETY: attr is 64 live bytes; pointers in it point to live buffers of the callers.
    let r = unsafe { libc::syscall(libc::SYS_bpf, cmd, attr.as_ptr(), 64) };
    if r < 0 { Err(std::io::Error::last_os_error().raw_os_error().unwrap_or(0)) } else { Ok(r as i32) }
}

fn open(pin: &Path) -> i32 {
    const OBJ_GET: i32 = 7;
    let path = CString::new(pin.as_os_str().as_bytes()).expect("no NUL");
    bpf(OBJ_GET, &[path.as_ptr() as u64, 0, 0, 0, 0, 0, 0, 0]).expect("a pin")
}

/// Truth and index are frozen: root itself cannot change who is a member, nor the count.
#[test]
fn a_user_space_write_is_refused() {
    const UPDATE: i32 = 2;
    const DELETE: i32 = 3;
    let Some(env) = TestEnv::new("a_user_space_write_is_refused") else { return };
    let Some(service) = Launch::new("plain").service(&env, "svc") else { return };
    let maps = env.pin_root.join("v1/maps");
    let buffer = [0u8; 1 << 20];
    let key = 1u64;
    for map in [
        "BIRTHS", "POP", "ROOTS", "INDEX", "LEADERS", "SEEDS", "DEAD", "FILTER", "REASONS", "GLOBAL", "EDGES",
    ] {
        let fd = open(&maps.join(map));
        for (cmd, value) in [(UPDATE, buffer.as_ptr() as u64), (DELETE, 0)] {
            let attr = [fd as u64, &raw const key as u64, value, 0, 0, 0, 0, 0];
            assert_eq!(bpf(cmd, &attr), Err(libc::EPERM), "{map}, command {cmd}");
        }
        // SAFETY: a mapping at an address of the kernel's choice; it must not come about.
        let at = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                4096,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                fd,
                0,
            )
        };
        assert_eq!(at, libc::MAP_FAILED, "{map} can be mapped for writing");
        // SAFETY: our own descriptor.
        unsafe { libc::close(fd) };
    }
    env.killer(["status", "svc"]).ok();
    env.killer(["-KILL", "svc"]).ok();
    service.assert_dead();
}

/// Inside a PID namespace the same number is another process: refused with words, and nobody is hit.
#[test]
fn refuses_a_pid_namespace() {
    let Some(env) = TestEnv::new("refuses_a_pid_namespace") else { return };
    let Some(service) = Launch::new("plain").service(&env, "svc") else { return };
    let mut command = std::process::Command::new("unshare");
    command.args(["--fork", "--pid", "--mount-proc"]).arg(killer_tests::killer()).args(["-KILL", "svc"]);
    command.env("KILLER_PIN_ROOT", &env.pin_root).stdin(std::process::Stdio::null());
    env.finish(command).error(1, &["PID namespace", "host"]);
    service.assert_alive();
    env.killer(["-KILL", "svc"]).ok();
    service.assert_dead();
}
