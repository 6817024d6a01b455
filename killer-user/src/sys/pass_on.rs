//! What is sent to a launcher in the foreground reaches CMD, once: also when it was sent to the whole process group,
//! of which CMD is one. Stops and continues with CMD as a shell's job.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::process::{Pid, getpgid, getpgrp};

use super::sentinel::Sentinel;
use super::signals::{self, Info, Likeness, bit};
use super::{proc, supervise};

/// All that can be held back but what tells of children.
const ALL: u64 = !(bit(libc::SIGKILL) | bit(libc::SIGSTOP) | bit(libc::SIGCHLD));
/// The first of which each one counts.
const FIRST_QUEUED: i32 = 32;
/// What a terminal stops a job with.
const STOPS: u64 = bit(libc::SIGTSTP) | bit(libc::SIGTTIN) | bit(libc::SIGTTOU);
/// Somebody may send it to the process first and to its group right after, as timeout(1) does: CMD takes both as one.
const SOON: Duration = Duration::from_millis(4);
/// Looks for one signal, while it goes on coming.
const ROUNDS: usize = 10_000;

/// Which processes get what the launcher gets.
#[derive(Debug)]
struct Cmd {
    pid: i32,
    /// `None` where there is none to be had: nothing can be passed on, its code still comes back.
    fd: Option<OwnedFd>,
}

/// Which other processes are in the launcher's process group.
#[derive(Debug)]
enum Group {
    /// None that a signal to the group would reach.
    Alone,
    /// CMD, unless it has left, and one that tells what reached the group.
    With(Sentinel),
    /// CMD, and nobody tells: what the kernel has sent (a terminal) has reached the group.
    Untold,
}

/// Passes signals on to one CMD.
#[derive(Debug)]
pub struct PassOn {
    owner: u32,
    group: Group,
    cmd: Option<Cmd>,
    /// CMD is stopped.
    stopped: bool,
    /// The launcher was told to stop, by this signal.
    stop: Option<i32>,
    /// How another process, CMD's parent, tells what had come when CMD was there and had run nothing yet.
    early: Option<(OwnedFd, OwnedFd)>,
}

/// What had come by then, as sets.
#[derive(Clone, Copy)]
struct Early {
    /// To the launcher.
    mine: u64,
    /// To CMD.
    cmd: u64,
}

/// What has come of one signal.
#[derive(Default)]
struct Came {
    /// To the launcher, to the group or not.
    mine: Vec<Info>,
    /// To the group; `None`: not known.
    group: Option<Vec<Likeness>>,
}

impl Came {
    /// What CMD has not got, when it is one of the group.
    fn missing(mut self, signal: i32) -> Vec<Info> {
        let Some(group) = self.group else {
            const SI_KERNEL: i32 = 0x80;
            self.mine.retain(|i| i.code() != SI_KERNEL);
            return self.mine;
        };
        if signal < FIRST_QUEUED {
            // CMD would have taken several at once as one.
            return if group.is_empty() { self.mine } else { Vec::new() };
        }
        for one in group {
            if let Some(at) = self.mine.iter().position(|i| i.likeness() == one) {
                self.mine.remove(at);
            }
        }
        self.mine
    }
}

impl PassOn {
    /// From here on every signal is held back, for CMD. `alone`: CMD will be in a session of its own. Only while this
    /// process has one thread; its next child gets the caller's mask back before it executes a program (see
    /// [`super::launch`]).
    pub fn begin(alone: bool) -> Self {
        signals::mask(libc::SIG_SETMASK, Some(u64::MAX));
        let group = match alone {
            true => Group::Alone,
            false => Sentinel::start().map_or(Group::Untold, Group::With),
        };
        Self {
            owner: std::process::id(),
            group,
            cmd: None,
            stopped: false,
            stop: None,
            early: (!alone).then(|| supervise::pipe().ok()).flatten(),
        }
    }

    /// CMD is there, and has run nothing yet: what came before it was there is passed on, what it has got since is
    /// not. Another process than the one that began, a copy of it, tells that one, which waits meanwhile.
    pub fn meet(&mut self, pid: i32) {
        if std::process::id() != self.owner {
            return self.tell(pid);
        }
        let came: Vec<(i32, Came)> =
            signals::each(signals::pending() & ALL).map(|s| (s, self.collect(s, None))).collect();
        self.cmd = Some(Cmd { pid, fd: proc::pidfd_open(pid as u32).ok() });
        // It holds everything back as yet, so nothing that has reached it is gone, and what does not queue is one
        // with what it has. Looked at last: what comes in between waits here, too, and is told of by the sentinel.
        let has = waiting(pid);
        for (signal, came) in came {
            if signal < FIRST_QUEUED || has & bit(signal) == 0 {
                self.send(signal, came.mine);
            }
        }
    }

