//! The fuse: an order for more processes than was meant does nothing, to nobody, and says what lets it through.

use std::process::Command;

use killer_tests::{Bystander, Journal, Launch, Service, TestEnv, everywhere, killer};

/// A service of `1 + children` processes that write down each signal.
fn listeners(env: &TestEnv, name: &str, children: u32) -> Option<(Service, Journal)> {
    let path = env.path(&format!("{name}.journal"));
    let launch = Launch::new("signal-log").arg(path.to_string_lossy()).arg(children.to_string());
    Some((launch.service(env, name)?, Journal::new(path)))
}

#[test]
fn more_than_was_meant_is_refused() {
    everywhere("more_than_was_meant_is_refused", |env| {
        let Some((service, mut journal)) = listeners(env, "svc", 3) else { return };
        let bystander = Bystander::new(&env.test);
        for signal in ["KILL", "TERM", "HUP", "WINCH"] {
            env.killer(["-s", signal, "--max=3", "svc"]).error(
                1,
                &[
                    "refused for 'svc'",
                    "4 processes would be signalled, and --max allows 3",
                    "nothing was signalled",
                    "--max=4",
                ],
            );
        }
        // As without -n: what a dry run says is what would be done.
        env.killer(["-n", "--max=3", "svc"]).error(1, &["4 processes", "--max=4"]);
        env.killer(["-n", "-o", "json", "--max=0", "svc"]).error(1, &["--max=4"]);
        env.killer(["stop", "--max=3", "svc"]).error(1, &["4 processes", "nothing was signalled", "--max=4"]);
        env.killer(["stop", "--mode=mixed", "--max=3", "svc"]).error(1, &["4 processes"]);
        assert_eq!(journal.signals(0), []);
        service.assert_alive();
        // Those that it is for count, and no others; a probe signals nobody.
        env.killer(["-s", "WINCH", "--max=1", "--whom=main", "svc"]).ok().silent();
        env.killer(["-s", "WINCH", "--max=2", "--whom=!main", "svc"]).error(1, &["3 processes"]);
        env.killer(["-s", "0", "--max=0", "svc"]).ok().silent();
        let dry = env.killer(["-n", "--max=4", "-o", "json", "svc"]).ok().json();
        assert_eq!(dry["targets"].as_array().map(Vec::len), Some(4), "{dry}");
        env.killer(["-s", "KILL", "--max", "4", "svc"]).ok().silent();
        service.assert_dead();
        // Nobody is never too many.
        env.killer(["-s", "KILL", "--max=0", "svc"]).ok().silent();
        env.killer(["stop", "--max=0", "svc"]).ok();
        bystander.assert_untouched();
    });
}

#[test]
fn several_services_have_one_fuse() {
    let Some(env) = TestEnv::reusing("several_services_have_one_fuse") else { return };
    let Some((a, mut of_a)) = listeners(&env, "svc-a", 1) else { return };
    let Some((b, mut of_b)) = listeners(&env, "svc-b", 2) else { return };
    let said = &["refused for 2 services", "5 processes would be signalled, and --max allows 4", "--max=5"];
    env.killer(["-s", "HUP", "--max=4", "svc-a", "svc-b"]).error(1, said);
    env.killer(["-s", "KILL", "--max=4", "svc-*"]).error(1, said);
    env.killer(["stop", "--max=4", "svc-*"]).error(1, said);
    env.killer(["-n", "--max=4", "svc-*"]).error(1, said);
    assert_eq!((of_a.signals(0), of_b.signals(0)), (vec![], vec![]));
    a.assert_alive();
    b.assert_alive();
    env.killer(["stop", "--max=5", "--timeout=200ms", "svc-*"]).ok();
    a.assert_dead();
    b.assert_dead();
}

