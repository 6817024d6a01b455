//! Kernels before 5.10, whose features are taken away one list at a time (`KILLER_LACK`): the tier that comes is the one that such a
//! kernel can have, its words are right, and it does its work.

use killer_tests::{Bystander, Launch, TestEnv, skip};

/// What a kernel lacks, newest first.
const BEFORE_5_10: &str = "prog-run,boot-clock,perf-link";
const BEFORE_5_5: &str = "prog-run,boot-clock,perf-link,link-pins,batch,mmapable";
const BEFORE_4_18: &str = "prog-run,boot-clock,perf-link,link-pins,batch,mmapable,send-signal,map-freeze";
const BEFORE_4_10: &str =
    "prog-run,boot-clock,perf-link,link-pins,batch,mmapable,send-signal,map-freeze,map-names,info,lru";

/// A service whose processes fork, leave and end: all of it is one set, nothing else is, and it is gone after the kill.
fn works(test: &str, tier: &str, lack: &str, words: &[&str]) {
    if std::env::var_os("KILLER_TIER").is_some() {
        skip(test, "a tier is asked for");
        return;
    }
    let Some(env) = TestEnv::new(test).map(TestEnv::alone) else { return };
    let old = |args: &[&str]| {
        let mut command = env.command();
        command.args(args).env("KILLER_TIER", tier).env("KILLER_LACK", lack);
        command
    };
    let up = env.finish(old(&["up"]));
    if up.exit() != 0 && up.stderr.contains("lacks") {
        skip(test, up.stderr.trim());
        return;
    }
    up.ok();
    let doctor = env.finish(old(&["doctor"])).stdout;
    for word in words {
        assert!(doctor.contains(word), "doctor does not say '{word}': {doctor}");
    }
    let bystander = Bystander::new(test);
    for shape in ["daemon", "chains"] {
        let run = old(&["run", "--name", shape, "--detach", "--keep-fds", "--"]);
        let Some((running, service)) = Launch::new(shape).under(&env, run, shape) else { continue };
        running.finish(std::time::Duration::from_secs(90)).ok();
        let status = env.finish(old(&["status", shape]));
        assert!(status.ok().stdout.contains(&format!("tier {tier}")), "{status}");
        env.finish(old(&["exec", "--name", shape, "--", "sh", "-c", "exit 7"])).code(7);
        env.finish(old(&["verify", shape]));
        env.finish(old(&["-s", "KILL", "--who=all", "--wait", shape])).ok();
        service.assert_dead();
        env.finish(old(&["status", shape])).code(3);
    }
    bystander.assert_untouched();
    env.finish(old(&["down"])).ok();
}

#[test]
fn raw_on_5_5() {
    works("raw_on_5_5", "raw", BEFORE_5_10, &["raw"]);
}

#[test]
fn raw_on_5_4() {
    works("raw_on_5_4", "raw", BEFORE_5_5, &["raw"]);
}

#[test]
fn raw_on_4_17() {
    works(
        "raw_on_4_17",
        "raw",
        BEFORE_4_18,
        &[
            "a gate: a service that is being killed can fork",
            "counts that no other program of root can write",
        ],
    );
}

#[test]
fn legacy_on_4_7() {
    works(
        "legacy_on_4_7",
        "legacy",
        BEFORE_4_10,
        &[
            "a gate: a service that is being killed can fork",
            "counts that no other program of root can write",
        ],
    );
}
