//! A `killer` that runs, and its output.

use crate::output::Out;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

/// A `killer` that has been started.
#[derive(Debug)]
pub struct Running {
    /// The process.
    pub child: Child,
    args: Vec<String>,
    out: PathBuf,
    err: PathBuf,
    begun: Instant,
}

impl Running {
    pub(crate) fn new(child: Child, args: Vec<String>, out: PathBuf, err: PathBuf) -> Running {
        Running { child, args, out, err, begun: Instant::now() }
    }

    /// Waits; after `limit` it is killed and `None` comes back.
    pub fn wait(mut self, limit: Duration) -> Option<Out> {
        let pidfd = crate::Pidfd::open(self.child.id() as i32).expect("our own child is there until we wait");
        // Where it hangs is worth knowing, whatever becomes of it.
        let limit = crate::process::patience(limit);
        let ended = pidfd.ends_in(limit / 4) || {
            let stack =
                std::fs::read_to_string(format!("/proc/{}/stack", self.child.id())).unwrap_or_default();
            eprintln!(
                "{:?} takes long, it is at: {}",
                self.args,
                stack.split_whitespace().collect::<Vec<_>>().join(" ")
            );
            pidfd.ends_in(limit - limit / 4)
        };
        if !ended {
            let _ = self.child.kill();
        }
        let took = self.begun.elapsed();
        let status = self.child.wait().expect("wait");
        let text = |p: &Path| String::from_utf8_lossy(&std::fs::read(p).unwrap_or_default()).into_owned();
        let stderr = crate::output::without_late_reaping(&text(&self.err));
        let out = Out { args: self.args.clone(), status, stdout: text(&self.out), stderr, took };
        if !ended {
            eprintln!("killed after {limit:?}: {out}");
        }
        ended.then_some(out)
    }

    /// Waits; not to end within `limit` is a failure.
    #[track_caller]
    pub fn finish(self, limit: Duration) -> Out {
        let args = self.args.clone();
        match self.wait(limit) {
            Some(out) => out,
            None => panic!("killer {args:?} did not end within {limit:?}"),
        }
    }

    /// What it has printed so far, both streams.
    pub fn so_far(&self) -> String {
        [&self.out, &self.err].map(|p| std::fs::read_to_string(p).unwrap_or_default()).concat()
    }

    /// Waits until it has a handler for `signal`; before that it ends at once, as others do.
    #[track_caller]
    pub fn assert_catches(&self, signal: rustix::process::Signal) {
        let status = format!("/proc/{}/status", self.child.id());
        let catches = || {
            let text = std::fs::read_to_string(&status).unwrap_or_default();
            let caught =
                text.lines().find_map(|l| u64::from_str_radix(l.strip_prefix("SigCgt:")?.trim(), 16).ok());
            caught.is_some_and(|c| c & 1 << (signal.as_raw() - 1) != 0)
        };
        let limit = Duration::from_secs(10);
        assert!(crate::process::eventually(limit, catches), "no handler: {:?} {}", self.args, self.so_far());
    }

    /// The process, by a handle that no other can take over.
    pub fn pidfd(&self) -> crate::Pidfd {
        crate::Pidfd::open(self.child.id() as i32).expect("our own child is there until we wait")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both do nothing after wait(): the status is kept.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
