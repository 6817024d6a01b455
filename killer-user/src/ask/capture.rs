//! What is asked of a capture.

use std::path::PathBuf;
use std::time::Duration;

/// Which memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Memory {
    /// None.
    #[default]
    None,
    /// What nobody but the process has: its own pages of private mappings.
    Private,
    /// Every page that is there.
    All,
}

/// What becomes of the set afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// It stays frozen.
    Keep,
    /// It goes on.
    Thaw,
    /// It is ended.
    Kill,
}

impl super::Word for Memory {
    const ALL: &'static [(Self, &'static str)] =
        &[(Self::None, "none"), (Self::Private, "private"), (Self::All, "all")];
}

impl super::Word for Then {
    const ALL: &'static [(Self, &'static str)] =
        &[(Self::Keep, "keep"), (Self::Thaw, "thaw"), (Self::Kill, "kill")];
}

/// A range of a process's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// Whose.
    pub pid: u32,
    /// First address.
    pub start: u64,
    /// The one after the last.
    pub end: u64,
}

impl Range {
    /// `PID:START-END`, addresses in hexadecimal digits.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let hex = |s: &str| u64::from_str_radix(s.trim_start_matches("0x"), 16).ok();
        let read = || {
            let (pid, range) = text.split_once(':')?;
            let (start, end) = range.split_once('-')?;
            Some(Self { pid: pid.parse().ok()?, start: hex(start)?, end: hex(end)? })
        };
        let range = read().filter(|r| r.pid != 0 && r.start < r.end);
        range.ok_or_else(|| "a range is PID:START-END, addresses as in /proc/PID/maps".into())
    }
}

impl std::fmt::Display for Range {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{:x}-{:x}", self.pid, self.start, self.end)
    }
}

/// What is read at most.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Which memory.
    pub memory: Memory,
    /// Only these ranges of it; empty: all.
    pub ranges: Vec<Range>,
    /// Bytes of one file's content.
    pub content: u64,
    /// Bytes of the whole capture.
    pub most: u64,
    /// All of it.
    pub time: Duration,
    /// One look.
    pub look: Duration,
}

/// A capture.
#[derive(Clone, Debug)]
pub struct Capture {
    /// The file that is made.
    pub out: PathBuf,
    /// What becomes of the set; `None`: it is kept frozen when it was frozen before, else it goes on.
    pub then: Option<Then>,
    /// What is read.
    pub limits: Limits,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        let r = Range::parse("12:7f00-0x8000").expect("a range");
        assert_eq!((r.pid, r.start, r.end, r.to_string()), (12, 0x7f00, 0x8000, "12:7f00-8000".into()));
        for bad in ["", "1", "1:2", "1:5-5", "0:1-2", "x:1-2", "1:g-h", "1:8-4"] {
            assert!(Range::parse(bad).is_err(), "{bad}");
        }
    }
}
