//! What is started from within a service: beside it, or inside of it; and what is said of the inner ones.

use std::time::Duration;

use killer_tests::{Launch, TestEnv, eventually};

/// A script that runs `killer RUN` and then says that it is ready.
fn script(run: &str) -> Launch {
    let killer = killer_tests::killer();
    let killer = killer.display();
    Launch::shell(&format!("{killer} {run} 2> \"$2\"; echo ready code=$? > \"$1\"; sleep 55 & exec sleep 55"))
}

fn said(env: &TestEnv, launch: Launch) -> Launch {
    launch.arg(env.path("said").to_string_lossy())
}

fn inside(env: &TestEnv, name: &str) -> Option<String> {
    let status = env.killer(["status", "-o", "json", name]).ok().json();
    status["inside"].as_str().map(str::to_owned)
}

/// Ten times from within the last one: each beside it, none inside, and the first can end alone.
fn ten_times(env: &TestEnv) {
    let chain = env.path("chain");
    let killer = killer_tests::killer();
    let text = format!(
        "if [ $1 -lt 10 ]; then {} run --detach --name s$(($1 + 1)) -- sh $0 $(($1 + 1)) || exit 1; fi\nexec sleep 55\n",
        killer.display()
    );
    std::fs::write(&chain, text).expect("a script");
    let chain = chain.to_string_lossy();
    env.killer(["run", "--detach", "--name", "s0", "--", "sh", &chain, "0"]).ok();
    let last = eventually(Duration::from_secs(60), || env.has_members("s10"));
    assert!(last, "{}", env.killer(["list"]));
    for n in 0..=10 {
        assert_eq!(inside(env, &format!("s{n}")), None);
    }
    env.killer(["-s", "KILL", "--wait", "s0"]).ok().silent();
    env.killer(["status", "s1"]).ok();
    for n in 1..=10 {
        env.killer(["-s", "KILL", "--wait", &format!("s{n}")]).ok().silent();
    }
}

#[test]
fn ten_from_within_each_other() {
    let Some(env) = TestEnv::new("ten_from_within_each_other") else { return };
    ten_times(&env.alone());
}

#[test]
fn ten_from_within_each_other_named() {
    let Some(env) = TestEnv::without_programs("ten_from_within_each_other_named", "named", None) else {
        return;
    };
    ten_times(&env);
}

/// By default and by option, from a detached service and from one that somebody waits for.
fn where_it_stands(env: &TestEnv) {
    for (n, option, detached, want) in [
        (0, "", true, false),
        (1, "--inside", true, true),
        (2, "--beside", true, false),
        (3, "", false, true),
        (4, "--beside", false, false),
        (5, "--inside", false, true),
        (6, "--kill-on-exit", true, false),
        (7, "--kill-on-exit", false, true),
    ] {
        let (around, inner) = (format!("around-{n}"), format!("inner-{n}"));
        let launch = said(env, script(&format!("run --detach {option} --name {inner} -- sleep 55")));
        let (waits, service) = match detached {
            true => (None, launch.service(env, &around)),
            false => launch.foreground(env, &around).map_or((None, None), |(r, s)| (Some(r), Some(s))),
        };
        let Some(service) = service else { return };
        assert_eq!(service.fact("code"), 0, "{option}");
        assert_eq!(inside(env, &inner).is_some(), want, "{option} {detached}");
        let list = env.killer(["list"]).ok().stdout.clone();
        let row = list.lines().find(|l| l.starts_with(&inner)).expect("a row");
        assert_eq!(row.contains(&around), want, "{list}");
        let status = env.killer(["status", &around]).ok().stdout.clone();
        assert_eq!(status.contains(&format!("Contains: {inner}")), want, "{status}");
        env.killer(["-q", "-s", "KILL", "--wait", &around]).ok();
        env.killer(["status", &inner]).code(if want { 3 } else { 0 });
        if !want {
            env.killer(["-q", "-s", "KILL", "--wait", &inner]).ok();
        }
        drop(waits);
    }
}

#[test]
fn by_default_and_by_option() {
    let Some(env) = TestEnv::new("by_default_and_by_option") else { return };
    where_it_stands(&env.alone());
}

#[test]
fn by_default_and_by_option_named() {
    let Some(env) = TestEnv::without_programs("by_default_and_by_option_named", "named", None) else {
        return;
    };
    where_it_stands(&env);
}

