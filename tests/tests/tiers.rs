//! Each tier of programs, forced: it passes every adversary that it claims, and says what it cannot promise.

use std::time::Duration;

use killer_tests::{Bystander, Launch, Marks, Pidfd, Service, TestEnv, eventually, skip};

/// What every tier of programs claims.
const ADVERSARIES: [&str; 19] = [
    "plain",
    "setsid",
    "double-fork",
    "daemon",
    "clone-parent",
    "root-exits",
    "clear-env",
    "leader-exits",
    "exec-nonleader",
    "thread-storm",
    "io-uring",
    "setuid-child",
    "pid-ns",
    "rlimit-nproc",
    "vfork",
    "posix-spawn",
    "self-stopped",
    "chains",
    "bomb",
];

/// A world whose tracker is of this tier, or `None` after a skip that says why this kernel cannot.
fn of(test: &str, tier: &'static str, keeper: bool) -> Option<TestEnv> {
    let mut env = TestEnv::new(test)?.alone();
    env.vars.push(("KILLER_TIER", tier));
    if keeper {
        env.vars.push(("KILLER_KEEPER", "1"));
    }
    let up = env.killer(["up"]);
    if up.exit() != 0 {
        assert!(
            up.stderr.contains("lacks")
                || up.stderr.contains("refused")
                || up.stderr.contains("not permitted"),
            "{up}"
        );
        skip(test, &format!("tier {tier}: {}", up.stderr.trim().replace('\n', ";")));
        return None;
    }
    let doctor = env.killer(["doctor"]);
    assert!(doctor.stdout.contains(&format!("tier: {tier}")), "{doctor}");
    Some(env)
}

#[track_caller]
fn end(env: &TestEnv, service: &Service) {
    env.killer(["-s", "KILL", "--who=all", &service.name]).ok();
    service.assert_dead();
    env.killer(["status", &service.name]).code(3);
    env.killer(["forget", &service.name]).ok();
}

fn adversaries(test: &str, tier: &'static str, keeper: bool) {
    let Some(env) = of(test, tier, keeper) else { return };
    for behaviour in ADVERSARIES {
        let bystander = Bystander::new(test);
        let Some(service) = Launch::new(behaviour).service(&env, behaviour) else { continue };
        service.assert_alive();
        eprintln!("tier {tier}: {behaviour}");
        end(&env, &service);
        bystander.assert_untouched();
    }
}

#[test]
fn witnessed() {
    adversaries("witnessed", "witnessed", false);
}

#[test]
fn typed() {
    adversaries("typed", "typed", false);
}

#[test]
fn raw() {
    adversaries("raw", "raw", false);
}

#[test]
fn legacy() {
    adversaries("legacy", "legacy", false);
}

#[test]
fn typed_held_by_a_keeper() {
    adversaries("typed_held_by_a_keeper", "typed", true);
}

/// "Frozen" is true in each of them, whatever they know of starts.
fn frozen(test: &str, tier: &'static str) {
    let Some(env) = of(test, tier, false) else { return };
    let Some((service, marks)) = Marks::ticking(&env, "families+threads") else { return };
    for _ in 0..8 {
        env.killer(["freeze", "svc"]).ok().silent();
        // Somebody else looks: a freeze that stands is nobody's to undo.
        env.killer(["list"]).ok();
        let steps = marks.steps();
        std::thread::sleep(Duration::from_millis(100));
        assert_eq!(marks.steps(), steps, "steps while frozen: {}", env.killer(["status", "svc"]));
        env.killer(["thaw", "svc"]).ok().silent();
        assert!(marks.moves(), "it does not go on");
    }
    end(&env, &service);
}

#[test]
fn typed_frozen() {
    frozen("typed_frozen", "typed");
}

#[test]
fn raw_frozen() {
    frozen("raw_frozen", "raw");
}

#[test]
fn legacy_frozen() {
    frozen("legacy_frozen", "legacy");
}

#[test]
fn raw_says_that_it_cannot_adopt() {
    let Some(env) = of("raw_says_that_it_cannot_adopt", "raw", false) else { return };
    let bystander = Bystander::new("raw_says_that_it_cannot_adopt");
    env.killer(["adopt", "svc", "--pid", &bystander.pid().to_string()]).error(1, &["no walk", "run"]);
    bystander.assert_untouched();
}

