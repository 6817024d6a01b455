//! `why`.

use super::{BOLD, RED, count, exactness, how, last, paint};
use crate::report::Style;
use crate::report::escape::{cut, text};
use crate::report::model::{Ancestor, Executed, Why};

/// `why`
pub fn why(w: &Why, s: &Style) -> String {
    let of = w.chain.last();
    let name = of.map(|l| text(&l.process.comm)).unwrap_or_default();
    let state = if w.alive { "alive" } else { "ended" };
    let service = match (w.service.is_empty(), w.member) {
        (_, false) => "a member of no service".to_owned(),
        (true, true) => "of a service that was forgotten".to_owned(),
        (false, true) => {
            let all = std::iter::once(&w.service).chain(&w.inside);
            format!("of service {}", all.map(|n| text(n)).collect::<Vec<_>>().join(", inside "))
        }
    };
    let mut out = paint(s, BOLD, &format!("{} ({name})", w.pid));
    out.push_str(&format!(", {state}, {service}"));
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
        if let Some(n) = link.unknown_above {
            let n = count(n.into(), "process in between is", "processes in between are");
            out.push_str(&format!("  [{n} no longer known]\n"));
        }
        let first = i == 0 || link.unknown_above.is_some() || i == cut_at && w.left_out > 0;
        out.push_str(&format!("  {}  {:>width$}  {}\n", link.born, link.process.pid, line(link, first, s)));
        for (n, e) in link.executed.iter().enumerate() {
            // As many are kept from the first one on as of the last ones.
            if link.executed_left_out > 0 && n == link.executed.len() / 2 {
                let more = count(link.executed_left_out, "more exec", "more execs");
                out.push_str(&format!(
                    "  {:indent$}  [{more} in between]\n",
                    "",
                    indent = link.born.len() + width + 2
                ));
            }
            out.push_str(&format!("  {}  {:>width$}  {}\n", e.at, "", executed(e)));
        }
    }
    for p in &w.others {
        out.push_str(&format!("  another process {} ({}) had ended before\n", p.pid, text(&p.comm)));
    }
    last(s, out)
}

/// An exec: what, with which arguments, where.
fn executed(e: &Executed) -> String {
    let path = e.file.path.as_deref().or(e.name.as_deref());
    let path = path.map_or_else(|| format!("a file with inode {}", e.file.ino), |p| cut(p, 120));
    // The first one is its name for itself; of a script the interpreter's words come first, and its path after them.
    let own =
        e.script.then(|| e.args.iter().position(|a| Some(a) == e.file.path.as_ref())).flatten().unwrap_or(0);
    let args = match e.args.get(own + 1..).unwrap_or_default() {
        [] => String::new(),
        args => format!(" {}{}", cut(&args.join(" "), 160), if e.args_cut { " ..." } else { "" }),
    };
    let mut marks = Vec::new();
    if e.memory {
        marks.push(format!("from memory: {}", text(e.name.as_deref().unwrap_or_default())));
    }
    for (is, what) in [(e.deleted, "deleted"), (e.script, "a script")] {
        if is {
            marks.push(what.to_owned());
        }
    }
    marks.extend(e.directory.as_deref().map(|d| format!("in {}", cut(d, 120))));
    if e.euid != e.uid {
        marks.push(format!("uid {}, effective {}", e.uid, e.euid));
    }
    format!("exec {path}{args}  [{}]", marks.join("; "))
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
        ("before", true) => marks.push(format!("there before the recorder, below process {}", p.creator)),
        ("before", false) => marks.push("there before the recorder".to_owned()),
        ("kernel", _) => marks.push("begun by the kernel".to_owned()),
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
    if l.execs > 0 && l.executed.is_empty() {
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
