//! What is cut off a file's name, and which files name no service.

use crate::ask::name;

/// Bytes of a file name in a key, with its NUL.
pub const NAME_BYTES: usize = 64;
/// Bytes of a prefix that is cut off.
const STRIP: usize = 8;

/// A prefix that is cut off a file name; `?` stands for any byte. A file that does not begin so names no service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Strip([u8; STRIP]);

impl Strip {
    /// Reads one; the error is text.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("strip is empty: leave it out".into());
        }
        if text.len() >= STRIP {
            return Err(format!("strip has {} bytes, at most {} are possible", text.len(), STRIP - 1));
        }
        if let Some(c) = text.chars().find(|c| c.is_control() || *c == '/' || matches!(c, '*' | '[')) {
            let c = c.escape_debug();
            return Err(format!("strip has a '{c}': only '?' has a meaning there, any one byte"));
        }
        let mut bytes = [0; STRIP];
        bytes[..text.len()].copy_from_slice(text.as_bytes());
        Ok(Self(bytes))
    }

    /// The pattern, padded with NUL.
    pub fn bytes(&self) -> [u8; STRIP] {
        self.0
    }

    /// As it was written.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0[..self.len()]).into_owned()
    }

    fn len(&self) -> usize {
        self.0.iter().position(|b| *b == 0).unwrap_or(STRIP)
    }

    /// The rest of a file name; `None`: it does not begin so, or nothing is left.
    pub fn cut<'a>(&self, file: &'a [u8]) -> Option<&'a [u8]> {
        let n = self.len();
        let fits = file.len() > n && self.0[..n].iter().zip(file).all(|(p, b)| *p == b'?' || p == b);
        fits.then(|| &file[n..])
    }
}

/// Files of a directory that name no service: one name, or all that begin so (`umount*`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Except {
    /// What a name begins with, or is.
    pub start: String,
    /// More may follow.
    pub prefix: bool,
}

impl Except {
    /// Reads one; the error is text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (start, prefix) = match text.strip_suffix('*') {
            Some(s) => (s, true),
            None => (text, false),
        };
        if start.is_empty() {
            return Err(match prefix {
                true => "'*' excepts every file: leave the rule out".into(),
                false => "an exception is empty".into(),
            });
        }
        if start.contains('/') {
            return Err(format!("'{text}' is a path: an exception is the name of a file in the directory"));
        }
        if name::is_glob(start) {
            return Err(format!("'{text}': only one '*' has a meaning there, at the end"));
        }
        if start.chars().any(char::is_control) {
            return Err(format!("'{}' has control characters", text.escape_debug()));
        }
        if start.len() >= NAME_BYTES {
            let most = NAME_BYTES - 1;
            return Err(format!("an exception has {} bytes, at most {most} are possible", start.len()));
        }
        Ok(Self { start: start.into(), prefix })
    }

    /// True when it is about this file.
    pub fn is_about(&self, file: &[u8]) -> bool {
        if self.prefix { file.starts_with(self.start.as_bytes()) } else { file == self.start.as_bytes() }
    }

    /// As it was written.
    pub fn text(&self) -> String {
        format!("{}{}", self.start, if self.prefix { "*" } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_prefix_is_cut() {
        let cut = |p: &str, f: &str| {
            Strip::parse(p).unwrap().cut(f.as_bytes()).map(|b| String::from_utf8(b.to_vec()).unwrap())
        };
        assert_eq!(cut("S??", "S12nginx").as_deref(), Some("nginx"));
        assert_eq!(cut("rc.", "rc.sshd").as_deref(), Some("sshd"));
        for (p, f) in [("S??", "K01nginx"), ("S??", "S12"), ("rc.", "rcsshd"), ("S??", "")] {
            assert_eq!(cut(p, f), None, "{p} {f}");
        }
        assert_eq!(Strip::default().cut(b"cron"), Some(&b"cron"[..]));
        for bad in ["", "123456789", "S*", "a/b", "a\nb", "[a]"] {
            assert!(Strip::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn exceptions() {
        let e = |t: &str| Except::parse(t).unwrap();
        assert!(e("umount*").is_about(b"umountfs") && e("umount*").is_about(b"umount"));
        assert!(e("rc").is_about(b"rc") && !e("rc").is_about(b"rcS") && !e("umount*").is_about(b"mount"));
        for bad in ["", "*", "a*b", "a?", "a/b", "[a]", "a\tb"] {
            assert!(Except::parse(bad).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_left_is_the_end(p in "[a-zS?.]{1,7}", f in "[a-zS.0-9]{0,12}") {
            let s = Strip::parse(&p).unwrap();
            prop_assert_eq!(s.text(), p.clone());
            match s.cut(f.as_bytes()) {
                Some(rest) => prop_assert_eq!(rest, &f.as_bytes()[p.len()..]),
                None => prop_assert!(f.len() <= p.len() || p.bytes().zip(f.bytes()).any(|(a, b)| a != b'?' && a != b)),
            }
        }

        #[test]
        fn an_exception_is_its_text(t in "[a-z.*?/]{0,9}") {
            if let Ok(e) = Except::parse(&t) {
                prop_assert_eq!(e.text(), t);
                prop_assert!(e.is_about(e.start.as_bytes()));
            }
        }
    }
}
