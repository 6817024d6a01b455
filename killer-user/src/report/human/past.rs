//! `ledger`.

use super::{BOLD, count, how, last, paint, receipts};
use crate::report::Style;
use crate::report::escape::text;
use crate::report::model::{EndedProcess, Ledger};

/// `ledger`
pub fn past(l: &Ledger, s: &Style) -> String {
    let known = l.ended.len() as u64 + l.more.0;
    let mut out = paint(s, BOLD, &text(&l.service));
    out.push_str(&format!(
        ": {} so far, {} now; {} remembered\n",
        count(l.ever, "process", "processes"),
        l.now.processes,
        count(known, "end is", "ends are")
    ));
    if l.more.0 > 0 {
        out.push_str(&format!("  [{} before these; --all shows each]\n", l.more.0));
    }
    let width = l.ended.iter().map(|e| e.pid.to_string().len()).max().unwrap_or(0);
    l.ended.iter().for_each(|e| out.push_str(&line(e, width)));
    if !l.receipts.is_empty() {
        out.push_str(&receipts::rows(&l.receipts, s));
    }
    if l.more.1 > 0 {
        out.push_str(&format!("and {} before these; --all shows each\n", l.more.1));
    }
    last(s, out)
}

fn line(e: &EndedProcess, width: usize) -> String {
    let name = e.comm.as_deref().map_or_else(|| "?".to_owned(), text);
    let user = e.uid.map_or_else(String::new, |u| format!(", uid {u}"));
    let at = e.ended.as_deref().map_or_else(String::new, |t| format!(" at {t}"));
    format!("  {}  {:>width$}  {name}{user}: ended{}{at}\n", e.began, e.pid, how(&e.end))
}
