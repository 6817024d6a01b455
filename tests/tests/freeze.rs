//! `freeze` and `thaw`: no step while frozen, by counters in shared memory that nobody but the members writes; no error that
//! the program could see; nobody lost.

use killer_tests::stepper::{self, Act};
use killer_tests::{Launch, Marks, Out, Pidfd, Service, TestEnv, eventually, proc_state};
use rustix::process::Signal;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const EVERYTHING: &str = "chains+families+threads+spawn+spin";

#[track_caller]
fn assert_still(env: &TestEnv, marks: &Marks, moment: Duration) {
    let before = marks.steps();
    std::thread::sleep(moment);
    let after = marks.steps();
    if before != after {
        let status = env.killer(["status", "-o", "json", "svc"]).json();
        let states: Vec<_> = killer_tests::pids(&status).into_iter().map(|p| (p, proc_state(p))).collect();
        let more = marks.moves();
        panic!("{} steps while frozen; goes on: {more}; {states:?}; {status}", after - before);
    }
}

#[track_caller]
fn end(env: &TestEnv, service: &Service) {
    env.killer(["-KILL", "--wait", "svc"]).ok();
    service.assert_dead();
}

/// `freeze`, or `None` after a skip. States come from the kernel and from /proc by turns.
#[track_caller]
fn freeze(env: &TestEnv) -> Option<()> {
    let out = freeze_by_turns(env);
    if out.exit() == 1 && out.stderr.contains("cannot freeze") {
        killer_tests::skip(&env.test, "this tier cannot freeze");
        return None;
    }
    out.ok().silent();
    Some(())
}

fn freeze_by_turns(env: &TestEnv) -> Out {
    static TURN: AtomicUsize = AtomicUsize::new(0);
    let mut command = env.command();
    if std::env::var_os("KILLER_STATES").is_none() {
        command.env("KILLER_STATES", ["kernel", "proc"][TURN.fetch_add(1, Ordering::Relaxed) % 2]);
    }
    command.args(["freeze", "svc"]);
    env.finish(command)
}

#[test]
fn no_step_while_frozen() {
    let Some(env) = TestEnv::reusing("no_step_while_frozen") else { return };
    let rounds: u32 = std::env::var("KILLER_ROUNDS").ok().and_then(|r| r.parse().ok()).unwrap_or(8);
    let Some((service, marks)) = Marks::ticking(&env, EVERYTHING) else { return };
    let mut took = Vec::new();
    for _ in 0..rounds {
        assert!(marks.moves(), "it does not run");
        let begun = Instant::now();
        if freeze(&env).is_none() {
            return;
        }
        took.push(begun.elapsed());
        assert_still(&env, &marks, Duration::from_millis(150));
        env.killer(["thaw", "svc"]).ok().silent();
        if marks.word(7) == 1 {
            break;
        }
    }
    assert!(marks.moves(), "it does not go on");
    assert_eq!(marks.errors().0, 0, "the program saw errno {}", marks.errors().1);
    took.sort();
    println!(
        "{rounds} rounds, freeze took {:?} (median), {:?} (most)",
        took[took.len() / 2],
        took[took.len() - 1]
    );
    end(&env, &service);
}

#[test]
fn what_is_said_and_done_twice() {
    let Some(env) = TestEnv::reusing("what_is_said_and_done_twice") else { return };
    env.killer(["freeze", "svc"]).error(4, &["svc"]);
    env.killer(["thaw", "svc"]).error(4, &["svc"]);
    let Some((service, marks)) = Marks::ticking(&env, "families+threads") else { return };
    env.killer(["thaw", "svc"]).ok().silent();
    if freeze(&env).is_none() {
        return;
    }
    env.killer(["freeze", "svc"]).ok().silent();
    let out = env.killer(["status", "svc"]);
    assert!(out.ok().stdout.contains("Freeze: since"), "{out}");
    let out = env.killer(["list"]);
    assert!(out.ok().stdout.contains("frozen"), "{out}");
    // Nobody joins it, and it tells so.
    env.killer(["exec", "--name", "svc", "--", "true"]).error(125, &["frozen", "killer thaw svc"]);
    let out = env.killer(["-v", "-s", "USR2", "--whom=control", "svc"]);
    assert!(out.ok().stdout.contains("is frozen"), "{out}");
    assert_still(&env, &marks, Duration::from_millis(100));
    env.killer(["thaw", "svc"]).ok().silent();
    env.killer(["thaw", "svc"]).ok().silent();
    assert!(marks.moves());
    let out = env.killer(["status", "svc"]);
    assert!(!out.ok().stdout.contains("Freeze"), "{out}");
    end(&env, &service);
    env.killer(["freeze", "svc"]).error(3, &["svc"]);
    env.killer(["thaw", "svc"]).ok();
}

