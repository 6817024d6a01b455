//! `watch`: a line for each event.

use super::{RED, YELLOW, last, paint};
use crate::report::Style;
use crate::report::escape::{cut, text};
use crate::report::model::{Happened, Sender};

/// `watch`
pub fn happened(h: &Happened, s: &Style) -> String {
    let time = h.at.get(11..26).unwrap_or(&h.at);
    let service = if h.service.is_empty() { "?".into() } else { text(&h.service) };
    let who = || format!("{} ({})", h.pid.unwrap_or(0), text(h.comm.as_deref().unwrap_or_default()));
    let line = match h.event {
        "fork" => format!("{service}: fork    {} by {}", who(), h.creator.unwrap_or(0)),
        "exec" => format!("{service}: exec    {}{}", h.pid.unwrap_or(0), executed(h)),
        "signal" => {
            let signal = h.signal.as_deref().unwrap_or_default();
            let result = match h.result {
                Some("delivered") | None => String::new(),
                Some(other) => format!(", {other}"),
            };
            format!("{service}: signal  {} {signal}{}{result}", who(), by(h.sender.as_ref()))
        }
        "exit" => format!("{service}: exit    {} {}", who(), ended(h)),
        "lost" => {
            let n = grouped(h.lost.unwrap_or(0));
            let why = h.text.as_deref().map(|t| format!(": {}", text(t))).unwrap_or_default();
            return last(s, paint(s, RED, &format!("{time}  {n} events lost here{why}")) + "\n");
        }
        other => {
            let name = if h.service.is_empty() { String::new() } else { format!("{service}: ") };
            let what = format!("{name}{other}  {}", text(h.text.as_deref().unwrap_or_default()));
            return last(s, paint(s, YELLOW, &format!("{time}  {what}")) + "\n");
        }
    };
    last(s, format!("{time}  {line}\n"))
}

fn executed(h: &Happened) -> String {
    let path = h.file.as_ref().and_then(|f| f.path.as_deref());
    let path =
        path.map_or_else(|| format!("({})", text(h.comm.as_deref().unwrap_or_default())), |p| cut(p, 120));
    let args = match &h.args {
        Some(args) if args.len() > 1 => {
            format!(": {}{}", cut(&args.join(" "), 160), if h.args_cut { " ..." } else { "" })
        }
        _ => String::new(),
    };
    format!(" {path}{args}  [uid {}]", h.uid.unwrap_or(0))
}

fn ended(h: &Happened) -> String {
    let how = match (&h.signal, h.exit_code) {
        (Some(signal), _) => {
            let core = if h.core_dumped { ", core dumped" } else { "" };
            format!("{signal}{}{core}", by(h.sender.as_ref()))
        }
        (None, code) => format!("code {}", code.unwrap_or(0)),
    };
    format!("{how}, after {}", super::span(h.age_us.unwrap_or(0)))
}

fn by(sender: Option<&Sender>) -> String {
    match sender {
        None => String::new(),
        Some(s) if s.kernel && s.pid == 0 => " by the kernel".into(),
        Some(s) if s.kernel => format!(" by the kernel, for {} ({}), uid {}", s.pid, text(&s.comm), s.uid),
        Some(s) => format!(" by {} ({}), uid {}", s.pid, text(&s.comm), s.uid),
    }
}

/// `12,345`
fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, d) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(d);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(
            [0, 999, 1000, 12_345, 1_234_567].map(grouped),
            ["0", "999", "1,000", "12,345", "1,234,567"]
        );
    }
}
