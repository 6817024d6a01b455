//! What comments and documents cite: documents, their headings, kernel facts, files and functions of ours, and the
//! hook that a `match-proto:` is about.

use std::collections::BTreeSet;

use super::{Check, Finding, Sources};

const FACTS: &str = "docs/internals/KERNEL_FACTS.md";
/// Where a document lies that is cited by its name alone.
const DOCUMENTS: [&str; 2] = ["docs", "docs/internals"];
/// Files that say which function each step mirrors.
const MODELS: &str = "models/src/";
/// The program itself, which is no function.
const PROGRAM: &str = "killer";
/// What they mirror.
const MIRRORED: [&str; 3] = ["killer-common/src/", "killer-ebpf/src/", "killer-user/src/"];
/// A file that calls this macro has a test for each line of the list that it defines.
const LIST: &str = "with_behaviours!";
const LISTED: &str = "tests/src/lib.rs";
/// What a definition begins with.
const WORDS: [&str; 9] = ["fn", "struct", "enum", "trait", "const", "static", "mod", "type", "macro_rules!"];

/// Everything that is cited and does not exist.
pub fn check(sources: &Sources) -> Vec<Finding> {
    let facts = sources.text(FACTS).unwrap_or_default();
    let facts = facts.lines().filter_map(|l| l.strip_prefix("| ")?.split(' ').next()).collect();
    let known = Known { sources, facts };
    let mut found = Vec::new();
    for (path, text) in sources.all() {
        let lines: Vec<_> = text.lines().collect();
        for (n, line) in lines.iter().enumerate() {
            let said = prose(path, line);
            let mut wrong = known.documents(path, said);
            wrong.extend(known.links(path, said));
            wrong.extend(known.facts(said));
            wrong.extend(known.code(said));
            if path.starts_with(MODELS) {
                wrong.extend(known.mirrors(said));
            }
            wrong.extend(prototype(&lines[n..]));
            found.extend(wrong.into_iter().map(|w| Finding {
                check: Check::Citation,
                key: format!("{path}: {w}"),
                text: format!("{path}:{}: {w} does not exist", n + 1),
            }));
        }
    }
    found
}

/// The part of a line that is for people.
fn prose<'a>(path: &str, line: &'a str) -> &'a str {
    let sign = match path.rsplit_once('.') {
        Some((_, "md")) => return line,
        Some((_, "rs")) => "//",
        Some((_, "toml")) => "#",
        _ => return "",
    };
    let begins =
        line.match_indices(sign).find(|(at, _)| line[..*at].is_empty() || line[..*at].ends_with(' '));
    begins.map_or("", |(at, _)| &line[at..])
}

struct Known<'a> {
    sources: &'a Sources,
    facts: BTreeSet<&'a str>,
}

