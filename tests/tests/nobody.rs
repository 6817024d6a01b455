//! Nobody is there for a signal: a probe says so by its exit code, the others in words.

use killer_tests::{Launch, TestEnv};

fn worlds(test: &str) -> impl Iterator<Item = TestEnv> {
    let tiers = ["named", "scan"].map(|tier| TestEnv::without_programs(test, tier, None));
    std::iter::once(TestEnv::reusing(test)).chain(tiers).flatten()
}

#[test]
fn a_probe_tells_who_is_there() {
    for env in worlds("a_probe_tells_who_is_there") {
        env.killer(["-s", "0", "svc"]).code(4);
        let Some(service) = Launch::new("plain").service(&env, "svc") else { return };
        env.killer(["-s", "0", "svc"]).ok().silent();
        env.killer(["-s", "0", "--whom=main", "svc"]).ok().silent();
        env.killer(["-s", "0", "--whom=control", "svc"]).error(1, &["nobody matched --whom=control"]);
        env.killer(["-q", "-s", "0", "--whom=control", "svc"]).code(1).silent();
        env.killer(["-KILL", "svc"]).ok().silent();
        service.assert_dead();
        env.killer(["-s", "0", "svc"]).error(3, &["'svc' has ended"]);
        env.killer(["-s", "0", "--whom=main", "svc"]).error(3, &["'svc' has ended"]);
        let json = env.killer(["-s", "0", "-o", "json", "svc"]);
        assert_eq!((json.exit(), json.json()["outcome"].as_str()), (3, Some("nothing")), "{json}");
    }
}

#[test]
fn a_signal_for_nobody_is_told() {
    for env in worlds("a_signal_for_nobody_is_told") {
        let Some(service) = Launch::new("plain").service(&env, "svc") else { return };
        let said = |args: &[&str], code: i32, words: &[&str]| {
            let out = env.killer(args);
            out.code(code);
            words.iter().for_each(|w| assert!(out.stderr.contains(w), "no '{w}': {out}"));
        };
        let matched = "nobody matched --whom=control";
        said(&["-s", "USR1", "--whom=control", "svc"], 0, &[matched, "nobody was signalled"]);
        said(&["-n", "--whom=control", "svc"], 0, &[matched, "nobody would be signalled"]);
        said(&["-s", "USR1", "--whom=control-fail", "svc"], 1, &["nobody matched --whom=control-fail"]);
        said(&["-n", "--whom=control-fail", "svc"], 1, &["nobody would be signalled"]);
        env.killer(["-q", "-s", "USR1", "--whom=control", "svc"]).ok().silent();
        service.assert_alive();
        env.killer(["-KILL", "svc"]).ok().silent();
        service.assert_dead();
        said(&["svc"], 0, &["'svc' has ended", "nobody was signalled"]);
        said(&["-n", "svc"], 0, &["'svc' has ended", "nobody would be signalled"]);
        said(&["-n", "-KILL", "svc"], 0, &["'svc' has ended"]);
        said(&["-s", "HUP", "--whom=main", "svc"], 0, &["'svc' has ended"]);
        said(&["--fail", "-KILL", "svc"], 1, &["'svc' has ended"]);
        env.killer(["-q", "svc"]).ok().silent();
        // Nothing to do, and that is what was wanted.
        env.killer(["-KILL", "svc"]).ok().silent();
        env.killer(["-KILL", "--wait", "svc"]).ok().silent();
    }
}
