//! Every verb speaks JSON, and every document is as the published schema has it (`Out::json` looks).

use killer_tests::{Launch, Out, TestEnv};
use serde_json::Value;

fn worlds(test: &str) -> impl Iterator<Item = TestEnv> {
    let tiers = ["named", "scan"].map(|tier| TestEnv::without_programs(test, tier, None));
    std::iter::once(TestEnv::new(test)).chain(tiers).flatten()
}

/// One document, whatever the exit code.
#[track_caller]
fn document(env: &TestEnv, args: &[&str]) -> (Out, Value) {
    let out = env.killer([&["-o", "json"], args].concat());
    let json = out.json();
    assert_eq!(out.stdout.lines().count(), 1, "more than one line: {out}");
    (out, json)
}

#[track_caller]
fn kind(env: &TestEnv, kind: &str, args: &[&str]) -> Value {
    let (out, json) = document(env, args);
    out.ok();
    let first = json.get(0).unwrap_or(&json);
    assert_eq!((first["kind"].as_str(), first["version"].as_u64()), (Some(kind), Some(1)), "{out}");
    json
}

#[test]
fn every_verb_speaks_json() {
    for env in worlds("every_verb_speaks_json") {
        let up = kind(&env, "up", &["up"]);
        assert!(up["outcome"] == "up" && up["tier"].is_string(), "{up}");
        kind(&env, "list", &["list"]);
        kind(&env, "doctor", &["doctor"]);
        let Some(svc) = Launch::new("plain").service(&env, "svc") else { return };
        let main = svc.fact("pid");
        for verb in ["status", "tree", "verify"] {
            assert_eq!(kind(&env, verb, &[verb, "svc"])["kind"], verb);
            assert!(kind(&env, verb, &[verb, "s*"]).is_array());
        }
        kind(&env, "list", &["list"]);
        kind(&env, "receipt", &["-n", "svc"]);
        kind(&env, "receipt", &["-s", "0", "svc"]);
        kind(&env, "receipt", &["-s", "WINCH", "--whom=main", "s*"]);
        kind(&env, "receipt", &["-s", "WINCH", "--whom=control", "svc"]);
        let set = kind(&env, "set-main", &["set-main", "svc", &main.to_string()]);
        assert!(set["outcome"] == "main-set" && set["main_pid"] == main, "{set}");
        let renamed = kind(&env, "rename", &["rename", "svc", "new"]);
        assert!(renamed["service"] == "new" && renamed["was"] == "svc", "{renamed}");
        // A tier may not be able to freeze; then there is an error and nothing on stdout.
        if env.killer(["freeze", "new"]).exit() == 0 {
            kind(&env, "receipt", &["freeze", "new"]);
            assert_eq!(kind(&env, "status", &["status", "new"])["frozen"]["state"], "frozen");
            kind(&env, "list", &["list"]);
            kind(&env, "receipt", &["thaw", "new"]);
        }
        let file = env.path("new.tar");
        let _ = std::fs::remove_file(&file);
        let file = file.to_str().expect("a path");
        kind(&env, "captured", &["capture", "new", "--out", file]);
        assert_eq!(kind(&env, "verify-capture", &["verify-capture", file])["state"], "whole");
        kind(&env, "capture-export", &["capture", "--export", file]);
        let (out, waited) = document(&env, &["wait", "--timeout=200ms", "new"]);
        assert!(out.exit() == 124 && waited["outcome"] == "timeout" && waited["exit_code"] == 124, "{out}");
        let (out, partly) = document(&env, &["-s", "WINCH", "--wait=200ms", "new"]);
        assert!(out.exit() == 124 && !partly["survivors"].as_array().expect("list").is_empty(), "{out}");
        kind(&env, "stop", &["stop", "new"]);
        svc.assert_dead();
        assert_eq!(kind(&env, "wait", &["wait", "new"])["outcome"], "empty");
        assert_eq!(document(&env, &["status", "new"]).0.exit(), 3);
        kind(&env, "tree", &["tree", "new"]);
        kind(&env, "verify", &["verify", "new"]);
        kind(&env, "stop", &["stop", "new"]);
        kind(&env, "receipt", &["-KILL", "new"]);
        assert_eq!(kind(&env, "forget", &["forget", "new"])["outcome"], "forgotten");

        let run = kind(&env, "run", &["run", "--name", "job", "--detach", "--", "sleep", "30"]);
        let out =
            env.killer(["run", "-o", "json", "--name", "job-2", "-d", "--kill-on-exit", "--", "sleep", "30"]);
        let supervised = out.ok().json();
        for (doc, name) in [(&run, "job"), (&supervised, "job-2")] {
            assert!(
                doc["service"] == name && doc["outcome"] == "started" && doc["main_pid"].is_u64(),
                "{doc}"
            );
        }
        kind(&env, "receipt", &["-KILL", "--wait", "job*"]);
        assert_eq!(kind(&env, "forget", &["forget", "--ended"]).as_array().map(Vec::len), Some(2));
        assert_eq!(document(&env, &["forget", "--ended"]).1, serde_json::json!([]));

        let Some(stranger) = Launch::new("plain").direct(&env.test) else { return };
        let adopted = kind(&env, "adopt", &["adopt", "old", "--pid", &stranger.pid().to_string()]);
        assert!(adopted["exactness"]["exact"] == false && adopted["counts"]["processes"] == 2, "{adopted}");
        kind(&env, "receipt", &["-KILL", "old"]);
        // Waits for it: who is dead and not waited for keeps a hierarchy in the kernel.
        drop(stranger);
        assert_eq!(kind(&env, "down", &["down"])["outcome"], "down");
        kind(&env, "list", &["list"]);
        kind(&env, "doctor", &["doctor"]);
    }
}

#[test]
fn trials_speak_json() {
    let Some(env) = TestEnv::new("trials_speak_json") else { return };
    let out = env.killer(["selftest", "--quick", "--only", "plain", "-o", "json"]);
    assert_eq!(out.json()["kind"], "selftest", "{out}");
}

#[test]
fn who_cannot_speak_json_says_so() {
    let Some(env) = TestEnv::new("who_cannot_speak_json_says_so") else { return };
    for args in [
        &["run", "-o", "json", "--name", "x", "--", "touch", "marker"][..],
        &["exec", "-o", "json", "--name", "x", "--", "true"],
        &["serve", "-o", "json"],
        &["generate", "-o", "json", "man"],
    ] {
        env.killer(args).error(2, &["JSON"]).code(2);
    }
    env.killer(["status", "x"]).code(4);
}
