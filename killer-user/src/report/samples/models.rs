//! Models, with a word where members could write one.

use super::outside::outside;
use crate::report::human;
use crate::report::model::*;

pub fn process(pid: u32, word: &str) -> Process {
    Process {
        pid,
        start: 7,
        comm: word.into(),
        service: word.into(),
        command: Some(word.into()),
        ..Process::default()
    }
}

pub fn exactness(word: &str) -> Exactness {
    let reason =
        |count| Reason { code: "orphans".into(), text: word.into(), count, since: "2026-11-24".into() };
    Exactness { exact: false, reasons: vec![reason(1), reason(3)] }
}

pub fn unstick(word: &str) -> UnstickStep {
    let w = || word.to_owned();
    UnstickStep {
        kind: "thaw-freezer".into(),
        target: w(),
        members: vec![13],
        others: Some(1),
        other_names: vec![w()],
        effect: w(),
        command: w(),
        undo: Some(w()),
        done: true,
        undone: true,
        result: "done".into(),
        why: Some(w()),
    }
}

pub fn receipt(word: &str) -> Receipt {
    let target = |pid, result: &str, error: Option<&str>| Signalled {
        process: Process { main: pid == 10, control: pid == 11, ..process(pid, word) },
        result: result.into(),
        error: error.map(Into::into),
    };
    Receipt {
        version: SCHEMA_VERSION,
        kind: "receipt",
        service: word.into(),
        signal: 9,
        signal_name: "SIGKILL".into(),
        value: None,
        whom: word.into(),
        dry_run: false,
        asked_by: Caller::default(),
        ending: crate::ending::Ending::Partial,
        tier: "typed",
        gates: vec!["D", "C"],
        exactness: exactness(word),
        main_pid: Some(10),
        main_guessed: true,
        processes: 4,
        tasks: 5,
        left: Counts { processes: 1, tasks: 1 },
        empty: false,
        released: None,
        passes: 2,
        cancelled: 0,
        also_ends: vec![word.into()],
        targets: vec![
            target(10, "signalled", None),
            target(11, "signalled", None),
            target(12, "gone", None),
            target(13, "refused", Some(word)),
        ],
        survivors: vec![Survivor {
            process: process(13, word),
            code: "traced".into(),
            text: word.into(),
            cure: Some(word.into()),
        }],
        unreaped: vec![Survivor {
            process: process(14, word),
            code: "zombie".into(),
            text: word.into(),
            cure: None,
        }],
        unstick: vec![unstick(word)],
        times: Times { ended_us: 1234, ..Times::default() },
        notes: vec![word.into()],
        outside: Some(outside(word)),
        kept: Some(Kept { error: Some(word.into()), ..Kept::default() }),
    }
}

pub fn service(word: &str) -> Service {
    Service {
        name: word.into(),
        state: "live".into(),
        main_pid: Some(10),
        main_guessed: true,
        command: Some(word.into()),
        counts: Counts { processes: 3, tasks: 4 },
        ever: 17,
        ever_at_least: false,
        since: "2026-11-24 04:00:00".into(),
        age_s: 3700,
        exactness: exactness(word),
        inside: Some(word.into()),
        left_over: 0,
    }
}

pub fn host_reason(word: &str) -> HostReason {
    HostReason { code: "missed-exec".into(), text: word.into(), count: 3 }
}

pub fn services(word: &str) -> Services {
    let ended = Service {
        name: "a".into(),
        state: "ended".into(),
        main_pid: None,
        exactness: Exactness { exact: true, reasons: vec![] },
        ..service(word)
    };
    Services {
        version: SCHEMA_VERSION,
        kind: "list",
        services: vec![service(word), ended],
        host_reasons: vec![],
    }
}

pub fn node(pid: u32, word: &str, children: Vec<Node>) -> Node {
    Node {
        process: Process { main: pid == 10, adopted: pid == 12, ..process(pid, word) },
        alive: pid != 11,
        tasks: Some(2),
        escaped: vec![word.into()],
        other_namespaces: if pid == 13 { vec![word.into()] } else { vec![] },
        age_s: 1,
        unknown_ancestors: None,
        more: 0,
        children,
    }
}

pub fn forest(word: &str) -> Vec<Node> {
    let mut orphan = node(14, word, vec![]);
    orphan.unknown_ancestors = Some(2);
    vec![node(10, word, vec![node(11, word, vec![node(12, word, vec![])]), node(13, word, vec![])]), orphan]
}

