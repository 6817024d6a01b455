//! An old kernel's bpf(2): a command that it does not know is EINVAL, and `doctor` says what that means.

use killer_tests::{TestEnv, skip};
use std::process::Command;

/// What `command` and all that it starts asks of bpf(2) with this command number is answered EINVAL.
fn without_bpf(command: &mut Command, number: u32) {
    use std::os::unix::process::CommandExt;
    // SAFETY: prctl on data of this closure, between fork and exec.
    unsafe {
        command.pre_exec(move || {
            let load = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
            let equal = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
            let answer = (libc::BPF_RET | libc::BPF_K) as u16;
            let line = |code, jf, k| libc::sock_filter { code, jt: 0, jf, k };
            // Offsets in struct seccomp_data: the call, the low half of its first argument.
            let mut filter = [
                line(load, 0, 0),
                line(equal, 3, libc::SYS_bpf as u32),
                line(load, 0, if cfg!(target_endian = "big") { 20 } else { 16 }),
                line(equal, 1, number),
                line(answer, 0, libc::SECCOMP_RET_ERRNO | libc::EINVAL as u32),
                line(answer, 0, libc::SECCOMP_RET_ALLOW),
            ];
            let prog = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
            let done = libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
                && libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &prog) == 0;
            if done { Ok(()) } else { Err(std::io::Error::last_os_error()) }
        });
    }
}

const MAP_FREEZE: u32 = 22;
const PROG_RUN: u32 = 10;

#[test]
fn what_an_old_kernel_lacks_is_told() {
    let test = "what_an_old_kernel_lacks_is_told";
    if std::env::var_os("KILLER_TIER").is_some() {
        skip(test, "a tier is asked for");
        return;
    }
    let Some(env) = TestEnv::new(test).map(TestEnv::alone) else { return };
    let typed = |mut command: Command| {
        command.args(["up"]).env("KILLER_TIER", "typed");
        command
    };
    let out = env.finish(typed(env.command()));
    if out.exit() != 0 {
        skip(test, out.stderr.trim());
        return;
    }
    env.killer(["down"]).ok();
    for (number, words) in
        [(MAP_FREEZE, "lacks map freeze"), (PROG_RUN, "lacks runs of raw tracepoint programs")]
    {
        let mut command = typed(env.command());
        without_bpf(&mut command, number);
        let out = env.finish(command);
        out.error(1, &[words]);
        assert!(!out.stderr.contains("nvalid argument") && !out.stderr.contains("EINVAL"), "{out}");
        // A lack is no failure where another tier works.
        let mut command = env.command();
        command.arg("doctor");
        without_bpf(&mut command, number);
        let out = env.finish(command);
        assert!(out.ok().stdout.contains(words), "{out}");
        assert!(!out.stdout.contains("nvalid argument") && !out.stdout.contains("FAIL"), "{out}");
    }
}
