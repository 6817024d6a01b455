//! Tests of the renderers: as they look, and that nothing a member writes comes through.

mod capture;
mod ledger;
mod models;
mod outside;
mod watching;

use serde::Serialize;

use capture::*;
use ledger::*;
pub use models::selftest;
use models::*;
use watching::{happened, why};

use super::model::*;
use super::{Style, events, graph, human, json, ktap, svg};

fn selftest_lines(m: &Selftest, s: &Style) -> String {
    let trials: String = m.trials.iter().map(|t| human::trial(t, s)).collect();
    human::selftest_begins(m, s) + &trials + &human::selftest_ends(m, s)
}

/// The whole of its KTAP.
pub fn selftest_ktap(m: &Selftest) -> String {
    let trials: String = m.trials.iter().enumerate().map(|(i, t)| ktap::trial(i + 1, t)).collect();
    ktap::begins(m) + &trials + &ktap::ends(m)
}

/// Every renderer's output, with its name.
fn all(word: &str, s: &Style) -> Vec<(&'static str, String)> {
    fn both(out: &mut Vec<(&'static str, String)>, name: &'static str, model: &impl Serialize) {
        out.extend([(name, json(model, false)), (name, json(model, true))]);
    }
    let dry = Receipt { dry_run: true, ..receipt(word) };
    let mut out = vec![
        ("receipt", human::receipt(&receipt(word), s)),
        ("dry run", human::receipt(&dry, s)),
        ("survivors", human::survivors(&receipt(word))),
        ("list", human::services(&services(word), s)),
        ("status", human::status(&status(word), s)),
        ("tree", human::tree(&tree(word), s)),
        ("why", human::why(&why(word), s)),
        ("svg", svg(&tree(word))),
        ("why svg", svg(&why(word).tree())),
        ("why dot", graph::dot(&why(word).tree())),
        ("event", happened(word).iter().map(|h| human::happened(h, s)).collect()),
        ("verify", human::verify(&verify(word), s)),
        ("doctor", human::doctor(&doctor(word), s)),
        ("rules", human::rules(&rules(word), s)),
        ("rule test", human::rule_test(&rule_test(word), s)),
        ("rule check", human::rule_check(&rule_check(word), s)),
        ("exactness", human::exactness(&exactness(word))),
        ("capture", human::capture(&captured(word), s)),
        ("capture check", human::capture_check(&capture_check(word, CaptureState::Incomplete), s)),
        ("capture changed", human::capture_check(&capture_check(word, CaptureState::Changed), s)),
        ("capture export", human::capture_export(&capture_export(word), s)),
        ("dot", graph::dot(&tree(word))),
        ("mermaid", graph::mermaid(&tree(word))),
        ("selftest", selftest_lines(&selftest(word), s)),
        ("ktap", selftest_ktap(&selftest(word))),
    ];
    both(&mut out, "receipt json", &receipt(word));
    both(&mut out, "list json", &services(word));
    both(&mut out, "status json", &status(word));
    both(&mut out, "tree json", &tree(word));
    both(&mut out, "why json", &why(word));
    for h in happened(word) {
        both(&mut out, "event json", &h);
        both(&mut out, "ecs json", &events::ecs(&h));
        both(&mut out, "ocsf json", &events::ocsf(&h));
    }
    both(&mut out, "verify json", &verify(word));
    both(&mut out, "doctor json", &doctor(word));
    both(&mut out, "rules json", &rules(word));
    both(&mut out, "rule test json", &rule_test(word));
    both(&mut out, "rule check json", &rule_check(word));
    both(&mut out, "capture json", &captured(word));
    both(&mut out, "capture check json", &capture_check(word, CaptureState::Whole));
    both(&mut out, "selftest json", &selftest(word));
    out.extend([
        ("receipts", human::receipts(&receipt_list(word), s)),
        ("kept", human::kept(&kept(word), s)),
        ("receipts check", human::ledger(&ledger_check(word), s)),
        ("ledger", human::past(&past(word), s)),
    ]);
    both(&mut out, "receipts json", &receipt_list(word));
    both(&mut out, "kept json", &kept(word));
    both(&mut out, "receipts check json", &ledger_check(word));
    both(&mut out, "ledger json", &past(word));
    out
}

#[test]
fn nothing_a_member_writes_comes_through() {
    let hostile = "a\x1b[31m\r\n\0\u{7f}\u{9b}2J\u{202e}\u{2028}\u{fffd}\"]);--> <b>\\";
    for (name, out) in all(hostile, &Style { color: false, utf8: true }) {
        for c in ['\x1b', '\r', '\0', '\u{7f}', '\u{9b}', '\u{202e}', '\u{2028}'] {
            assert!(!out.contains(c), "{name}: {c:?} in {out:?}");
        }
        let plain = all("a", &Style { color: false, utf8: true });
        let lines = |v: &[(&str, String)]| {
            v.iter().filter(|p| p.0 == name).map(|p| p.1.lines().count()).sum::<usize>()
        };
        assert_eq!(
            lines(&plain),
            lines(&all(hostile, &Style { color: false, utf8: true })),
            "lines of {name}"
        );
    }
}

#[test]
fn plain_terminals_get_ascii_and_no_colour() {
    for (name, out) in all("größe ●", &Style::default()) {
        if name.ends_with("json")
            || matches!(name, "survivors" | "dot" | "why dot" | "svg" | "why svg" | "exactness" | "ktap")
        {
            continue;
        }
        assert!(out.is_ascii() && !out.contains('\x1b'), "{name}: {out}");
    }
}

#[test]
fn colours_are_closed() {
    for (name, out) in all("x", &Style { color: true, utf8: true }) {
        let opened = out.matches("\x1b[").count();
        assert_eq!(opened, 2 * out.matches("\x1b[0m").count(), "{name}");
    }
}

#[test]
fn receipts_use_systemds_words() {
    let out = human::receipt(&receipt("cron"), &Style::default());
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines[0], "Sent signal SIGKILL to main process 10 (cron) on client request.");
    assert_eq!(lines[1], "Sent signal SIGKILL to control process 11 (cron) on client request.");
    assert_eq!(lines[2], "Not sent to process 12 (cron): it had ended");
    assert_eq!(lines[3], "Failed to send signal SIGKILL to process 13 (cron): cron");
    assert_eq!(
        lines[4],
        "cron: 2 processes signalled in 2 passes, gate D+C, 1.2 ms; 1 task lives on; tier typed, not exact: cron; \
         cron (3 times)"
    );
    assert_eq!(human::survivors(&receipt("cron")), "  13 (cron): cron; to let it end: cron\n");
}

