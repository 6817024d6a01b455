//! The last line of a file that is ours: it says so, and whether somebody has changed the file since.

/// How it begins.
const MARK: &str = "# Written by 'killer install-boot', which keeps a file that was changed: ";

/// Whose a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// As some `killer` wrote it.
    Ours,
    /// Ours, and changed by somebody.
    Changed,
    /// Somebody else's.
    Foreign,
}

/// FNV-1a, behind a letter so that it looks like no number: it notices a change; nobody has to be kept from faking it, who may write the file.
fn sum(text: &str) -> String {
    let byte = |h: u64, b: u8| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3);
    format!("h{:016x}", text.bytes().fold(0xcbf2_9ce4_8422_2325, byte))
}

/// A text with the line behind it.
pub fn marked(text: &str) -> String {
    format!("{text}{MARK}{}\n", sum(text))
}

/// Whose this text is. An editor may have put lines behind the mark: that is a change, too.
pub fn whose(text: &str) -> Whose {
    let Some((own, rest)) = text.split_once(MARK) else { return Whose::Foreign };
    match rest.strip_suffix('\n') == Some(&sum(own)) {
        true => Whose::Ours,
        false => Whose::Changed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_anywhere_is_noticed() {
        let text = marked("#!/bin/sh\nexit 0\n");
        assert_eq!(whose(&text), Whose::Ours);
        for at in 0..text.find(MARK).unwrap() {
            let mut other = text.clone().into_bytes();
            other[at] ^= 1;
            assert_eq!(whose(&String::from_utf8(other).unwrap()), Whose::Changed, "{at}");
        }
        assert_eq!(whose(&format!("{text}\n")), Whose::Changed);
        assert_eq!(whose(&format!("{text}exit 1\n")), Whose::Changed);
        assert_eq!(whose(text.trim_end()), Whose::Changed);
        assert_eq!(whose("#!/bin/sh\n"), Whose::Foreign);
        assert_eq!(whose(""), Whose::Foreign);
    }
}
