//! Models of `why` and `watch`, with a word where members could write one.

use super::models::{exactness, process};
use crate::report::model::*;

pub fn why(word: &str) -> Why {
    let link = |pid, alive: bool, how| Ancestor {
        process: process(pid, word),
        alive,
        how,
        born: "2026-11-24T05:00:00+00:00".into(),
        ended: (!alive).then(|| "2026-11-24T05:00:01+00:00".into()),
        end: (!alive).then(|| super::ledger::end(word)),
        age_us: 1_000_000,
        execs: 2,
        executed: vec![Executed {
            at: "2026-11-24T05:00:00.123456+00:00".into(),
            file: File { path: Some(word.into()), dev: "8:1".into(), ino: 5 },
            name: Some(word.into()),
            deleted: true,
            memory: !alive,
            script: alive,
            args: vec![word.into(), word.into()],
            args_cut: alive,
            directory: Some(word.into()),
            uid: 3,
            euid: 7,
        }],
        executed_left_out: 1,
        unknown_above: alive.then_some(4),
        program: alive.then(|| word.into()),
        euid: alive.then_some(7),
    };
    Why {
        version: SCHEMA_VERSION,
        kind: "why",
        pid: 12,
        alive: true,
        member: true,
        service: word.into(),
        inside: vec![word.into()],
        exactness: Some(exactness(word)),
        unknown_ancestors: Some(2),
        others: vec![process(12, word)],
        left_out: 3,
        chain: vec![link(10, true, "started"), link(11, false, "forked"), link(12, true, "opened")],
    }
}

/// One of each kind.
pub fn happened(word: &str) -> Vec<Happened> {
    let sender = Sender { pid: 9, comm: word.into(), uid: 3, kernel: false };
    let of = |event| Happened {
        version: SCHEMA_VERSION,
        kind: "event",
        event,
        at: "2026-11-24T05:00:00.123456+00:00".into(),
        unix_ns: 1_795_496_400_123_456_000,
        service: word.into(),
        inside: vec![word.into()],
        pid: Some(12),
        start: Some(7),
        inode: Some(8),
        comm: Some(word.into()),
        uid: Some(3),
        ..Happened::default()
    };
    let file = File { path: Some(word.into()), dev: "8:1".into(), ino: 5 };
    let args = Some(vec![word.into(), word.into()]);
    vec![
        Happened { creator: Some(11), ..of("fork") },
        Happened { file: Some(file), args, args_cut: true, ..of("exec") },
        Happened {
            signal: Some("SIGSEGV".into()),
            core_dumped: true,
            age_us: Some(1500),
            sender: Some(sender.clone()),
            ..of("exit")
        },
        Happened { exit_code: Some(3), age_us: Some(1), ..of("exit") },
        Happened {
            signal: Some("SIGTERM".into()),
            sender: Some(Sender { kernel: true, ..sender }),
            result: Some("ignored"),
            ..of("signal")
        },
        Happened { lost: Some(12_345), text: Some(word.into()), ..of("lost") },
        Happened { text: Some(word.into()), ..of("reason") },
    ]
}
