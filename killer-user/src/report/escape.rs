//! Names and command lines belong to the tracked programs: nothing that they write reaches a terminal as it is.

/// What a terminal would hide, reorder or break a line at.
fn invisible(c: char) -> bool {
    matches!(c,
        '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Escapes control characters, bidirectional overrides and what is no character.
pub fn text(s: &str) -> String {
    let mut out = String::with_capacity(s.len());
    for c in s.chars() {
        match c {
            c if invisible(c) || c == '\u{fffd}' => out.extend(c.escape_unicode()),
            c if (c as u32) < 0x20 || c as u32 == 0x7f => out.push_str(&format!("\\x{:02x}", c as u32)),
            c if c.is_control() => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    out
}

/// JSON text whose strings reach a terminal: serde_json escapes C0 only, and a terminal obeys C1 and DEL, too. What
/// is escaped here can stand in strings only, where `\u` means the same character.
pub fn json(text: &str) -> String {
    if text.bytes().all(|b| b == b'\n' || (b' '..=b'~').contains(&b)) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c != '\n' && c.is_control() || invisible(c) {
            let mut units = [0; 2];
            out.extend(c.encode_utf16(&mut units).iter().map(|u| format!("\\u{u:04x}")));
        } else {
            out.push(c);
        }
    }
    out
}

/// One word for a shell, of any bytes: as it is, in quotes, or with every byte that is no printable ASCII as `$'\033'`.
pub fn shell(word: &[u8]) -> String {
    let plain = |b: &u8| b.is_ascii_alphanumeric() || b"_./:@%+=,-".contains(b);
    if !word.is_empty() && word.iter().all(plain) {
        return String::from_utf8_lossy(word).into_owned();
    }
    if word.iter().all(|b| (b' '..=b'~').contains(b) && *b != b'\'') {
        return format!("'{}'", String::from_utf8_lossy(word));
    }
    let mut out = String::from("$'");
    for b in word {
        match b {
            b' '..=b'~' if !b"'\\".contains(b) => out.push(char::from(*b)),
            b => out.push_str(&format!("\\{b:03o}")),
        }
    }
    out + "'"
}

/// As [`text`], cut to so many characters.
pub fn cut(s: &str, most: usize) -> String {
    let all = text(s);
    if all.chars().count() <= most {
        return all;
    }
    let mut short: String = all.chars().take(most.saturating_sub(3)).collect();
    short.push_str("...");
    short
}

/// Bytes of a `comm`, which need not be UTF-8, up to the first NUL.
pub fn comm(bytes: &[u8]) -> String {
    let len = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
    crate::sys::proc_text::shown(&bytes[..len])
}

/// Only ASCII, for terminals that know no more.
pub fn ascii(s: &str) -> String {
    s.chars().map(|c| if c.is_ascii() { c.to_string() } else { c.escape_unicode().to_string() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn nothing_dangerous_is_left() {
        assert_eq!(text("a\x1b[31mb\n"), "a\\x1b[31mb\\x0a");
        assert_eq!(text("a\u{202e}b"), "a\\u{202e}b");
        for c in ['\u{9b}', '\u{2028}', '\u{61c}', '\u{e0041}', '\u{7f}', '\u{fffd}'] {
            assert!(text(&c.to_string()).is_ascii(), "{c:?}");
        }
        assert_eq!(cut("abcdefgh", 6), "abc...");
        assert_eq!(
            (shell(b"a-b/c"), shell(b"a b$(x)"), shell(b"")),
            ("a-b/c".into(), "'a b$(x)'".into(), "''".into())
        );
        assert_eq!(shell(b"a'\x1b\xffb1"), "$'a\\047\\033\\377b1'");
        assert_eq!(comm(b"ab\0cd"), "ab");
    }

    proptest! {
        #[test]
        fn no_control_character_survives(s in any::<String>()) {
            prop_assert!(!text(&s).chars().any(|c| c.is_control() || invisible(c)));
            prop_assert!(ascii(&text(&s)).is_ascii());
            prop_assert_eq!(text(&text(&s)), text(&s), "once is enough");
        }

        #[test]
        fn cut_is_short_and_clean(s in any::<String>(), most in 3usize..40) {
            let c = cut(&s, most);
            prop_assert!(c.chars().count() <= most && !c.chars().any(char::is_control));
            prop_assert!(c == text(&s) || c.ends_with("..."));
        }

        #[test]
        fn any_bytes_are_a_comm(b in any::<[u8; 16]>()) {
            let c = comm(&b);
            prop_assert!(!c.contains('\0') && !text(&c).chars().any(char::is_control));
        }

        #[test]
        fn json_means_the_same(s in any::<String>()) {
            let plain = serde_json::to_string(&[&s]).unwrap();
            let safe = json(&plain);
            prop_assert!(!safe.chars().any(|c| c.is_control() || invisible(c)));
            prop_assert_eq!(serde_json::from_str::<Vec<String>>(&safe).unwrap(), [s]);
        }
    }
}
