//! What lets survivors end: the steps, before and after they are done.

use super::count;
use crate::report::escape::text;
use crate::report::model::UnstickStep;

/// So many processes are named in a line.
const NAMED: usize = 8;

fn pids(of: &[u32]) -> String {
    let first: Vec<String> = of.iter().take(NAMED).map(|p| p.to_string()).collect();
    match of.len().saturating_sub(NAMED) {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

fn others(s: &UnstickStep) -> String {
    match s.others {
        _ if s.kind == "release-tracer" => String::new(),
        None => "    others: nobody could count them\n".into(),
        Some(0) => String::new(),
        Some(n) => {
            let named: Vec<String> = s.other_names.iter().take(NAMED).map(|w| text(w)).collect();
            let named = if named.is_empty() { String::new() } else { format!(": {}", named.join(", ")) };
            format!("    also reaches {}{named}\n", count(n, "process of others", "processes of others"))
        }
    }
}

/// What became of it.
fn result(s: &UnstickStep) -> String {
    let why = s.why.as_deref().map_or(String::new(), |w| format!(": {}", text(w)));
    match &*s.result {
        "done" if s.undone => "done, and undone afterwards".into(),
        "done" => format!("done{why}"),
        "by-hand" => format!("only by hand{why}"),
        "refused" => format!("not done{why}"),
        "failed" => format!("failed{why}"),
        "not-needed" => "not needed any more".into(),
        _ => String::new(),
    }
}

/// Each step, as a question needs it, or as it was done.
pub fn steps(of: &[UnstickStep]) -> String {
    let mut out = String::new();
    for (i, s) in of.iter().enumerate() {
        let what = match &*s.kind {
            "thaw-freezer" => "thaw the freezer",
            "abort-fuse" => "abort the FUSE connection",
            "umount-nfs" => "unmount by force",
            _ => "let the tracer go:",
        };
        out.push_str(&format!("  step {}: {what} {} (holds {})\n", i + 1, text(&s.target), pids(&s.members)));
        out.push_str(&format!("    {}\n", text(&s.effect)));
        out.push_str(&others(s));
        if !s.command.is_empty() {
            out.push_str(&format!("    by hand: {}\n", text(&s.command)));
        }
        if s.kind != "release-tracer" {
            out.push_str(&match &s.undo {
                Some(u) => format!("    undo: {}\n", text(u)),
                None => "    this cannot be undone\n".into(),
            });
        }
        let result = result(s);
        if !result.is_empty() {
            out.push_str(&format!("    {result}\n"));
        }
    }
    out
}

/// What became of each, a line each.
pub fn results(of: &[UnstickStep]) -> String {
    let one = |(i, s): (usize, &UnstickStep)| format!("  step {}: {}\n", i + 1, result(s));
    of.iter().enumerate().filter(|(_, s)| s.result != "by-hand").map(one).collect()
}

/// One line a step, for receipts.
pub fn in_brief(s: &UnstickStep) -> String {
    format!("{} {} for {}: {}", text(&s.kind), text(&s.target), pids(&s.members), result(s))
}