#[test]
fn a_frozen_service_can_be_killed() {
    let Some(env) = TestEnv::reusing("a_frozen_service_can_be_killed") else { return };
    let Some((service, _)) = Marks::ticking(&env, EVERYTHING) else { return };
    if freeze(&env).is_none() {
        return;
    }
    end(&env, &service);
    let out = env.killer(["status", "svc"]);
    out.code(3);
    assert!(!out.stdout.contains("Freeze"), "{out}");
    // The name is free again, and not frozen.
    env.killer(["run", "--name", "svc", "--", "true"]).ok();
}

/// Whoever may send SIGCONT can wake a member: it is stopped again, and that is counted.
#[test]
fn woken_from_elsewhere() {
    let Some(env) = TestEnv::reusing("woken_from_elsewhere") else { return };
    let Some((service, marks)) = Marks::ticking(&env, "families+spin") else { return };
    if freeze(&env).is_none() {
        return;
    }
    let tree = env.killer(["status", "-o", "json", "svc"]).json();
    for pid in killer_tests::pids(&tree) {
        if let Some(p) = Pidfd::open(pid) {
            p.signal(Signal::CONT);
        }
    }
    std::thread::sleep(Duration::from_millis(50));
    let status = env.killer(["status", "svc"]).ok().stdout.clone();
    assert!(status.contains("from elsewhere"), "{status}");
    // Before 6.13 no hook can stop them again: who runs is said.
    if tree["frozen"]["stops_again"] == false {
        assert!(status.contains("freeze it again") && !status.contains("undone"), "{status}");
        assert!(env.killer(["list"]).ok().stdout.contains("woken"));
        freeze(&env);
    } else {
        assert!(status.contains("undone at once") && !status.contains("again"), "{status}");
    }
    assert_still(&env, &marks, Duration::from_millis(150));
    let out = env.killer(["list"]);
    assert!(out.ok().stdout.contains("frozen"), "{out}");
    env.killer(["thaw", "svc"]).ok();
    assert!(marks.moves());
    end(&env, &service);
}

/// The hook on signals, where it is pinned; of the tiers raw and legacy there is none.
fn hook_on_signals(env: &TestEnv) -> PathBuf {
    env.pin_root.join("v1/links/on_signal")
}

/// The hook on signals costs the host something at each end of a child: it is there while a root is frozen, and while a signal is sent to
/// all. Of commands one after the other only the first takes it off.
#[test]
fn the_hook_on_signals_is_there_when_it_is_needed() {
    let Some(env) = TestEnv::new("the_hook_on_signals_is_there_when_it_is_needed") else { return };
    let apart = || std::thread::sleep(Duration::from_millis(1200));
    let Some((one, marks)) = Marks::ticking(&env, "families") else { return };
    let hook = hook_on_signals(&env);
    if !env.pin_root.join("v1/progs/on_signal").exists() {
        return killer_tests::skip(&env.test, "this tier has no such hook");
    }
    if env
        .pin_root
        .join("v1")
        .read_dir()
        .is_ok_and(|mut d| d.any(|e| e.is_ok_and(|e| e.file_name().to_string_lossy().starts_with("keeper-"))))
    {
        return killer_tests::skip(&env.test, "a keeper holds it");
    }
    assert!(!hook.exists(), "nobody needs it yet");
    let Some(two) = Launch::new("plain").service(&env, "two") else { return };
    env.killer(["-s", "CONT", "two"]).ok();
    assert!(!hook.exists(), "after a signal");
    env.killer(["-s", "CONT", "two"]).ok();
    assert!(hook.exists(), "after one of many");
    env.killer(["list"]).ok();
    assert!(hook.exists(), "another one may come");
    apart();
    env.killer(["list"]).ok();
    assert!(!hook.exists(), "whoever comes later takes it off");
    freeze(&env);
    apart();
    env.killer(["-s", "CONT", "two"]).ok();
    assert!(hook.exists(), "while something is frozen");
    assert_still(&env, &marks, Duration::from_millis(100));
    apart();
    env.killer(["thaw", "svc"]).ok();
    assert!(!hook.exists(), "after the thaw");
    env.killer(["-s", "KILL", "--wait", "two"]).ok();
    two.assert_dead();
    end(&env, &one);
}

