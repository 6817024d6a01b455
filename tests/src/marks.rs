//! The page that `tick` counts in.

use crate::process::eventually;
use crate::{Launch, Service, TestEnv};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::Duration;

/// The page, shared with the members.
#[derive(Debug)]
pub struct Marks(File);

impl Marks {
    /// Starts `tick` as the service `svc` with these kinds, joined by `+`: `None` after a skip.
    #[track_caller]
    pub fn ticking(env: &TestEnv, kinds: &str) -> Option<(Service, Marks)> {
        let path = env.path("marks");
        std::fs::write(&path, [0; 4096]).expect("marks");
        let service = Launch::new("tick").arg(path.to_string_lossy()).arg(kinds).service(env, "svc")?;
        Some((service, Marks(File::open(path).expect("marks"))))
    }

    /// The word at this place (tests/src/bin/adversary/tick.rs says what is where).
    pub fn word(&self, n: u64) -> u64 {
        let mut bytes = [0; 8];
        self.0.read_exact_at(&mut bytes, 8 * n).expect("the marks");
        u64::from_ne_bytes(bytes)
    }

    /// Steps of all of them together.
    pub fn steps(&self) -> u64 {
        self.word(0)
    }

    /// Errors that the program saw, and the last one's errno.
    pub fn errors(&self) -> (u64, u64) {
        (self.word(1), self.word(2))
    }

    /// Whether it goes on within a moment.
    pub fn moves(&self) -> bool {
        let before = self.steps();
        eventually(Duration::from_secs(3), || self.steps() > before + 5)
    }
}
