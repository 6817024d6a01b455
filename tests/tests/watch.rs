//! `killer watch`: what members do, as it happens.

use killer_tests::{Launch, Pidfd, Running, TestEnv, eventually, skip};
use rustix::process::Signal;
use serde_json::Value;
use std::io::Read;
use std::process::Stdio;
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(30);

/// One that sees what happens from now on; `None` where there is nothing that could tell.
fn watching(env: &TestEnv, args: &[&str]) -> Option<Running> {
    let tier = env.killer(["up", "-o", "json"]).ok().json()["tier"].clone();
    if tier != "typed" && tier != "witnessed" {
        skip(&env.test, &format!("tier {tier} tells no events"));
        return None;
    }
    let mut command = env.command();
    command.arg("watch").args(args);
    let running = env.spawn(command);
    running.assert_catches(Signal::INT);
    Some(running)
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|l| serde_json::from_str(l).unwrap_or_else(|e| panic!("{e}: {l}"))).collect()
}

/// Ends the watch as an admin does.
#[track_caller]
fn end(running: Running) -> String {
    running.pidfd().signal(Signal::INT);
    let out = running.finish(LIMIT);
    assert!(out.ok().stderr.is_empty() || out.stderr.contains("tracked yet"), "{out}");
    out.stdout
}

#[test]
fn a_life_is_told() {
    let Some(env) = TestEnv::reusing("a_life_is_told") else { return };
    let Some(seen) = watching(&env, &["-o", "json", "svc"]) else { return };
    let Some(text) = watching(&env, &[]) else { return };
    let Some(only) = watching(&env, &["--kinds=exec,exit", "--format=ecs", "sv*"]) else { return };
    let Some(ocsf) = watching(&env, &["--kinds=exit", "--format=ocsf"]) else { return };
    let Some(other) = watching(&env, &["-o", "json", "another"]) else { return };
    let Some(nobody) = watching(&env, &["-o", "json", "--uid=4000000000"]) else { return };
    let script =
        r#"/bin/true a 'b c'; sh -c 'kill -USR1 $$'; sh -c 'exit 7'; echo ready a=1 > $1; exec sleep 60"#;
    let Some(service) = Launch::shell(script).service(&env, "svc") else { return };
    env.killer(["freeze", "svc"]).ok();
    std::thread::sleep(Duration::from_millis(600));
    env.killer(["thaw", "svc"]).ok();
    std::thread::sleep(Duration::from_millis(600));
    env.killer(["-s", "KILL", "--wait", "svc"]).ok();
    service.assert_dead();
    let ended = |r: &Running| {
        let text = r.so_far();
        text.contains("SIGKILL") || text.contains("\"exit_code\":137")
    };
    for r in [&seen, &text, &only, &ocsf] {
        assert!(eventually(LIMIT, || ended(r)), "{}", r.so_far());
    }
    let all = lines(&end(seen));
    let of = |event: &str| all.iter().filter(|e| e["event"] == event).collect::<Vec<_>>();
    let find = |event: &str, is: &dyn Fn(&Value) -> bool| {
        let found = of(event).into_iter().find(|e| is(e)).cloned();
        found.unwrap_or_else(|| panic!("no such {event}: {all:#?}"))
    };
    assert!(all.iter().all(|e| e["service"] == "svc" && e["kind"] == "event"), "{all:#?}");
    assert!(
        all.windows(2)
            .all(|w| w[0]["unix_ns"].as_u64() <= w[1]["unix_ns"].as_u64().map(|t| t + 1_000_000_000))
    );
    let first =
        find("exec", &|e| e["args"][0] == "/bin/sh" && e["args"][1] == "-c" && e["args"][2] == script);
    let main = &first["pid"];
    let run = find("exec", &|e| e["args"] == serde_json::json!(["/bin/true", "a", "b c"]));
    assert!(run["file"]["ino"].as_u64().is_some_and(|i| i > 0), "{run}");
    let born = find("fork", &|e| e["pid"] == run["pid"]);
    assert_eq!((&born["creator"], &born["start"]), (main, &run["start"]), "{born}");
    let done = find("exit", &|e| e["pid"] == run["pid"]);
    assert_eq!((&done["exit_code"], &done["signal"]), (&0.into(), &Value::Null), "{done}");
    find("exit", &|e| e["exit_code"] == 7);
    let suicide = find("exit", &|e| e["signal"] == "SIGUSR1");
    assert_eq!(suicide["sender"]["pid"], suicide["pid"], "{suicide}");
    find("frozen", &|_| true);
    find("thawed", &|_| true);
    let killed = find("exit", &|e| e["pid"] == *main);
    assert_eq!(
        (&killed["signal"], &killed["sender"]["comm"]),
        (&"SIGKILL".into(), &"killer".into()),
        "{killed}"
    );
    // Who forked is born before, and nobody ends twice.
    let ends: Vec<&Value> = of("exit").iter().map(|e| &e["pid"]).collect();
    assert!(ends.iter().enumerate().all(|(i, pid)| !ends[..i].contains(pid)), "{ends:?}");
    let told = end(text);
    assert!(told.contains("svc: exec    ") && told.contains(": /bin/true a b c  [uid 0]"), "{told}");
    assert!(told.contains("SIGKILL by ") && told.contains(" code 7, after "), "{told}");
    let ecs = lines(&end(only));
    assert!(
        ecs.iter().all(|e| e["event"]["action"] != "fork" && e["event"]["action"] != "signal"),
        "{ecs:#?}"
    );
    let killed = ecs.iter().find(|e| e["process"]["exit_code"] == 137).expect("the last end");
    assert_eq!(
        (&killed["event"]["type"][0], &killed["service"]["name"]),
        (&"end".into(), &"svc".into()),
        "{killed}"
    );
    let ocsf = lines(&end(ocsf));
    let ends = ocsf.iter().filter(|e| e["class_uid"] == 1007 && e["type_uid"] == 100_702);
    assert!(ends.count() >= 4, "{ocsf:#?}");
    assert_eq!((end(other).as_str(), end(nobody).as_str()), ("", ""));
}

