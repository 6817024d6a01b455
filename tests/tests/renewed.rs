//! Names that are made, names that are taken over, pidfiles that go, services that are given up alive.

use std::path::Path;
use std::time::Duration;

use killer_tests::{Launch, TestEnv, eventually, everywhere_alone};

#[test]
fn a_name_is_made() {
    everywhere_alone("a_name_is_made", |env| {
        let said = |out: &killer_tests::Out| {
            let found = out.stderr.split_once("the name of the service is '");
            let (_, rest) = found.unwrap_or_else(|| panic!("{out}"));
            rest.split('\'').next().expect("a name").to_owned()
        };
        let one = env.killer(["run", "-v", "--detach", "--", "/bin/sleep", "60"]);
        let two = env.killer(["run", "-v", "--detach", "--", "sleep", "60"]);
        let (one, two) = (said(one.ok()), said(two.ok()));
        assert!(one != two && one.starts_with("sleep-") && two.starts_with("sleep-"), "{one} {two}");
        env.killer(["status", &one]).ok();
        env.killer(["-s", "KILL", "--wait", "sleep-*"]).ok();
        env.killer(["status", &two]).code(3);
        let json = env.killer(["run", "--detach", "-o", "json", "--", "sleep", "60"]).ok().json();
        let name = json["service"].as_str().expect("a name").to_owned();
        env.killer(["-s", "KILL", "--wait", &name]).ok();
        // The code is CMD's, and nothing else is said.
        let out = env.killer(["run", "--", "sh", "-c", "exit 7"]);
        out.code(7).silent();
        // Branches have such names.
        env.killer(["run", "--detach", "--name", "feature/a b", "--", "sleep", "60"]).ok();
        assert!(env.names().contains(&"feature/a b".into()));
        env.killer(["-s", "KILL", "--wait", "feature/*"]).ok();
        env.killer(["status", "feature/a b"]).code(3);
        let out = env.killer(["run", "--name", "a*", "--", "true"]);
        assert!(out.code(2).stderr.contains("glob characters"), "{out}");
        let out = env.killer(["run", "--name", "", "--", "true"]);
        assert!(out.code(2).stderr.contains("empty"), "{out}");
    });
}

#[test]
fn a_name_is_taken_over() {
    everywhere_alone("a_name_is_taken_over", |env| {
        let Some(old) = Launch::new("plain").service(env, "svc") else { return };
        let out = env.killer(["run", "--detach", "--name", "svc", "--", "sleep", "60"]);
        assert!(
            out.code(125).stderr.contains("killer rename svc") && out.stderr.contains("run --replace"),
            "{out}"
        );
        old.assert_alive();
        let main = old.fact("pid");
        let out = env.killer(["run", "--detach", "--replace=rename", "--name", "svc", "--", "sleep", "60"]);
        out.ok();
        old.assert_alive();
        let renamed = env.names().into_iter().find(|n| n.starts_with("svc-")).expect("the old one's name");
        assert!(out.stderr.contains(&renamed), "{out}");
        let status = env.killer(["status", "-o", "json", &renamed]).ok().json();
        assert_eq!(status["main"]["pid"], main, "{status}");
        env.killer(["-s", "KILL", "--wait", "svc"]).ok();
        env.killer(["rename", &renamed, "svc"]).code(1);
        env.killer(["forget", "svc"]).ok();
        env.killer(["rename", &renamed, "svc"]).ok();
        // Ended, and a new one started, in the foreground too.
        env.killer(["run", "--replace", "--name", "svc", "--", "sh", "-c", "exit 3"]).code(3);
        old.assert_dead();
        // Nobody has the name: a start like another one.
        env.killer(["run", "--replace", "--name", "svc", "--detach", "--", "sleep", "60"]).ok();
        let out = env.killer(["run", "--replace", "--name", "svc", "--", "/no/such/program"]);
        out.code(127);
        env.killer(["status", "svc"]).code(3);
        // Without a name there is nobody to replace.
        env.killer(["run", "--replace", "--", "true"]).code(2);
    });
}

