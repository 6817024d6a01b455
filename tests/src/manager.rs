//! A manager who moves whoever asks into a cgroup of its own, as systemd does for `systemd-run --scope`; itself no member of anything.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// A thread that moves one process: the first whose number is in the file.
#[derive(Debug)]
pub struct Manager {
    /// Where to ask.
    pub ask: PathBuf,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Manager {
    /// Waits for a number in `ask`, and writes it to `cgroup.procs` of this directory.
    pub fn start(ask: &Path, cgroup: &Path) -> Manager {
        let over = Arc::new(AtomicBool::new(false));
        let (file, procs, end) = (ask.to_owned(), cgroup.join("cgroup.procs"), over.clone());
        let thread = std::thread::spawn(move || {
            while !end.load(Ordering::Relaxed) {
                let text = std::fs::read_to_string(&file).unwrap_or_default();
                if let Some(pid) = text.strip_suffix('\n') {
                    // What the kernel refuses the adversary notices.
                    let _ = std::fs::write(&procs, pid);
                    return;
                }
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        Manager { ask: ask.to_owned(), over, thread: Some(thread) }
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