/// What is inside of a service is its; a service may be watched before it is there; the end comes with the last one.
#[test]
fn until_nobody_is_left() {
    let Some(env) = TestEnv::reusing("until_nobody_is_left") else { return };
    let Some(seen) = watching(&env, &["--until=empty", "-o", "json", "outer"]) else { return };
    let killer = killer_tests::killer();
    let script = format!(
        "{} run --name inner -- sh -c 'echo ready a=$$ > $0; exec sleep 60' \"$1\"",
        killer.display()
    );
    let Some(service) = Launch::shell(&script).service(&env, "outer") else { return };
    env.killer(["-s", "KILL", "--wait", "outer"]).ok();
    service.assert_dead();
    let out = seen.finish(LIMIT);
    let all = lines(&out.ok().stdout);
    let inner = all.iter().filter(|e| e["service"] == "inner");
    assert!(inner.clone().count() >= 2 && inner.clone().all(|e| e["inside"][0] == "outer"), "{all:#?}");
    assert!(all.iter().any(|e| e["event"] == "exit" && e["pid"] == service.fact("a")), "{all:#?}");
    env.killer(["watch", "--until=empty"]).code(2);
    env.killer(["watch", "--kinds=forks"]).code(2);
    env.killer(["watch", "--for=0.1s", "-q"]).ok().silent();
}

