//! Models of receipts that are kept, with a word where members could write one.

use super::models::{exactness, unstick};
use crate::report::model::*;

pub fn end(word: &str) -> End {
    let w = || Some(word.to_owned());
    End {
        state: word.into(),
        why: w(),
        exit_code: Some(1),
        exit_signal: w(),
        core_dumped: true,
        no_memory: true,
        sender: Some(EndSender {
            kind: "process".into(),
            pid: Some(8),
            comm: w(),
            uid: Some(0),
            program: w(),
            at: word.into(),
        }),
        by_order: true,
        after_us: Some(1500),
    }
}

pub fn kept(word: &str) -> KeptReceipt {
    let w = || word.to_owned();
    let asking = AskingProcess { pid: 9, comm: Some(w()), exe: Some(w()), unread: Some(w()), start: None };
    let process = KeptProcess {
        pid: 10,
        start: 7,
        inode: None,
        comm: w(),
        uid: 0,
        creator: 9,
        main: true,
        control: false,
        service: w(),
        got: vec![
            Got { signal: w(), result: "signalled".into(), error: None, outlived: Some(w()) },
            Got { signal: w(), result: w(), error: Some(w()), outlived: None },
        ],
        end: end(word),
    };
    let deed = Deed {
        at: w(),
        boottime_ns: 1,
        boot_id: w(),
        program: Program { version: w(), objects: w(), exe: Some(w()), size: Some(1), modified: Some(1) },
        asked_by: AskedBy {
            login_uid: Some(1000),
            processes: vec![asking],
            unread: vec![w()],
            ..AskedBy::default()
        },
        form: w(),
        service: w(),
        signals: vec![w()],
        whom: w(),
        outcome: w(),
        exit_code: 1,
        tier: w(),
        exactness: exactness(word),
        before: Counts::default(),
        left: Counts::default(),
        empty: true,
        released: Some(true),
        also_ends: vec![w()],
        took_us: 1,
        processes: vec![process],
        left_out: 3,
        unstick: vec![unstick(word)],
        notes: vec![w()],
    };
    let (key, sig) = (Some(w()), Some(w()));
    KeptReceipt { version: 1, kind: w(), number: 2, prev: w(), id: w(), deed, key, sig }
}

pub fn receipt_list(word: &str) -> ReceiptList {
    let w = || word.to_owned();
    let row = ReceiptRow {
        number: 1,
        id: w(),
        at: w(),
        service: w(),
        form: w(),
        signals: vec![w()],
        signalled: 3,
        outcome: w(),
        exit_code: 0,
        uid: 0,
        login_uid: Some(1000),
    };
    ReceiptList { version: 1, kind: "receipts", place: w(), receipts: vec![row], more: 2, unread: 1 }
}

pub fn ledger_check(word: &str) -> LedgerCheck {
    LedgerCheck {
        version: 1,
        kind: "receipts-check",
        place: word.into(),
        ending: crate::ending::Ending::Done,
        files: 1,
        lines: 3,
        receipts: 2,
        first: 2,
        signed: 1,
        unsigned_end: None,
        head: Some(word.into()),
        since_head: Some(1),
        torn: vec![LedgerPlace { file: word.into(), line: 2, what: word.into() }],
        wrong: None,
    }
}

pub fn past(word: &str) -> Ledger {
    let ended = EndedProcess {
        pid: 12,
        start: 7,
        inode: Some(9),
        comm: Some(word.into()),
        uid: Some(0),
        creator: Some(10),
        began: "2026-11-24T05:00:00+00:00".into(),
        ended: Some("2026-11-24T05:00:01+00:00".into()),
        end: end(word),
    };
    Ledger {
        version: SCHEMA_VERSION,
        kind: "ledger",
        service: word.into(),
        ever: 9,
        now: Counts { processes: 2, tasks: 3 },
        ended: vec![ended],
        receipts: receipt_list(word).receipts,
        more: (5, 6),
    }
}
