//! The dead man's switch of `run --kill-on-exit`: when every process of `killer` has gone, the kernel ends the set.

use killer_common::names;
use killer_common::promise::{Bearer, DUE, Promise};
use killer_tests::{
    Bystander, Launch, Objects, Pidfd, Service, TestEnv, adversary, eventually, killer, of_root, skip,
};
use rustix::process::Signal;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(10);

/// An environment whose kernel has the switch, or `None` after a skip.
fn switched(test: &str) -> Option<TestEnv> {
    if std::env::var_os("KILLER_SWEEP").is_some() {
        skip(test, "KILLER_SWEEP is set");
        return None;
    }
    let env = TestEnv::new(test)?;
    env.killer(["run", "--kill-on-exit", "--name", "first", "--", "true"]).ok();
    if !Objects::new(&env.pin_root).pins().names.iter().any(|p| p.ends_with(names::P_PROMISE)) {
        skip(
            test,
            "in this kernel a process that ends cannot signal others any more (6.16+), or the tier has no programs for it",
        );
        return None;
    }
    Some(env)
}

/// The processes that keep the promise of a service: its launcher in the background, and what watches over that.
fn bearers(env: &TestEnv, name: &str) -> [Pidfd; 2] {
    let status = env.killer(["status", "-o", "json", name]).ok().json();
    let launcher = status["supervisor"].as_i64().expect("a supervisor");
    let launcher = Pidfd::open(launcher as i32).expect("it lives");
    let path = format!("/proc/{0}/task/{0}/children", launcher.pid);
    let named = |p: &i32| {
        std::fs::read_to_string(format!("/proc/{p}/comm")).is_ok_and(|c| c.trim() == "killer-watch")
    };
    let watch = || {
        let children = std::fs::read_to_string(&path).unwrap_or_default();
        children.split_whitespace().filter_map(|w| w.parse().ok()).find(named).and_then(Pidfd::open)
    };
    assert!(eventually(SOON, || watch().is_some()), "nobody watches over {name}");
    [watch().expect("seen before"), launcher]
}

/// Ends them all, so that none of them sees another go. `first`: which of them goes first.
fn all_gone(bearers: &[Pidfd; 2], first: usize) {
    // The launcher is held first: it would give a supervisor that is held another one's work.
    bearers.iter().rev().for_each(|k| k.signal(Signal::STOP));
    for n in [first, 1 - first] {
        bearers[n].signal(Signal::KILL);
        assert!(bearers[n].ends_within(SOON));
    }
}

fn job(env: &TestEnv, launch: Launch, name: &str) -> Option<Service> {
    launch.run_option("--kill-on-exit").service(env, name)
}

/// A behaviour below a main process that stays: a job whose main process ends is over.
fn kept_up(dir: &tempfile::TempDir, behaviour: &str) -> Launch {
    let script = dir.path().join("job");
    let text = format!("#!/bin/sh\n'{}' \"$@\" &\nexec sleep 600\n", adversary().display());
    std::fs::write(&script, text).expect("a script");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&script, mode).expect("its mode");
    Launch::new(behaviour).program(&script)
}

/// What stays is nothing: no member by the oracle and by the count, no closed gate, no promise.
#[track_caller]
fn assert_kept(env: &TestEnv, service: &Service, name: &str) {
    service.assert_dead();
    let ended = || env.killer(["status", "-q", name]).exit() == 3;
    assert!(eventually(SOON, ended), "{name}: {}", env.killer(["status", name]));
    let objects = Objects::new(&env.pin_root);
    let open = || {
        // Any process that ends lets the kernel look.
        env.killer(["--version"]).ok();
        objects.closed_gates().is_empty()
    };
    assert!(eventually(SOON, open), "{name}: {:?}", objects.closed_gates());
}

