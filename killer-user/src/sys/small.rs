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

/// Another's bytes as text: what is UTF-8 stays, any other byte is written as `\xff`. One such byte hides nothing else.
pub fn shown(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        chunk.invalid().iter().for_each(|b| text.push_str(&format!("\\x{b:02x}")));
    }
    text
}

/// Name of a process: up to 15 bytes, any but NUL (`kernel/sys.c`, `PR_SET_NAME`); empty when it cannot be read.
pub fn name(pid: u32) -> Vec<u8> {
    let mut name = read(&format!("/proc/{pid}/comm"));
    name.pop();
    name
}

/// Its arguments, as it has them now.
pub fn arguments(pid: u32) -> Vec<String> {
    // No record: what a process has made of its arguments can come piece by piece.
    let bytes = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let bytes = bytes.strip_suffix(b"\0").unwrap_or(&bytes);
    match bytes {
        [] => Vec::new(),
        some => some.split(|b| *b == 0).map(shown).collect(),
    }
}

/// Its `status`, whatever bytes its name has. `None` when it cannot be read.
pub fn status(pid: u32) -> Option<procfs::process::Status> {
    let text = text(&format!("/proc/{pid}/status"));
    procfs::FromBufRead::from_buf_read(text.as_bytes()).ok()
}

/// Its cgroups: paths have any bytes, too.
pub fn cgroups(pid: u32) -> Option<procfs::ProcessCGroups> {
    let text = text(&format!("/proc/{pid}/cgroup"));
    procfs::FromBufRead::from_buf_read(text.as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_byte_is_shown() {
        assert_eq!(shown(b"a\xffb\xc3\xa9\xc3"), "a\\xffb\u{e9}\\xc3");
        assert_eq!(shown(b""), "");
    }

    #[test]
    fn of_this_process() {
        let me = std::process::id();
        let exe = std::env::current_exe().expect("own path");
        assert!(
            exe.file_name().expect("a name").as_encoded_bytes().starts_with(&name(me))
                || !name(me).is_empty()
        );
        assert_eq!(arguments(me).len(), std::env::args_os().len());
        assert_eq!(status(me).expect("status").pid, me as i32);
        assert!(name(0).is_empty() && arguments(0).is_empty() && status(0).is_none());
    }

    #[test]
    fn reads_all() {
        let status = super::text("/proc/self/status");
        assert!(status.starts_with("Name:") && status.ends_with('\n'), "{status}");
        assert_eq!(super::text("/proc/self/comm"), std::fs::read_to_string("/proc/self/comm").expect("comm"));
        assert!(super::read("/proc/no-such").is_empty());
    }
}
