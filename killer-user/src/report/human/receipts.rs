//! `receipts`: the ledger as a table, one receipt whole, and what a check has found.

use super::unstick::in_brief;
use super::{BOLD, GREEN, YELLOW, count, exactness, how, last, paint};
use crate::report::Style;
use crate::report::escape::text;
use crate::report::model::{KeptProcess, KeptReceipt, LedgerCheck, ReceiptList, ReceiptRow};

/// A user, and who he was when he logged in.
fn by(uid: u32, login: Option<u32>) -> String {
    match login {
        Some(l) if l != uid => format!("uid {uid} (login {l})"),
        _ => format!("uid {uid}"),
    }
}

/// `receipts`
pub fn receipts(l: &ReceiptList, s: &Style) -> String {
    let mut out = String::new();
    if l.receipts.is_empty() {
        out.push_str("no receipts are kept\n");
    } else {
        out.push_str(&rows(&l.receipts, s));
    }
    if l.more > 0 {
        out.push_str(&format!("and {} before these; --all shows each\n", l.more));
    }
    if l.unread > 0 {
        let n = count(l.unread, "line cannot", "lines cannot");
        out.push_str(&format!(
            "{}\n",
            paint(s, YELLOW, &format!("{n} be read: 'killer receipts --verify' says more"))
        ));
    }
    last(s, out)
}

/// The same as a table, with its head.
pub fn rows(all: &[ReceiptRow], s: &Style) -> String {
    let mut out = String::new();
    let head = ["ID", "TIME", "BY", "SERVICE", "SIGNALS", "PROCESSES", "OUTCOME"].map(String::from);
    let mut rows = vec![head.to_vec()];
    for r in all {
        rows.push(vec![
            text(&r.id),
            text(&r.at),
            by(r.uid, r.login_uid),
            text(&r.service),
            text(&match &*r.form {
                "signal" => r.signals.join(" "),
                form => format!("{form}: {}", r.signals.join(" ")),
            }),
            r.signalled.to_string(),
            format!("{} ({})", text(&r.outcome), r.exit_code),
        ]);
    }
    let wide = |c: usize| rows.iter().map(|r| r[c].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..head.len()).map(wide).collect();
    for (i, r) in rows.iter().enumerate() {
        let cells: Vec<String> = r.iter().zip(&widths).map(|(c, w)| format!("{c:<w$}", w = *w)).collect();
        let line = cells.join("  ");
        let line = line.trim_end();
        out.push_str(&if i == 0 { paint(s, BOLD, line) } else { line.to_owned() });
        out.push('\n');
    }
    out
}

fn process(p: &KeptProcess) -> String {
    let role = match (p.main, p.control) {
        (true, _) => ", main process",
        (_, true) => ", control process",
        _ => "",
    };
    let got: Vec<String> = p
        .got
        .iter()
        .map(|g| match (&*g.result, &g.error) {
            ("signalled", _) => match &g.outlived {
                Some(how) => format!("{} ({})", text(&g.signal), text(how)),
                None => text(&g.signal),
            },
            (_, Some(e)) => format!("{} {} ({})", text(&g.signal), text(&g.result), text(e)),
            _ => format!("{} {}", text(&g.signal), text(&g.result)),
        })
        .collect();
    let got = if got.is_empty() { "nothing".into() } else { got.join(", ") };
    let how = how(&p.end);
    let why = p.end.why.as_ref().map_or(String::new(), |w| format!(": {}", text(w)));
    let order = if p.end.by_order { " of this order" } else { "" };
    let after = p.end.after_us.map_or(String::new(), |us| format!(", {} after it began", super::span(us)));
    format!(
        "{} ({}), uid {}{role}: got {got}; {}{how}{order}{after}{why}\n",
        p.pid,
        text(&p.comm),
        p.uid,
        text(&p.end.state)
    )
}

