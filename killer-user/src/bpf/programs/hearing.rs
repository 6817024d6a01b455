//! The hook on signals is attached while it is needed: by a broadcast, and while a root is frozen. It runs at each end of a child on
//! this host.
//!
//! The command that needed it takes it off at its end. One that comes within a second of another leaves it there, for any command that
//! comes later: within a grace period of a detach an attach waits for its end (`kernel/tracepoint.c:tp_rcu_cond_sync`), so that
//! commands one after the other would wait for each other. A keeper holds it all the time.

use std::io;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

use killer_common::names::P_SIGNAL;

use super::Programs;
use super::freezer::HELD;
use crate::bpf::{pins, sign};
use crate::keep::{Registry, What};
use crate::sys::map::control::Word;
use crate::sys::{bpf, clock};

/// A command that comes so soon after another is one of many.
const LINGERS: Duration = Duration::from_secs(1);

/// So long a link may take to go whose pin was taken away, ns.
const GOES: u64 = 2_000_000_000;

// What this process has to do with the hook.
const NOTHING: u8 = 0;
const ALONE: u8 = 1;
const ONE_OF_MANY: u8 = 2;

fn attach(t: &Programs, v: &Path) -> io::Result<()> {
    let pin = v.join("links").join(P_SIGNAL);
    let kept = !t.pinned.load(Ordering::Relaxed) && sign::alive(v).is_some();
    if kept || pin.try_exists()? {
        return Ok(());
    }
    let began = clock::monotonic_ns();
    let link = loop {
        match bpf::raw_tracepoint_open(t.program(P_SIGNAL)?, "") {
            // Before 6.10 a program is attached once only (`kernel/tracepoint.c:func_add`), and a link whose pin was taken away goes
            // when the grace period is over (`kernel/bpf/inode.c:bpf_free_inode`).
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists && clock::monotonic_ns() - began < GOES => {
                std::thread::sleep(Duration::from_millis(1));
            }
            r => break r?,
        }
    };
    match bpf::obj_pin(&link, &pin) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => Err(e),
        _ => Ok(()),
    }
}

impl Programs {
    /// Attaches the hook, where the tier has one. Under the registry's lock.
    pub(super) fn attach_hearing(&self) -> io::Result<()> {
        if !self.has_program(P_SIGNAL) {
            return Ok(());
        }
        self.mark_hearing();
        let v = self.paths().version();
        let done =
            pins::in_host_mounts(self.paths(), || attach(self, &v).what("attaching the hook on signals"));
        done.map_err(io::Error::other)
    }

    /// From here on it is this process's to take the hook off, unless others come.
    pub(super) fn mark_hearing(&self) {
        let now = clock::monotonic_ns();
        let since = now.saturating_sub(self.control.word_of(0, Word::HeardAt));
        let state = if since > LINGERS.as_nanos() as u64 { ALONE } else { ONE_OF_MANY };
        let _ = self.hears.compare_exchange(NOTHING, state, Ordering::Relaxed, Ordering::Relaxed);
        let _ = self.control.change(0, Word::HeardAt, |at| Some(at.max(now)));
    }

    /// Whether a root is frozen, so that the hook is needed.
    fn freezes(&self) -> bool {
        self.roots().iter().any(|(_, r)| r.flags & HELD != 0)
    }

    /// Takes the hook off, when nobody needs it any more. To be called at the end of this process's use.
    pub(super) fn detach_hearing(&self) {
        let at = self.control.word_of(0, Word::HeardAt);
        let now = clock::monotonic_ns();
        let off = match self.hears.load(Ordering::Relaxed) {
            // What commands one after the other have left, and none has come since.
            NOTHING => at != 0 && now.saturating_sub(at) > LINGERS.as_nanos() as u64,
            state => {
                let _ = self.control.change(0, Word::HeardAt, |at| Some(at.max(now)));
                state == ALONE
            }
        };
        if !off || !self.has_program(P_SIGNAL) {
            return;
        }
        let pin = self.paths().version().join("links").join(P_SIGNAL);
        let done = pins::in_host_mounts(self.paths(), || {
            // Whoever holds the lock may need it.
            if let Ok(_lock) = pins::PinLock::take_now(self.paths())
                && !self.freezes()
            {
                let _ = std::fs::remove_file(&pin);
                // Nothing is left for those who come later.
                let _ = self.control.change(0, Word::HeardAt, |was| (was == at).then_some(0));
            }
            Ok(())
        });
        if let Err(e) = done {
            log::debug!("the hook on signals stays attached: {e}");
        }
    }
}
