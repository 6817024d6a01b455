//! Each bpf(2) call refused once, with each errno that the kernel has for it: never a silent success, a message, the
//! right code.

use crate::world::{Actor, BUDGET, Scene, VERBS, Verb, World, sample, service};
use killer_tests::stepper::{Act, CAN_FAIL, OF_LOOKS};
use killer_tests::{Out, TestEnv, proc_state, skip};
use std::time::Duration;

const ERRNOS: [(i32, &str); 4] =
    [(libc::ENOSPC, "ENOSPC"), (libc::EBUSY, "EBUSY"), (libc::ENOMEM, "ENOMEM"), (libc::EPERM, "EPERM")];

/// Each look after the program's own start refused once.
fn refused_looks(verb: &Verb) {
    let test = format!("blind in {}", verb.name);
    if !CAN_FAIL {
        skip(&test, "calls can be made to fail on x86_64 only");
        return;
    }
    let Some(world) = World::new(&test) else { return };
    let look = |n: u64, errno: i32| {
        let (mut begun, mut looks, mut number) = (false, 0, 0);
        let (actor, done) = world.act(verb, |call| {
            begun |= call.bpf != 0;
            looks += u64::from(begun && call.is_a_look());
            if begun && call.is_a_look() && looks == n {
                number = call.number;
                return Act::Fail(errno);
            }
            Act::Go
        });
        (actor, done, looks, number)
    };
    let (actor, done, looks, _) = look(0, 0);
    world.check(verb, actor, &done.out, "undisturbed");
    let done = sample(0, looks * OF_LOOKS.len() as u64 - 1, BUDGET, |at| {
        let (errno, word) = OF_LOOKS[at as usize % OF_LOOKS.len()];
        let n = at / OF_LOOKS.len() as u64 + 1;
        let (actor, done, _, number) = look(n, errno);
        let what = format!("look {n} of {looks} (call {number}) answered {word}");
        honest(verb, &actor, &done.out, errno, &what, &world.env);
        world.check(verb, actor, &done.out, &what);
    });
    eprintln!("{}: {done} of {} looks", verb.name, looks * OF_LOOKS.len() as u64);
    world.finish();
}

fn refused_calls(verb: &Verb) {
    let test = format!("refused in {}", verb.name);
    if !CAN_FAIL {
        skip(&test, "calls can be made to fail on x86_64 only");
        return;
    }
    let Some(world) = World::new(&test) else { return };
    let (actor, done) = world.act(verb, |_| Act::Go);
    world.check(verb, actor, &done.out, "undisturbed");
    let calls = done.bpf;
    assert!(calls > 3, "{}: only {calls} bpf calls", verb.name);
    let done = sample(0, calls * ERRNOS.len() as u64 - 1, BUDGET, |at| {
        let (errno, word) = ERRNOS[at as usize % ERRNOS.len()];
        let n = at / ERRNOS.len() as u64 + 1;
        let mut command = 0;
        let (actor, done) = world.act(verb, |call| {
            if call.bpf != n {
                return Act::Go;
            }
            command = call.args[0];
            Act::Fail(errno)
        });
        let what = format!("bpf call {n} of {calls} (command {command}) answered {word}");
        honest(verb, &actor, &done.out, errno, &what, &world.env);
        world.check(verb, actor, &done.out, &what);
    });
    eprintln!("{}: {done} of {} refusals", verb.name, calls * ERRNOS.len() as u64);
    world.finish();
}

/// Success is success; a failure says so in at most three lines and with a code of the contract.
#[track_caller]
fn honest(verb: &Verb, actor: &Actor, out: &Out, errno: i32, what: &str, env: &TestEnv) {
    let said = || format!("{} {what}: {out}", verb.name);
    if out.exit() != 0 {
        let run = matches!(verb.name, "run" | "exec");
        let mut codes = if run { vec![125] } else { vec![1] };
        if matches!(errno, libc::EPERM | libc::EACCES) {
            codes.push(77);
        }
        if matches!(verb.name, "freeze" | "stop" | "wait") {
            codes.push(124);
        }
        if verb.name.starts_with("kill") {
            codes.extend([124, 64]);
        }
        if verb.name == "signal" {
            codes.push(64);
        }
        assert!(codes.contains(&out.exit()), "the code is none of {codes:?}: {}", said());
        // Survivors are listed one a line.
        let lines = out.stderr.lines().count();
        assert!(lines >= 1 && (lines <= 3 || out.exit() == 124), "{lines} lines: {}", said());
        assert!(!out.stderr.contains("panicked"), "{}", said());
        assert!(out.stdout.is_empty(), "an error with output: {}", said());
        return;
    }
    let list = || env.killer(["list", "-o", "json"]).json();
    let dead = || actor.live.as_ref().is_some_and(|l| l.eof_within(Duration::from_secs(3)));
    let right = match verb.name {
        "run" => service(&list(), "svc").is_some_and(|s| s["counts"]["tasks"].as_i64() >= Some(1)),
        "kill" | "kill --wait" | "stop" => dead(),
        "freeze" => actor.pids.iter().all(|p| proc_state(*p) == Some('T')),
        "thaw" => actor.pids.iter().all(|p| proc_state(*p) != Some('T')),
        // The main process lives.
        "wait" => false,
        "tree" => nodes(&out.json()["tree"]) == 2,
        "signal" => true,
        "adopt" => service(&list(), "svc").is_some_and(|s| s["counts"]["processes"] == 2),
        "list" => ["svc", "other"].iter().all(|n| {
            service(&out.json(), n)
                .is_some_and(|s| s["counts"]["processes"] == 2 && s["main_pid"].is_number())
        }),
        "status" => {
            let status = out.json();
            status["counts"]["processes"] == 2
                && status["main_pid"].is_number()
                && nodes(&status["tree"]) == 2
        }
        _ => true,
    };
    assert!(right, "a success that is none: {} {}", list(), said());
}