/// Members that run although they are frozen are said, whatever hooks have counted: here the hook on signals is gone.
#[test]
fn who_runs_is_said() {
    let Some(env) = TestEnv::new("who_runs_is_said") else { return };
    let Some((service, marks)) = Marks::ticking(&env, "families") else { return };
    if freeze(&env).is_none() {
        return;
    }
    let _ = std::fs::remove_file(hook_on_signals(&env));
    let tree = env.killer(["status", "-o", "json", "svc"]).json();
    assert!(tree["frozen"].get("awake").is_none(), "{tree}");
    let pid = *killer_tests::pids(&tree).first().expect("members");
    Pidfd::open(pid).expect("a frozen member").signal(Signal::CONT);
    let said = || env.killer(["status", "-o", "json", "svc"]).json();
    assert!(eventually(Duration::from_secs(5), || said()["frozen"]["awake"] == serde_json::json!([pid])));
    assert_eq!(said()["state"], "woken");
    assert_eq!(said()["frozen"]["wakes"], 0);
    let out = env.killer(["status", "svc"]);
    assert!(out.ok().stdout.contains(&format!("1 process runs ({pid}): freeze it again")), "{out}");
    env.killer(["freeze", "svc"]).ok().silent();
    assert_still(&env, &marks, Duration::from_millis(100));
    assert_eq!(said()["state"], "frozen");
    env.killer(["thaw", "svc"]).ok().silent();
    // That hook is none of those that keep the set.
    env.killer(["-KILL", "svc"]).ok();
    service.assert_dead();
}

/// Runs of the hook on signals that the kernel skips are told by whoever asks, until the thaw. The kernel does it at will on no
/// kernel that is tried: a tracer changes its figure.
#[test]
fn skipped_runs_of_the_hook_on_signals() {
    let Some(env) = TestEnv::new("skipped_runs_of_the_hook_on_signals") else { return };
    if killer_tests::kernel_number() < (5, 12) {
        return killer_tests::skip(&env.test, "nothing is skipped before 5.12, nor counted");
    }
    let Some((service, _)) = Marks::ticking(&env, "families") else { return };
    let traced = |verb: &[&str]| {
        let act = |_: &_| Act::Skipped(&["on_signal"], 3);
        let mut command = env.command();
        command.args(verb);
        stepper::traced(&env, command, Duration::from_secs(30), act).out
    };
    // Before the freeze they mean nothing.
    let out = traced(&["freeze", "svc"]);
    if out.exit() == 1 && out.stderr.contains("cannot freeze") {
        return killer_tests::skip(&env.test, "this tier cannot freeze");
    }
    out.ok().silent();
    let same = traced(&["status", "svc"]);
    assert!(!same.ok().stdout.contains("skipped"), "{same}");
    traced(&["thaw", "svc"]).ok().silent();
    freeze(&env);
    let out = env.killer(["status", "svc"]);
    assert!(!out.ok().stdout.contains("skipped"), "{out}");
    let out = traced(&["status", "svc"]);
    if !hook_on_signals(&env).exists() {
        assert!(!out.ok().stdout.contains("skipped"), "{out}");
    } else {
        assert!(out.ok().stdout.contains("skipped 3 runs of the hook on signals"), "{out}");
        let out = traced(&["thaw", "svc"]);
        assert!(out.ok().stderr.contains("skipped 3 runs"), "{out}");
    }
    end(&env, &service);
}

