//! `stop`: the stop command, systemd's escalation, start-stop-daemon's schedules; verified by the live pipe.

use killer_tests::{Bystander, Journal, Launch, Pidfd, Service, TestEnv, eventually, proc_state};
use rustix::process::Signal;
use std::time::{Duration, Instant};

fn listeners(env: &TestEnv, children: u32, option: &[&str]) -> Option<(Service, Journal)> {
    let path = env.path("journal");
    let mut launch = Launch::new("signal-log").arg(path.to_string_lossy()).arg(children.to_string());
    for o in option {
        launch = launch.run_option(o);
    }
    Some((launch.service(env, "svc")?, Journal::new(path)))
}

fn signals(journal: &mut Journal, want: usize) -> Vec<i32> {
    journal.signals(want).into_iter().map(|t| t.signal).collect()
}

#[test]
fn gentle_ones_get_term_only() {
    let Some(env) = TestEnv::reusing("gentle_ones_get_term_only") else { return };
    let bystander = Bystander::new(&env.test);
    for behaviour in ["plain", "daemon", "star", "double-fork", "chains", "leader-exits"] {
        let Some(service) = Launch::new(behaviour).service(&env, "svc") else { continue };
        let out = env.killer(["stop", "-o", "json", "svc"]);
        out.ok();
        let json = out.json();
        assert_eq!(json["outcome"], "stopped", "{out}");
        assert_eq!((&json["empty"], &json["released"]), (&true.into(), &true.into()), "{out}");
        let sent: Vec<&str> = json["steps"]
            .as_array()
            .expect("steps")
            .iter()
            .filter_map(|s| s["signal_name"].as_str())
            .collect();
        assert_eq!(sent, ["SIGTERM", "SIGCONT"], "{out}");
        assert!(service.live.eof_within(Duration::from_millis(500)), "{behaviour} has survivors");
    }
    env.killer(["stop", "svc"]).ok().silent();
    env.killer(["stop", "nobody"]).error(4, &["nobody"]);
    bystander.assert_untouched();
}

#[test]
fn stubborn_ones_get_kill() {
    let Some(env) = TestEnv::reusing("stubborn_ones_get_kill") else { return };
    for behaviour in ["term-ignored", "self-stopped", "bomb", "revive"] {
        let Some(service) = Launch::new(behaviour).service(&env, "svc") else { continue };
        let out = env.killer(["stop", "--timeout", "400ms", "svc"]);
        // Who is stopped, or forks, may end by SIGTERM.
        assert!(out.ok().stderr.contains("SIGKILL was needed") || behaviour != "term-ignored", "{out}");
        assert!(service.live.eof_within(Duration::from_millis(500)), "{behaviour} has survivors");
        env.killer(["forget", "svc"]).ok();
    }
}

#[test]
fn what_is_sent_and_in_which_order() {
    let Some(env) = TestEnv::reusing("what_is_sent_and_in_which_order") else { return };
    let Some((service, mut journal)) = listeners(&env, 1, &[]) else { return };
    let begun = Instant::now();
    env.killer(["stop", "--signal", "INT", "--timeout", "500ms", "--send-sighup", "svc"]).ok();
    assert!(begun.elapsed() >= Duration::from_millis(500));
    // Sorted by process and number: HUP, INT, CONT of each.
    assert_eq!(signals(&mut journal, 6), [1, 2, 18, 1, 2, 18]);
    service.assert_dead();
}

#[test]
fn modes() {
    let Some(env) = TestEnv::reusing("modes") else { return };
    // mixed: the signal to the main process, KILL to all that are left when it has ended.
    let script = "(trap '' TERM; echo ready child=1 >\"$1\"; while :; do sleep 0.1; done) & exec sleep 40";
    let Some(service) = Launch::shell(script).service(&env, "svc") else { return };
    let out = env.killer(["stop", "--mode", "mixed", "--timeout", "90s", "-o", "json", "svc"]);
    out.ok();
    let sent: Vec<String> = out.json()["steps"]
        .as_array()
        .expect("steps")
        .iter()
        .filter(|s| !s["targets"].as_array().expect("targets").is_empty())
        .map(|s| format!("{} {}", s["signal_name"].as_str().unwrap_or(""), s["whom"].as_str().unwrap_or("")))
        .collect();
    // It may end before SIGCONT.
    let sent: Vec<&String> = sent.iter().filter(|s| *s != "SIGCONT main").collect();
    assert_eq!(sent, ["SIGTERM main", "SIGKILL all"], "{out}");
    assert!(out.took < Duration::from_secs(60), "{out}");
    service.assert_dead();

    // process: nobody but the main process.
    let Some(service) = Launch::new("plain").service(&env, "svc") else { return };
    let (main, child) = (service.fact("pid"), Pidfd::open(service.fact("child")).expect("the child"));
    let out = env.killer(["stop", "--mode=process", "svc"]);
    assert!(out.ok().stderr.contains("1 process lives on, as --mode=process has it"), "{out}");
    assert!(Pidfd::open(main).is_none_or(|p| !p.alive()));
    assert!(child.alive(), "the child was not meant");
    env.killer(["stop", "svc"]).ok();
    service.assert_dead();
}

