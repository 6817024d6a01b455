//! `verify`: what every other way would have done.

use super::{BOLD, GREEN, RED, count, exactness, last, paint, word};
use crate::report::Style;
use crate::report::escape::text;
use crate::report::model::{Process, Verify};

/// `verify`
pub fn verify(v: &Verify, s: &Style) -> String {
    let mut out = format!(
        "{}: {} ({} {}); {}\n",
        paint(s, BOLD, &text(&v.service)),
        count(v.counts.processes, "member", "members"),
        count(v.counts.tasks.max(0) as u64, "task", "tasks"),
        word(&v.exactness),
        exactness(&v.exactness)
    );
    let who = |v: &[Process]| {
        let mut t: Vec<String> =
            v.iter().take(12).map(|p| format!("{} ({})", p.pid, text(&p.comm))).collect();
        if v.len() > 12 {
            t.push(format!("and {} more", v.len() - 12));
        }
        t.join(", ")
    };
    let width = v.ways.iter().map(|w| w.way.chars().count()).max().unwrap_or(0);
    for w in &v.ways {
        let name = format!("{:<width$}", w.way);
        if let Some(why) = &w.skipped {
            out.push_str(&format!("  {name}  not tried: {}\n", text(why)));
            continue;
        }
        let ok = w.missed.is_empty() && w.strangers.is_empty();
        let mut wrong = Vec::new();
        if !w.missed.is_empty() {
            wrong.push(format!("misses {}", w.missed.len()));
        }
        if !w.strangers.is_empty() {
            wrong.push(format!("would hit {}", count(w.strangers.len() as u64, "stranger", "strangers")));
        }
        let verdict =
            if ok { paint(s, GREEN, "all, and nobody else") } else { paint(s, RED, &wrong.join(", ")) };
        out.push_str(&format!("  {name}  finds {}: {verdict}  ({})\n", w.found, text(&w.used_by)));
        if !w.missed.is_empty() {
            out.push_str(&format!("  {:width$}    missed: {}\n", "", who(&w.missed)));
        }
        if !w.strangers.is_empty() {
            out.push_str(&format!("  {:width$}    strangers: {}\n", "", who(&w.strangers)));
        }
    }
    for d in &v.disagreements {
        out.push_str(&format!("  {}\n", paint(s, RED, &text(d))));
    }
    last(s, out)
}