#[test]
fn lists_are_aligned() {
    let out = human::services(&services("größe"), &Style { color: false, utf8: true });
    assert_eq!(
        out,
        "NAME   STATE  MAIN  PROCESSES  TASKS  EVER  AGE     INSIDE  EXACT                  COMMAND\n\
         größe  live   10    3          4      17    1h 1min  größe   no (orphans, orphans)  größe\n\
         a      ended  -     3          4      17    1h 1min  größe   yes                    größe\n"
            .replace("AGE     INSIDE", "AGE      INSIDE")
    );
    let none = Services { version: 1, kind: "list", services: vec![], host_reasons: vec![] };
    assert_eq!(human::services(&none, &Style::default()), "no services are tracked\n");
    let unsure = Services { host_reasons: vec![host_reason("one exec")], ..none };
    assert_eq!(
        human::services(&unsure, &Style::default()),
        "no services are tracked\nmissed-exec: one exec: a service may run without its name\n"
    );
}

#[test]
fn status_looks_like_systemctl() {
    let out = human::status(&status("cron"), &Style { color: false, utf8: true });
    assert_eq!(
        out,
        "● cron
      State: live; started 2026-11-24 04:00:00, 1h 1min ago
    Command: cron
     Inside: cron
   Contains: cron
   Main PID: 10 (cron)
    Members: 3 processes, 4 tasks; 17 ever
  Exactness: not exact: cron; cron (3 times) (tier typed)
 Supervisor: 9 (kills the rest when the main process ends)
       Gate: closed: a kill is under way
  Last kill: SIGHUP by uid 0 at 04:00; 5s ago (exit 0)
    Lineage:
             ├─10 cron  [main; 2 tasks; left its cron]
             │ ├─11 cron  [ended]
             │ │ └─12 cron  [adopted; 2 tasks; left its cron]
             │ └─13 cron  [2 tasks; left its cron; in another cron]
             └─[ancestors no longer known: 2]
               └─14 cron  [2 tasks; left its cron]
             and 7 more processes; --all shows each
"
    );
}