/// One that does not read loses its own events, is told where and how many, and nobody else is held up.
#[test]
fn who_is_slow_loses_his_own() {
    let Some(env) = TestEnv::reusing("who_is_slow_loses_his_own") else { return };
    let Some(slow) = watching(&env, &["-o", "json"]) else { return };
    let Some(quick) = watching(&env, &["-o", "json", "--kinds=exit", "svc"]) else { return };
    slow.pidfd().signal(Signal::STOP);
    let script =
        "i=0; while [ $i -lt 20000 ]; do ( : ); i=$((i+1)); done; echo ready a=1 > $1; exec sleep 60";
    let Some(service) = Launch::shell(script).service(&env, "svc") else { return };
    slow.pidfd().signal(Signal::CONT);
    env.killer(["-s", "KILL", "--wait", "svc"]).ok();
    service.assert_dead();
    for r in [&slow, &quick] {
        assert!(eventually(LIMIT, || r.so_far().contains("SIGKILL")), "{}", r.so_far().lines().count());
    }
    let (slow, quick) = (lines(&end(slow)), lines(&end(quick)));
    let lost: u64 = slow.iter().filter_map(|e| e["lost"].as_u64()).sum();
    assert!(lost > 0, "{} events", slow.len());
    let at = slow.iter().position(|e| e["event"] == "lost").expect("it is told");
    assert!(at > 0 && at + 1 < slow.len(), "in its place: {at} of {}", slow.len());
    // Forks and ends, each once: seen or counted.
    let told = slow.iter().filter(|e| e["event"] == "fork" || e["event"] == "exit").count() as u64;
    let signals = slow.iter().filter(|e| e["event"] == "signal" || e["event"] == "exec").count() as u64;
    assert!((40_000..40_040).contains(&(told + lost + signals)), "{told} + {lost} + {signals}");
    let ends = quick.iter().filter(|e| e["event"] == "exit").count();
    assert!(!quick.iter().any(|e| e["event"] == "lost") && ends > 20_000, "{ends}");
}

/// What a watcher leaves: nothing, however it ends.
#[test]
fn nothing_is_left() {
    let Some(env) = TestEnv::new("nothing_is_left_of_a_watch") else { return };
    let Some(seen) = watching(&env, &[]) else { return };
    let version = env.pin_root.join("v1");
    let has = |prefix: &str| {
        let all = std::fs::read_dir(&version).expect("pins").flatten();
        all.into_iter().any(|e| e.file_name().to_string_lossy().starts_with(prefix))
    };
    // As long as somebody watches the hooks stay: his programs are behind them.
    env.killer(["up"]).ok();
    assert!(has("watching-") && has("links"));
    end(seen);
    assert!(!has("watching-"));
    let Some(seen) = watching(&env, &[]) else { return };
    seen.pidfd().signal(Signal::KILL);
    seen.finish(LIMIT);
    env.killer(["up"]).ok();
    assert!(!has("watching-") && !has("links"));
    // Nobody reads: it ends by itself.
    let mut command = std::process::Command::new("sh");
    command.arg("-c").arg("\"$0\" watch | head -n 1").arg(killer_tests::killer());
    command.env("KILLER_PIN_ROOT", &env.pin_root);
    let piped = env.spawn(command);
    assert!(eventually(LIMIT, || has("watching-")));
    let script = "echo ready a=1 > $1; while :; do ( : ); sleep 0.05; done";
    let Some(service) = Launch::shell(script).service(&env, "svc") else { return };
    assert!(eventually(LIMIT, || !has("watching-")), "it goes on for nobody");
    env.killer(["-s", "KILL", "--wait", "svc"]).ok();
    service.assert_dead();
    piped.finish(LIMIT).ok();
}

/// Somebody takes the hooks away: that is said at once.
#[test]
fn hooks_that_go_are_told_of() {
    let Some(env) = TestEnv::new("hooks_that_go_are_told_of") else { return };
    let Some(seen) = watching(&env, &["-o", "json"]) else { return };
    let Some(service) = Launch::new("plain").service(&env, "svc") else { return };
    std::fs::remove_file(env.pin_root.join("v1/links/on_newtask")).expect("a link");
    assert!(eventually(LIMIT, || seen.so_far().contains("\"tracker\"")), "{}", seen.so_far());
    let all = lines(&end(seen));
    assert!(all.iter().any(|e| e["text"].as_str().is_some_and(|t| t.contains("on_newtask"))), "{all:#?}");
    env.killer(["-s", "KILL", "svc"]).code(1);
    service.assert_dead();
}

