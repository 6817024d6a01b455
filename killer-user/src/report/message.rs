//! Error messages: what, why, next step; at most three lines, no control characters.

use super::escape;

/// `killer: WHAT` / `  WHY` / `  NEXT`
pub fn render(what: &str, why: Option<&str>, next: Option<&str>) -> String {
    let mut out = format!("killer: {}\n", escape::cut(what, 300));
    for line in [why, next].into_iter().flatten() {
        out.push_str(&format!("  {}\n", escape::cut(line, 400)));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_lines() {
        assert_eq!(render("a\nb", Some("c"), Some("d")), "killer: a\\x0ab\n  c\n  d\n");
        assert_eq!(render("a", None, None), "killer: a\n");
    }
}
