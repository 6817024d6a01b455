//! A `stop` that needed SIGKILL says so, takes the time that is stated, and what is kept of it is what was asked for.

use killer_tests::{Launch, TestEnv, everywhere, skip};

/// Its first process ends by TERM, its child does not.
const HALF: &str = "(trap '' TERM; echo ready child=1 >\"$1\"; while :; do sleep 0.1; done) & exec sleep 40";

fn last_kill(env: &TestEnv) -> String {
    let json = env.killer(["status", "-o", "json", "svc"]).json();
    json["last_kill"]["signal"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn is_said() {
    everywhere("is_said", |env| {
        let Some(service) = Launch::shell(HALF).service(env, "svc") else { return };
        let out = env.killer(["stop", "--timeout=400ms", "svc"]);
        assert!(out.ok().stdout.is_empty(), "{out}");
        let words = "'svc': SIGKILL was needed: it was sent to";
        assert!(out.stderr.contains(words) && out.stderr.contains(" (sh)"), "{out}");
        service.assert_dead();
        let status = env.killer(["status", "svc"]);
        assert!(status.stdout.contains("Last kill: SIGKILL"), "{status}");

        let Some(service) = Launch::shell(HALF).service(env, "svc") else { return };
        let out = env.killer(["stop", "--timeout=400ms", "-o", "json", "svc"]);
        let notes = out.ok().json()["notes"].to_string();
        assert!(notes.contains("SIGKILL was needed"), "{out}");
        service.assert_dead();
        let Some(service) = Launch::shell(HALF).service(env, "svc") else { return };
        env.killer(["-q", "stop", "--timeout=400ms", "svc"]).ok().silent();
        service.assert_dead();
    });
}

/// Neither of who ends by the first signal, nor where SIGKILL is what was asked for.
#[test]
fn is_not_said_of_others() {
    everywhere("is_not_said_of_others", |env| {
        for options in [&["--timeout=20s"][..], &["--signal=KILL"], &["--mode=mixed", "--timeout=20s"]] {
            let Some(service) = Launch::new("plain").service(env, "svc") else { return };
            env.killer([&["stop"], options, &["svc"]].concat()).ok().silent();
            service.assert_dead();
        }
    });
}

/// Whatever goes along with it: SIGCONT, SIGHUP.
#[test]
fn what_was_asked_for_is_kept() {
    everywhere("what_was_asked_for_is_kept", |env| {
        for (options, signal) in [
            (&["stop", "--timeout=20s"][..], "SIGTERM"),
            (&["stop", "--signal=INT", "--timeout=20s", "--send-sighup"], "SIGINT"),
            (&["stop", "--mode=process", "--timeout=20s"], "SIGTERM"),
            (&["stop", "--mode=mixed", "--timeout=20s"], "SIGKILL"),
            (&["-s", "HUP"], "SIGHUP"),
        ] {
            // One that ends by any of them, and its child.
            let script = "sleep 40 & trap 'exit 0' TERM INT HUP; echo ready a=1 >\"$1\"; wait; exit 0";
            let Some(service) = Launch::shell(script).service(env, "svc") else { return };
            env.killer([options, &["svc"]].concat()).ok();
            assert_eq!(last_kill(env), signal, "{options:?}");
            env.killer(["-KILL", "--wait", "svc"]).ok();
            service.assert_dead();
        }
    });
}

/// Who is frozen in a cgroup v1 takes no signal, SIGKILL neither: the wait is not paid three times.
#[test]
fn takes_the_time_that_is_stated() {
    everywhere("takes_the_time_that_is_stated", |env| {
        let Some(freezer) = killer_tests::Freezer::new(env) else {
            return skip(&env.test, "no cgroup v1 freezer");
        };
        let Some(service) = Launch::new("plain").service(env, "svc") else { return };
        freezer.freeze(service.fact("child"));
        let out = env.killer(["stop", "--timeout=1s", "-o", "json", "svc"]);
        let json = out.code(124).json();
        assert_eq!(json["survivors"][0]["code"], "frozen", "{out}");
        let took = json["took_us"].as_u64().expect("µs");
        // 1 s for TERM and 5 s for KILL, by its own clock; 10 s and more before. More than that on a busy host only.
        assert!((6_000_000..9_500_000).contains(&took), "{took} µs: {out}");
        freezer.thaw();
        env.killer(["-KILL", "--wait", "svc"]).ok();
        service.assert_dead();
    });
}

#[test]
fn help_states_the_time() {
    let out =
        std::process::Command::new(killer_tests::killer()).args(["stop", "--help"]).output().expect("help");
    let text = String::from_utf8_lossy(&out.stdout).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains("after SIGKILL to all 5s at least"), "{text}");
}
