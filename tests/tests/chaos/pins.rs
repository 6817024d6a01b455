//! Pins removed by hand: what is gone is noticed and said, and nothing claims to be exact or empty on that ground.

use crate::world::{BUDGET, sample};
use killer_tests::{Launch, Out, TestEnv};
use std::time::Duration;

fn remove(env: &TestEnv, below: &str) -> bool {
    let version = std::fs::read_dir(&env.pin_root)
        .expect("pins")
        .flatten()
        .find(|e| e.file_name().to_string_lossy().starts_with('v'));
    let path = version.expect("a version").path().join(below);
    std::fs::remove_file(path).is_ok()
}

fn plain_error(out: &Out) {
    let lines = out.stderr.lines().count();
    assert!((1..=3).contains(&lines) && !out.stderr.contains("panicked"), "{out}");
}

/// Each link in turn: the service is doubtful from then on, and nothing new is started on such a tracker without a word.
#[test]
fn links_removed_by_hand() {
    let Some(env) = TestEnv::new("links_removed_by_hand") else { return };
    env.killer(["run", "--name", "first", "--", "true"]).ok();
    let version = std::fs::read_dir(&env.pin_root).expect("pins").flatten().next().expect("a version").path();
    let names: Vec<_> =
        std::fs::read_dir(version.join("links")).expect("links").flatten().map(|e| e.file_name()).collect();
    env.killer(["down"]).ok();
    for name in names {
        let name = name.to_string_lossy().into_owned();
        env.killer(["up"]).ok();
        let Some(service) = Launch::new("plain").service(&env, "svc") else { return };
        assert!(remove(&env, &format!("links/{name}")), "{name}");
        let list = env.killer(["list", "-o", "json"]).ok().json();
        let exactness = &list["services"][0]["exactness"];
        assert_eq!(exactness["exact"], false, "{name}: {list}");
        assert_eq!(exactness["reasons"][0]["code"], "tracker-gap", "{name}: {list}");
        env.killer(["-s", "KILL", "--require-exact", "svc"]).code(5);
        let doctor = env.killer(["doctor"]);
        assert!(doctor.stdout.contains(&name), "doctor does not name {name}: {doctor}");
        // Two processes that hold still are in the maps: they die, but nobody says that this was all.
        let kill = env.killer(["-s", "KILL", "--wait=3s", "svc"]);
        assert!(service.live.eof_within(Duration::from_secs(3)), "{name}: survivors: {kill}");
        assert!([1, 124].contains(&kill.exit()) && !kill.stderr.is_empty(), "{name}: {kill}");
        env.killer(["down", "--force"]).ok();
    }
}

/// The hooks of births are gone and the service goes on forking: "done" without a word would be a lie.
#[test]
fn births_unseen_are_not_silent() {
    let Some(env) = TestEnv::new("births_unseen_are_not_silent") else { return };
    env.killer(["up"]).ok();
    let Some(service) = Launch::new("chains").arg("4").lease(8).service(&env, "svc") else { return };
    for link in ["on_task_alloc", "on_newtask", "on_fork", "on_fork_again"] {
        remove(&env, &format!("links/{link}"));
    }
    std::thread::sleep(Duration::from_millis(100));
    let kill = env.killer(["-s", "KILL", "svc"]);
    if service.live.alive() {
        kill.error(1, &["hooks", "on_newtask", "down --force"]);
    }
    assert!(service.live.eof_within(Duration::from_secs(15)), "the lease did not end it");
}

/// Each map and program in turn: said plainly, and `down --force` with a new start works.
#[test]
fn maps_and_programs_removed_by_hand() {
    let Some(env) = TestEnv::new("maps_and_programs_removed_by_hand") else { return };
    env.killer(["up"]).ok();
    let version = std::fs::read_dir(&env.pin_root).expect("pins").flatten().next().expect("a version").path();
    let mut names = Vec::new();
    for kind in ["maps", "progs"] {
        let entries = std::fs::read_dir(version.join(kind)).expect("pins").flatten();
        names.extend(entries.map(|e| format!("{kind}/{}", e.file_name().to_string_lossy())));
    }
    sample(0, names.len() as u64 - 1, 3 * BUDGET, |at| {
        let name = &names[at as usize];
        env.killer(["up"]).ok();
        let Some(service) = Launch::new("plain").lease(6).service(&env, "svc") else { return };
        assert!(remove(&env, name), "{name}");
        let (_, last) = name.split_once('/').expect("two parts");
        for args in [&["list"][..], &["-s", "KILL", "svc"]] {
            let out = env.killer(args);
            if out.exit() == 0 {
                // One that is not needed for this.
                assert!(
                    args[0] == "list" || service.live.eof_within(Duration::from_secs(3)),
                    "{name}: {out}"
                );
                continue;
            }
            plain_error(&out);
            assert!(out.stderr.contains(last) && out.stderr.contains("down --force"), "{name}: {out}");
        }
        env.killer(["down", "--force"]).ok();
        let run = env.killer(["run", "--name", "svc", "--", "true"]);
        assert_eq!(run.exit(), 0, "{name}: {run}");
        env.killer(["down"]).ok();
    });
}

/// All of it at once: nobody knows what was tracked, and that is said until somebody takes note of it.
#[test]
fn everything_removed_by_hand() {
    let Some(env) = TestEnv::new("everything_removed_by_hand") else { return };
    env.killer(["up"]).ok();
    let Some(_service) = Launch::new("plain").lease(5).service(&env, "svc") else { return };
    std::fs::remove_dir_all(&env.pin_root).expect("removal");
    env.killer(["list"]).error(1, &["lost", "svc", "down --force"]);
    env.killer(["-s", "KILL", "svc"]).error(1, &["lost", "svc"]);
    env.killer(["run", "--name", "svc", "--", "true"]).error(125, &["lost", "svc"]);
    env.killer(["down", "--force"]).ok();
    env.killer(["run", "--name", "svc", "--", "true"]).ok();
}
