//! SIGKILL before the n-th system call, for every verb.

use crate::world::{BUDGET, Scene, VERBS, Verb, World, sample};
use killer_tests::TestEnv;
use killer_tests::stepper::{Act, Traced, traced};
use std::time::Duration;

/// System calls before the first one that touches a tracker are the program's own start.
fn measure(world: &World, verb: &Verb) -> (u64, u64) {
    let mut first = 0;
    let (actor, done) = world.act(verb, |call| {
        if first == 0 && (call.bpf != 0 || call.number == libc::SYS_flock) {
            first = call.n;
        }
        Act::Go
    });
    let done_in_time = if verb.name == "wait" { 124 } else { 0 };
    assert_eq!(done.out.exit(), done_in_time, "undisturbed: {}", done.out);
    world.check(verb, actor, &done.out, "undisturbed");
    (first.max(1), done.calls)
}

fn kill_at_each_step(verb: &Verb) {
    let Some(world) = World::new(&format!("killed in {}", verb.name)) else { return };
    let (first, calls) = measure(&world, verb);
    let done = sample(first, calls, BUDGET, |n| {
        let (actor, done) = world.act(verb, |call| if call.n == n { Act::Kill } else { Act::Go });
        world.check(verb, actor, &done.out, &format!("killed before call {n} of {calls}"));
    });
    eprintln!("{}: killed at {done} of {} steps", verb.name, calls + 1 - first);
    world.finish();
}

macro_rules! steps {
    ($($test:ident: $verb:literal;)*) => {
        $(#[test]
        fn $test() {
            kill_at_each_step(VERBS.iter().find(|v| v.name == $verb).expect("such a verb"));
        })*
    };
}

steps! {
    killed_in_run: "run";
    killed_in_kill: "kill";
    killed_in_kill_with_wait: "kill --wait";
    killed_in_signal: "signal";
    killed_in_adopt: "adopt";
    killed_in_freeze: "freeze";
    killed_in_thaw: "thaw";
    killed_in_stop: "stop";
    killed_in_wait: "wait";
    killed_in_tree: "tree";
    killed_in_exec: "exec";
    killed_in_list: "list";
    killed_in_status: "status";
    killed_in_set_main: "set-main";
    killed_in_forget: "forget";
    killed_in_rename: "rename";
}

#[test]
fn every_scene_has_a_verb() {
    for scene in [Scene::Nobody, Scene::Alive, Scene::Dead, Scene::Outside] {
        assert!(VERBS.iter().any(|v| v.scene == scene));
    }
}

/// Loading and unloading are whole or have not happened.
#[test]
fn killed_in_up_and_down() {
    let Some(env) = TestEnv::new("killed_in_up_and_down") else { return };
    let step = |args: &[&str], n: u64| -> Traced {
        let mut command = env.command();
        command.args(args);
        traced(&env, command, Duration::from_secs(20), |call| if call.n == n { Act::Kill } else { Act::Go })
    };
    let up = step(&["up"], 0).calls;
    let down = step(&["down"], 0).calls;
    let usable = |what: &str| {
        let out = env.killer(["run", "--name", "svc", "--", "true"]);
        assert_eq!(out.exit(), 0, "{what}: {out}");
        let left: Vec<_> = std::fs::read_dir(&env.pin_root)
            .expect("pins")
            .flatten()
            .map(|e| e.file_name())
            .filter(|n| n.to_string_lossy().starts_with("tmp-"))
            .collect();
        (left, out)
    };
    let ups = sample(1, up, 2 * BUDGET, |n| {
        env.killer(["down", "--force"]).ok();
        step(&["up"], n);
        let what = format!("up killed before call {n} of {up}");
        let list = env.killer(["list"]);
        assert_eq!(list.exit(), 0, "{what}: {list}");
        usable(&what);
        env.killer(["up"]).ok();
        let (left, _) = usable(&what);
        assert!(left.is_empty(), "{what}: {left:?}");
    });
    let downs = sample(1, down, BUDGET, |n| {
        env.killer(["up"]).ok();
        step(&["down"], n);
        let what = format!("down killed before call {n} of {down}");
        let list = env.killer(["list"]);
        assert_eq!(list.exit(), 0, "{what}: {list}");
        usable(&what);
        env.killer(["down"]).ok();
    });
    // The first service attaches the hooks.
    let first = ["run", "--name", "svc", "--", "true"];
    env.killer(["up"]).ok();
    let run = step(&first, 0).calls;
    let runs = sample(1, run, BUDGET, |n| {
        env.killer(["down", "--force"]).ok();
        env.killer(["up"]).ok();
        step(&first, n);
        let what = format!("the first run killed before call {n} of {run}");
        let list = env.killer(["list"]);
        assert_eq!(list.exit(), 0, "{what}: {list}");
        usable(&what);
        let version = std::fs::read_dir(env.pin_root.join("v1")).expect("a version").flatten();
        let left = version.into_iter().find(|e| e.file_name().to_string_lossy().starts_with("waking-"));
        assert!(left.is_none(), "{what}: {left:?}");
        env.killer(["-s", "KILL", "--wait", "--require-exact", "svc"]).ok();
    });
    eprintln!(
        "up: killed at {ups} of {up} steps; down: at {downs} of {down}; the first run: at {runs} of {run}"
    );
}