/// Whatever members call themselves, their files and their arguments.
#[test]
fn names_do_not_reach_a_terminal() {
    let Some(env) = TestEnv::reusing("names_do_not_reach_a_terminal_live") else { return };
    let Some(text) = watching(&env, &[]) else { return };
    let Some(json) = watching(&env, &["-o", "json"]) else { return };
    let script = "cp /bin/true \"$2\" && \"$2\" \"$(printf 'a\\033[2J\\nb\\377')\"; echo ready a=1 > $1; exec sleep 60";
    let file = env.path("h\x1b[31m\nx");
    let Some(service) = Launch::shell(script).arg(file.to_string_lossy()).service(&env, "svc") else {
        return;
    };
    env.killer(["-s", "KILL", "--wait", "svc"]).ok();
    service.assert_dead();
    for r in [&text, &json] {
        assert!(eventually(LIMIT, || r.so_far().contains("SIGKILL")), "{}", r.so_far());
    }
    let (text, json) = (end(text), end(json));
    for out in [&text, &json] {
        assert!(!out.chars().any(|c| c.is_control() && c != '\n'), "{out:?}");
    }
    let hostile = lines(&json).into_iter().find(|e| e["file"]["path"].as_str() == file.to_str());
    let hostile = hostile.unwrap_or_else(|| panic!("no such exec: {json}"));
    assert_eq!(hostile["args"][1], "a\x1b[2J\nb\u{fffd}");
}

/// Tiers that cannot tell say so.
#[test]
fn tiers_without_events() {
    let Some(mut env) = TestEnv::new("tiers_without_events") else { return };
    env.vars.push(("KILLER_TIER", "raw"));
    if env.killer(["up"]).exit() == 0 {
        env.killer(["watch"]).error(1, &["events cannot be watched", "raw", "BTF"]);
        env.killer(["down"]).ok();
    }
    let Some(named) = TestEnv::named("tiers_without_events_named") else { return };
    named.killer(["watch"]).error(1, &["events cannot be watched", "named"]);
}