fn nodes(tree: &serde_json::Value) -> usize {
    let of = |n: &serde_json::Value| 1 + n.get("children").map_or(0, nodes);
    tree.as_array().map_or(0, |list| list.iter().map(of).sum())
}

macro_rules! faults {
    ($what:ident: $($test:ident: $verb:literal;)*) => {
        $(#[test]
        fn $test() {
            $what(VERBS.iter().find(|v| v.name == $verb).expect("such a verb"));
        })*
    };
}

faults! {
    refused_looks:
    blind_in_run: "run";
    blind_in_kill: "kill";
    blind_in_kill_with_wait: "kill --wait";
    blind_in_signal: "signal";
    blind_in_adopt: "adopt";
    blind_in_list: "list";
    blind_in_status: "status";
    blind_in_freeze: "freeze";
    blind_in_thaw: "thaw";
    blind_in_stop: "stop";
    blind_in_wait: "wait";
    blind_in_tree: "tree";
    blind_in_exec: "exec";
}

faults! {
    refused_calls:
    refused_in_run: "run";
    refused_in_kill: "kill";
    refused_in_kill_with_wait: "kill --wait";
    refused_in_signal: "signal";
    refused_in_adopt: "adopt";
    refused_in_list: "list";
    refused_in_status: "status";
    refused_in_freeze: "freeze";
    refused_in_thaw: "thaw";
    refused_in_stop: "stop";
    refused_in_wait: "wait";
    refused_in_tree: "tree";
    refused_in_exec: "exec";
}

/// A signal that reports success has reached every member.
#[test]
fn refused_in_a_signal_that_counts() {
    let test = "refused_in_a_signal_that_counts";
    if !CAN_FAIL {
        skip(test, "calls can be made to fail on x86_64 only");
        return;
    }
    let Some(world) = World::new(test) else { return };
    let verb = Verb { name: "signal", args: &["-s", "TERM", "svc"], scene: Scene::Alone };
    let (actor, done) = world.act(&verb, |_| Act::Go);
    world.check(&verb, actor, &done.out, "undisturbed");
    let calls = done.bpf;
    sample(0, calls * ERRNOS.len() as u64 - 1, BUDGET, |at| {
        let (errno, word) = ERRNOS[at as usize % ERRNOS.len()];
        let n = at / ERRNOS.len() as u64 + 1;
        let (actor, done) = world.act(&verb, |call| if call.bpf == n { Act::Fail(errno) } else { Act::Go });
        let dead = actor.live.as_ref().is_some_and(|l| l.eof_within(Duration::from_millis(500)));
        let what = format!("bpf call {n} of {calls} answered {word}");
        assert!(dead || done.out.exit() != 0, "TERM that not all got: {what}: {}", done.out);
        world.check(&verb, actor, &done.out, &what);
    });
    world.finish();
}

/// Loading with any call refused: another way is found, or it is said and nothing half-made is left behind.
#[test]
fn refused_in_up() {
    let test = "refused_in_up";
    if !CAN_FAIL {
        skip(test, "calls can be made to fail on x86_64 only");
        return;
    }
    let Some(env) = TestEnv::new(test) else { return };
    let up = |n: u64, errno: i32| {
        let mut command = env.command();
        command.arg("up");
        killer_tests::stepper::traced(&env, command, Duration::from_secs(30), |call| {
            if n != 0 && call.bpf == n { Act::Fail(errno) } else { Act::Go }
        })
    };
    let calls = up(0, 0).bpf;
    env.killer(["down"]).ok();
    let done = sample(0, calls * ERRNOS.len() as u64 - 1, 2 * BUDGET, |at| {
        let (errno, word) = ERRNOS[at as usize % ERRNOS.len()];
        let n = at / ERRNOS.len() as u64 + 1;
        let done = up(n, errno);
        let what = format!("bpf call {n} of {calls} answered {word}: {}", done.out);
        if done.out.exit() != 0 {
            assert!([1, 77].contains(&done.out.exit()), "{what}");
            let lines = done.out.stderr.lines().count();
            assert!((1..=3).contains(&lines) && !done.out.stderr.contains("panicked"), "{what}");
            // Refused before the pins were renamed into place, nothing is left; afterwards a whole tracker, which only this
            // call could not open: it is judged below.
            let left = std::fs::read_dir(&env.pin_root).into_iter().flatten().flatten();
            let half: Vec<_> = left.map(|e| e.file_name()).filter(|n| n != "v1").collect();
            assert!(half.is_empty(), "half-made {half:?}: {what}");
        }
        // Whatever it made of it works.
        let run = env.killer(["run", "--name", "svc", "--", "true"]);
        assert_eq!(run.exit(), 0, "{run}{what}");
        let list = env.killer(["list", "-o", "json"]).json();
        assert_eq!(list["services"][0]["exactness"]["exact"], true, "{list} {what}");
        env.killer(["down"]).ok();
    });
    eprintln!("up: {done} of {} refusals", calls * ERRNOS.len() as u64);
}