    /// Waits for the end of CMD, a child of this process: its raw wait status. `look` is called whenever a child may
    /// have ended.
    pub fn attend(&mut self, pid: i32, look: &mut dyn FnMut()) -> io::Result<i32> {
        if self.cmd.is_none() {
            self.meet(pid);
        }
        loop {
            if let Some(status) = self.child(pid)? {
                return Ok(status);
            }
            look();
            self.take_all();
            self.rest();
            if let Some(info) = signals::take(u64::MAX, None) {
                self.one(info.signal(), Some(info));
            }
        }
    }

    /// The same for one that is not a child of this process: until `end` is readable. `fd` is CMD's.
    pub fn attend_until(
        &mut self,
        pid: i32,
        fd: Option<OwnedFd>,
        end: BorrowedFd<'_>,
        look: &mut dyn FnMut(),
    ) -> io::Result<()> {
        use rustix::event::{PollFd, PollFlags, poll};
        let bell = signals::bell(ALL | bit(libc::SIGCHLD))?;
        if self.cmd.is_none() {
            self.cmd = Some(Cmd { pid, fd });
            // Without it nobody knows whether CMD was there when they came: better twice than not at all. Of one that
            // is not in the launcher's group it is known: it has got none.
            let early = self.told().unwrap_or(Early { mine: u64::MAX, cmd: 0 });
            for signal in signals::each(signals::pending() & ALL & (early.mine | early.cmd)) {
                let came = self.collect(signal, None);
                if early.cmd & bit(signal) == 0 {
                    self.send(signal, came.mine);
                }
            }
        }
        // Its parent sees it stop, this process does not.
        self.stopped = true;
        loop {
            while signals::take(bit(libc::SIGCHLD), Some(Duration::ZERO)).is_some() {}
            look();
            self.take_all();
            self.rest();
            let mut fds = [PollFd::new(&end, PollFlags::IN), PollFd::new(&bell, PollFlags::IN)];
            match poll(&mut fds, None) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(e) => return Err(e.into()),
            }
            if !fds[0].revents().is_empty() {
                return Ok(());
            }
        }
    }

    /// What had come when CMD was there; from here on the sentinel tells what has reached both. What comes between
    /// two of these looks waits for CMD, too.
    fn tell(&self, pid: i32) {
        let mine = waiting(self.owner as i32);
        signals::groups_are_done();
        if let Group::With(sentinel) = &self.group {
            signals::each(ALL).for_each(|s| while sentinel.took(s).is_some_and(|t| !t.is_empty()) {});
        }
        let words = [mine, waiting(pid)];
        if let Some((_, to)) = &self.early {
            let _ = rustix::io::write(to, bytemuck::bytes_of(&words));
        }
    }

    fn told(&mut self) -> Option<Early> {
        let (from, to) = self.early.take()?;
        drop(to);
        let mut words = [0u64; 2];
        let n = proc::readable(&from, Duration::ZERO)
            .then(|| rustix::io::read(&from, bytemuck::bytes_of_mut(&mut words)).ok())?;
        let [mine, cmd] = words;
        (n == Some(16)).then_some(Early { mine, cmd })
    }

    /// CMD has ended: what has come for it is for nobody any more. SIGINT and SIGTERM are for this process from here on.
    pub fn over(self) {
        signals::groups_are_done();
        while signals::take(u64::MAX, Some(Duration::ZERO)).is_some() {}
        signals::mask(libc::SIG_UNBLOCK, Some(bit(libc::SIGINT) | bit(libc::SIGTERM)));
    }

    /// Its status when it has ended, which reaps it; notes whether it is stopped.
    fn child(&mut self, pid: i32) -> io::Result<Option<i32>> {
        loop {
            let mut st = 0;
            // SAFETY: st is a live int; our own child.
            let r =
                unsafe { libc::waitpid(pid, &mut st, libc::WNOHANG | libc::WUNTRACED | libc::WCONTINUED) };
            match r {
                0 => return Ok(None),
                r if r != pid => match io::Error::last_os_error() {
                    e if e.kind() == io::ErrorKind::Interrupted => {}
                    e => return Err(e),
                },
                _ if libc::WIFSTOPPED(st) => self.stopped = true,
                _ if libc::WIFCONTINUED(st) => self.stopped = false,
                _ => return Ok(Some(st)),
            }
        }
    }

    fn take_all(&mut self) {
        signals::each(signals::pending() & ALL).for_each(|s| self.one(s, None));
    }

    /// Stops with CMD when both were told to.
    fn rest(&mut self) {
        if let (Some(signal), true) = (self.stop, self.stopped)
            && signals::pending() & bit(libc::SIGCONT) == 0
        {
            self.stop = None;
            signals::stop_as_by(signal);
        }
    }

    /// One signal that has come; `first` has been taken already.
    fn one(&mut self, signal: i32, first: Option<Info>) {
        if ALL & bit(signal) == 0 {
            return;
        }
        let mut came = self.collect(signal, first);
        let together = self.together();
        let only = matches!(&came.group, Some(g) if g.is_empty());
        if signal < FIRST_QUEUED && together && only && !came.mine.is_empty() {
            std::thread::sleep(SOON);
            let more = self.collect(signal, None);
            came.mine.extend(more.mine);
            came.group = more.group;
        }
        if signal == libc::SIGCONT {
            self.stop = None;
        }
        if STOPS & bit(signal) != 0 {
            if signals::pending() & bit(libc::SIGCONT) != 0 {
                // Continued since: as if it had not come.
                return;
            }
            self.stop = (!came.mine.is_empty()).then_some(signal).or(self.stop);
        }
        let rest = if together { came.missing(signal) } else { came.mine };
        self.send(signal, rest);
    }

    /// All that has come of one signal until now, to this process and, as the sentinel has it, to the group: it ends
    /// when neither has got any since the other was looked at, so both are of the same moment.
    fn collect(&mut self, signal: i32, first: Option<Info>) -> Came {
        let mut came = Came { mine: first.into_iter().collect(), group: Some(Vec::new()) };
        for _ in 0..ROUNDS {
            signals::groups_are_done();
            let before = came.mine.len();
            came.mine
                .extend(std::iter::from_fn(|| signals::take(bit(signal), Some(Duration::ZERO))).take(1000));
            let told = match &self.group {
                Group::Alone => Some(Vec::new()),
                Group::With(sentinel) => sentinel.took(signal),
                Group::Untold => None,
            };
            let quiet = came.mine.len() == before && told.as_ref().is_none_or(Vec::is_empty);
            match (told, &mut came.group) {
                (Some(new), Some(all)) => all.extend(new),
                (None, _) => {
                    came.group = None;
                    if matches!(self.group, Group::With(_)) {
                        // It was killed, or held: a new one tells from here on.
                        self.group = Sentinel::start().map_or(Group::Untold, Group::With);
                    }
                }
                (_, None) => {}
            }
            if quiet {
                break;
            }
        }
        came.mine.retain(|i| !i.is_own());
        came
    }

    /// True when a signal to this process's group reaches CMD.
    fn together(&self) -> bool {
        if matches!(self.group, Group::Alone) {
            return false;
        }
        self.cmd.as_ref().is_some_and(|c| getpgid(Pid::from_raw(c.pid)) == Ok(getpgrp()))
    }

    fn send(&self, signal: i32, all: Vec<Info>) {
        let Some(fd) = self.cmd.as_ref().and_then(|c| c.fd.as_ref()) else { return };
        // Of those that do not queue CMD would have taken several as one; the last tells the sender.
        let skip = if signal < FIRST_QUEUED { all.len().saturating_sub(1) } else { 0 };
        for info in &all[skip..] {
            let _ = match info.is_queued() {
                true => proc::pidfd_send_as(fd, info),
                false => proc::pidfd_send(fd, signal, None),
            };
        }
    }
}

