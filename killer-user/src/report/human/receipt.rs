//! Receipts: `-v`, `--dry-run`, and the processes that are still there.

use super::outside::outside;
use super::unstick::steps;
use super::{count, exactness, last, word};
use crate::report::Style;
use crate::report::escape::text;
use crate::report::model::{Process, Receipt, Signalled, Stop, Survivor};

/// `main process 1234 (cron)`
fn process(p: &Process) -> String {
    let role = match (p.main, p.control) {
        (true, _) if p.guessed => "guessed main process",
        (true, _) => "main process",
        (_, true) => "control process",
        _ => "process",
    };
    format!("{role} {} ({})", p.pid, text(&p.comm))
}

/// One line a process: `-v`, and what a dry run would do.
pub fn receipt(r: &Receipt, s: &Style) -> String {
    let mut out = String::new();
    for p in &r.targets {
        let who = process(&p.process);
        out.push_str(&match p.result.as_str() {
            "would-signal" => {
                format!("Would send signal {} to {who} of {}\n", r.signal_name, text(&r.service))
            }
            "signalled" => format!("Sent signal {} to {who} on client request.\n", r.signal_name),
            "gone" => format!("Not sent to {who}: it had ended\n"),
            _ => format!(
                "Failed to send signal {} to {who}: {}\n",
                r.signal_name,
                text(p.error.as_deref().unwrap_or("?"))
            ),
        });
    }
    if !r.dry_run {
        let state = if r.empty {
            format!("empty {}", word(&r.exactness))
        } else {
            count(r.left.tasks.max(0) as u64, "task lives on", "tasks live on")
        };
        let gates = if r.gates.is_empty() { String::new() } else { format!(", gate {}", r.gates.join("+")) };
        out.push_str(&format!(
            "{}: {} signalled in {} {}{gates}, {:.1} ms; {state}; tier {}, {}\n",
            text(&r.service),
            count(
                r.targets.iter().filter(|p| p.result == "signalled").count() as u64,
                "process",
                "processes"
            ),
            r.passes,
            if r.passes == 1 { "pass" } else { "passes" },
            r.times.ended_us as f64 / 1000.0,
            r.tier,
            exactness(&r.exactness)
        ));
    }
    if let Some(o) = &r.outside {
        out.push_str(&outside(o));
    }
    if !r.unstick.is_empty() {
        let when = if r.dry_run { "what would let survivors end" } else { "what was done about survivors" };
        out.push_str(&format!("{when}:\n{}", steps(&r.unstick)));
    }
    if !r.also_ends.is_empty() {
        out.push_str(&format!("also ends: {}\n", text(&r.also_ends.join(", "))));
    }
    for n in &r.notes {
        out.push_str(&format!("note: {}\n", text(n)));
    }
    last(s, out)
}

/// `stop`: every step, and how it ended.
pub fn stop(t: &Stop, s: &Style) -> String {
    let mut out = String::new();
    if let Some(c) = &t.command {
        let how = match (&c.error, c.exit_code) {
            (Some(e), _) => format!("not run: {e}"),
            (_, Some(code)) => format!("status {code}"),
            _ => "did not end in time".into(),
        };
        out.push_str(&format!("Stop command '{}': {}\n", text(&c.command), text(&how)));
    }
    for r in &t.steps {
        out.push_str(&receipt(r, s));
        if !out.ends_with('\n') {
            out.push('\n');
        }
    }
    let state = if t.empty { format!("empty {}", word(&t.exactness)) } else { "not empty".into() };
    out.push_str(&format!(
        "{}: {}, {:.1} ms; {state}\n",
        text(&t.service),
        t.ending.word(),
        t.took_us as f64 / 1000.0
    ));
    for n in &t.notes {
        out.push_str(&format!("note: {}\n", text(n)));
    }
    last(s, out)
}

/// Processes that are still there: one line each, for stderr.
pub fn survivors(r: &Receipt) -> String {
    left(&r.survivors)
}

/// Processes that could not be signalled: one line each, for stderr.
pub fn refused(r: &Receipt) -> String {
    let why = |p: &Signalled| p.error.as_deref().map(text);
    let line =
        |p: &Signalled| Some(format!("  {} ({}): {}\n", p.process.pid, text(&p.process.comm), why(p)?));
    r.targets.iter().filter_map(line).collect()
}

/// The same of a list.
pub fn left(survivors: &[Survivor]) -> String {
    survivors
        .iter()
        .map(|p| {
            let helps = p.cure.as_ref().map_or(String::new(), |c| format!("; to let it end: {}", text(c)));
            format!("  {} ({}): {}{helps}\n", p.process.pid, text(&p.process.comm), text(&p.text))
        })
        .collect()
}
