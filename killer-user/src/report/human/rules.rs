//! `rule list`, `rule test`, `rule check`.

use super::{BOLD, GREEN, RED, YELLOW, count, last, paint, unnamed};
use crate::report::Style;
use crate::report::escape::{cut, text};
use crate::report::model::{Rule, RuleCheck, RuleTest, Rules};

/// Characters of a line of names.
const WIDE: usize = 92;

/// `rule list`
pub fn rules(r: &Rules, s: &Style) -> String {
    let mut out = String::new();
    match &r.in_force {
        None => match &r.why {
            Some(why) => out.push_str(&format!("nobody knows whether they are in force: {}\n", text(why))),
            None => out.push_str("not in force: 'killer up --rules' loads them\n"),
        },
        Some(f) => {
            out.push_str(&format!("in force: {} instances opened, {} ended\n", f.opened, f.given_back));
            if !f.by_file {
                out.push_str("  scripts are known by their paths as they are typed\n");
            }
            if f.skipped > 0 {
                let runs = count(f.skipped, "run", "runs");
                out.push_str(&format!("  the kernel skipped {runs} of their hooks\n"));
            }
            unnamed(&f.host_reasons, s).lines().for_each(|l| out.push_str(&format!("  {l}\n")));
        }
    }
    r.rules.iter().for_each(|one| rule(one, s, &mut out));
    for f in &r.switched_off {
        out.push_str(&format!(
            "{}: without a rule; it switches off the file whose place it takes\n",
            text(f)
        ));
    }
    if r.rules.is_empty() {
        out.push_str("there is no rule\n");
    }
    last(s, out)
}

fn rule(r: &Rule, s: &Style, out: &mut String) {
    let paths: Vec<String> = r.paths.iter().map(|p| text(p)).collect();
    let head = format!("{}  {} {}", text(&r.source), r.match_kind, paths.join(", "));
    out.push_str(&format!("{}\n", paint(s, BOLD, &head)));
    let mut line = |what: &str, words: &str| out.push_str(&format!("  {what}: {}\n", cut(words, 400)));
    let named = [("user", &r.user), ("name without", &r.strip), ("pidfile", &r.pidfile)];
    for (what, value) in named.into_iter().filter_map(|(w, v)| Some((w, v.as_ref()?))) {
        line(what, value);
    }
    if !r.aliases.is_empty() {
        line("also called", &r.aliases.join(", "));
    }
    if !r.stop.is_empty() {
        line("stopped by", &r.stop.join(" "));
    }
    for p in &r.absent {
        line("not there", p);
    }
    if !r.services.is_empty() {
        wrapped("services", r.services.iter().map(|n| text(n)), out);
    }
    for u in &r.not_covered {
        let line = format!("  not covered: {} ({})\n", text(&u.path), text(&u.text));
        out.push_str(&line);
    }
}

/// Words behind each other, in lines of their own where they do not fit.
fn wrapped(what: &str, words: impl Iterator<Item = String>, out: &mut String) {
    let mut line = format!("  {what}:");
    for w in words {
        if line.chars().count() + 2 + w.chars().count() > WIDE {
            out.push_str(&format!("{line}\n"));
            line = "   ".into();
        }
        line.push(' ');
        line.push_str(&w);
    }
    out.push_str(&format!("{line}\n"));
}

/// `rule test`
pub fn rule_test(t: &RuleTest, s: &Style) -> String {
    let call: Vec<String> = std::iter::once(&t.path).chain(&t.args).map(|w| text(w)).collect();
    let service = t.service.as_deref().map(text).unwrap_or_default();
    let does = match t.outcome {
        "opens" => paint(s, GREEN, &format!("opens an instance of '{service}'")),
        "stays" => paint(s, GREEN, &format!("stays in the instance of '{service}' that it is in")),
        _ => paint(s, YELLOW, "opens nothing"),
    };
    let mut out = format!("{}: {does}\n", call.join(" "));
    if t.file != t.path {
        out.push_str(&format!("  file: {}\n", text(&t.file)));
    }
    if let Some(rule) = &t.rule {
        out.push_str(&format!("  rule: {}\n", text(rule)));
    }
    if let Some(why) = &t.why {
        out.push_str(&format!("  why: {}\n", text(why)));
    }
    last(s, out)
}

/// `rule check`
pub fn rule_check(c: &RuleCheck, s: &Style) -> String {
    let mut out = String::new();
    for e in &c.errors {
        let at = match (e.line, e.column) {
            (0, _) => text(&e.file),
            (line, 0) => format!("{}:{line}", text(&e.file)),
            (line, column) => format!("{}:{line}:{column}", text(&e.file)),
        };
        out.push_str(&format!("{at}: {}\n", text(&e.text)));
    }
    if c.good {
        out.push_str(&format!("{}\n", paint(s, GREEN, "the rule files are good")));
    } else {
        let n = count(c.errors.len() as u64, "error", "errors");
        out.push_str(&format!("{}\n", paint(s, RED, &n)));
    }
    last(s, out)
}