/// A `killer` that cannot open what it has to look at: "frozen" is said only of who is.
#[test]
fn few_descriptors() {
    let Some(env) = TestEnv::reusing("few_descriptors") else { return };
    let Some((service, marks)) = Marks::ticking(&env, "families+threads") else { return };
    let mut held = 0;
    for most in (3..100).step_by(3) {
        let mut command = env.command();
        command.args(["freeze", "svc"]);
        let limit = libc::rlimit { rlim_cur: most, rlim_max: most };
        // SAFETY: one system call, in a child that has one thread.
        unsafe {
            command.pre_exec(move || match libc::setrlimit(libc::RLIMIT_NOFILE, &limit) {
                0 => Ok(()),
                _ => Err(std::io::Error::last_os_error()),
            });
        }
        let out = env.finish(command);
        if out.exit() == 0 {
            held += 1;
            assert_still(&env, &marks, Duration::from_millis(50));
        } else {
            assert!([1, 77, 124, 127].contains(&out.exit()) && !out.stderr.is_empty(), "{most}: {out}");
        }
        let out = env.killer(["thaw", "svc"]);
        if out.exit() == 1 && out.stderr.contains("cannot freeze") {
            return killer_tests::skip(&env.test, "this tier cannot freeze");
        }
        out.ok();
        assert!(marks.moves(), "it does not go on");
        if held == 3 {
            break;
        }
    }
    assert!(held > 0, "not even with a hundred");
    end(&env, &service);
}

/// Who was stopped before stays stopped.
#[test]
fn stopped_before() {
    let Some(env) = TestEnv::reusing("stopped_before") else { return };
    let Some(service) = Launch::new("self-stopped").service(&env, "svc") else { return };
    if freeze(&env).is_none() {
        return;
    }
    env.killer(["thaw", "svc"]).ok().silent();
    std::thread::sleep(Duration::from_millis(100));
    for fact in ["pid", "child"] {
        assert_eq!(proc_state(service.fact(fact)), Some('T'), "{fact} was woken");
    }
    end(&env, &service);
}

/// Bomb, threads, io_uring, a dead leader, a vfork that waits for good: all of them come to rest, and go on or die.
#[test]
fn odd_shapes() {
    let Some(env) = TestEnv::reusing("odd_shapes") else { return };
    for behaviour in
        ["bomb", "thread-storm", "leader-exits", "vfork", "io-uring", "setsid", "double-fork", "pid-ns"]
    {
        let mut launch = Launch::new(behaviour);
        if behaviour == "bomb" && std::env::var_os("KILLER_GUEST").is_some() {
            // What 400 who fork in vain leave to be freed after a grace period fills 4 GiB before one emulated processor has
            // come to its end, with or without a killer.
            launch = launch.arg("60");
        }
        let Some(service) = launch.service(&env, "svc") else { continue };
        let out = freeze_by_turns(&env);
        if out.exit() == 1 && out.stderr.contains("cannot freeze") {
            killer_tests::skip(&env.test, "this tier cannot freeze");
            return;
        }
        out.ok();
        let ever = |env: &TestEnv| env.killer(["list", "-o", "json"]).json()["services"][0]["ever"].as_u64();
        let before = ever(&env);
        std::thread::sleep(Duration::from_millis(200));
        assert_eq!(ever(&env), before, "{behaviour} forks on");
        env.killer(["thaw", "svc"]).ok();
        service.assert_alive();
        freeze_by_turns(&env).ok();
        end(&env, &service);
        env.killer(["forget", "svc"]).ok();
    }
}

/// The killer itself inside: it could not thaw what it has frozen.
#[test]
fn not_from_inside() {
    let Some(env) = TestEnv::reusing("not_from_inside") else { return };
    let killer = killer_tests::killer();
    let script = "\"$2\" freeze svc 2>\"$3\"; echo $? >>\"$3\"; exec sleep 30";
    let said = env.path("said");
    let launch = Launch::shell(script).arg(killer.to_string_lossy()).arg(said.to_string_lossy()).quiet();
    let Some(service) = launch.service(&env, "svc") else { return };
    let text = || std::fs::read_to_string(&said).unwrap_or_default();
    assert!(eventually(Duration::from_secs(10), || text().ends_with("1\n")), "{}", text());
    assert!(text().contains("cannot thaw itself"), "{}", text());
    service.assert_alive();
    end(&env, &service);
}
