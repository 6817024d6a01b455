//! Small files of the kernel's, with as few system calls as there can be: a signal to ten processes reads a dozen.

use std::fs::File;
use std::io::Read;

const PIECE: usize = 4096;

/// A file of /proc that is one record (stat, status, a sysctl); empty when it cannot be read. Such a file gives all that it has
/// left to each read (`fs/seq_file.c:seq_read_iter`), so a short one was the last.
pub fn read(path: &str) -> Vec<u8> {
    let mut text = Vec::new();
    let Ok(mut file) = File::open(path) else { return text };
    loop {
        let at = text.len();
        text.resize(at + PIECE, 0);
        let n = file.read(&mut text[at..]).unwrap_or(0);
        text.truncate(at + n);
        if n < PIECE {
            return text;
        }
    }
}

/// As [`read`], as text.
pub fn text(path: &str) -> String {
    String::from_utf8_lossy(&read(path)).into_owned()
}

#[cfg(test)]
mod tests {
    #[test]
    fn reads_all() {
        let status = super::text("/proc/self/status");
        assert!(status.starts_with("Name:") && status.ends_with('\n'), "{status}");
        assert_eq!(super::text("/proc/self/comm"), std::fs::read_to_string("/proc/self/comm").expect("comm"));
        assert!(super::read("/proc/no-such").is_empty());
    }
}
