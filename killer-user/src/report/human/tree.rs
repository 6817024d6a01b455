//! `tree`, and the members in `status`.

use super::{BOLD, RED, age, count, last, paint};
use crate::report::Style;
use crate::report::escape::{cut, text};
use crate::report::model::{Node, Tree};
use crate::report::nest::DEEP;

/// `tree`
pub fn tree(t: &Tree, s: &Style) -> String {
    if let (Some(note), true) = (&t.note, t.tree.is_empty()) {
        return last(s, format!("{}: {}\n", text(&t.service), text(note)));
    }
    if t.tree.is_empty() {
        return format!("{} has no live process\n", text(&t.service));
    }
    let mut out = paint(s, BOLD, &text(&t.service));
    if let Some(k) = &t.last_kill {
        out.push_str(&format!(": {} by uid {} at {}, {} ago", k.signal, k.uid, k.at, age(k.age_s)));
    }
    if let Some(note) = &t.note {
        out.push_str(&format!("; {}", text(note)));
    }
    out.push('\n');
    forest(&t.tree, s, "", &mut out);
    more(t.more, "", &mut out);
    last(s, out)
}

/// How many are not shown.
pub(super) fn more(n: u64, indent: &str, out: &mut String) {
    if n > 0 {
        let n = count(n, "more process", "more processes");
        out.push_str(&format!("{indent}and {n}; --all shows each\n"));
    }
}

/// A line of a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeLine {
    /// The process that it shows, by number and inode where that is known; `None`: words about some that are not known any more.
    pub process: Option<(u32, Option<u64>)>,
    /// What it says.
    pub text: String,
}

/// The lines of a lineage, one by one.
pub fn tree_lines(t: &Tree, s: &Style) -> Vec<TreeLine> {
    lines(&t.tree, s)
}

pub(super) fn forest(nodes: &[Node], s: &Style, indent: &str, out: &mut String) {
    for line in lines(nodes, s) {
        out.push_str(&format!("{indent}{}\n", line.text));
    }
}

/// Draws without recursion: a lineage can be ten thousand deep.
fn lines(nodes: &[Node], s: &Style) -> Vec<TreeLine> {
    let (tee, end, bar) = if s.utf8 { ("├─", "└─", "│ ") } else { ("|-", "`-", "| ") };
    let mut out = Vec::new();
    let mut stack: Vec<(&Node, String, bool, usize)> = Vec::new();
    for (i, n) in nodes.iter().enumerate().rev() {
        stack.push((n, String::new(), i + 1 == nodes.len(), 0));
    }
    while let Some((n, mut lead, mut is_last, depth)) = stack.pop() {
        if let Some(words) = n.unknown_words() {
            // In their place, above it.
            let text = format!("{lead}{}{words}", if is_last { end } else { tee });
            out.push(TreeLine { process: None, text });
            lead.push_str(if is_last { "  " } else { bar });
            is_last = true;
        }
        let shown = if depth > DEEP { format!("({depth} deep) ") } else { String::new() };
        let text = format!("{lead}{}{shown}{}", if is_last { end } else { tee }, label(n, s));
        out.push(TreeLine { process: Some((n.process.pid, n.process.inode)), text });
        let below =
            if depth >= DEEP { lead.clone() } else { format!("{lead}{}", if is_last { "  " } else { bar }) };
        for (i, c) in n.children.iter().enumerate().rev() {
            stack.push((c, below.clone(), i + 1 == n.children.len(), depth + 1));
        }
    }
    out
}

fn label(n: &Node, s: &Style) -> String {
    let p = &n.process;
    let what = match &p.command {
        Some(c) if !c.is_empty() => cut(c, 160),
        _ => format!("({})", text(&p.comm)),
    };
    let mut marks = Vec::new();
    if p.main {
        marks.push(if p.guessed { "main, guessed" } else { "main" }.to_owned());
    }
    if p.control {
        marks.push("control".into());
    }
    if p.adopted {
        marks.push("adopted".into());
    }
    if let Some(t) = n.tasks.filter(|&t| t > 1) {
        marks.push(format!("{t} tasks"));
    }
    if !n.escaped.is_empty() {
        marks.push(format!("left its {}", text(&n.escaped.join(", "))));
    }
    if !n.other_namespaces.is_empty() {
        marks.push(format!("in another {}", text(&n.other_namespaces.join(", "))));
    }
    if n.more > 0 {
        marks.push(format!("{} more below", n.more));
    }
    let marks = if marks.is_empty() { String::new() } else { format!("  [{}]", marks.join("; ")) };
    if n.alive {
        format!("{} {what}{marks}", p.pid)
    } else {
        paint(s, RED, &format!("{} {what}  [ended]", p.pid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::model::Process;

    fn node(pid: u32, children: Vec<Node>) -> Node {
        Node {
            process: Process { pid, comm: "a\x1bb".into(), ..Process::default() },
            alive: pid % 2 == 1,
            tasks: None,
            escaped: vec![],
            other_namespaces: vec![],
            age_s: 0,
            unknown_ancestors: None,
            more: 0,
            children,
        }
    }

    #[test]
    fn trees_are_drawn_and_escaped() {
        let t = Tree {
            version: 1,
            kind: "tree",
            service: "x".into(),
            last_kill: None,
            note: None,
            more: 0,
            tree: vec![node(1, vec![node(2, vec![node(3, vec![])]), node(5, vec![])])],
        };
        let s = Style { color: false, utf8: true };
        assert_eq!(
            tree(&t, &s),
            "x\n└─1 (a\\x1bb)\n  ├─2 (a\\x1bb)  [ended]\n  │ └─3 (a\\x1bb)\n  └─5 (a\\x1bb)\n"
        );
        assert!(tree(&t, &Style::default()).is_ascii());
        let orphan = |n| {
            let mut it = node(7, vec![node(9, vec![])]);
            it.unknown_ancestors = Some(n);
            it
        };
        let t = Tree { tree: vec![orphan(3), node(1, vec![]), orphan(0)], ..t };
        assert_eq!(
            tree(&t, &s),
            "x\n├─[ancestors no longer known: 3]\n│ └─7 (a\\x1bb)\n│   └─9 (a\\x1bb)\n├─1 (a\\x1bb)\n\
             └─[ancestors no longer known]\n  └─7 (a\\x1bb)\n    └─9 (a\\x1bb)\n"
        );
    }

    #[test]
    fn deep_trees_are_drawn() {
        let mut n = node(1, vec![]);
        for i in 0..3000 {
            n = node(i, vec![n]);
        }
        let t = Tree {
            version: 1,
            kind: "tree",
            service: "x".into(),
            last_kill: None,
            note: None,
            more: 0,
            tree: vec![n],
        };
        assert_eq!(tree(&t, &Style::default()).lines().count(), 3002);
    }
}