impl Known<'_> {
    /// Documents and headings, in a line of the file `path`.
    fn documents(&self, path: &str, line: &str) -> Vec<String> {
        let mut wrong = Vec::new();
        for (at, _) in line.match_indices(".md") {
            let begin = line[..at].rfind(|c: char| !(c.is_alphanumeric() || "_-/.".contains(c)));
            let name = &line[begin.map_or(0, |b| b + 1)..at + 3];
            let rest = &line[at + 3..];
            if rest.starts_with(char::is_alphanumeric) || name == ".md" {
                continue;
            }
            let Some(text) = self.document(path, name) else {
                wrong.push(name.to_owned());
                continue;
            };
            let number: String =
                rest.strip_prefix(' ').unwrap_or_default().chars().take_while(char::is_ascii_digit).collect();
            let numbered = text.contains("\n## 1. ");
            if numbered && !number.is_empty() && !text.contains(&format!("\n## {number}. ")) {
                wrong.push(format!("{name} {number}"));
            }
            if let Some(anchor) = rest.strip_prefix('#') {
                let anchor = anchor.split(')').next().unwrap_or_default();
                if !text.lines().filter(|l| l.starts_with('#')).any(|l| slug(l) == anchor) {
                    wrong.push(format!("{name}#{anchor}"));
                }
            }
        }
        let own = self.sources.text(path).filter(|t| path.ends_with(".md") && t.contains("\n## 1. "));
        for (at, word) in own.iter().flat_map(|_| line.match_indices("section ")) {
            let rest = &line[at + word.len()..];
            let number: String = rest.chars().take_while(char::is_ascii_digit).collect();
            if !number.is_empty() && !own.is_some_and(|t| t.contains(&format!("\n## {number}. "))) {
                wrong.push(format!("section {number}"));
            }
        }
        wrong
    }

    /// As it is written in a file: from the checkout, from the folder of that file or from the one above, or from a
    /// folder of documents.
    fn document(&self, path: &str, name: &str) -> Option<&str> {
        let folder = path.rsplit_once('/').map_or("", |(f, _)| f);
        let above = folder.rsplit_once('/').map_or("", |(f, _)| f);
        let above = name.strip_prefix("../").map(|n| format!("{above}/{n}"));
        let places = [name.to_owned(), format!("{folder}/{name}"), above.unwrap_or_default()];
        let documents = DOCUMENTS.map(|d| format!("{d}/{name}"));
        places.iter().chain(&documents).find_map(|p| self.sources.text(p.trim_start_matches('/')))
    }

    /// Links lead from the folder of the file: nothing else finds what they name.
    fn links(&self, path: &str, line: &str) -> Vec<String> {
        let folder = path.rsplit_once('/').map_or("", |(f, _)| f);
        let links = line.split("](").skip(1).filter_map(|l| l.split([')', '#']).next());
        let ours = links.filter(|l| path.ends_with(".md") && !l.is_empty() && !l.contains("://"));
        let leads = |to: &&str| {
            let mut at: Vec<_> = folder.split('/').filter(|f| !f.is_empty()).collect();
            for step in to.split('/') {
                match step {
                    ".." => drop(at.pop()),
                    step => at.push(step),
                }
            }
            self.sources.text(&at.join("/")).is_some()
        };
        ours.filter(|l| !leads(l)).map(|l| format!("the link to {l}")).collect()
    }

    fn facts(&self, line: &str) -> Vec<String> {
        let words = line.split(|c: char| !(c.is_alphanumeric() || c == '_'));
        let facts = words.filter(|w| {
            w.strip_prefix('F').is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
        });
        facts.filter(|f| !self.facts.contains(f)).map(str::to_owned).collect()
    }

    /// Files of ours, with a name that is defined there: `lint.rs:run`, `xtask/src/{lint,run}.rs`.
    fn code(&self, line: &str) -> Vec<String> {
        let line = &joined(line);
        let words = line.split(|c: char| !(c.is_alphanumeric() || "_-/.:{},*".contains(c)));
        let words = words.map(|w| w.trim_matches(|c| ".:,".contains(c)));
        let mut wrong = Vec::new();
        for word in words.filter(|w| w.contains(".rs")) {
            for one in expand(word) {
                let (file, name) = one.split_once(':').unwrap_or((&one, ""));
                if !file.ends_with(".rs") || file.contains('*') || file == ".rs" {
                    continue;
                }
                let files = self.files(file);
                if files.is_empty() || !(name.is_empty() || files.iter().any(|f| self.defines(f, name))) {
                    wrong.push(one);
                }
            }
        }
        wrong
    }

    /// Names in the table of what is mirrored, after a file of ours: they are defined there, or at least somewhere.
    fn mirrors(&self, line: &str) -> Vec<String> {
        let Some(cell) = line.strip_prefix("//! | ").and_then(|l| l.split(" | ").nth(1)) else {
            return Vec::new();
        };
        let ours = |path: &str| MIRRORED.iter().any(|place| path.starts_with(place));
        let mirrored: Vec<_> = self.sources.rust().map(|(p, _)| p).filter(|p| ours(p)).collect();
        let mut files: Option<Vec<&str>> = None;
        let mut wrong = Vec::new();
        for name in cell.split('`').skip(1).step_by(2) {
            if let Some((file, _)) = name.split_once(':').filter(|(f, _)| f.contains('.')) {
                files = file.ends_with(".rs").then(|| self.files(file));
            } else if let Some(files) = &files
                && name != PROGRAM
                && !files.iter().chain(&mirrored).any(|f| self.defines(f, name))
            {
                wrong.push(name.to_owned());
            }
        }
        wrong
    }

    /// Files whose path ends so.
    fn files(&self, end: &str) -> Vec<&str> {
        let is =
            |p: &str| p.strip_suffix(end).is_some_and(|before| before.is_empty() || before.ends_with('/'));
        self.sources.rust().map(|(p, _)| p).filter(|p| is(p)).collect()
    }

    /// Is this the name of something there, or the beginning of one that ends with `*`?
    fn defines(&self, file: &str, name: &str) -> bool {
        let name = name.rsplit(':').next().unwrap_or_default();
        let (name, open) = name.strip_suffix('*').map_or((name, false), |n| (n, true));
        let text = self.sources.text(file).unwrap_or_default();
        let within = |text: &str, definition: &str| {
            text.match_indices(definition).any(|(at, found)| {
                open || !text[at + found.len()..].starts_with(|c: char| c.is_alphanumeric() || c == '_')
            })
        };
        let listed = text.contains(LIST).then(|| self.sources.text(LISTED)).flatten();
        WORDS.iter().any(|word| within(text, &format!("{word} {name}")))
            || listed.is_some_and(|l| within(l, &format!(" {name}:")))
    }
}

/// Without the blanks in lists, `{a, b}`.
fn joined(line: &str) -> String {
    let mut deep = 0;
    let kept = |c: &char| {
        deep += i32::from(*c == '{') - i32::from(*c == '}');
        deep <= 0 || *c != ' '
    };
    line.chars().filter(kept).collect()
}

/// Braces hold several names, as in a shell.
fn expand(path: &str) -> Vec<String> {
    let Some(((before, list), after)) =
        path.split_once('}').and_then(|(b, after)| Some((b.split_once('{')?, after)))
    else {
        return vec![path.to_owned()];
    };
    list.split(',').map(|one| format!("{before}{one}{after}")).collect()
}

