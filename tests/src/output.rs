//! What a run of `killer` gave, with assertions that show all of it when they fail.

use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

/// Outcome of one command.
#[derive(Debug)]
pub struct Out {
    /// The arguments, for messages.
    pub args: Vec<String>,
    /// As `wait(2)` gave it.
    pub status: ExitStatus,
    /// All of stdout; bytes that are no UTF-8 are replaced.
    pub stdout: String,
    /// All of stderr, likewise.
    pub stderr: String,
    /// From start to exit.
    pub took: Duration,
}

impl fmt::Display for Out {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "killer {:?}: {} after {:?}", self.args, self.status, self.took)?;
        writeln!(f, "--- stdout\n{}--- stderr\n{}---", self.stdout, self.stderr)
    }
}

impl Out {
    /// Exit code; 128+N when it died of signal N, as a shell says it.
    pub fn exit(&self) -> i32 {
        self.status.code().unwrap_or_else(|| 128 + self.status.signal().unwrap_or(0))
    }

    /// Asserts the exit code.
    #[track_caller]
    pub fn code(&self, want: i32) -> &Self {
        assert_eq!(self.exit(), want, "exit code: {self}");
        self
    }

    /// Asserts success.
    #[track_caller]
    pub fn ok(&self) -> &Self {
        self.code(0)
    }

    /// Asserts that nothing was printed at all.
    #[track_caller]
    pub fn silent(&self) -> &Self {
        assert!(self.stdout.is_empty() && self.stderr.is_empty(), "not silent: {self}");
        self
    }

    /// Asserts an error as the contract wants it: this code, nothing on stdout, one to three lines on stderr without
    /// control characters, every one of `words` in it (case does not matter).
    #[track_caller]
    pub fn error(&self, code: i32, words: &[&str]) -> &Self {
        self.code(code);
        assert!(self.stdout.is_empty(), "an error printed on stdout: {self}");
        let lines = self.stderr.lines().count();
        assert!((1..=3).contains(&lines), "{lines} lines on stderr: {self}");
        let control = self.stderr.chars().any(|c| c.is_control() && c != '\n');
        assert!(!control, "control characters on stderr: {:?}", self.stderr);
        let low = self.stderr.to_lowercase();
        for word in words {
            assert!(low.contains(&word.to_lowercase()), "no '{word}' in the message: {self}");
        }
        self
    }

    /// Stdout as JSON; a document that is not as the published schema has it is a failure.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        match serde_json::from_str::<serde_json::Value>(&self.stdout) {
            Ok(v) if v.get("$schema").is_some() => v,
            Ok(mut v) => {
                crate::schema::assert_valid(&v);
                late_reaping(&mut v);
                v
            }
            Err(e) => panic!("stdout is no JSON ({e}): {self}"),
        }
    }
}

/// What says that the host's PID 1 has not reaped somebody yet: when it does that is its own, not what a test is about.
fn of_pid_1(text: &str) -> bool {
    text.contains("its parent 1 (") && text.contains("has not reaped it yet")
}

/// A document without that.
pub(crate) fn late_reaping(v: &mut serde_json::Value) {
    if let Some(map) = v.as_object_mut() {
        if let Some(list) = map.get_mut("unreaped").and_then(|u| u.as_array_mut()) {
            list.retain(|p| !p["text"].as_str().is_some_and(of_pid_1));
            if list.is_empty() {
                map.remove("unreaped");
            }
        }
        map.values_mut().for_each(late_reaping);
    } else if let Some(list) = v.as_array_mut() {
        list.iter_mut().for_each(late_reaping);
    }
}

/// A message without that: one line, and what is indented below it.
pub(crate) fn without_late_reaping(text: &str) -> String {
    let mut drop = false;
    let keep = |l: &&str| {
        drop = of_pid_1(l) && l.starts_with("killer: ") || drop && l.starts_with("  ");
        !drop
    };
    text.split_inclusive('\n').filter(keep).collect()
}
