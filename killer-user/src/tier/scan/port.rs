//! Starting, adopting, waiting: what the tier `scan` can, and its registry in files.

use std::io::{self, ErrorKind};
use std::os::fd::AsFd;
use std::path::Path;
use std::time::Duration;

use killer_common::reason;

use super::end::End;
use super::{ADOPT_PASSES, Scan, start_line};
use crate::keep::{Candidate, Changes, InFiles, Keep, KeepError, Sets, Slot, Taken};
use crate::kernel::tier::Tier;
use crate::sys::launch::{Launch, Spawned};
use crate::sys::pass_on::PassOn;
use crate::sys::{clock, proc, supervise};
use crate::tier::files::{FileRegistry, OnFiles, RootFile, code};
use crate::tier::seen::Id;

impl OnFiles for Scan {
    fn files(&self) -> &FileRegistry {
        &self.files
    }

    fn prepare(&self, _: Slot, _: u32, root: &mut RootFile) -> io::Result<()> {
        root.reasons.insert(code(reason::BEST_EFFORT).into(), (1, clock::boottime_ns()));
        Ok(())
    }
}

impl Changes for Scan {
    fn spawn(
        &self,
        s: Slot,
        flags: u32,
        l: &Launch,
        ready: &mut dyn FnMut(i32) -> io::Result<()>,
    ) -> io::Result<Spawned> {
        let (from, to) = supervise::pipe()?;
        let Some(supervisor) = supervise::fork_for_good()? else {
            drop(from);
            self.supervise(to.into(), s, flags, l, ready)
        };
        drop(to);
        let mut from = std::fs::File::from(from);
        let spawned = start_line::line(&mut from).and_then(|line| start_line::decode(&line));
        match &spawned {
            Ok(Ok(pid)) => drop(self.ends.borrow_mut().insert(*pid, End::new(from, supervisor))),
            _ => End::new(from, supervisor).reap(),
        }
        spawned
    }

    fn adopt(&self, s: Slot, candidate: Candidate, from: Option<Slot>) -> io::Result<Taken> {
        if from.is_some() {
            return Err(io::Error::new(
                ErrorKind::Unsupported,
                "without the kernel's help a process belongs for life to the service that it descends from (tier scan)",
            ));
        }
        self.reason(s, reason::ADOPTED)?;
        let (from, to) = supervise::pipe()?;
        let Some(adopter) = supervise::fork_for_good()? else {
            drop(from);
            self.adopter(to.into(), s, Id { pid: candidate.pid, start: candidate.start_ticks })
        };
        drop(to);
        let mut from = std::fs::File::from(from);
        let told =
            start_line::line(&mut from).and_then(|line| start_line::decode(&line)?.map_err(|(_, e)| e));
        let passes = told.inspect_err(|_| End::new(from, adopter).reap())?;
        Ok(Taken { passes: passes as u32, quiet: passes < ADOPT_PASSES })
    }

    fn forget(&self, s: Slot) -> io::Result<()> {
        if self.count(s.slot) != 0 {
            return Err(io::Error::from_raw_os_error(libc::EBUSY));
        }
        let p = self.files.root(s.slot);
        for w in p.watchers.iter().chain(&p.adopters) {
            self.end_watch(s, *w);
        }
        self.files.forget(s)
    }
}

impl Keep for Scan {
    fn tier(&self) -> Tier {
        Tier::Scan
    }

    fn leave(&self) -> io::Result<bool> {
        Err(io::Error::new(
            ErrorKind::Unsupported,
            "without the kernel's help a process belongs for life to the service that it descends from (tier scan); run it from outside",
        ))
    }

    fn descent_is_for_life(&self) -> bool {
        true
    }

    fn close_gate(&self, s: Slot, _: u64, _: u64) {
        self.stop(s);
    }

    fn open_gate(&self, _: Slot, _: u64, _: u64) {
        self.stopped.go_on();
    }

    /// There are none: a supervisor forks what it starts below itself.
    fn cancel_marks(&self, _: Slot) -> usize {
        0
    }

    fn attend(&self, pid: i32, pass: &mut PassOn, ended: &mut dyn FnMut()) -> io::Result<i32> {
        let Some(end) = self.ends.borrow_mut().remove(&pid) else { return Err(ErrorKind::NotFound.into()) };
        // It may have ended, been reaped, and left its number to another, long before.
        let fd = proc::pidfd_open(pid as u32).ok();
        let is_member = matches!(self.member(pid as u32), Ok(Some(_)));
        let fd = fd.filter(|fd| is_member && !proc::pidfd_ended(fd));
        pass.attend_until(pid, fd, end.as_fd(), ended)?;
        end.status()
    }

    fn await_end(&self, pid: i32, most: Duration) -> io::Result<Option<i32>> {
        let Some(end) = self.ends.borrow_mut().remove(&pid) else { return Err(ErrorKind::NotFound.into()) };
        if proc::readable(&end, most) {
            return end.status().map(Some);
        }
        self.ends.borrow_mut().insert(pid, end);
        Ok(None)
    }

    fn in_files(&self) -> Option<&dyn InFiles> {
        Some(self)
    }
}

impl InFiles for Scan {
    fn dir(&self) -> &Path {
        self.files.dir()
    }

    fn tear_down(&self) -> Result<(), KeepError> {
        self.files.remove()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_has_files_and_none_of_the_kernels_help() {
        let dir = std::env::temp_dir().join(format!("killer-scan-{}", std::process::id()));
        let scan = Scan::up(&dir).unwrap();
        let keep: &dyn Keep = &scan;
        assert!(keep.gate().is_none() && keep.broadcasts().is_none() && keep.freezer().is_none());
        assert!(keep.hooks().is_none() && keep.past().is_none());
        let files = keep.in_files().unwrap();
        assert_eq!(files.dir(), dir);
        files.tear_down().unwrap();
        assert!(!dir.exists());
    }
}
