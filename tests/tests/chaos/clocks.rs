//! Clocks that differ: a `killer` in a time namespace (its monotonic clock is a day ahead, or its boot time is), and a host
//! whose calendar jumps.

use killer_tests::stepper::{Act, traced};
use killer_tests::{Launch, Marks, Objects, TestEnv, skip};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

const CLONE_NEWTIME: libc::c_int = 0x80;

/// `killer` in a time namespace with these offsets, in seconds.
fn shifted(env: &TestEnv, args: &[&str], monotonic: i64, boottime: i64) -> Command {
    let mut command = env.command();
    command.args(args);
    let offsets = format!("monotonic {monotonic} 0\nboottime {boottime} 0\n");
    // SAFETY: two system calls and a write, in a child that has one thread; the text was made before the fork.
    unsafe {
        command.pre_exec(move || {
            if libc::unshare(CLONE_NEWTIME) != 0 {
                return Err(std::io::Error::last_os_error());
            }
            let file = libc::open(c"/proc/self/timens_offsets".as_ptr(), libc::O_WRONLY);
            let done = libc::write(file, offsets.as_ptr().cast(), offsets.len());
            libc::close(file);
            if done == -1 { Err(std::io::Error::last_os_error()) } else { Ok(()) }
        });
    }
    command
}

/// Frozen from there is frozen.
fn held(env: &TestEnv, monotonic: i64, boottime: i64) {
    let Some((service, marks)) = Marks::ticking(env, "families") else { return };
    let limit = Duration::from_secs(20);
    let freeze = env.spawn(shifted(env, &["freeze", "svc"], monotonic, boottime)).finish(limit);
    if !freeze.stderr.contains("cannot freeze") {
        assert_eq!(freeze.exit(), 0, "{freeze}");
        let steps = marks.steps();
        std::thread::sleep(Duration::from_millis(150));
        assert_eq!(marks.steps(), steps, "steps while frozen, offsets {monotonic} {boottime}");
        env.spawn(shifted(env, &["thaw", "svc"], monotonic, boottime)).finish(limit).ok();
        assert!(marks.moves());
    }
    env.killer(["-s", "KILL", "--wait", "svc"]).ok();
    service.assert_dead();
    env.killer(["forget", "svc"]).ok();
}

#[test]
fn killer_in_a_time_namespace() {
    let Some(env) = TestEnv::new("killer_in_a_time_namespace") else { return };
    if !std::path::Path::new("/proc/self/timens_offsets").exists() {
        skip(&env.test, "the kernel has no time namespaces");
        return;
    }
    env.killer(["up"]).ok();
    let objects = Objects::new(&env.pin_root);
    let limit = Duration::from_secs(20);
    // No clock may go below zero: a guest is young.
    let back = -killer_tests::monotonic_secs().clamp(1, 20) + 1;
    for (monotonic, boottime) in [(86_400, 86_400), (back, back), (100_000, 0), (0, 100_000)] {
        let what = format!("offsets {monotonic} {boottime}");
        let Some(service) = Launch::new("chains").arg("6").service(&env, "svc") else { return };
        // Killed when the gate is closed: a lease by the wrong clock would hold for a day.
        let mut sent = false;
        traced(&env, shifted(&env, &["-s", "KILL", "svc"], monotonic, boottime), limit, |call| {
            sent = sent || call.signals();
            if sent { Act::Kill } else { Act::Go }
        });
        let gates = objects.closed_gates();
        assert!(gates.iter().all(|(_, ns)| *ns <= 2_000_000_000), "{what}: {gates:?}");
        let kill =
            env.spawn(shifted(&env, &["-s", "KILL", "--wait", "svc"], monotonic, boottime)).finish(limit);
        assert_eq!(kill.exit(), 0, "{what}: {kill}");
        assert!(service.live.eof_within(Duration::from_secs(2)), "{what}: survivors: {kill}");
        env.killer(["forget", "svc"]).ok();
        held(&env, monotonic, boottime);
        // Identity goes by starts, which /proc shows by the reader's clock.
        let Some(whole) = Launch::new("plain").direct(&env.test) else { return };
        let pid = whole.pid().to_string();
        let adopt =
            env.spawn(shifted(&env, &["adopt", "svc", "--pid", &pid], monotonic, boottime)).finish(limit);
        assert_eq!(adopt.exit(), 0, "{what}: {adopt}");
        let verify = env.spawn(shifted(&env, &["verify", "svc"], monotonic, boottime)).finish(limit);
        assert_eq!(verify.exit(), 0, "{what}: {verify}");
        env.killer(["-s", "KILL", "--wait", "svc"]).ok();
        assert!(whole.live.eof_within(Duration::from_secs(2)), "{what}: survivors of the adopted one");
        env.killer(["forget", "svc"]).ok();
    }
}

/// The calendar of a guest jumps: nothing that decides anything looks at it.
#[test]
fn the_calendar_jumps() {
    let Some(env) = TestEnv::new("the_calendar_jumps") else { return };
    if std::env::var_os("KILLER_GUEST").is_none() {
        skip(&env.test, "only in guests: the whole host would see it");
        return;
    }
    env.killer(["up"]).ok();
    // SAFETY: zero is a valid timespec.
    let mut at: libc::timespec = unsafe { std::mem::zeroed() };
    for year in [1, 40, 20, 67, 30] {
        let Some(service) = Launch::new("chains").arg("4").service(&env, "svc") else { return };
        at.tv_sec = year * 365 * 86_400;
        // SAFETY: `at` is ours and alive.
        if unsafe { libc::clock_settime(libc::CLOCK_REALTIME, &at) } != 0 {
            skip(&env.test, "the clock cannot be set");
            return;
        }
        let list = env.killer(["list", "-o", "json"]).ok().json();
        assert_eq!(list["services"][0]["exactness"]["exact"], true, "{list}");
        env.killer(["-s", "TERM", "svc"]).ok();
        env.killer(["-s", "KILL", "--wait=10s", "svc"]).ok();
        assert!(service.live.eof_within(Duration::from_secs(2)), "survivors in the year {}", 1970 + year);
        env.killer(["forget", "svc"]).ok();
    }
}