pub fn status(word: &str) -> Status {
    Status {
        version: SCHEMA_VERSION,
        kind: "status",
        service: service(word),
        main: Some(process(10, word)),
        tier: "typed",
        instances: Vec::new(),
        stayed: Vec::new(),
        contains: vec![word.into()],
        gated: true,
        frozen: None,
        notes: Vec::new(),
        supervisor: Some(9),
        last_kill: Some(LastKill {
            signal: "SIGHUP".into(),
            uid: 0,
            at: "04:00".into(),
            age_s: 5,
            exit_code: 0,
            reached: Some(3),
        }),
        more: 7,
        tree: forest(word),
    }
}

pub fn tree(word: &str) -> Tree {
    Tree {
        version: SCHEMA_VERSION,
        kind: "tree",
        service: word.into(),
        last_kill: None,
        note: Some(word.into()),
        more: 7,
        tree: forest(word),
    }
}

pub fn verify(word: &str) -> Verify {
    let way = |missed, strangers, skipped: Option<&str>| OtherWay {
        way: "process group".into(),
        used_by: word.into(),
        found: 2,
        missed,
        strangers,
        skipped: skipped.map(Into::into),
    };
    Verify {
        version: SCHEMA_VERSION,
        kind: "verify",
        service: word.into(),
        members: vec![process(10, word)],
        counts: Counts { processes: 3, tasks: 4 },
        ways: vec![
            way(vec![process(11, word)], vec![process(20, word)], None),
            way(vec![], vec![], None),
            way(vec![], vec![], Some(word)),
        ],
        exactness: exactness(word),
        disagreements: vec![word.into()],
    }
}

pub fn doctor(word: &str) -> Doctor {
    let check = |result: &str| Check {
        name: word.into(),
        result: result.into(),
        text: word.into(),
        hint: Some(word.into()),
    };
    Doctor {
        version: SCHEMA_VERSION,
        kind: "doctor",
        kernel: word.into(),
        tier: "typed".into(),
        guarantees: vec![word.into()],
        why_not_better: word.into(),
        object_sha256: Some("00ff".into()),
        checks: vec![check("ok"), check("warn"), check("fail")],
        host_reasons: vec![host_reason(word)],
    }
}

/// A self-test with one trial of each kind.
pub fn selftest(word: &str) -> Selftest {
    let trial = |name: &str, result: &str, why: Option<&str>| Trial {
        name: name.into(),
        what: word.into(),
        result: result.into(),
        why: why.map(Into::into),
        rounds: 10,
        processes: 20,
        ended_us: 1234,
        smaller: None,
        doubts: Vec::new(),
    };
    let mut m = Selftest {
        version: SCHEMA_VERSION,
        kind: "selftest",
        kernel: "6.18".into(),
        tier: "typed",
        gate: Some("D"),
        quick: false,
        planned: 3,
        trials: vec![
            trial("plain", "pass", None),
            trial("io_uring", "skip", Some(word)),
            trial("bomb", "fail", Some(word)),
        ],
        passed: 1,
        failed: 1,
        skipped: 1,
        interrupted: None,
        clean: true,
        took_us: 2_100_000,
        verdict: String::new(),
    };
    m.trials[0].doubts = vec![word.into()];
    m.trials[0].smaller = Some(word.into());
    m.verdict = human::verdict(&m);
    m
}

pub fn rules(word: &str) -> Rules {
    let one = Rule {
        source: word.into(),
        origin: "admin",
        match_kind: "program",
        paths: vec![word.into()],
        strip: Some(word.into()),
        except: vec![word.into()],
        user: Some(word.into()),
        aliases: vec![word.into()],
        pidfile: Some(word.into()),
        stop: vec![word.into()],
        services: vec![word.into()],
        not_covered: vec![Uncovered { path: word.into(), text: word.into() }],
        absent: vec![word.into()],
    };
    Rules {
        version: SCHEMA_VERSION,
        kind: "rules",
        state: "in-force",
        why: Some(word.into()),
        in_force: Some(RulesInForce {
            by_file: false,
            opened: 3,
            given_back: 1,
            no_slots: 1,
            skipped: 1,
            host_reasons: vec![host_reason(word)],
        }),
        rules: vec![one],
        switched_off: vec![word.into()],
    }
}

pub fn rule_test(word: &str) -> RuleTest {
    RuleTest {
        version: SCHEMA_VERSION,
        kind: "rule-test",
        path: word.into(),
        file: format!("/{word}"),
        args: vec![word.into()],
        uid: 0,
        outcome: "opens",
        service: Some(word.into()),
        rule: Some(word.into()),
        why: Some(word.into()),
    }
}

pub fn rule_check(word: &str) -> RuleCheck {
    let one = RuleError { file: word.into(), line: 1, column: 2, text: word.into() };
    RuleCheck { version: SCHEMA_VERSION, kind: "rule-check", good: false, errors: vec![one] }
}
