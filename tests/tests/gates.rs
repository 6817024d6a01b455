//! Gates by themselves, without a sweeper: no child whose fork began after the gate was closed runs code of its own, whichever
//! gate this kernel has; what was closed opens again. The oracle is a word in shared memory that each newborn sets first.

use killer_tests::{Launch, Marks, TestEnv, eventually};
use std::ffi::CString;
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

/// bpf(2) with an attribute of 64 bytes.
fn bpf(cmd: i32, attr: &[u64; 8]) -> Result<i32, std::io::Error> {
    // SAFETY: attr is 64 live bytes; pointers in it point to live buffers of the callers.
    let r = unsafe { libc::syscall(libc::SYS_bpf, cmd, attr.as_ptr(), 64) };
    if r < 0 { Err(std::io::Error::last_os_error()) } else { Ok(r as i32) }
}

fn pinned(pin: &Path) -> i32 {
    const OBJ_GET: i32 = 7;
    let path = CString::new(pin.as_os_str().as_bytes()).expect("no NUL");
    bpf(OBJ_GET, &[path.as_ptr() as u64, 0, 0, 0, 0, 0, 0, 0]).expect("a pin")
}

/// Closes gate KILL of the first root until then; 0 opens it.
fn gate(env: &TestEnv, until: u64) {
    const UPDATE: u64 = 2;
    let control = pinned(&env.pin_root.join("v1/maps/CONTROL"));
    let key = 1u32;
    let mut line = [0u64; 8];
    line[0] = if until == 0 { 0 } else { until >> 4 << 4 | 1 };
    let attr = [control as u64, &raw const key as u64, &raw const line as u64, 0, 0, 0, 0, 0];
    bpf(UPDATE as i32, &attr).expect("an update of CONTROL");
    // SAFETY: our own descriptor.
    unsafe { libc::close(control) };
}

/// Gate C, as a `killer` would hold it.
fn syscalls(env: &TestEnv) -> [OwnedFd; 2] {
    const RAW_TRACEPOINT_OPEN: i32 = 17;
    ["enter", "exit"].map(|what| {
        let program = pinned(&env.pin_root.join(format!("v1/progs/on_sys_{what}")));
        let name = CString::new(format!("sys_{what}")).expect("no NUL");
        let attr = [name.as_ptr() as u64, program as u64, 0, 0, 0, 0, 0, 0];
        let link = bpf(RAW_TRACEPOINT_OPEN, &attr).expect("a link");
        // SAFETY: a new descriptor, nobody else's.
        unsafe { OwnedFd::from_raw_fd(link) }
    })
}

fn now_ns() -> u64 {
    let t = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    t.tv_sec as u64 * 1_000_000_000 + t.tv_nsec as u64
}

/// Several times closed and opened, or `None` after a skip.
fn at_birth(env: &TestEnv) -> Option<()> {
    let (service, marks) = Marks::ticking(env, "families+threads")?;
    let doctor = env.killer(["doctor", "-o", "json"]);
    println!("{}: {}", env.test, doctor.json()["tier"]);
    for round in 0..6 {
        let ran = marks.word(4);
        assert!(
            eventually(Duration::from_secs(5), || marks.word(4) > ran + 20),
            "newborns do not run while it is open"
        );
        gate(env, now_ns() + 5_000_000_000);
        let closed = now_ns();
        // One whose fork began before may come to run late on a busy machine: when its fork began is what counts.
        std::thread::sleep(Duration::from_millis(350));
        let newest = marks.word(3);
        assert!(newest <= closed, "round {round}: a child ran whose fork began {} ns after", newest - closed);
        gate(env, 0);
    }
    let ran = marks.word(4);
    assert!(eventually(Duration::from_secs(5), || marks.word(4) > ran + 20), "it does not open again");
    // A lease that nobody renews runs out by itself.
    gate(env, now_ns() + 300_000_000);
    std::thread::sleep(Duration::from_millis(400));
    let ran = marks.word(4);
    assert!(eventually(Duration::from_secs(5), || marks.word(4) > ran + 20), "the lease does not end");
    env.killer(["-KILL", "--wait", "svc"]).ok();
    service.assert_dead();
    Some(())
}

#[test]
fn newborns_never_run() {
    let Some(env) = TestEnv::new("newborns_never_run") else { return };
    env.killer(["up"]).ok();
    let doctor = env.killer(["doctor"]).ok().stdout.clone();
    let tier = env.killer(["doctor", "-o", "json"]).json()["tier"].clone();
    if tier != "witnessed" && doctor.contains("no bpf_send_signal_task") {
        killer_tests::skip(&env.test, "no gate at birth on this kernel");
        return;
    }
    at_birth(&env);
}

/// Gate C ends the forkers themselves; what it promises is that no child of a later fork runs.
#[test]
fn system_calls() {
    let Some(env) = TestEnv::new("system_calls") else { return };
    let mut up = env.command();
    up.arg("up").env("KILLER_GATE", "C").env("KILLER_TIER", "typed");
    env.finish(up).ok();
    if !env.pin_root.join("v1/progs/on_sys_enter").exists() {
        killer_tests::skip(&env.test, "this tier has no programs at system calls");
        return;
    }
    let mut worst = 0;
    for _ in 0..6 {
        let Some((service, marks)) = Marks::ticking(&env, "families+threads") else { return };
        assert!(
            eventually(Duration::from_secs(5), || marks.word(4) > 20),
            "newborns do not run while it is open"
        );
        let held = syscalls(&env);
        gate(&env, now_ns() + 5_000_000_000);
        let closed = now_ns();
        let dead = service.live.eof_within(Duration::from_secs(5));
        worst = worst.max(marks.word(3).saturating_sub(closed));
        assert!(dead, "members live on although each of their system calls is their last");
        gate(&env, 0);
        drop(held);
        env.killer(["forget", "svc"]).ok();
    }
    assert_eq!(worst, 0, "a child ran whose fork began {worst} ns after the gate was closed");
}

/// The whole way with gate C only, as on a kernel before 6.13: everything dies, and the receipt says by which gate.
#[test]
fn kill_with_gate_c() {
    let Some(env) = TestEnv::new("kill_with_gate_c") else { return };
    let mut up = env.command();
    up.arg("up").env("KILLER_GATE", "C").env("KILLER_TIER", "typed");
    env.finish(up).ok();
    let mut closed = 0;
    for behaviour in ["bomb", "chains", "revive", "thread-storm", "plain"] {
        let Some(service) = Launch::new(behaviour).service(&env, "svc") else { continue };
        let out = env.killer(["-KILL", "--wait", "-o", "json", "svc"]);
        out.ok();
        service.assert_dead();
        let gates = out.json()["gates"].clone();
        assert!(gates == serde_json::json!([]) || gates == serde_json::json!(["C"]), "{out}");
        closed += usize::from(gates == serde_json::json!(["C"]));
        env.killer(["forget", "svc"]).ok();
    }
    println!("gate C was closed {closed} times of 5");
}