/// Who stands in the old one is not ended with it.
#[test]
fn not_taken_over_from_within() {
    let Some(env) = TestEnv::new("not_taken_over_from_within") else { return };
    let killer = killer_tests::killer();
    let text = format!(
        "{} run --inside --replace --detach --name svc -- sleep 55 2> \"$2\"; echo ready code=$? > \"$1\"; sleep 55 & exec sleep 55",
        killer.display()
    );
    let launch = Launch::shell(&text).arg(env.path("said").to_string_lossy());
    let Some(service) = launch.service(&env, "svc") else { return };
    assert_eq!(service.fact("code"), 125);
    let said = std::fs::read_to_string(env.path("said")).expect("what it said");
    assert!(said.contains("--replace=rename"), "{said}");
    service.assert_alive();
}

#[test]
fn a_pidfile_goes() {
    everywhere_alone("a_pidfile_goes", |env| {
        let path = env.path("pidfile");
        let file = path.to_string_lossy().into_owned();
        let there = || Path::new(&file).exists();
        let start = |more: &[&str]| {
            let args = ["run", "--pidfile", &file, "--name", "svc", "--replace"];
            env.killer([&args[..], more].concat())
        };
        for way in [&["stop", "svc"][..], &["-s", "KILL", "svc"], &["--wait", "svc"]] {
            start(&["--detach", "--", "sleep", "60"]).ok();
            assert!(there());
            env.killer(way).ok();
            assert!(!there(), "{way:?}");
        }
        start(&["--", "true"]).ok();
        assert!(!there(), "CMD has ended");
        start(&["--", "/no/such/program"]).code(127);
        assert!(!there(), "CMD has not started");
        // Another number is another start's.
        start(&["--detach", "--", "sleep", "60"]).ok();
        std::fs::write(&path, "1\n").expect("a pidfile");
        env.killer(["stop", "svc"]).ok();
        assert!(there());
        // As long as somebody lives it names the main process.
        std::fs::remove_file(&path).expect("remove");
        let ready = env.path("ready");
        let script = "trap '' TERM; (exec sleep 60) & echo > \"$0\"; sleep 60 & wait";
        start(&["--detach", "--", "sh", "-c", script, &ready.to_string_lossy()]).ok();
        assert!(eventually(Duration::from_secs(10), || ready.exists()), "{}: no trap", env.test);
        env.killer(["svc"]).ok();
        assert!(there());
        env.killer(["stop", "--timeout=100ms", "svc"]).ok();
        assert!(!there());
    });
}

#[test]
fn a_member_is_adopted_by_nobody() {
    everywhere_alone("a_member_is_adopted_by_nobody", |env| {
        let Some(service) = Launch::new("plain").service(env, "svc") else { return };
        let child = service.fact("child").to_string();
        let out = env.killer(["adopt", "other", "--pid", &child]);
        assert!(out.code(1).stderr.contains(&format!("--whom=subtree:{child} svc")), "{out}");
        service.assert_alive();
    });
}

#[test]
fn a_live_one_is_given_up() {
    everywhere_alone("a_live_one_is_given_up", |env| {
        let Some(service) = Launch::new("plain").service(env, "svc") else { return };
        let out = env.killer(["forget", "svc"]);
        assert!(out.code(1).stderr.contains("forget --live"), "{out}");
        env.killer(["forget", "--live", "svc"]).ok();
        service.assert_alive();
        assert!(env.names().is_empty());
        for call in [&["status", "svc"][..], &["-s", "KILL", "svc"], &["stop", "svc"], &["-s", "KILL", "*"]] {
            env.killer(call).code(4);
        }
        env.killer(["-s", "KILL", "--", "-given-up-1"]).code(4);
        service.assert_alive();
        // Its name is free.
        env.killer(["run", "--detach", "--name", "svc", "--", "sleep", "60"]).ok();
        env.killer(["-s", "KILL", "--wait", "svc"]).ok();
        service.assert_alive();
        // By one of its processes it has a name again.
        let child = service.fact("child").to_string();
        env.killer(["adopt", "svc", "--pid", &child]).code(1);
        env.killer(["adopt", "again", "--pid", &child]).ok();
        assert_eq!(env.names(), ["again", "svc"]);
        let members = env.killer(["status", "-o", "json", "again"]).ok().json();
        assert_eq!(members["counts"]["processes"], 2, "{members}");
        env.killer(["-s", "KILL", "--wait", "again"]).ok();
        service.assert_dead();
        // What has ended is forgotten, and what nobody has is told.
        env.killer(["forget", "--live", "again", "svc"]).ok();
        env.killer(["forget", "--live", "again"]).code(4);
        env.killer(["forget", "--live", "--ended", "x"]).code(2);
        // A place that was given up is free once nobody is left.
        env.killer(["run", "--detach", "--name", "short", "--", "sleep", "60"]).ok();
        let pid = env.killer(["status", "-o", "json", "short"]).ok().json()["main"]["pid"].to_string();
        env.killer(["forget", "--live", "short"]).ok();
        env.killer(["adopt", "short", "--pid", &pid]).ok();
        env.killer(["-s", "KILL", "--wait", "short"]).ok();
    });
}

