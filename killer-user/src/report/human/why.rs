//! `why`.

use super::{BOLD, RED, count, exactness, how, last, paint};
use crate::report::Style;
use crate::report::escape::{cut, text};
use crate::report::model::{Ancestor, Why};

/// `why`
pub fn why(w: &Why, s: &Style) -> String {
    let of = w.chain.last();
    let name = of.map(|l| text(&l.process.comm)).unwrap_or_default();
    let state = if w.alive { "alive" } else { "ended" };
    let service = match w.service.is_empty() {
        true => "a service that was forgotten".to_owned(),
        false => {
            let all = std::iter::once(&w.service).chain(&w.inside);
            format!("service {}", all.map(|n| text(n)).collect::<Vec<_>>().join(", inside "))
        }
    };
    let mut out = paint(s, BOLD, &format!("{} ({name})", w.pid));
    out.push_str(&format!(", {state}, of {service}"));
    if let Some(e) = &w.exactness {
        out.push_str(&format!(" ({})", exactness(e)));
    }
    out.push('\n');
    if let Some(n) = w.unknown_ancestors {
        out.push_str(&match n {
            0 => "  [ancestors no longer known]\n".to_owned(),
            n => format!("  [ancestors no longer known: {n}]\n"),
        });
    }
    let width = w.chain.iter().map(|l| l.process.pid.to_string().len()).max().unwrap_or(0);
    // The last half is below what is left out.
    let cut_at = w.chain.len() / 2;
    for (i, link) in w.chain.iter().enumerate() {
        if i == cut_at && w.left_out > 0 {
            let n = count(w.left_out, "more process", "more processes");
            out.push_str(&format!("  [{n} in between; --all shows each]\n"));
        }
        let first = i == 0 || i == cut_at && w.left_out > 0;
        out.push_str(&format!("  {}  {:>width$}  {}\n", link.born, link.process.pid, line(link, first, s)));
    }
    for p in &w.others {
        out.push_str(&format!("  another process {} ({}) had ended before\n", p.pid, text(&p.comm)));
    }
    last(s, out)
}

/// What a process is and how it came about. `first`: the one above it in the list is not its creator.
fn line(l: &Ancestor, first: bool, s: &Style) -> String {
    let p = &l.process;
    let what = match p.command.as_deref().filter(|c| !c.is_empty()) {
        Some(c) => cut(c, 120),
        None => format!("({})", text(&p.comm)),
    };
    let mut marks = Vec::new();
    match (l.how, first) {
        ("started", _) => marks.push(format!("started as {} by process {}", text(&p.service), p.creator)),
        ("control", _) => marks.push(format!("control process, started by process {}", p.creator)),
        ("adopted", _) => marks.push(format!("adopted as {}", text(&p.service))),
        ("opened", _) => marks.push(format!("opened {} by an exec", text(&p.service))),
        (_, true) => marks.push(format!("forked by process {}", p.creator)),
        _ => {}
    }
    if p.main && l.how != "started" {
        marks.push(if p.guessed { "main process, guessed" } else { "main process" }.to_owned());
    }
    marks.push(match l.euid {
        Some(e) if e != p.uid => format!("uid {}, effective {e}", p.uid),
        _ => format!("uid {}", p.uid),
    });
    if l.execs > 0 {
        marks.push(count(u64::from(l.execs), "exec", "execs"));
    }
    if let Some(program) = l.program.as_deref() {
        marks.push(cut(program, 120));
    }
    if l.ended.is_some() {
        let how = l.end.as_ref().map(how).unwrap_or_default();
        marks.push(format!("ended{how} after {}", super::span(l.age_us)));
    }
    let text = format!("{what}  [{}]", marks.join("; "));
    if l.alive { text } else { paint(s, RED, &text) }
}
