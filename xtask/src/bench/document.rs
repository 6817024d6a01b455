//! Where figures go: each part of the benchmark has its place in docs/PERFORMANCE.md, so that it can be run alone.

use std::path::PathBuf;

use anyhow::{Context, Result};

use super::goals::{Goal, HEAD};
use crate::{prose, run};

/// The place of the table of goals.
const GOALS: &str = "goals";

/// What a part has measured.
#[derive(Debug, Default)]
pub struct Figures {
    /// Its tables.
    pub text: String,
    /// Its goals.
    pub goals: Vec<Goal>,
    /// Its plots: name of the file without extension, what it shows, SVG.
    pub plots: Vec<(&'static str, &'static str, String)>,
}

impl Figures {
    /// Tables alone.
    pub fn of(text: String) -> Figures {
        Figures { text, ..Figures::default() }
    }

    /// The goals' lines.
    pub fn rows(&self, part: &str) -> String {
        self.goals.iter().filter_map(|g| g.row(part)).collect()
    }
}

/// Writes plots, where they are looked for, and gives the links to them.
///
/// # Errors
/// A file cannot be written.
pub fn plots(figures: &Figures, write: bool) -> Result<String> {
    let dir: PathBuf = run::root().join(if write { "docs/plots" } else { "target/bench" });
    let mut links = String::new();
    for (name, what, svg) in &figures.plots {
        std::fs::create_dir_all(&dir).with_context(|| dir.display().to_string())?;
        let path = dir.join(format!("{name}.svg"));
        std::fs::write(&path, svg).with_context(|| path.display().to_string())?;
        links += &format!("![{what}](plots/{name}.svg)\n\n");
    }
    Ok(links)
}

/// Puts what a part has measured into the document.
///
/// # Errors
/// It cannot be read or written.
pub fn write(part: &str, text: &str, goals: &str) -> Result<()> {
    let path = run::root().join("docs/PERFORMANCE.md");
    let old = std::fs::read_to_string(&path).context("docs/PERFORMANCE.md")?;
    let new = replaced(&old, part, text);
    let table = with_goals(within(&new, GOALS).unwrap_or_default(), part, goals);
    let new = replaced(&new, GOALS, &table);
    std::fs::write(&path, prose::wrapped(&new)).with_context(|| path.display().to_string())
}

fn marks(part: &str) -> [String; 2] {
    ["begin", "end"].map(|edge| format!("<!-- bench {part}: {edge} -->"))
}

fn within<'a>(document: &'a str, part: &str) -> Option<&'a str> {
    let [begin, end] = marks(part);
    Some(document.split_once(&begin)?.1.split_once(&end)?.0)
}

/// Between the marks of a part; a document without them gets them at its end.
fn replaced(document: &str, part: &str, text: &str) -> String {
    let [begin, end] = marks(part);
    let block = format!("{begin}\n\n{}\n\n{end}", text.trim());
    match (document.find(&begin), document.find(&end)) {
        (Some(from), Some(to)) if from < to => {
            format!("{}{block}{}", &document[..from], &document[to + end.len()..])
        }
        _ => format!("{}\n\n{block}\n", document.trim_end()),
    }
}

/// The table of goals with those of one part new, in the order in which the parts came.
fn with_goals(table: &str, part: &str, goals: &str) -> String {
    let of = |line: &str, part: &str| line.starts_with(&format!("| {part} |"));
    let old: Vec<&str> = table.lines().filter(|l| l.starts_with('|')).skip(2).collect();
    let at = old.iter().position(|l| of(l, part)).unwrap_or(old.len());
    let mut rows: Vec<&str> = old[..at].to_vec();
    rows.extend(goals.lines());
    rows.extend(old[at..].iter().filter(|l| !of(l, part)));
    format!("{HEAD}{}\n", rows.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_has_its_place() {
        let one = replaced("# P\n", "kill", "a\n");
        assert_eq!(one, "# P\n\n<!-- bench kill: begin -->\n\na\n\n<!-- bench kill: end -->\n");
        let two = replaced(&replaced(&one, "hooks", "b"), "kill", "c");
        assert_eq!(within(&two, "kill").map(str::trim), Some("c"));
        assert_eq!(within(&two, "hooks").map(str::trim), Some("b"));
        assert_eq!(within(&two, "line"), None);
    }

    #[test]
    fn goals_of_other_parts_stay() {
        let first = with_goals("", "kill", "| kill | a |\n| kill | b |\n");
        let both = with_goals(&first, "hooks", "| hooks | c |\n");
        let again = with_goals(&both, "kill", "| kill | d |\n");
        assert_eq!(again, format!("{HEAD}| kill | d |\n| hooks | c |\n"));
    }
}