/// A web server that was started by hand in a tracked login, say: the rest is ended, and it has a name of its own afterwards.
#[test]
fn one_with_its_descendants_outlives_the_rest() {
    everywhere_alone("one_with_its_descendants_outlives_the_rest", |env| {
        let script = r#"
            setsid sh -c 'sleep 50 & echo $! >"$0.new"; mv "$0.new" "$0"; exec sleep 50' "$2" & w=$!
            until [ -e "$2" ]; do sleep 0.02; done; read -r child <"$2"
            sleep 50 & echo ready web=$w child=$child >"$1"; exec sleep 50"#;
        let Some(service) = Launch::shell(script).arg(env.path("web").to_string_lossy()).service(env, "svc")
        else {
            return;
        };
        let web = service.fact("web");
        env.killer(["-KILL", &format!("--whom=!subtree:{web}"), "svc"]).ok();
        let left = |name: &str| {
            let n = env.killer(["status", "-o", "json", name]).ok().json();
            n["counts"]["processes"].as_u64()
        };
        assert!(eventually(Duration::from_secs(10), || left("svc") == Some(2)), "{:?}", left("svc"));
        env.killer(["rename", "svc", "web"]).ok();
        env.killer(["run", "--detach", "--name", "svc", "--", "sleep", "60"]).ok();
        env.killer(["-KILL", "--wait", "svc"]).ok();
        assert_eq!(left("web"), Some(2));
        // Taken in again when it was given up: those who have ended are not counted.
        env.killer(["forget", "--live", "web"]).ok();
        let out = env.killer(["adopt", "web", "--pid", &web.to_string()]);
        assert!(out.ok().stderr.contains("adopted 2 processes (2 tasks)"), "{out}");
        service.assert_alive();
        env.killer(["-KILL", "--wait", "web"]).ok();
        service.assert_dead();
    });
}

#[test]
fn not_everybody_is_given_up() {
    let Some(env) = TestEnv::new("not_everybody_is_given_up") else { return };
    let killer = killer_tests::killer();
    let run = |options: &str, name: &str| {
        let text = format!(
            "{} run --detach {options} --name {name} -- sleep 55; echo ready code=$? > \"$1\"; sleep 55 & exec sleep 55",
            killer.display()
        );
        Launch::shell(&text)
    };
    let Some(outer) = run("--inside", "inner").service(&env, "outer") else { return };
    let main = env.killer(["status", "-o", "json", "outer"]).ok().json()["main"]["pid"].to_string();
    let out = env.killer(["forget", "--live", "inner"]);
    assert!(out.code(1).stderr.contains("inside 'outer'") && out.stderr.contains("give 'outer' up"), "{out}");
    env.killer(["freeze", "outer"]).ok();
    let out = env.killer(["forget", "--live", "outer"]);
    assert!(out.code(1).stderr.contains("killer thaw outer"), "{out}");
    env.killer(["thaw", "outer"]).ok();
    // Who was inside is so no more.
    env.killer(["forget", "--live", "outer"]).ok();
    let status = env.killer(["status", "-o", "json", "inner"]).ok().json();
    assert_eq!(status["inside"], serde_json::Value::Null, "{status}");
    env.killer(["-s", "KILL", "--wait", "inner"]).ok();
    outer.assert_alive();
    env.killer(["adopt", "outer", "--pid", &main]).ok();
    env.killer(["-s", "KILL", "--wait", "outer"]).ok();
    outer.assert_dead();
    // What is started in a service that was given up is outside of it.
    env.killer(["run", "--detach", "--kill-on-exit", "--name", "kept", "--", "sleep", "55"]).ok();
    env.killer(["forget", "--live", "kept"]).code(1);
}
