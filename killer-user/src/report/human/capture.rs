//! `capture` and `verify-capture`.

use super::{GREEN, RED, YELLOW, count, last, paint};
use crate::report::Style;
use crate::report::escape::{cut, text};
use crate::report::model::{CaptureCheck, CaptureExport, CaptureState, Captured};

/// So many things that are left out are shown.
const SHOWN: usize = 10;

/// `1.5 GiB`
fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let (mut n, mut unit) = (bytes as f64, 0);
    while n >= 1024.0 && unit + 1 < UNITS.len() {
        (n, unit) = (n / 1024.0, unit + 1);
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{n:.1} {}", UNITS[unit]) }
}

/// `web: [#####.....] 50 %, 1.5 GiB, 200.0 MiB/s, 12s left`
pub fn capture_progress(service: &str, far: f64, bytes: u64, ns: u64) -> String {
    const WIDE: usize = 20;
    let far = far.clamp(0.0, 1.0);
    let seconds = ns as f64 / 1e9;
    let full = (far * WIDE as f64) as usize;
    let bar = format!("{}{}", "#".repeat(full), ".".repeat(WIDE - full));
    let rate = size((bytes as f64 / seconds.max(0.001)) as u64);
    // Before that it is a guess about the first process alone.
    let left = match far >= 0.02 {
        true => format!(", {} left", super::age((seconds * (1.0 - far) / far) as u64)),
        false => String::new(),
    };
    format!("{}: [{bar}] {:.0} %, {}, {rate}/s{left}", cut(service, 30), far * 100.0, size(bytes))
}

/// `capture`
pub fn capture(c: &Captured, s: &Style) -> String {
    let m = &c.manifest;
    let mut out = format!("{}  {}\n", c.sha256, text(&c.file));
    let processes = count(m.members, "process", "processes");
    out.push_str(&format!(
        "{}: {processes}, {} in {}; {}; {}\n",
        text(&m.service),
        size(m.bytes),
        count(m.parts, "part", "parts"),
        match c.then.as_str() {
            "kept" => "it stays frozen",
            "thawed" => "it goes on",
            "killed" => "it was killed",
            "not-frozen" => "it was not frozen",
            _ => "what became of it is said on stderr",
        },
        super::exactness(&m.exactness)
    ));
    for d in &m.doubts {
        out.push_str(&format!("{}: {}\n", paint(s, YELLOW, "doubt"), text(d)));
    }
    if let Some(why) = &m.cut_short {
        out.push_str(&format!("{}: {}\n", paint(s, RED, "cut short"), text(why)));
    }
    for l in m.left_out.iter().take(SHOWN) {
        out.push_str(&format!("left out: {}: {}\n", text(&l.what), text(&l.why)));
    }
    let more = m.left_out_more + m.left_out.len().saturating_sub(SHOWN) as u64;
    if more > 0 {
        out.push_str(&format!("left out: {more} more; the manifest names them\n"));
    }
    last(s, out)
}

/// `verify-capture`
pub fn capture_check(c: &CaptureCheck, s: &Style) -> String {
    let parts = format!("{}, {}", count(c.parts, "part", "parts"), size(c.bytes));
    let why = c.why.as_deref().map(text).unwrap_or_default();
    let upto = c.last.as_deref().map_or_else(|| "nothing".into(), text);
    let mut out = match c.state {
        CaptureState::Whole => format!("{}: {parts}\n", paint(s, GREEN, "whole")),
        CaptureState::Incomplete => {
            format!("{}: {parts}, up to '{upto}'; {why}\n", paint(s, YELLOW, "incomplete"))
        }
        CaptureState::Changed => format!("{}: {why}\n", paint(s, RED, "changed")),
        CaptureState::None => format!("{}: {why}\n", paint(s, RED, "no capture")),
    };
    if c.unvouched > 0 {
        let more = count(c.unvouched, "more part", "more parts");
        out.push_str(&format!("{more}, of which no record says what they were\n"));
    }
    if let Some(service) = &c.service {
        out.push_str(&format!("service: {}\n", cut(service, 100)));
    }
    if c.left_out > 0 {
        out.push_str(&format!("left out: {}; the manifest names them\n", c.left_out));
    }
    if let Some(sha256) = &c.sha256 {
        out.push_str(&format!("{sha256}  {}\n", text(&c.file)));
    }
    last(s, out)
}

/// `capture --export`
pub fn capture_export(e: &CaptureExport, s: &Style) -> String {
    let rows = count(e.rows, "row", "rows");
    let events = count(e.events, "event", "events");
    last(s, format!("{}: {rows}\n{}: {events}\n", text(&e.body), text(&e.ndjson)))
}
