//! `doctor`: this kernel.

use super::{BOLD, GREEN, RED, YELLOW, last, paint};
use crate::report::Style;
use crate::report::escape::text;
use crate::report::model::Doctor;

/// `doctor`
pub fn doctor(d: &Doctor, s: &Style) -> String {
    let mut out = format!("kernel {}\n", text(&d.kernel));
    for c in &d.checks {
        let mark = match c.result.as_str() {
            "ok" => paint(s, GREEN, "ok  "),
            "warn" => paint(s, YELLOW, "warn"),
            _ => paint(s, RED, "FAIL"),
        };
        out.push_str(&format!("  {mark}  {}: {}\n", text(&c.name), text(&c.text)));
        if let Some(h) = &c.hint {
            out.push_str(&format!("        {}\n", text(h)));
        }
    }
    out.push_str(&format!("tier: {}\n", paint(s, BOLD, &d.tier)));
    for g in &d.guarantees {
        out.push_str(&format!("  {}\n", text(g)));
    }
    out.push_str(&format!("  not a better one: {}\n", text(&d.why_not_better)));
    if let Some(sum) = &d.object_sha256 {
        out.push_str(&format!("eBPF object: sha256 {sum}\n"));
    }
    last(s, out)
}