/// Where descent is the set, nothing stands beside: that is said, and nothing was started.
#[test]
fn descent_is_for_life() {
    let Some(env) = TestEnv::without_programs("descent_is_for_life", "scan", None) else { return };
    let beside = said(&env, script("run --detach --beside --name inner -- sleep 55"));
    let Some(_service) = beside.service(&env, "a") else { return };
    let text = std::fs::read_to_string(env.path("said")).expect("what it said");
    assert!(text.contains("beside 'a'") && text.contains("--inside"), "{text}");
    env.killer(["status", "inner"]).code(4);
    let usual = said(&env, script("run -v --detach --name inner -- sleep 55"));
    let Some(_service) = usual.service(&env, "b") else { return };
    let text = std::fs::read_to_string(env.path("said")).expect("what it said");
    assert!(text.contains("'inner' is inside 'b'"), "{text}");
    assert_eq!(inside(&env, "inner").as_deref(), Some("b"));
}

/// What a KILL, a TERM and a `stop` end besides is named: before, in the dry run, in the receipt.
fn named_before(env: &TestEnv) {
    let run = "run --detach --inside --name inner -- sleep 55";
    let words = "killer: 'outer' also ends: inner\n";
    for kill in [&["-s", "KILL", "--wait"][..], &["-s", "TERM", "--wait=30s"], &["stop"]] {
        let Some(service) = said(env, script(run)).service(env, "outer") else { return };
        if kill[0] == "-s" {
            let dry = env.killer([kill, &["--dry-run", "outer"]].concat());
            assert!(dry.ok().stdout.contains("also ends: inner"), "{dry}");
            let dry = env.killer([kill, &["--dry-run", "-o", "json", "outer"]].concat()).ok().json();
            assert_eq!(dry["also_ends"][0], "inner", "{dry}");
        }
        env.killer(["-s", "WINCH", "outer"]).ok().silent();
        let out = env.killer([kill, &["-o", "json", "outer"]].concat());
        assert_eq!(out.ok().stderr, words, "{out}");
        assert_eq!(out.json()["also_ends"][0], "inner", "{out}");
        service.assert_dead();
    }
    // Who names both is told nothing, nor who wants to hear nothing, nor whom it does not concern.
    for kill in
        [&["-s", "KILL", "*er"][..], &["-s", "KILL", "outer", "inner"], &["-q", "-s", "KILL", "outer"]]
    {
        let Some(service) = said(env, script(run)).service(env, "outer") else { return };
        env.killer(["-s", "TERM", "--whom=main", "inner"]).ok().silent();
        env.killer(["wait", "--timeout=20s", "inner"]).ok();
        let Some(_) = said(env, script(run)).service(env, "other") else { return };
        env.killer(["-q", "-s", "KILL", "other"]).ok();
        env.killer(["-s", "KILL", "--whom=main", "outer"]).ok().silent();
        env.killer(kill).ok().silent();
        service.assert_dead();
    }
}

#[test]
fn inner_ones_are_named() {
    let Some(env) = TestEnv::new("inner_ones_are_named") else { return };
    named_before(&env.alone());
}

#[test]
fn inner_ones_are_named_named() {
    let Some(env) = TestEnv::without_programs("inner_ones_are_named_named", "named", None) else { return };
    named_before(&env);
}

#[test]
fn inner_ones_are_named_scan() {
    let Some(env) = TestEnv::without_programs("inner_ones_are_named_scan", "scan", None) else { return };
    named_before(&env);
}

/// Who adopts from a tracked login takes nothing into the login.
fn adopted(env: &TestEnv) {
    let Some(old) = Launch::new("plain").direct(&env.test) else { return };
    let adopt = format!("adopt old --pid {}", old.pid());
    let Some(login) = said(env, script(&adopt)).service(env, "login") else { return };
    assert_eq!(login.fact("code"), 0);
    assert_eq!(inside(env, "old"), None);
    env.killer(["-s", "KILL", "--wait", "login"]).ok().silent();
    old.assert_untouched();
    env.killer(["status", "old"]).ok();
}

#[test]
fn adopted_from_a_login() {
    let Some(env) = TestEnv::new("adopted_from_a_login") else { return };
    adopted(&env.alone());
}

#[test]
fn adopted_from_a_login_named() {
    let Some(env) = TestEnv::without_programs("adopted_from_a_login_named", "named", None) else { return };
    adopted(&env);
}
