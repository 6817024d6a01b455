//! Documents that are too wide to be read beside something else.

use super::{Check, Finding, Sources};
use crate::prose;

/// Every line of a document that could be wrapped and is not.
pub fn check(sources: &Sources) -> Vec<Finding> {
    let documents = sources.all().filter(|(path, _)| path.ends_with(".md"));
    let wide = |path: &str, (n, line): (usize, &str)| Finding {
        check: Check::Width,
        key: format!("{path}: {}", line.split_whitespace().take(3).collect::<Vec<_>>().join(" ")),
        text: format!("{path}:{n} has {} columns, {} are allowed", line.chars().count(), prose::WIDTH),
    };
    documents
        .flat_map(|(path, text)| {
            prose::lines(text).filter(|(_, l)| prose::is_wide(l)).map(move |found| wide(path, found))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_lines_are_found() {
        let text = format!("Short.\n\n{}\n\n| {} |\n", "word ".repeat(30), "cell ".repeat(30));
        let found = check(&Sources::of(&[("docs/A.md", &text), ("xtask/a.rs", &text)]));
        let keys: Vec<_> = found.iter().map(|f| f.key.as_str()).collect();
        assert_eq!(keys, ["docs/A.md: word word word"]);
    }
}