/// The anchor of a heading.
fn slug(heading: &str) -> String {
    let words = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = words.chars().filter(|c| c.is_alphanumeric() || "_- ".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// A `match-proto:` stands on the hook that the kernel's function calls: its section has the same name.
fn prototype(lines: &[&str]) -> Option<String> {
    let said = lines[0].trim_start().strip_prefix("/// match-proto: `")?;
    let called = said.split(['(', '{']).next()?.split_whitespace().last()?;
    let kernel = ["trace_", "security_", "bpf_iter__"].iter().find_map(|p| called.strip_prefix(p));
    let section = lines.iter().take(6).find_map(|l| l.split_once("link_section = \"")?.1.split('"').next());
    let hook = section.and_then(|s| s.rsplit('/').next());
    // A program on the entry of a function names the function itself.
    (kernel != hook && hook != Some(called)).then(|| format!("the hook on {called}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(path: &str, line: &str) -> Vec<String> {
        let protocol = ("docs/internals/PROTOCOL.md", "# Protocol\n\n## 1. Maps\n\n## 2. Orders of all\n");
        let facts = ("docs/internals/KERNEL_FACTS.md", "| F1 | One. | `kernel/fork.c` |\n");
        let code = ("killer-ebpf/src/fork.rs", "fn born() {}\nfn creator() {}\n");
        let found = check(&Sources::of(&[protocol, facts, code, (path, line)]));
        let prefix = format!("{path}: ");
        found.into_iter().map(|f| f.key.strip_prefix(&prefix).unwrap().to_owned()).collect()
    }

    #[test]
    fn documents_and_headings() {
        assert!(wrong("xtask/a.rs", "// docs/internals/PROTOCOL.md 2) and PROTOCOL.md").is_empty());
        assert_eq!(
            wrong("xtask/a.rs", "f(); // docs/internals/PROTOCOL.md 9."),
            ["docs/internals/PROTOCOL.md 9"]
        );
        assert_eq!(wrong("xtask/a.rs", "/// docs/NONE.md says why."), ["docs/NONE.md"]);
        assert!(wrong("docs/internals/A.md", "[x](PROTOCOL.md#2-orders-of-all), PROTOCOL.md").is_empty());
        assert_eq!(wrong("docs/internals/A.md", "[x](PROTOCOL.md#orders)"), ["PROTOCOL.md#orders"]);
        assert_eq!(wrong("docs/A.md", "\n## 1. Maps\nsection 4"), ["section 4"]);
        assert!(wrong("xtask/a.rs", "let a = \"docs/NONE.md\";").is_empty(), "code is no citation");
    }

    #[test]
    fn links() {
        assert!(wrong("docs/A.md", "[x](internals/PROTOCOL.md), [y](https://a.b/c.html)").is_empty());
        assert!(wrong("docs/other/A.md", "[x](../internals/PROTOCOL.md)").is_empty());
        assert!(wrong("A.md", "[x](docs/internals/PROTOCOL.md#2-orders-of-all)").is_empty());
        assert_eq!(wrong("docs/A.md", "[x](PROTOCOL.md)"), ["the link to PROTOCOL.md"]);
    }

    #[test]
    fn facts() {
        assert_eq!(wrong("xtask/a.rs", "// F1, F2; 0xF3, F_4"), ["F2"]);
    }

    #[test]
    fn code() {
        assert!(
            wrong("docs/A.md", "`fork.rs:born`, `killer-ebpf/src/{fork}.rs`, `kernel/none.c:f`").is_empty()
        );
        assert_eq!(wrong("docs/A.md", "`fork.rs:bor`"), ["fork.rs:bor"]);
        assert_eq!(wrong("docs/A.md", "`src/{fork,none}.rs`"), ["src/none.rs"]);
        assert_eq!(wrong("docs/A.md", "`ork.rs`"), ["ork.rs"]);
        assert!(wrong("docs/A.md", "`fork.rs::{born, crea*}`").is_empty());
        assert_eq!(wrong("docs/A.md", "`fork.rs::{born, born_*}`"), ["fork.rs::born_*"]);
    }

    #[test]
    fn mirrors() {
        let row = |cell| wrong("models/src/a.rs", &format!("//! | `Step` | {cell} |"));
        assert!(row("`fork.rs:born`, `creator`; `kernel/fork.c:copy_process`, `other`").is_empty());
        assert_eq!(row("`fork.rs:born`, `other`"), ["other"]);
    }

    #[test]
    fn prototypes() {
        let hook = |section| {
            let said = "/// match-proto: `trace_task_newtask(struct task_struct *task)`\n";
            wrong("killer-ebpf/src/a.rs", &format!("{said}#[unsafe(link_section = \"{section}\")]\n"))
        };
        assert!(hook("tp_btf/task_newtask").is_empty());
        assert_eq!(hook("tp_btf/sched_process_fork"), ["the hook on trace_task_newtask"]);
    }
}