/// Only what runs a program: what ran it before, what executes it now, what such a one forks, and no other; names that processes
/// give themselves change nothing.
#[test]
fn one_program_of_many() {
    let Some(env) = TestEnv::reusing("one_program_of_many") else { return };
    if std::fs::canonicalize("/bin/sh").is_ok_and(|sh| sh.to_string_lossy().contains("busybox")) {
        return skip(&env.test, "shell and programs are one file here, a busybox, which executes itself");
    }
    let script = r#"trap 'go=1' USR1; sleep 1000 & old=$!
        echo ready old=$old main=$$ > $1
        while [ -z "$go" ]; do sleep 0.1; done
        d=$(mktemp -d); ln -s "$(command -v sleep)" "$d/a.link"; "$d/a.link" 0.01; rm -r "$d"
        sh -c 'echo sleep > /proc/$$/comm; kill -WINCH $$; exit 9'
        sleep 0.017
        sh -c 'exec sleep 0.018'
        kill -KILL $old; wait $old; exit 0"#;
    let Some(service) = Launch::shell(script).service(&env, "svc") else { return };
    let main = service.fact("main");
    let Some(named) = watching(&env, &["-o", "json", "--exe=sle[e]p", "svc"]) else { return };
    let Some(link) = watching(&env, &["-o", "json", "--exe=/*.link"]) else { return };
    let Some(ends) = watching(&env, &["-o", "json", "--exe=/*/sleep", "--kinds=exit"]) else { return };
    let Some(shells) = watching(&env, &["-o", "json", "--exe=*sh", "--kinds=fork,exit"]) else { return };
    killer_tests::Pidfd::open(main).expect("the main process").signal(Signal::USR1);
    let over =
        || shells.so_far().lines().any(|l| l.contains(&format!("\"pid\":{main},")) && l.contains("\"exit\""));
    assert!(eventually(LIMIT, over), "{}", shells.so_far());
    // What was not read when the end was asked for is not shown.
    for r in [&named, &ends] {
        let killed = || r.so_far().lines().any(|l| l.contains("\"exit\"") && l.contains("SIGKILL"));
        assert!(eventually(LIMIT, killed), "{}", r.so_far());
    }
    let (named, link, ends, shells) =
        (lines(&end(named)), lines(&end(link)), lines(&end(ends)), lines(&end(shells)));
    let has = |all: &[Value], event: &str, is: &dyn Fn(&Value) -> bool| {
        all.iter().any(|e| e["event"] == event && is(e))
    };
    let old = |e: &Value| e["pid"] == service.fact("old");
    for all in [&named, &ends] {
        assert!(
            has(all, "exit", &|e| old(e) && e["signal"] == "SIGKILL" && e["sender"]["pid"] == main),
            "{all:#?}"
        );
        assert!(!has(all, "exit", &|e| e["exit_code"] == 9 || e["pid"] == main), "{all:#?}");
    }
    assert!(has(&named, "signal", &old) && named.iter().all(|e| e["event"] != "fork"), "{named:#?}");
    for seconds in ["0.017", "0.018"] {
        let run = named.iter().find(|e| e["event"] == "exec" && e["args"][1] == seconds).expect("a run");
        assert!(has(&named, "exit", &|e| e["pid"] == run["pid"]), "{named:#?}");
    }
    assert!(!has(&named, "signal", &|e| e["signal"] == "SIGWINCH"), "{named:#?}");
    assert!(ends.iter().all(|e| e["event"] == "exit"), "{ends:#?}");
    let kinds: Vec<&Value> = link.iter().map(|e| &e["event"]).collect();
    assert_eq!(kinds, ["exec", "exit"], "{link:#?}");
    assert!(has(&shells, "exit", &|e| e["exit_code"] == 9) && !has(&shells, "exit", &old), "{shells:#?}");
    assert!(has(&shells, "fork", &|e| e["creator"] == main), "{shells:#?}");
    env.killer(["watch", "--exe="]).code(2);
}

/// More happens than its reader takes: it ends all the same, with what there was at its end.
#[test]
fn it_ends_however_much_happens() {
    let Some(env) = TestEnv::new("it_ends_however_much_happens").map(TestEnv::alone) else { return };
    let Some(service) = Launch::new("chains").arg("16").lease(120).service(&env, "svc") else { return };
    let mut command = env.command();
    command.args(["watch", "--for", "1s", "--format", "ocsf", "svc"]).stdout(Stdio::piped());
    let mut seen = killer_tests::start(&mut command).expect("killer");
    let ends = Pidfd::open(seen.id() as i32).expect("our child");
    let mut from = seen.stdout.take().expect("a pipe");
    let (mut piece, mut bytes, begun) = (vec![0; 1 << 16], 0, Instant::now());
    while let Ok(n) = from.read(&mut piece)
        && n > 0
        && begun.elapsed() < Duration::from_secs(60)
    {
        bytes += n;
        // Sixteen megabytes a second at most; what happens is more.
        std::thread::sleep(Duration::from_millis(4));
    }
    let ended = ends.ends_within(Duration::from_secs(1));
    ends.signal(Signal::KILL);
    let _ = seen.wait();
    env.killer(["-s", "KILL", "svc"]).ok();
    service.assert_dead();
    assert!(ended && bytes > 1 << 20, "{bytes} bytes, and it goes on");
}
