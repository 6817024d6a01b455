//! For people: one renderer a file. What they share is here.

mod boot;
mod capture;
mod doctor;
mod list;
mod outside;
mod past;
mod receipt;
mod receipts;
mod rules;
mod selftest;
mod status;
mod tree;
mod unstick;
mod verify;
mod watch;
mod why;

pub use boot::boot_files;
pub use capture::{capture, capture_check, capture_export, capture_progress};
pub use doctor::doctor;
pub use list::services;
pub use past::past;
pub use receipt::{left, receipt, refused, stop, survivors};
pub use receipts::{kept, ledger, receipts};
pub use rules::{rule_check, rule_test, rules};
pub use selftest::{measure, selftest_begins, selftest_ends, trial, verdict};
pub use status::status;
pub use tree::{TreeLine, tree, tree_lines};
pub use unstick::{in_brief, results, steps};
pub use verify::verify;
pub use watch::happened;
pub use why::why;

use super::model::{End, EndSender, Exactness, HostReason};
use super::{Style, escape};

const RED: &str = "\x1b[31m";
const GREEN: &str = "\x1b[32m";
const YELLOW: &str = "\x1b[33m";
const BOLD: &str = "\x1b[1m";
const RESET: &str = "\x1b[0m";

fn paint(s: &Style, color: &str, what: &str) -> String {
    if s.color { format!("{color}{what}{RESET}") } else { what.to_owned() }
}

fn last(s: &Style, out: String) -> String {
    if s.utf8 { out } else { out.split('\n').map(escape::ascii).collect::<Vec<_>>().join("\n") }
}

/// `3h 12min`, as systemd abbreviates.
pub fn age(seconds: u64) -> String {
    let (d, h, m, s) = (seconds / 86400, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    match (d, h, m) {
        (0, 0, 0) => format!("{s}s"),
        (0, 0, _) => format!("{m}min {s}s"),
        (0, _, _) => format!("{h}h {m}min"),
        _ => format!("{d}d {h}h"),
    }
}

/// A span that may be short.
fn span(us: u64) -> String {
    match us {
        0..1_000 => format!("{us} µs"),
        1_000..1_000_000 => format!("{:.1} ms", us as f64 / 1e3),
        1_000_000..60_000_000 => format!("{:.1} s", us as f64 / 1e6),
        _ => age(us / 1_000_000),
    }
}

/// `exact`, or `not exact: …`.
pub fn exactness(e: &Exactness) -> String {
    if e.exact {
        return "exact".into();
    }
    let v: Vec<String> = e
        .reasons
        .iter()
        .map(|r| (escape::text(&r.text), r.count))
        .map(|(words, n)| if n > 1 { format!("{words} ({n} times)") } else { words })
        .collect();
    format!("not exact: {}", v.join("; "))
}

/// Reasons of the host, a line each.
fn unnamed(reasons: &[HostReason], s: &Style) -> String {
    let line = |r: &HostReason| {
        let text = format!("{}: {}: a service may run without its name", r.code, escape::text(&r.text));
        format!("{}\n", paint(s, YELLOW, &text))
    };
    reasons.iter().map(line).collect()
}

/// By whose word a set is empty, or has so many tasks.
pub fn word(e: &Exactness) -> &'static str {
    let scanned = e.reasons.iter().any(|r| r.code == "best-effort");
    if scanned { "by its supervisor and /proc" } else { "by the kernel's count" }
}

/// `1 process`, `2 processes`
pub fn count(n: u64, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}

/// How a process ended, behind the word that it did; empty where that is not known.
pub fn how(e: &End) -> String {
    match (&e.exit_signal, e.exit_code) {
        (Some(signal), _) => {
            let core = if e.core_dumped { ", core dumped" } else { "" };
            let memory = if e.no_memory { ", chosen by the kernel when memory ran out" } else { "" };
            let from = e.sender.as_ref().map(from).unwrap_or_default();
            format!(" by {}{from}{core}{memory}", escape::text(signal))
        }
        (None, Some(code)) => format!(" with code {code}"),
        (None, None) => String::new(),
    }
}

/// Who sent a signal, behind its name.
fn from(s: &EndSender) -> String {
    let program = s.program.as_ref().map_or(String::new(), |p| format!(", {}", escape::text(p)));
    let who = || match (s.pid, &s.comm, s.uid) {
        (Some(pid), Some(comm), Some(uid)) => format!("{pid} ({}{program}, uid {uid})", escape::text(comm)),
        _ => "a process".into(),
    };
    match &*s.kind {
        "itself" => " from itself".into(),
        "kernel" => " from the kernel".into(),
        "program" => format!(" from a BPF program in {}", who()),
        "process-or-kernel" => format!(" from the kernel or from {}", who()),
        _ => format!(" from {}", who()),
    }
}

/// What skipped runs of the hook on signals mean for a frozen service.
pub fn unheard(n: u32) -> String {
    let runs = count(u64::from(n), "run", "runs");
    format!(
        "the kernel skipped {runs} of the hook on signals: a process that was sent SIGCONT may have run meanwhile"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages() {
        assert_eq!(
            (age(5), age(65), age(3700), age(90000)),
            ("5s".into(), "1min 5s".into(), "1h 1min".into(), "1d 1h".into())
        );
    }
}
