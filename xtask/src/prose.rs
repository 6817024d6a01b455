//! Documents are 100 columns wide. What cannot be wrapped may be wider: tables, code, headings and comments.

/// Columns of a document.
pub const WIDTH: usize = 100;

/// Lines of a document that can be wrapped, each with its number from 1 on.
pub fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let (mut fenced, mut code, mut begins) = (false, false, true);
    text.lines().enumerate().filter_map(move |(n, line)| {
        let inner = line.trim_start();
        let fence = inner.starts_with("```");
        if begins {
            // Only the first line of a block tells: further ones may belong to an item of a list.
            code = line.starts_with("    ");
        }
        begins = inner.is_empty();
        fenced ^= fence;
        let other = fence || begins || ["|", "#", "<!--"].iter().any(|s| inner.starts_with(s));
        (!(fenced || code || other)).then_some((n + 1, line))
    })
}

/// True when a line is too wide, and a narrower one can be made of it.
pub fn is_wide(line: &str) -> bool {
    line.chars().count() > WIDTH && words(line).len() > 1
}

/// The document with every wide line wrapped; items of lists are indented.
pub fn wrapped(text: &str) -> String {
    let wide: Vec<usize> = lines(text).filter(|(_, l)| is_wide(l)).map(|(n, _)| n).collect();
    let mut out = String::new();
    for (n, line) in text.split_inclusive('\n').enumerate() {
        match wide.binary_search(&(n + 1)) {
            Ok(_) => out.push_str(&wrap(line.trim_end_matches('\n'))),
            Err(_) => out.push_str(line),
        }
    }
    out
}

fn wrap(line: &str) -> String {
    let inner = line.trim_start();
    let indent = line.len() - inner.len();
    let item = ["* ", "- "].iter().any(|m| inner.starts_with(m));
    let rest = " ".repeat(indent + if item { 2 } else { 0 });
    let mut out = String::new();
    let mut now = " ".repeat(indent);
    let mut empty = true;
    for word in words(line) {
        if !empty && now.chars().count() + 1 + word.chars().count() > WIDTH {
            out.push_str(&now);
            out.push('\n');
            now = rest.clone();
            empty = true;
        }
        if !empty {
            now.push(' ');
        }
        now.push_str(&word);
        empty = false;
    }
    out + &now + "\n"
}

/// Between these a line may end: code is kept whole, and nothing begins a line that would begin a list or a heading there.
fn words(line: &str) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    let inner = line.trim_start();
    for word in inner.split_whitespace() {
        let number = word.strip_suffix(['.', ')']).unwrap_or_default();
        let marker = ["-", "+", "*", "#", ">", "|"].contains(&word)
            || !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
        match all.last_mut().filter(|l| marker || l.matches('`').count() % 2 == 1 || is_marker(l)) {
            Some(last) => *last = format!("{last} {word}"),
            None => all.push(word.to_owned()),
        }
    }
    all
}

/// The sign of an item stays with its first word.
fn is_marker(word: &str) -> bool {
    matches!(word, "*" | "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prose_is_told_from_tables_and_code() {
        let text =
            "# A\n\nb\n\n    code\n    code\n\n| t |\n\n* i\n    still i\n```\nx\n```\n<!-- c -->\ne\n";
        let found: Vec<_> = lines(text).map(|(_, l)| l.trim()).collect();
        assert_eq!(found, ["b", "* i", "still i", "e"]);
        assert_eq!(lines(text).last(), Some((16, "e")));
    }

    #[test]
    fn wide_lines_are_wrapped() {
        let long = format!("* {} `a b` - end", "word ".repeat(19));
        let out = wrapped(&format!("# {long}\n\n{long}\n"));
        let lines: Vec<_> = out.lines().collect();
        assert_eq!(lines.len(), 4, "{out}");
        assert!(lines[2].starts_with("* word") && !is_wide(lines[2]), "{out}");
        assert_eq!(lines[3], "  `a b` - end", "{out}");
        assert_eq!(wrapped(&out), out);
        assert!(!is_wide(&"x".repeat(200)));
    }
}
