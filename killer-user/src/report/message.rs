//! Error messages: what, why, next step; at most three lines, no control characters.

use super::escape;

/// A number of the kernel's as it is written after a message of the standard library: ` (os error 116)`.
const NUMBER: &str = " (os error ";

/// The same text with the errors' names in the place of their numbers.
pub fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(NUMBER) {
        out.push_str(before);
        match after.split_once(')').and_then(|(n, more)| Some((n.parse().ok()?, more))) {
            Some((n, more)) => {
                out.push_str(&format!(" ({:?})", nix::errno::Errno::from_raw(n)));
                rest = more;
            }
            None => {
                out.push_str(NUMBER);
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

/// An error of the kernel's in words.
pub fn errno(e: i32) -> String {
    plain(&std::io::Error::from_raw_os_error(e).to_string())
}

/// `killer: WHAT` / `  WHY` / `  NEXT`
pub fn render(what: &str, why: Option<&str>, next: Option<&str>) -> String {
    let mut out = format!("killer: {}\n", escape::cut(&plain(what), 300));
    for line in [why, next].into_iter().flatten() {
        out.push_str(&format!("  {}\n", escape::cut(&plain(line), 400)));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_bare_number() {
        assert_eq!(plain("a: Stale file handle (os error 116)"), "a: Stale file handle (ESTALE)");
        assert_eq!(plain("x (os error 1), y (os error 2): z"), "x (EPERM), y (ENOENT): z");
        assert_eq!(plain("(os error"), "(os error");
        assert_eq!(plain("a (os error b) c"), "a (os error b) c");
        assert_eq!(errno(libc::ESRCH), "No such process (ESRCH)");
        assert!(!render("w (os error 5)", Some("y (os error 5)"), None).contains("os error"));
    }

    #[test]
    fn three_lines() {
        assert_eq!(render("a\nb", Some("c"), Some("d")), "killer: a\\x0ab\n  c\n  d\n");
        assert_eq!(render("a", None, None), "killer: a\n");
    }
}