/// What waits for a process that holds everything back, as far as /proc shows it.
fn waiting(pid: i32) -> u64 {
    let status = super::proc_text::read(&format!("/proc/{pid}/status"));
    let word = |key: &[u8]| {
        let line = status.split(|b| *b == b'\n').find_map(|l| l.strip_prefix(key))?;
        u64::from_str_radix(std::str::from_utf8(line).ok()?.trim(), 16).ok()
    };
    word(b"SigPnd:").unwrap_or(0) | word(b"ShdPnd:").unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn came(mine: &[Info], group: Option<&[Info]>) -> Came {
        Came { mine: mine.to_vec(), group: group.map(|g| g.iter().map(Info::likeness).collect()) }
    }

    #[test]
    fn what_the_group_got_is_not_passed_on() {
        let [a, b] = [Info::queued(40, 0, 1), Info::queued(40, 0, 2)];
        let values = |c: Came| c.missing(40).iter().map(|i| i.likeness()[3]).collect::<Vec<_>>();
        assert_eq!(values(came(&[a, b, a], Some(&[a]))), [2, 1]);
        assert_eq!(values(came(&[a, b], Some(&[]))), [1, 2]);
        assert!(values(came(&[a], Some(&[a, b]))).is_empty());
        let usr1 = Info::queued(libc::SIGUSR1, 0, 0);
        assert_eq!(came(&[usr1, usr1], Some(&[usr1])).missing(libc::SIGUSR1).len(), 0);
        assert_eq!(came(&[usr1], Some(&[])).missing(libc::SIGUSR1).len(), 1);
        assert_eq!(came(&[usr1], None).missing(libc::SIGUSR1).len(), 1);
    }
}
