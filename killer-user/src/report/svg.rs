//! A tree as a picture that needs nothing else: light or dark as the reader has it.

use super::escape::cut;
use super::graph::{each, label};
use super::model::Tree;

/// So many processes are drawn; the others are counted.
const MOST: usize = 2000;
/// Pixels: a line, a level, the margin, a letter of the font at most.
const LINE: usize = 24;
const LEVEL: usize = 28;
const MARGIN: usize = 16;
const LETTER: usize = 8;
/// Levels that are drawn as such.
const DEEP: usize = super::nest::DEEP;

const STYLE: &str = "<style>svg{background:#fff;color-scheme:light dark}text{font:13px ui-monospace,monospace;fill:#1f2328}\
     .t{font-weight:bold}.e{fill:#a40e26}.u{fill:#59636e;font-style:italic}path{stroke:#8c959f;fill:none}\
     @media(prefers-color-scheme:dark){svg{background:#0d1117}text{fill:#e6edf3}.e{fill:#ff7b72}.u{fill:#9198a1}\
     path{stroke:#6e7681}}</style>\n";

/// SVG.
pub fn svg(t: &Tree) -> String {
    let mut rows: Vec<(usize, &str, String)> = Vec::new();
    let mut places: Vec<(usize, usize)> = Vec::new();
    let mut lines = String::new();
    let (mut hidden, mut widest) = (t.more, t.service.chars().count().min(60));
    let y = |row: usize| MARGIN + LINE * (row + 1);
    each(&t.tree, |n, up, _| {
        hidden += n.more;
        let above = up.map(|up| places[up]);
        let mut depth = above.map_or(0, |(_, depth)| depth + 1);
        if rows.len() >= MOST {
            // Its place stands for those below it, which are not drawn either.
            places.push((MOST, depth));
            hidden += u64::from(n.alive);
            return;
        }
        if let Some(words) = n.unknown_words() {
            rows.push((depth.min(DEEP), "u", words));
            depth += 1;
        }
        let (row, at) = (rows.len(), depth.min(DEEP));
        if let Some((from, _)) = above {
            let x = MARGIN + LEVEL * at - LEVEL / 2;
            lines += &format!("M{x} {}V{}H{}", y(from) + 6, y(row) - 4, x + LEVEL / 2 - 4);
        }
        let mut text = label(n);
        if depth > DEEP {
            text = format!("({depth} deep) {text}");
        }
        widest = widest.max(text.chars().count() + at * LEVEL / LETTER);
        rows.push((at, if n.alive { "" } else { "e" }, text));
        places.push((row, depth));
    });
    if hidden > 0 {
        rows.push((0, "u", format!("and {hidden} more")));
    }
    let (width, height) = (2 * MARGIN + LETTER * (widest + 4), y(rows.len()) + MARGIN);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
         role=\"img\">\n<title>{}</title>\n{STYLE}",
        quoted(&cut(&t.service, 60))
    );
    out +=
        &format!("<text class=\"t\" x=\"{MARGIN}\" y=\"{MARGIN}\">{}</text>\n", quoted(&cut(&t.service, 60)));
    if !lines.is_empty() {
        out += &format!("<path d=\"{lines}\"/>\n");
    }
    for (row, (depth, class, text)) in rows.iter().enumerate() {
        let x = MARGIN + LEVEL * depth;
        let class = if class.is_empty() { String::new() } else { format!(" class=\"{class}\"") };
        out += &format!("<text{class} x=\"{x}\" y=\"{}\">{}</text>\n", y(row), quoted(text));
    }
    out + "</svg>\n"
}

/// Text of others as text of XML.
fn quoted(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::model::{Node, Process};

    fn node(pid: u32, children: Vec<Node>) -> Node {
        Node {
            process: Process { pid, comm: "a<&\"b".into(), ..Process::default() },
            alive: pid % 2 == 1,
            tasks: None,
            escaped: vec![],
            other_namespaces: vec![],
            age_s: 0,
            unknown_ancestors: (pid == 1).then_some(3),
            more: 0,
            children,
        }
    }

    fn picture(tree: Vec<Node>) -> String {
        svg(&Tree {
            version: 1,
            kind: "tree",
            service: "x>y".into(),
            last_kill: None,
            note: None,
            more: 0,
            tree,
        })
    }

    #[test]
    fn each_process_is_a_line_of_text() {
        let drawn = picture(vec![node(1, vec![node(2, vec![node(3, vec![])]), node(5, vec![])])]);
        let texts: Vec<&str> = drawn.lines().filter(|l| l.starts_with("<text")).collect();
        assert_eq!(texts.len(), 6, "{drawn}");
        assert!(texts[0].ends_with(">x&gt;y</text>"), "{drawn}");
        assert!(texts[1].contains("class=\"u\"") && texts[1].contains("no longer known: 3"), "{drawn}");
        assert!(
            texts[3].contains("class=\"e\"") && texts[3].ends_with(">2 a&lt;&amp;&quot;b (ended)</text>")
        );
        assert_eq!(drawn.matches('M').count(), 3, "a line to each that has its creator there: {drawn}");
    }

    #[test]
    fn thousands_are_folded_and_deep_ones_drawn() {
        let drawn = picture((0..2 * MOST as u32).map(|i| node(2 * i + 3, vec![])).collect());
        assert!(drawn.contains(&format!(">and {MOST} more</text>")));
        assert_eq!(drawn.matches("<text").count(), MOST + 2);
        let deep = (0..30_000).fold(node(3, vec![]), |below, i| node(i + 4, vec![below]));
        assert!(picture(vec![deep]).contains(">(41 deep) "));
    }
}
