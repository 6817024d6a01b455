//! A tree as Graphviz and as Mermaid.

use super::escape::{cut, text};
use super::model::{Node, Tree};

pub(super) fn each<'a>(nodes: &'a [Node], mut f: impl FnMut(&'a Node, Option<usize>, usize)) {
    let mut stack: Vec<(&Node, Option<usize>)> = nodes.iter().rev().map(|n| (n, None)).collect();
    let mut id = 0;
    while let Some((n, up)) = stack.pop() {
        f(n, up, id);
        stack.extend(n.children.iter().rev().map(|c| (c, Some(id))));
        id += 1;
    }
}

pub(super) fn label(n: &Node) -> String {
    let what = n.process.command.as_deref().filter(|c| !c.is_empty()).unwrap_or(&n.process.comm);
    let ended = if n.alive { "" } else { " (ended)" };
    format!("{} {}{ended}", n.process.pid, cut(what, 60))
}

/// Graphviz.
pub fn dot(t: &Tree) -> String {
    let quote = |s: &str| s.replace('\\', "\\\\").replace('"', "\\\"");
    let mut out = format!("digraph \"{}\" {{\n  node [shape=box];\n", quote(&text(&t.service)));
    each(&t.tree, |n, up, id| {
        let style = if n.alive { "" } else { ", style=dashed" };
        out.push_str(&format!("  n{id} [label=\"{}\"{style}];\n", quote(&label(n))));
        if let Some(up) = up {
            out.push_str(&format!("  n{up} -> n{id};\n"));
        }
        if let Some(words) = n.unknown_words() {
            out.push_str(&format!("  u{id} [label=\"{words}\", style=dotted];\n  u{id} -> n{id};\n"));
        }
    });
    out + "}\n"
}

/// Mermaid.
pub fn mermaid(t: &Tree) -> String {
    // Mermaid reads HTML entities, and breaks on quotes and brackets.
    let quote = |s: &str| -> String {
        s.chars()
            .map(|c| match c {
                'A'..='Z' | 'a'..='z' | '0'..='9' | ' ' | '-' | '_' | '.' | '/' | ':' | '=' | ',' => {
                    c.to_string()
                }
                c => format!("#{};", c as u32),
            })
            .collect()
    };
    let mut out = String::from("flowchart TD\n");
    each(&t.tree, |n, up, id| {
        let (open, close) = if n.alive { ("[", "]") } else { ("([", "])") };
        out.push_str(&format!("  n{id}{open}\"{}\"{close}\n", quote(&label(n))));
        if let Some(up) = up {
            out.push_str(&format!("  n{up} --> n{id}\n"));
        }
        if let Some(words) = n.unknown_words() {
            out.push_str(&format!("  u{id}[\"{}\"]\n  u{id} -.-> n{id}\n", quote(&words)));
        }
    });
    out
}
