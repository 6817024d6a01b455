//! Each attacker through each verb that looks: nothing of theirs reaches a terminal as it is, documents are whole, everything ends in time,
//! nobody is let run on or lost by it, and the set dies.

use std::time::Duration;

use killer_tests::{Launch, Out, TestEnv, pids};
use serde_json::Value;

/// Their names and arguments; `DIR` is a directory that they may write to.
const ATTACKERS: [&[&str]; 10] = [
    &["evidence-names", "DIR"],
    &["evidence-restless", "DIR"],
    &["evidence-files", "DIR"],
    &["evidence-memory"],
    &["evidence-descriptors", "5000"],
    &["exec-storm"],
    &["star", "300"],
    &["revive-three"],
    &["term-ignored"],
    &["ptraced"],
];

/// What looks at a service, `PID` being its main process. How it ends: with 0, or else with one of these codes, too.
const LOOKS: [(&[&str], &[i32]); 30] = [
    (&["list"], &[]),
    (&["list", "-o", "json"], &[]),
    (&["status", "svc"], &[]),
    (&["status", "-o", "json", "svc"], &[]),
    (&["tree", "svc"], &[]),
    (&["tree", "-o", "json", "svc"], &[]),
    (&["tree", "-o", "dot", "svc"], &[]),
    (&["tree", "-o", "mermaid", "svc"], &[]),
    (&["tree", "-o", "svg", "svc"], &[]),
    (&["why", "PID"], &[]),
    (&["why", "--all", "PID"], &[]),
    (&["why", "-o", "json", "PID"], &[]),
    (&["why", "-o", "dot", "PID"], &[]),
    (&["why", "-o", "mermaid", "PID"], &[]),
    (&["why", "-o", "svg", "PID"], &[]),
    (&["ledger", "svc"], &[]),
    (&["ledger", "-o", "json", "svc"], &[]),
    // It may see somebody end, or be born, between two looks (64).
    (&["verify", "svc"], &[64]),
    (&["verify", "-o", "json", "svc"], &[64]),
    (&["-n", "-s", "KILL", "svc"], &[]),
    (&["-n", "-s", "KILL", "-o", "json", "svc"], &[]),
    (&["-n", "-s", "KILL", "--whom=leaves,uid:0", "svc"], &[]),
    (&["-s", "0", "svc"], &[]),
    (&["watch", "--for", "300ms", "svc"], &[]),
    (&["watch", "--for", "300ms", "-o", "json", "svc"], &[]),
    (&["watch", "--for", "300ms", "--format", "ecs", "svc"], &[]),
    (&["watch", "--for", "300ms", "--format", "ocsf", "svc"], &[]),
    (&["metrics"], &[]),
    (&["doctor"], &[1, 5]),
    (&["doctor", "-o", "json"], &[1, 5]),
];

/// Nothing but text, and whole documents.
fn sound(out: &Out, args: &[&str]) {
    let bad =
        |s: &str| s.chars().any(|c| c.is_control() && c != '\n' || ('\u{202a}'..='\u{202e}').contains(&c));
    assert!(!bad(&out.stdout) && !bad(&out.stderr), "control characters: {out}");
    assert!(!out.stderr.contains("panicked"), "{out}");
    if args.contains(&"--format") || args.contains(&"watch") && args.contains(&"json") {
        for line in out.stdout.lines() {
            serde_json::from_str::<Value>(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        }
    } else if args.contains(&"json") {
        serde_json::from_str::<Value>(&out.stdout).unwrap_or_else(|e| panic!("{e}: {out}"));
    } else if args.contains(&"svg") {
        assert!(out.stdout.trim_end().ends_with("</svg>"), "{out}");
    }
}

fn look(env: &TestEnv, pid: &str, (args, others): (&[&str], &[i32])) {
    let args: Vec<&str> = args.iter().map(|a| if *a == "PID" { pid } else { a }).collect();
    let out = env.killer(&args);
    assert!(out.exit() == 0 || others.contains(&out.exit()), "{out}");
    sound(&out, &args);
}

fn through_each(env: &TestEnv, name: &str) {
    // The one that is the oldest of the living.
    let tree = env.killer(["status", "-o", "json", "svc"]).ok().json();
    let pid = tree["main_pid"].as_i64().or_else(|| pids(&tree["tree"]).first().map(|p| i64::from(*p)));
    let pid = &*pid.expect("somebody lives").to_string();
    for l in LOOKS {
        look(env, pid, l);
    }
    // As evidence, and back from it.
    let file = env.path(&format!("{name}.tar"));
    let at = file.to_string_lossy().into_owned();
    let taken = env.killer(["capture", "svc", "--out", &at, "--then", "thaw"]);
    sound(&taken, &[]);
    let checked = env.killer(["verify-capture", &at]);
    assert!([0, 64].contains(&checked.exit()), "{taken}{checked}");
    sound(&checked, &[]);
    let exported = env.killer(["capture", "--export", &at]);
    sound(exported.ok(), &[]);
    // Held still, all that is read again is of the same ones.
    env.killer(["freeze", "svc"]).ok();
    for l in LOOKS.iter().filter(|l| !l.0.contains(&"watch")) {
        look(env, pid, *l);
    }
    let held = |env: &TestEnv| pids(&env.killer(["tree", "-o", "json", "svc"]).ok().json());
    let (before, after) = (held(env), held(env));
    assert_eq!(before, after, "{name} goes on");
    env.killer(["thaw", "svc"]).ok();
}

#[test]
fn each_attacker_through_each_verb() {
    let Some(env) = TestEnv::new("each_verb").map(TestEnv::alone) else { return };
    let up = env.killer(["up", "--lineage=services"]);
    assert!(up.exit() == 0 || up.stderr.contains("BTF"), "{up}");
    for attacker in ATTACKERS {
        let dir = env.path(attacker[0]);
        std::fs::create_dir(&dir).expect("a directory");
        let dir = dir.to_string_lossy().into_owned();
        let args = attacker[1..].iter().map(|a| if *a == "DIR" { dir.clone() } else { (*a).to_owned() });
        let launch = args.fold(Launch::new(attacker[0]).lease(120), Launch::arg);
        let Some(service) = launch.service(&env, "svc") else { continue };
        through_each(&env, attacker[0]);
        env.killer(["-s", "KILL", "--wait=20s", "svc"]).ok();
        assert!(service.live.eof_within(Duration::from_secs(10)), "{} lives", attacker[0]);
        for args in [&["ledger", "svc"][..], &["ledger", "-o", "json", "svc"], &["receipts", "-o", "json"]] {
            let out = env.killer(args);
            sound(out.ok(), args);
        }
        let list = env.killer(["receipts", "-o", "json"]).ok().json();
        let last = list["receipts"].as_array().and_then(|l| l.last()).expect("a receipt")["id"].clone();
        let id = last.as_str().expect("an id");
        for args in [&["receipts", id][..], &["receipts", "-o", "json", id]] {
            let out = env.killer(args);
            sound(out.ok(), args);
        }
        env.killer(["forget", "svc"]).ok();
    }
    let checked = env.killer(["receipts", "--verify"]);
    sound(checked.ok(), &[]);
}