/// A service inside of another one that is named, too, is not counted twice.
#[test]
fn nobody_counts_twice() {
    let Some(env) = TestEnv::reusing("nobody_counts_twice") else { return };
    let inner = format!(
        "{} run --name inner --inside --detach -- sleep 60 && echo ready > $1; exec sleep 60",
        killer().display()
    );
    let Some(service) = Launch::shell(&inner).service(&env, "outer") else { return };
    let dry = env.killer(["-n", "-o", "json", "outer"]).ok().json();
    let all = dry["targets"].as_array().expect("targets").len();
    assert_eq!(all, 2, "{dry}");
    env.killer(["-n", "--max=1", "outer", "inner"]).error(1, &["2 processes"]);
    env.killer(["-s", "KILL", "--max=2", "outer", "inner"]).ok();
    drop(service);
}

#[test]
fn a_share_of_the_host() {
    let Some(env) = TestEnv::reusing("a_share_of_the_host") else { return };
    let Some((service, mut journal)) = listeners(&env, "svc", 2) else { return };
    let said = &[
        "3 processes would be signalled, and --max-share=0% allows 0 (of ",
        "that live on this host)",
        "--max-share=",
    ];
    let out = env.killer(["-s", "KILL", "--max-share=0%", "svc"]);
    out.error(1, said);
    env.killer(["stop", "--max-share=0%", "svc"]).error(1, said);
    env.killer(["-n", "--max-share=0%", "--max=2", "svc"])
        .error(1, &["--max allows 2, --max-share=0%", "--max=3 --max-share="]);
    assert_eq!(journal.signals(0), []);
    // What it says lets it through does; the host may have got smaller meanwhile.
    let word = out.stderr.split("--max-share=").last().and_then(|w| w.split(' ').next()).expect("a share");
    let percent: u32 = word.trim_end_matches('%').parse().expect("a number");
    let enough = format!("--max-share={}%", (percent * 2 + 5).min(100));
    env.killer(["-s", "WINCH", &enough, "svc"]).ok().silent();
    env.killer(["-s", "KILL", "--max-share=100%", "svc"]).ok().silent();
    service.assert_dead();
}

/// Where /proc hides somebody, a share cannot be judged, and nothing is done.
#[test]
fn a_share_of_what_is_hidden() {
    let test = "a_share_of_what_is_hidden";
    let user = 63_000 + std::process::id() % 1000;
    let Some(env) = TestEnv::without_programs(test, "scan", Some(user)) else { return };
    env.killer(["run", "--name", "web", "--detach", "--", "sleep", "100"]).ok();
    let login = r#"mount -t proc -o hidepid=4 none /proc && user=$1 && shift && exec setpriv --reuid="$user" --regid="$user" --clear-groups "$@""#;
    let hidden = |args: &[&str]| {
        let like = env.command();
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation=private", "sh", "-c", login, "sh"]);
        command.arg(user.to_string()).arg(killer()).args(args);
        command.envs(like.get_envs().filter_map(|(k, v)| Some((k, v?))));
        command.stdin(std::process::Stdio::null()).current_dir("/");
        env.finish(command)
    };
    let words = &["cannot be counted", "hides processes", "nothing was signalled", "--max=N"];
    hidden(&["-s", "KILL", "--max-share=99%", "web"]).error(1, words);
    hidden(&["-s", "KILL", "--max=0", "web"]).error(1, &["1 process would be signalled"]);
    env.killer(["-s", "0", "web"]).ok();
    env.killer(["-s", "KILL", "--max=1", "--max-share=100%", "web"]).ok();
}

#[test]
fn words_that_are_no_fuse() {
    let Some(env) = TestEnv::reusing("words_that_are_no_fuse") else { return };
    env.killer(["--max=few", "svc"]).error(2, &["bad number 'few' for --max", "such as 20"]);
    env.killer(["--max=-1", "svc"]).error(2, &["bad number"]);
    env.killer(["--max-share=20", "svc"]).error(2, &["bad share '20' for --max-share", "such as 20%"]);
    env.killer(["stop", "--max-share=101%", "svc"]).error(2, &["bad share"]);
}