/// One, whole.
pub fn kept(k: &KeptReceipt, s: &Style) -> String {
    let d = &k.deed;
    let mut out = format!("{}\n", paint(s, BOLD, &format!("receipt {}", text(&k.id))));
    let mut row = |name: &str, value: String| out.push_str(&format!("{name:>11}: {value}\n"));
    row("Line", format!("{}, after {}", k.number, text(&k.prev)));
    row(
        "Time",
        format!("{}; {} s after boot {}", text(&d.at), d.boottime_ns / 1_000_000_000, text(&d.boot_id)),
    );
    row("Service", text(&d.service));
    row("Order", format!("{}: {} to {}", text(&d.form), text(&d.signals.join(" ")), text(&d.whom)));
    let empty = if d.empty { "; empty" } else { "" };
    row("Outcome", format!("{} ({}){empty}", text(&d.outcome), d.exit_code));
    row("Exactness", format!("{} (tier {})", exactness(&d.exactness), text(&d.tier)));
    let (b, l) = (&d.before, &d.left);
    row(
        "Processes",
        format!("{} before ({} tasks), {} left ({} tasks)", b.processes, b.tasks, l.processes, l.tasks),
    );
    if !d.also_ends.is_empty() {
        row("Also ends", text(&d.also_ends.join(", ")));
    }
    let session = d.asked_by.session_id.map_or(String::new(), |n| format!(", session {n}"));
    row("Asked by", format!("{}{session}", by(d.asked_by.uid, d.asked_by.login_uid)));
    for p in &d.asked_by.processes {
        let exe = p.exe.as_deref().or(p.comm.as_deref()).map_or("?".into(), text);
        let why = p.unread.as_ref().map_or(String::new(), |w| format!(" [{}]", text(w)));
        row("Process", format!("{} {exe}{why}", p.pid));
    }
    for u in &d.asked_by.unread {
        row("Not read", text(u));
    }
    row("Program", format!("killer {}, objects {}", text(&d.program.version), text(&d.program.objects)));
    row(
        "Signed",
        k.key.as_ref().map_or("no".into(), |key| format!("with key {}; --verify --key checks it", text(key))),
    );
    d.processes.iter().for_each(|p| out.push_str(&process(p)));
    if d.left_out > 0 {
        out.push_str(&format!(
            "and {} more, which are not named\n",
            count(d.left_out, "process", "processes")
        ));
    }
    d.unstick.iter().for_each(|s| out.push_str(&format!("unstick: {}\n", in_brief(s))));
    d.notes.iter().for_each(|n| out.push_str(&format!("note: {}\n", text(n))));
    last(s, out)
}

/// `receipts --verify`, when nothing is wrong.
pub fn ledger(c: &LedgerCheck, s: &Style) -> String {
    let mut out = String::new();
    // What is wrong is said as every failure is.
    if c.wrong.is_some() {
        return out;
    }
    for t in &c.torn {
        out.push_str(&format!(
            "{}\n",
            paint(s, YELLOW, &format!("{}, line {}: {}", text(&t.file), t.line, text(&t.what)))
        ));
    }
    let lines = count(c.lines, "line", "lines");
    let files = count(c.files, "file", "files");
    let from = if c.first > 1 {
        format!(", from line {} on: older ones were dropped", c.first)
    } else {
        String::new()
    };
    let whole = paint(s, GREEN, "as they were written");
    out.push_str(&format!(
        "{} in {lines} of {files}{from}: {whole}\n",
        count(c.receipts, "receipt", "receipts")
    ));
    out.push_str(&match (c.unsigned_end, c.signed) {
        (Some(_), n) => format!("signatures: {n}, each of that key; the last one vouches for all lines\n"),
        (None, 0) => "signatures: none; who may write the files could have written all of them anew\n".into(),
        (None, n) => format!("signatures: {n}, not checked; --key FILE does that\n"),
    });
    match c.since_head {
        Some(0) => out.push_str("the head is the given one: nothing is missing at the end\n"),
        Some(n) => {
            out.push_str(&format!("{} since the given head, and it is there\n", count(n, "line", "lines")))
        }
        None => out.push_str(
            "whether lines are missing at the end, only a head that was kept elsewhere can tell (--head)\n",
        ),
    }
    if let Some(h) = &c.head {
        out.push_str(&format!("head {}\n", text(h)));
    }
    last(s, out)
}
