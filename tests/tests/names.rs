//! Words that nobody has: a mistyped verb, a verb of another tool, a glob that matches nothing. Nothing is signalled then.

use killer_tests::{Launch, TestEnv};

fn worlds(test: &str) -> impl Iterator<Item = TestEnv> {
    let tiers = ["named", "scan"].map(|tier| TestEnv::without_programs(test, tier, None));
    std::iter::once(TestEnv::new(test)).chain(tiers).flatten()
}

#[test]
fn a_mistyped_verb_ends_nobody() {
    for env in worlds("a_mistyped_verb_ends_nobody") {
        // Also while there is no tracker at all.
        let out = env.killer(["stauts", "web"]);
        out.error(4, &["'stauts'", "nothing was signalled", "'killer status web' is probably meant"]);
        let Some(web) = Launch::new("plain").service(&env, "web") else { return };
        for (args, words) in [
            (&["stauts", "web"][..], &["'stauts'", "nothing was signalled", "'killer status web'"][..]),
            (&["web", "stauts"], &["'stauts'", "nothing was signalled", "'killer status web'"]),
            (&["web", "stop"], &["'stop'", "nothing was signalled", "'killer stop web'"]),
            (&["-KILL", "stauts", "web"], &["'stauts'", "nothing was signalled"]),
            (&["-n", "stauts", "web"], &["'stauts'", "nothing was signalled"]),
            (&["-o", "json", "stauts", "web"], &["'stauts'", "nothing was signalled"]),
            (&["restart", "web"], &["'restart' is no verb of killer", "nothing was", "killer stop web"]),
            (&["reload", "web"], &["'reload' is no verb of killer", "-s HUP --whom=main web"]),
            (&["start", "web"], &["'start' is no verb", "killer run --name web"]),
            (&["enable", "web"], &["'enable' is no verb", "init"]),
            (&["kill", "web"], &["'kill' is no verb", "killer -s KILL web"]),
            (&["is-active", "web"], &["'is-active' is no verb", "killer status web"]),
            (&["--", "restart", "web"], &["'restart'", "nothing was signalled"]),
            (&["web", "nobody-1", "nobody-2"], &["'nobody-1', 'nobody-2'", "nothing was signalled"]),
            (&["x*", "web"], &["no service matches 'x*'", "nothing was signalled", "tracked: web"]),
            (&["x*"], &["no service matches 'x*'"]),
            (&["9", "web"], &["'9'", "nothing was signalled", "killer -s 9 web"]),
            (&["-KILL", "--wait", "5s", "web"], &["'5s'", "nothing was signalled", "--wait=5s"]),
            (&["Restart", "web"], &["'Restart' is no verb of killer"]),
            (&["STATUS", "web"], &["'killer status web' is probably meant"]),
        ] {
            env.killer(args).error(4, words);
        }
        env.killer(["rnu", "--name", "x", "--", "true"]).error(2, &["'killer run' is probably meant"]);
        env.killer(["list", "web"]).error(2, &["killer status web"]);
        web.assert_alive();
        env.killer(["-KILL", "web"]).ok();
        web.assert_dead();
    }
}

#[test]
fn keep_going_goes_past_unknown_names() {
    for env in worlds("keep_going_goes_past_unknown_names") {
        env.killer(["--keep-going", "a", "b"]).error(4, &["'a', 'b'"]);
        let Some(a) = Launch::new("plain").service(&env, "a") else { return };
        let Some(b) = Launch::new("plain").service(&env, "b") else { return };
        let out = env.killer(["--keep-going", "-o", "json", "-KILL", "a", "nobody", "b"]);
        out.code(4);
        assert!(out.stderr.contains("'nobody'") && !out.stderr.contains("nothing was"), "{out}");
        let services: Vec<_> =
            out.json().as_array().expect("a list").iter().map(|r| r["service"].clone()).collect();
        assert_eq!(services, ["a", "b"], "{out}");
        a.assert_dead();
        b.assert_dead();
        // What came first counts.
        env.killer(["--keep-going", "--fail", "-KILL", "nobody", "a"]).code(1);
    }
}

#[test]
fn a_service_may_be_called_like_a_verb_of_others() {
    let Some(env) = TestEnv::reusing("a_service_may_be_called_like_a_verb_of_others") else { return };
    let Some(restart) = Launch::new("plain").service(&env, "restart") else { return };
    env.killer(["-s", "0", "restart"]).ok();
    env.killer(["-KILL", "--", "restart"]).ok();
    restart.assert_dead();
    // Near a service is nearer than near a verb.
    let Some(lost) = Launch::new("plain").service(&env, "lost") else { return };
    env.killer(["lsot"]).error(4, &["'lost'"]);
    env.killer(["losst"]).error(4, &["did you mean", "'lost'"]);
    lost.assert_alive();
    env.killer(["-KILL", "lost"]).ok();
}
