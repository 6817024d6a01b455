//! An exec as the programs note it → what is shown of it.

use crate::report::model::File;

/// Bytes up to the first NUL, as text.
pub fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

/// A file by its path, which may not be known, the kernel's number of its device, and its inode.
pub fn file(path: &[u8], dev: u32, ino: u64) -> File {
    let path = text(path);
    // `include/linux/kdev_t.h`: 12 bits and 20.
    let dev = format!("{}:{}", dev >> 20, dev & 0xf_ffff);
    File { path: (!path.is_empty()).then_some(path), dev, ino }
}

/// Arguments, each with a NUL, of which `there` bytes there were and all but the last byte of `kept` may be; and whether there were
/// more. `None`: there were none, or they could not be read.
pub fn arguments(kept: &[u8], there: usize) -> Option<(Vec<String>, bool)> {
    let most = kept.len() - 1;
    let bytes = &kept[..there.min(most)];
    let words = bytes.strip_suffix(&[0]).unwrap_or(bytes).split(|b| *b == 0);
    (there > 0).then(|| (words.map(text).collect(), there > most))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words() {
        let two = || vec!["a".to_owned(), String::new()];
        assert_eq!(arguments(b"a\0\0\0\0", 3), Some((two(), false)));
        assert_eq!(arguments(b"a\0\0\0\0", 0), None);
        assert_eq!(arguments(b"abc", 9), Some((vec!["ab".into()], true)));
        assert_eq!(
            file(b"/x\0y", 8 << 20 | 1, 5),
            File { path: Some("/x".into()), dev: "8:1".into(), ino: 5 }
        );
        assert_eq!(file(b"\0", 0, 5).path, None);
    }
}