/// Classic tracepoints lose events from 5.11 on: no set is exact there, and the reason is said.
#[test]
fn legacy_is_not_exact_where_it_can_lose() {
    let Some(env) = of("legacy_is_not_exact_where_it_can_lose", "legacy", false) else { return };
    let Some(service) = Launch::new("plain").service(&env, "svc") else { return };
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").expect("release");
    let old = release.starts_with("5.10.");
    let want = if old { 0 } else { 5 };
    let status = env.killer(["status", "--require-exact", "svc"]);
    status.code(want);
    if !old {
        assert!(status.stdout.contains("classic tracepoints"), "{status}");
    }
    end(&env, &service);
}

/// The keeper dies: that is said, the next start brings another one, and the old service can still be ended by name.
/// LSM programs that attach and do nothing (no `bpf` in `lsm=`): the next tier comes without loading them once more.
#[test]
fn a_witness_that_cannot_act_is_loaded_once() {
    let Some(env) = TestEnv::new("a_witness_that_cannot_act_is_loaded_once").map(TestEnv::alone) else {
        return;
    };
    let up = env.killer(["-vvv", "up"]).ok().stderr.clone();
    assert!(up.matches("tier witnessed").count() <= 1, "{up}");
}

#[test]
fn a_keeper_that_is_killed() {
    let Some(env) = of("a_keeper_that_is_killed", "typed", true) else { return };
    let keeper = || -> Option<i32> {
        std::fs::read_dir(env.pin_root.join("v1")).ok()?.flatten().find_map(|e| {
            let name = e.file_name().into_string().ok()?;
            name.strip_prefix("keeper-")?.split('-').next()?.parse().ok()
        })
    };
    let Some(service) = Launch::new("plain").service(&env, "before") else { return };
    env.killer(["status", "--require-exact", "before"]).ok();
    let first = keeper().expect("a keeper");
    let held = Pidfd::open(first).expect("the keeper");
    held.signal(rustix::process::Signal::KILL);
    assert!(held.ends_within(Duration::from_secs(5)));
    let status = env.killer(["status", "--require-exact", "before"]);
    status.code(5);
    assert!(status.stdout.contains("not attached all the time"), "{status}");
    let Some(after) = Launch::new("plain").service(&env, "after") else { return };
    assert!(eventually(Duration::from_secs(5), || keeper().is_some_and(|k| k != first)), "no second keeper");
    env.killer(["status", "--require-exact", "after"]).ok();
    end(&env, &service);
    end(&env, &after);
    let second = Pidfd::open(keeper().expect("a keeper")).expect("the keeper");
    env.killer(["down"]).ok();
    assert!(second.ends_within(Duration::from_secs(5)), "'down' has left the keeper");
}

/// `killer serve` in the foreground: says that it is ready, holds, ends with SIGTERM.
#[test]
fn serve_in_the_foreground() {
    let Some(env) = TestEnv::new("serve_in_the_foreground") else { return };
    let mut env = env.alone();
    env.vars.push(("KILLER_KEEPER", "1"));
    let socket = env.path("notify");
    let ready = std::os::unix::net::UnixDatagram::bind(&socket).expect("a socket");
    ready.set_read_timeout(Some(Duration::from_secs(30))).expect("a limit");
    let mut command = env.command();
    command.arg("serve").env("NOTIFY_SOCKET", &socket);
    let serve = env.spawn(command);
    let mut said = [0; 256];
    let n = ready.recv(&mut said).unwrap_or_else(|e| panic!("no READY=1 ({e}): {}", serve.so_far()));
    assert!(said[..n].starts_with(b"READY=1"), "{}", String::from_utf8_lossy(&said[..n]));
    let Some(service) = Launch::new("plain").service(&env, "svc") else { return };
    end(&env, &service);
    serve.pidfd().signal(rustix::process::Signal::TERM);
    serve.finish(Duration::from_secs(10)).ok();
    env.killer(["up"]).ok();
    env.killer(["down"]).ok();
}

/// `kernel.ftrace_enabled=0` silences the witness while it is attached (6.1+): the gate of typed is used, and it is said.
#[test]
fn a_witness_that_falls_silent() {
    let test = "a_witness_that_falls_silent";
    let Some(env) = of(test, "witnessed", false) else { return };
    const SWITCH: &str = "/proc/sys/kernel/ftrace_enabled";
    let Some(service) = Launch::new("plain").service(&env, "svc") else { return };
    if std::fs::write(SWITCH, "0").is_err() {
        skip(test, "the kernel refuses kernel.ftrace_enabled=0 while programs are attached");
        return;
    }
    struct Back;
    impl Drop for Back {
        fn drop(&mut self) {
            let _ = std::fs::write(SWITCH, "1");
        }
    }
    let back = Back;
    let Some(born) = Launch::new("bomb").arg("40").service(&env, "bomb") else { return };
    for s in [&service, &born] {
        let out = env.killer(["-v", "-s", "KILL", "--who=all", &s.name]);
        out.ok();
        assert!(out.stderr.contains("witness") || out.stdout.contains("witness"), "{out}");
        s.assert_dead();
    }
    drop(back);
    let Some(again) = Launch::new("chains").arg("8").service(&env, "again") else { return };
    end(&env, &again);
}

