//! What the witnesses among the adversaries write down.

use crate::process::eventually;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A signal that a process took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Taken {
    /// Who.
    pub pid: i32,
    /// Which.
    pub signal: i32,
    /// With which value (0 without one).
    pub value: i32,
    /// `si_code`: 0 from kill(2), -1 from sigqueue(3).
    pub code: i32,
}

/// A file that grows by a line at a time.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    read: usize,
}

impl Journal {
    /// The journal at `path`, which need not be there yet.
    pub fn new(path: impl Into<PathBuf>) -> Journal {
        Journal { path: path.into(), read: 0 }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn lines(&self) -> Vec<String> {
        let text = std::fs::read_to_string(&self.path).unwrap_or_default();
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().skip(self.read).map(str::to_owned).collect()
    }

    /// The lines since the last call: waits for `want` of them (5 s), then a moment longer for one too many.
    pub fn next(&mut self, want: usize) -> Vec<String> {
        eventually(Duration::from_secs(5), || self.lines().len() >= want);
        std::thread::sleep(Duration::from_millis(120));
        let lines = self.lines();
        self.read += lines.len();
        lines
    }

    /// The signals since the last call, sorted; waits as [`Journal::next`] does.
    pub fn signals(&mut self, want: usize) -> Vec<Taken> {
        let mut taken: Vec<Taken> = self.next(want).iter().map(|l| parse(l)).collect();
        taken.sort_unstable();
        taken
    }
}

fn parse(line: &str) -> Taken {
    let words: Vec<i32> = line.split(' ').map(|w| w.parse().expect("a number in the journal")).collect();
    let [pid, signal, value, code] = words[..] else { panic!("not a line of a journal: {line}") };
    Taken { pid, signal, value, code }
}
