//! Two lines of ours in a file of somebody else's: the first one says whose they are, the second one is for the init.

use super::layout::plain;

/// The first one.
const HEAD: &str = "# The next line is of 'killer install-boot'; --remove takes both away.";

/// What became of the lines, or what there is of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lines {
    /// They are there as they should be.
    There,
    /// They are there, for another program file.
    Older,
    /// The first one is there, and what follows is not ours any more.
    Changed,
    /// They are not there.
    Absent,
}

/// Where in `text` the lines are: `(start, length, line)`.
fn find(text: &str) -> Option<(usize, usize, &str)> {
    let start =
        text.match_indices(HEAD).map(|(at, _)| at).find(|at| *at == 0 || text.as_bytes()[at - 1] == b'\n')?;
    let after = &text[start + HEAD.len()..];
    let after = after.strip_prefix('\n')?;
    let line = after.split('\n').next().unwrap_or_default();
    let ends = usize::from(after.len() > line.len());
    Some((start, HEAD.len() + 1 + line.len() + ends, line))
}

/// True when `line` is one of `patterns` with some path for its `{}`, with the recorder or without.
fn fits(line: &str, patterns: &[&str]) -> bool {
    let line = plain(line);
    patterns.iter().any(|pattern| {
        let (before, behind) = pattern.split_once("{}").unwrap_or((pattern, ""));
        let path = line.strip_prefix(before).and_then(|l| l.strip_suffix(behind));
        path.is_some_and(|p| p.starts_with('/') && !p.contains(char::is_whitespace))
    })
}

/// What there is of the lines in `text`, and the text with `wanted` in it: in place of an older one that is of one of `patterns`,
/// else before the byte `at`.
pub fn added(text: &str, patterns: &[&str], wanted: &str, at: usize) -> (Lines, String) {
    let block = format!("{HEAD}\n{wanted}\n");
    match find(text) {
        Some((_, _, line)) if line == wanted => (Lines::There, text.to_owned()),
        Some((start, len, line)) if fits(line, patterns) => {
            (Lines::Older, format!("{}{block}{}", &text[..start], &text[start + len..]))
        }
        Some(_) => (Lines::Changed, text.to_owned()),
        None => {
            let (before, behind) = text.split_at(at);
            let gap = if before.is_empty() || before.ends_with('\n') { "" } else { "\n" };
            (Lines::Absent, format!("{before}{gap}{block}{behind}"))
        }
    }
}

/// What there is of the lines in `text`, of any of `patterns`, and the text without them.
pub fn taken_out(text: &str, patterns: &[&str]) -> (Lines, String) {
    match find(text) {
        Some((start, len, line)) if fits(line, patterns) => {
            (Lines::There, format!("{}{}", &text[..start], &text[start + len..]))
        }
        Some(_) => (Lines::Changed, text.to_owned()),
        None => (Lines::Absent, text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const P: &[&str] = &["kl::bootwait:{} up --rules", "{} up --rules || :"];
    const LINE: &str = "kl::bootwait:/usr/bin/killer up --rules";

    #[test]
    fn the_line_is_mended_or_left() {
        let (_, text) = added("a\nb\n", P, LINE, 2);
        assert_eq!(text, format!("a\n{HEAD}\nkl::bootwait:/usr/bin/killer up --rules\nb\n"));
        assert_eq!(added(&text, P, LINE, 0).0, Lines::There);
        let (what, moved) = added(&text, P, &LINE.replace("/usr/bin", "/sbin"), 0);
        assert_eq!((what, moved), (Lines::Older, text.replace("/usr/bin", "/sbin")));
        let other = text.replace("bootwait", "once");
        assert_eq!(added(&other, P, LINE, 0), (Lines::Changed, other.clone()));
        assert_eq!(taken_out(&other, P), (Lines::Changed, other));
        let cut = text[..text.find("kl:").unwrap()].to_owned();
        assert_eq!(taken_out(&cut, P).0, Lines::Changed);
    }

    proptest! {
        #[test]
        fn what_was_put_in_is_taken_out(lines in prop::collection::vec("[ -~]{0,20}", 0..6), at in 0usize..6) {
            let text: String = lines.iter().map(|l| format!("{l}\n")).collect();
            let at: usize = lines.iter().take(at).map(|l| l.len() + 1).sum();
            let (what, with) = added(&text, P, LINE, at);
            prop_assert_eq!(what, Lines::Absent);
            prop_assert_eq!(taken_out(&with, P), (Lines::There, text));
        }
    }
}
