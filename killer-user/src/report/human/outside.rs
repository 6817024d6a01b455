//! What a dry run says of processes outside, a line each.

use crate::report::escape::text;
use crate::report::model::{Outside, Stranger};

use super::count;

fn who(of: &[Stranger]) -> String {
    let named: Vec<String> = of.iter().take(8).map(|s| format!("{} ({})", s.pid, text(&s.comm))).collect();
    let more = if of.len() > 8 { format!(" and {} more", of.len() - 8) } else { String::new() };
    named.join(", ") + &more
}

fn members(of: &[u32]) -> String {
    let named: Vec<String> = of.iter().take(8).map(u32::to_string).collect();
    let more = if of.len() > 8 { format!(" and {} more", of.len() - 8) } else { String::new() };
    named.join(", ") + &more
}

/// The verb for one, or for several.
fn verb<T>(of: &[T], one: &'static str, several: &'static str) -> &'static str {
    if of.len() == 1 { one } else { several }
}

/// Lines that begin with `outside: `.
pub fn outside(o: &Outside) -> String {
    let mut lines = Vec::new();
    for p in &o.ports {
        let n = match p.protocol.starts_with("tcp") {
            true => {
                format!(", {}", count(p.established, "established connection", "established connections"))
            }
            false => String::new(),
        };
        lines.push(format!("{} port {} of {}{n}", p.protocol, text(&p.at), members(&p.members)));
    }
    for l in &o.links {
        let m = members(&l.members);
        let (has, is) = (verb(&l.outside, "has", "have"), verb(&l.outside, "is", "are"));
        lines.push(match (l.kind, l.outside.is_empty()) {
            ("pipe", _) => format!("{} {has} a pipe of {m}", who(&l.outside)),
            ("shared-socket", _) => format!("{} {has} a socket of {m}, too", who(&l.outside)),
            ("unix", _) => format!("{} {has} the other end of a unix socket of {m}", who(&l.outside)),
            (kind, true) => format!("{} is connected with {m} ({kind})", text(&l.what)),
            (kind, false) => {
                format!("{} at {} {is} connected with {m} ({kind})", who(&l.outside), text(&l.what))
            }
        });
    }
    for l in &o.locks {
        let waits = if l.waiting.is_empty() {
            String::new()
        } else {
            format!("; {} {} for it", who(&l.waiting), verb(&l.waiting, "waits", "wait"))
        };
        lines.push(format!("{} lock of {} on file {}{waits}", text(&l.kind), l.member, text(&l.file)));
    }
    for t in &o.traced {
        lines.push(format!("{} is traced by {}", who(std::slice::from_ref(&t.outside)), t.member));
    }
    for m in &o.mounts {
        let at: Vec<String> = m.mounts.iter().take(8).map(|p| text(p)).collect();
        lines.push(match m.kind {
            "fuse-server" if at.is_empty() => {
                format!("a FUSE file system is served by {}", members(&m.members))
            }
            "fuse-server" => format!(
                "a FUSE file system is served by {}: it may be {}",
                members(&m.members),
                at.join(", ")
            ),
            _ => format!("a mount namespace ({}) ends with {}", at.join(", "), members(&m.members)),
        });
    }
    lines.extend(o.left_out.iter().map(|l| format!("not looked at: {}", text(l))));
    lines.iter().map(|l| format!("outside: {l}\n")).collect()
}