#[test]
fn schedules() {
    let Some(env) = TestEnv::reusing("schedules") else { return };
    let Some((service, mut journal)) = listeners(&env, 0, &[]) else { return };
    let out = env.killer(["stop", "--retry", "USR1/300ms/USR2/300ms", "svc"]);
    out.code(124);
    assert!(out.stderr.contains("lives on"), "{out}");
    assert_eq!(signals(&mut journal, 4), [10, 12, 18, 18]);
    service.assert_alive();
    env.killer(["stop", "--retry", "HUP/200ms/KILL/5/forever", "svc"]).ok();
    assert_eq!(signals(&mut journal, 2), [1, 18]);
    service.assert_dead();
    for bad in ["30/TERM", "TERM/forever", "NOPE/1", ""] {
        env.killer(["stop", "--retry", bad, "svc"]).code(2);
    }
    env.killer(["stop", "--retry", "TERM/1", "--signal", "HUP", "svc"]).code(2);
}

/// It runs first, as a control process of the service, knows the main process, and outlives the `killer` that was told of it.
#[test]
fn stop_command() {
    let Some(env) = TestEnv::reusing("stop_command") else { return };
    let said = env.path("said");
    let command = format!(
        "--exec-stop=echo \"$MAINPID $KILLER_SERVICE $PWD\" >'{0}'; '{1}' status svc -o json >>'{0}'; kill -s USR1 $MAINPID",
        said.display(),
        killer_tests::killer().display()
    );
    let script = "trap 'exit 0' USR1; trap '' TERM; echo ready pid=$$ >\"$1\"; while :; do sleep 0.05; done";
    let Some(service) = Launch::shell(script).run_option(&command).service(&env, "svc") else { return };
    let out = env.killer(["stop", "-o", "json", "svc"]);
    out.ok();
    let json = out.json();
    assert_eq!(json["command"]["exit_code"], 0, "{out}");
    let text = std::fs::read_to_string(&said).expect("what it said");
    let first = text.lines().next().unwrap_or_default();
    let here = std::env::current_dir().expect("cwd");
    assert_eq!(first, format!("{} svc {}", service.fact("pid"), here.display()));
    assert!(text.contains("\"control\":true"), "no control process: {text}");
    service.assert_dead();

    // Kept with the root: a new one of the same name has none.
    let Some(service) = Launch::new("plain").service(&env, "svc") else { return };
    let out = env.killer(["stop", "-o", "json", "svc"]);
    assert!(out.ok().json()["command"].is_null(), "{out}");
    service.assert_dead();
}

#[test]
fn stop_command_that_fails() {
    let Some(env) = TestEnv::reusing("stop_command_that_fails") else { return };
    for (command, word) in [("exit 3", "status 3"), ("sleep 30", "in time")] {
        let option = format!("--exec-stop={command}");
        let Some(service) = Launch::new("plain").run_option(&option).service(&env, "svc") else { return };
        let out = env.killer(["stop", "--timeout=1s", "svc"]);
        out.ok();
        assert!(out.stderr.contains(word), "{out}");
        // Nobody is left, the command neither.
        service.assert_dead();
    }
    let long = format!("--exec-stop={}", "x".repeat(3000));
    env.killer(["run", "--name", "long", &long, "--", "sleep", "9"]).error(125, &["2040 bytes"]);
}

#[test]
fn a_frozen_one_is_thawed() {
    let Some(env) = TestEnv::reusing("a_frozen_one_is_thawed") else { return };
    let Some(service) = Launch::new("plain").service(&env, "svc") else { return };
    let out = env.killer(["freeze", "svc"]);
    if out.exit() == 1 && out.stderr.contains("cannot freeze") {
        killer_tests::skip(&env.test, "this tier cannot freeze");
        return;
    }
    let pid = service.fact("pid");
    assert!(eventually(Duration::from_secs(1), || proc_state(pid) == Some('T')));
    let out = env.killer(["stop", "--timeout=90s", "svc"]);
    out.ok();
    assert!(out.took < Duration::from_secs(60), "{out}");
    service.assert_dead();
}

#[test]
fn interrupted_while_it_waits() {
    let Some(env) = TestEnv::reusing("interrupted_while_it_waits") else { return };
    let Some(service) = Launch::new("term-ignored").service(&env, "svc") else { return };
    let mut command = env.command();
    command.args(["stop", "--timeout=30s", "svc"]);
    let running = env.spawn(command);
    running.assert_catches(Signal::INT);
    std::thread::sleep(Duration::from_millis(500));
    running.pidfd().signal(Signal::INT);
    let out = running.finish(Duration::from_secs(5));
    out.code(130);
    service.assert_alive();
    env.killer(["-KILL", "svc"]).ok();
    service.assert_dead();
}

#[test]
fn not_from_inside() {
    let Some(env) = TestEnv::reusing("not_from_inside") else { return };
    let said = env.path("said");
    let script = "\"$2\" stop svc 2>\"$3\"; echo $? >>\"$3\"; exec sleep 30";
    let launch = Launch::shell(script)
        .arg(killer_tests::killer().to_string_lossy())
        .arg(said.to_string_lossy())
        .run_option("--exec-stop=touch touched")
        .quiet();
    let Some(service) = launch.service(&env, "svc") else { return };
    let text = || std::fs::read_to_string(&said).unwrap_or_default();
    assert!(eventually(Duration::from_secs(10), || text().ends_with("1\n")), "{}", text());
    assert!(text().contains("--include-self"), "{}", text());
    service.assert_alive();
    env.killer(["-KILL", "svc"]).ok();
    service.assert_dead();
}
