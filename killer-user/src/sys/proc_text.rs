//! Files of /proc as bytes and as text: names and arguments of processes, sysctls.

use super::entry::{self, Entry};

/// A file of /proc that is one record (stat, status, a sysctl); empty when it cannot be read.
pub fn read(path: &str) -> Vec<u8> {
    path.strip_prefix("/proc/").and_then(|p| entry::record(p).ok()).unwrap_or_default()
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

/// The name in a `stat`, which can hold parentheses: from the first to the last one.
pub fn name_in(stat: &[u8]) -> &[u8] {
    let from = stat.iter().position(|b| *b == b'(').map_or(0, |n| n + 1);
    let to = stat.iter().rposition(|b| *b == b')').unwrap_or(from);
    stat.get(from..to).unwrap_or_default()
}

/// Its arguments, as it has them now.
pub fn arguments(pid: u32) -> Vec<String> {
    Entry::open(pid).map(|e| arguments_of(&e)).unwrap_or_default()
}

/// The same by its directory.
pub fn arguments_of(e: &Entry) -> Vec<String> {
    // No record: what a process has made of its arguments can come piece by piece.
    let bytes = e.read("cmdline").unwrap_or_default();
    let bytes = bytes.strip_suffix(b"\0").unwrap_or(&bytes);
    match bytes {
        [] => Vec::new(),
        some => some.split(|b| *b == 0).map(shown).collect(),
    }
}

/// Arguments as one line. A program that gives itself a title pads the rest of them, which would push all else out of sight.
pub fn line(arguments: &[String]) -> Option<String> {
    let line = arguments.join(" ");
    Some(line.trim_end()).filter(|l| !l.is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_is_no_argument() {
        let words = |w: &[&str]| w.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>();
        assert_eq!(line(&words(&["web: master", "", "  ", ""])).as_deref(), Some("web: master"));
        assert_eq!(line(&words(&["a", "", "b"])).as_deref(), Some("a  b"));
        assert_eq!((line(&[]), line(&words(&["", ""]))), (None, None));
    }

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
        assert!(name(0).is_empty() && arguments(0).is_empty());
    }

    #[test]
    fn reads_all() {
        let status = super::text("/proc/self/status");
        assert!(status.starts_with("Name:") && status.ends_with('\n'), "{status}");
        assert_eq!(super::text("/proc/self/comm"), std::fs::read_to_string("/proc/self/comm").expect("comm"));
        assert!(super::read("/proc/no-such").is_empty());
    }
}