/// Nobody of `killer` is there when the kernel ends a set: the next call writes the receipt, once.
#[test]
fn what_the_kernel_has_ended_has_a_receipt() {
    let Some(env) = switched("what_the_kernel_has_ended_has_a_receipt") else { return };
    let Some(service) = job(&env, Launch::new("plain"), "job") else { return };
    let main = service.fact("pid");
    let bearers = bearers(&env, "job");
    let before = receipts(&env);
    all_gone(&bearers, 0);
    service.assert_dead();
    let owed = || {
        env.killer(["status", "job"]).code(3);
        receipts(&env).len() == before.len() + 1
    };
    assert!(eventually(SOON, owed), "{:?}", receipts(&env));
    // Two at once, and again: there is one.
    let both = [env.spawn(asks(&env)), env.spawn(asks(&env))];
    both.into_iter().for_each(|r| drop(r.finish(SOON)));
    env.killer(["forget", "job"]).ok();
    let all = receipts(&env);
    assert_eq!(all.len(), before.len() + 1, "{all:?}");
    let id = all.iter().find(|r| !before.contains(r)).expect("a new one")["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let one = env.killer(["receipts", "-o", "json", &id]).ok().json();
    assert_eq!(
        (&one["form"], &one["service"], &one["empty"]),
        (&"kill-on-exit".into(), &"job".into(), &true.into())
    );
    let note = one["notes"][0].as_str().expect("a note");
    assert!(note.contains("the kernel kept the promise"), "{one}");
    let processes = one["processes"].as_array().expect("processes");
    let it = processes.iter().find(|p| p["pid"] == main).expect("the main process");
    assert_eq!(
        (&it["got"][0]["signal"], &it["end"]["exit_signal"]),
        (&"SIGKILL".into(), &"SIGKILL".into()),
        "{it}"
    );
    env.killer(["receipts", "--verify"]).ok();
}

fn asks(env: &TestEnv) -> std::process::Command {
    let mut command = env.command();
    command.args(["status", "job"]);
    command
}

/// All that are kept.
fn receipts(env: &TestEnv) -> Vec<serde_json::Value> {
    let all = env.killer(["receipts", "-o", "json", "--all"]);
    match all.exit() {
        0 => all.json()["receipts"].as_array().cloned().unwrap_or_default(),
        _ => Vec::new(),
    }
}

#[test]
fn nobody_slips_away() {
    let Some(env) = switched("nobody_slips_away") else { return };
    let host = of_root("killer-promise-");
    let bystander = Bystander::new(&env.test);
    let shapes = [
        "daemon",
        "leader-exits",
        "exec-nonleader",
        "thread-storm",
        "io-uring",
        "pid-ns",
        "self-stopped",
        "ptraced",
        "setuid-child",
        "revive-three",
        "star",
        "chains",
        "evasive",
        "bomb",
    ];
    for (n, shape) in shapes.into_iter().enumerate() {
        let Some(service) = job(&env, kept_up(&host, shape), shape) else { continue };
        let bearers = bearers(&env, shape);
        service.assert_alive();
        all_gone(&bearers, n % 2);
        assert_kept(&env, &service, shape);
        let status = env.killer(["status", "-o", "json", shape]).json();
        assert!(status["notes"].to_string().contains("ended-by-kernel"), "{status}");
        assert_eq!(status["exactness"]["exact"], true, "{status}");
    }
    bystander.assert_untouched();
}

/// A service inside of it, both frozen.
#[test]
fn roots_inside_end_too() {
    let Some(env) = switched("roots_inside_end_too") else { return };
    let script = format!(
        "{0} run --inside --detach --keep-fds --name inner -- sleep 4321; sleep 4322 & echo ready x=$! > $1; exec sleep 4323",
        killer().display()
    );
    let Some(service) = job(&env, Launch::shell(&script), "outer") else { return };
    assert_eq!(env.killer(["status", "-q", "inner"]).exit(), 0);
    let bearers = bearers(&env, "outer");
    env.killer(["freeze", "outer"]).ok();
    all_gone(&bearers, 0);
    assert_kept(&env, &service, "outer");
    assert_eq!(env.killer(["status", "-q", "inner"]).exit(), 3);
}

/// As long as one of them lives, the kernel does nothing; and one that took another's place counts.
#[test]
fn one_bearer_is_enough() {
    let Some(env) = switched("one_bearer_is_enough") else { return };
    let Some(service) = job(&env, Launch::new("plain"), "svc") else { return };
    let [watch, launcher] = bearers(&env, "svc");
    watch.signal(Signal::KILL);
    assert!(watch.ends_within(SOON));
    let another = || bearers(&env, "svc")[0].pid != watch.pid;
    assert!(eventually(SOON, another), "nobody took its place");
    // It is noted as soon as it is there.
    env.killer(["exec", "--name", "svc", "--", "true"]).ok();
    let [watch, _] = bearers(&env, "svc");
    launcher.signal(Signal::STOP);
    watch.signal(Signal::STOP);
    launcher.signal(Signal::KILL);
    assert!(launcher.ends_within(SOON));
    std::thread::sleep(Duration::from_millis(300));
    service.assert_alive();
    watch.signal(Signal::KILL);
    assert_kept(&env, &service, "svc");
}

/// A promise that was kept, or that the kernel has kept, leaves nothing at the ends of processes; the next one is kept again.
#[test]
fn the_last_one_takes_the_hook_along() {
    let Some(env) = switched("the_last_one_takes_the_hook_along") else { return };
    let attached = || env.pin_root.join("v1/links").join(names::P_PROMISE).exists();
    assert!(!attached(), "after a run that has ended");
    env.killer(["run", "--kill-on-exit", "--name", "none", "--", "/no/such/program"]).code(127);
    assert!(!attached(), "after a run that has not begun");
    let Some(one) = job(&env, Launch::new("plain"), "one") else { return };
    let Some(two) = job(&env, Launch::new("plain"), "two") else { return };
    assert!(attached());
    env.killer(["-s", "KILL", "--wait", "one"]).ok();
    one.assert_dead();
    env.killer(["run", "--kill-on-exit", "--name", "three", "--", "true"]).ok();
    assert!(attached(), "two has a promise");
    all_gone(&bearers(&env, "two"), 0);
    assert_kept(&env, &two, "two");
    env.killer(["run", "--kill-on-exit", "--name", "four", "--", "true"]).ok();
    assert!(!attached(), "after the kernel has kept one");
}

/// When it started, ns since boot, in whole ticks of 10 ms.
fn start_of(pid: i32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("it lives");
    let rest = stat.rsplit_once(") ").expect("a name").1;
    rest.split(' ').nth(19).and_then(|t| t.parse::<u64>().ok()).expect("its start") * 10_000_000
}

/// A number, a start or a generation that is another one's is nobody's promise.
#[test]
fn a_stale_bearer_is_nobody() {
    let Some(env) = switched("a_stale_bearer_is_nobody") else { return };
    let Some(service) = job(&env, Launch::new("plain"), "svc") else { return };
    let bearers = bearers(&env, "svc");
    let objects = Objects::new(&env.pin_root);
    let (slot, record) = objects.root("svc").expect("its root");
    for (slot, generation, late) in
        [(slot, record.generation, 1), (slot, record.generation + 1, 0), (slot + 1, record.generation, 0)]
    {
        let mut child = std::process::Command::new("sleep").arg("300").spawn().expect("a sleep");
        let pid = Pidfd::open(child.id() as i32).expect("it lives");
        let start = start_of(pid.pid) + late * 5_000_000_000;
        assert!(objects.put(names::BEARERS, pid.pid as u32, Bearer { slot, generation, start }));
        pid.signal(Signal::KILL);
        assert!(pid.ends_within(SOON));
        child.wait().expect("it has ended");
        service.assert_alive();
    }
    all_gone(&bearers, 0);
    assert_kept(&env, &service, "svc");
}

/// A promise about an earlier service in the same place says nothing about this one.
#[test]
fn another_generation_lives_on() {
    let Some(env) = switched("another_generation_lives_on") else { return };
    let Some(innocent) = Launch::new("plain").service(&env, "innocent") else { return };
    let objects = Objects::new(&env.pin_root);
    let (slot, record) = objects.root("innocent").expect("its root");
    for generation in [record.generation - 1, record.generation + 1] {
        // It is in no count, so that no look may end it.
        let stale = Promise { generation, state: DUE, found: u64::MAX, ..Promise::default() };
        assert!(objects.put(names::PROMISES, slot, stale));
        let Some(service) = job(&env, Launch::new("plain"), "job") else { return };
        all_gone(&bearers(&env, "job"), 0);
        assert_kept(&env, &service, "job");
        innocent.assert_alive();
    }
    assert!(objects.put(names::PROMISES, slot, Promise::default()));
    env.killer(["-s", "KILL", "--wait", "innocent"]).ok();
    innocent.assert_dead();
}

/// Many times, with processes that start each other again.
#[test]
fn again_and_again() {
    let Some(env) = switched("again_and_again") else { return };
    let host = of_root("killer-promise-");
    for round in 0..6 {
        let name = format!("round-{round}");
        let Some(service) = job(&env, kept_up(&host, "revive-three"), &name) else { return };
        let bearers = bearers(&env, &name);
        all_gone(&bearers, round % 2);
        assert_kept(&env, &service, &name);
    }
}