#[test]
fn captures_in_words() {
    let s = Style::default();
    let out = human::capture(&captured("web"), &s);
    assert!(
        out.starts_with("00ff  web\nweb: 2 processes, 5.0 MiB in 40 parts; it stays frozen; not exact"),
        "{out}"
    );
    assert!(out.ends_with("left out: 3 more; the manifest names them\n"), "{out}");
    let out = human::capture_check(&capture_check("x", CaptureState::Incomplete), &s);
    assert!(out.starts_with("incomplete: 3 parts, 1.5 KiB, up to 'x'; x\n1 more part, of which"), "{out}");
    let line = human::capture_progress("web", 0.25, 3 << 30, 60_000_000_000);
    assert_eq!(line, "web: [#####...............] 25 %, 3.0 GiB, 51.2 MiB/s, 3min 0s left");
    assert_eq!(
        human::capture_progress("a\x1bb", 0.0, 0, 0),
        "a\\x1bb: [....................] 0 %, 0 B, 0 B/s"
    );
}

#[test]
fn verify_names_who_is_missed_and_who_is_hit() {
    let out = human::verify(&verify("x"), &Style::default());
    for line in [
        "finds 2: misses 1, would hit 1 stranger",
        "missed: 11 (x)",
        "strangers: 20 (x)",
        "finds 2: all, and nobody else",
        "not tried: x",
    ] {
        assert!(out.contains(line), "{line}: {out}");
    }
}

#[test]
fn graphs() {
    assert_eq!(
        graph::dot(&tree("a\"b")).lines().take(5).collect::<Vec<_>>(),
        [
            "digraph \"a\\\"b\" {",
            "  node [shape=box];",
            "  n0 [label=\"10 a\\\"b\"];",
            "  n1 [label=\"11 a\\\"b (ended)\", style=dashed];",
            "  n0 -> n1;"
        ]
    );
    assert_eq!(
        graph::mermaid(&tree("a\"]")),
        "flowchart TD\n  n0[\"10 a#34;#93;\"]\n  n1([\"11 a#34;#93; #40;ended#41;\"])\n  n0 --> n1\n  \
         n2[\"12 a#34;#93;\"]\n  n1 --> n2\n  n3[\"13 a#34;#93;\"]\n  n0 --> n3\n  n4[\"14 a#34;#93;\"]\n  \
         u4[\"#91;ancestors no longer known: 2#93;\"]\n  u4 -.-> n4\n"
    );
}

#[test]
fn the_schema_has_every_field_that_is_printed() {
    let schema: serde_json::Value = serde_json::from_str(&super::schema()).unwrap();
    let defs = schema["$defs"].as_object().unwrap();
    fn fields(v: &impl Serialize) -> Vec<String> {
        serde_json::to_value(v).unwrap().as_object().unwrap().keys().cloned().collect()
    }
    for (name, printed) in [
        ("Receipt", fields(&receipt("x"))),
        ("Signalled", fields(&receipt("x").targets[0])),
        ("UnstickStep", fields(&receipt("x").unstick[0])),
        ("Survivor", fields(&receipt("x").survivors[0])),
        ("Services", fields(&services("x"))),
        ("Service", fields(&service("x"))),
        ("Status", fields(&status("x"))),
        ("Tree", fields(&tree("x"))),
        ("Node", fields(&node(10, "x", vec![]))),
        ("Why", fields(&why("x"))),
        ("Ancestor", fields(&why("x").chain[1])),
        ("Happened", happened("x").iter().flat_map(fields).collect()),
        ("Sender", fields(&happened("x")[2].sender)),
        ("Verify", fields(&verify("x"))),
        ("OtherWay", fields(&verify("x").ways[2])),
        ("Doctor", fields(&doctor("x"))),
        ("HostReason", fields(&host_reason("x"))),
        ("Check", fields(&doctor("x").checks[0])),
        ("Selftest", fields(&Selftest { interrupted: Some("SIGINT".into()), ..selftest("x") })),
        ("ReceiptList", fields(&receipt_list("x"))),
        ("ReceiptRow", fields(&receipt_list("x").receipts[0])),
        ("KeptReceipt", fields(&kept("x"))),
        ("KeptProcess", fields(&kept("x").deed.processes[0])),
        ("AskedBy", fields(&kept("x").deed.asked_by)),
        ("LedgerCheck", fields(&ledger_check("x"))),
        ("Ledger", fields(&past("x"))),
        ("EndedProcess", fields(&past("x").ended[0])),
        ("Captured", fields(&captured("x"))),
        ("Manifest", fields(&captured("x").manifest)),
        ("CaptureCheck", fields(&capture_check("x", CaptureState::Whole))),
        ("CaptureExport", fields(&capture_export("x"))),
        ("Trial", fields(&selftest("x").trials[2])),
    ] {
        let known = defs[name]["properties"].as_object().unwrap();
        for f in printed {
            assert!(known.contains_key(&f), "{name}.{f}");
        }
    }
}