/// A tier that is asked for is the one, or what it lacks is said as the kernel's or the administrator's doing.
#[test]
fn a_witness_that_is_asked_for() {
    let Some(env) = TestEnv::new("a_witness_that_is_asked_for") else { return };
    let mut up = env.command();
    up.arg("up").env("KILLER_TIER", "witnessed");
    let out = env.finish(up);
    if out.exit() == 0 {
        let out = env.killer(["doctor"]);
        assert!(out.stdout.contains("witnessed"), "{out}");
        return;
    }
    assert!(out.stderr.contains("this kernel lacks") || out.stderr.contains("not permitted"), "{out}");
    assert!(!out.stderr.contains("bug"), "{out}");
}

/// Calls bpf(2) on a pinned map until it is told to stop: from 7.0 on hooks are skipped when something like this is under
/// way on a preemptible kernel.
fn hammer(pin: std::path::PathBuf, stop: std::sync::Arc<std::sync::atomic::AtomicBool>) {
    let path = std::ffi::CString::new(pin.as_os_str().as_encoded_bytes()).expect("no NUL");
    let bpf = |cmd: i32, attr: &[u64; 8]| {
        // SAFETY: attr is 64 live bytes; pointers in it point to live buffers.
        unsafe { libc::syscall(libc::SYS_bpf, cmd, attr.as_ptr(), 64) }
    };
    const OBJ_GET: i32 = 7;
    const LOOKUP: i32 = 1;
    let fd = bpf(OBJ_GET, &[path.as_ptr() as u64, 0, 0, 0, 0, 0, 0, 0]);
    assert!(fd >= 0, "no map to hammer at");
    let mut value = [0u64; 64];
    let mut key = 0u64;
    while !stop.load(std::sync::atomic::Ordering::Relaxed) {
        key += 1;
        bpf(LOOKUP, &[fd as u64, &raw const key as u64, value.as_mut_ptr() as u64, 0, 0, 0, 0, 0]);
    }
}

/// Forkers against a map hammer: nobody survives a kill, and "exact" is said only while the kernel has skipped no hook.
fn hammered(test: &str, tier: &'static str) {
    let Some(env) = of(test, tier, false) else { return };
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let pin = env.pin_root.join("v1/maps/BIRTHS");
    let hammers: Vec<_> = (0..2)
        .map(|_| {
            let (pin, stop) = (pin.clone(), stop.clone());
            std::thread::spawn(move || hammer(pin, stop))
        })
        .collect();
    let bystander = Bystander::new(test);
    for n in 0..8 {
        let (behaviour, arg) = if n % 2 == 0 { ("chains", "24") } else { ("bomb", "120") };
        let name = format!("svc{n}");
        let Some(service) = Launch::new(behaviour).arg(arg).service(&env, &name) else { break };
        std::thread::sleep(Duration::from_millis(500));
        let out = env.killer(["-v", "-s", "KILL", "--who=all", &name]);
        out.ok();
        service.assert_dead();
        let doctor = env.killer(["doctor"]);
        let skipped = doctor.stdout.contains("the kernel skipped");
        let exact = !out.stdout.contains("not exact") && !out.stderr.contains("not exact");
        eprintln!("tier {tier}, {behaviour}: hooks skipped: {skipped}, exact: {exact}");
        assert!(
            tier == "witnessed" || exact || skipped || tier == "legacy",
            "not exact without a reason: {out}"
        );
        env.killer(["forget", &name]).ok();
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    for h in hammers {
        h.join().expect("a hammer");
    }
    bystander.assert_untouched();
}

#[test]
fn witnessed_hammered() {
    hammered("witnessed_hammered", "witnessed");
}

#[test]
fn typed_hammered() {
    hammered("typed_hammered", "typed");
}

#[test]
fn raw_hammered() {
    hammered("raw_hammered", "raw");
}
