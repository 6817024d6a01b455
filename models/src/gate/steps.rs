//! Steps of the fork hook and of a sweeper.

use super::*;

/// Where a process's fork is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fork {
    /// In user mode.
    No,
    /// In copy_process.
    Copy,
    /// Reads the gate too early (mutant).
    Early(u8),
    /// Counts and inserts the child.
    Insert(u8, bool),
    /// Indexes it.
    Index(u8, bool),
    /// Reads the gate.
    Gate(u8, bool),
    /// Wakes it.
    Wake(u8),
}

/// Where a sweeper is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// Takes the time for the first lease.
    Close,
    /// Closes the gate with it.
    Word,
    /// Lists.
    List,
    /// Opens the next of the list from this number on.
    Open(u8),
    /// Has opened this process.
    Check(u8, u8),
    /// Kills it.
    Send(u8),
    /// Reads the count.
    Empty,
    /// And again.
    Twice,
    /// Takes the time for the next lease.
    Renew,
    /// Opens the gate; said "empty" or not.
    OpenGate(bool),
    /// Has ended, and said "empty" or not.
    Done(bool),
    /// Was killed.
    Crashed,
}

impl Gate {
    pub(super) fn hook(&self, s: &mut State, p: u8) {
        let early = self.variant == Variant::GateFirst;
        let next = match s.procs[p as usize].fork {
            Fork::No | Fork::Copy => return,
            Fork::Early(c) => Fork::Insert(c, s.holds()),
            Fork::Insert(c, closed) => {
                s.pop += 1;
                Fork::Index(c, closed)
            }
            Fork::Index(c, closed) => {
                s.index[s.procs[c as usize].num as usize] = Some(c);
                Fork::Gate(c, closed)
            }
            Fork::Gate(c, closed) => {
                s.procs[c as usize].doomed |= if early { closed } else { s.holds() };
                Fork::Wake(c)
            }
            Fork::Wake(c) => {
                s.procs[c as usize].life = Life::Alive;
                let seen = s.listed.is_none_or(|l| l >> c & 1 != 0);
                s.slipped |= !s.procs[c as usize].doomed && !seen;
                Fork::No
            }
        };
        s.procs[p as usize].fork = next;
    }

    pub(super) fn lease(&self, s: &mut State, i: usize) {
        s.now += 1;
        s.sweepers[i].until = if self.variant == Variant::NoLease { END } else { s.now + LEASE };
        s.passed();
    }

    pub(super) fn close(&self, s: &mut State, i: usize) {
        let until = s.sweepers[i].until;
        if s.gate < until || self.variant == Variant::ShorterStands {
            s.cut_short |= s.gate > until;
            s.gate = until;
        }
        s.passed();
    }

    pub(super) fn next_open(&self, s: &State, i: usize, from: u8) -> Step {
        let list = &s.sweepers[i].list;
        (from..self.nums as u8).find(|&n| list[n as usize].is_some()).map_or(Step::Empty, Step::Open)
    }

    pub(super) fn sweep(&self, s: &mut State, i: usize) {
        let next = match s.sweepers[i].step {
            Step::Done(_) | Step::Crashed => return,
            Step::Close => {
                self.lease(s, i);
                Step::Word
            }
            Step::Word => {
                self.close(s, i);
                Step::List
            }
            Step::List => {
                let mut list = s.index;
                for m in list.iter_mut() {
                    *m = m.filter(|p| s.sweepers[i].sent >> p & 1 == 0);
                }
                if s.holds() {
                    let all = s.index.iter().flatten().fold(0, |m, p| m | 1 << p);
                    s.listed = Some(s.listed.unwrap_or(0) | all);
                }
                s.sweepers[i].list = list;
                match (self.variant, list.iter().all(Option::is_none)) {
                    (Variant::NothingSeen, true) => Step::OpenGate(true),
                    _ => self.next_open(s, i, 0),
                }
            }
            Step::Open(n) => {
                let wanted = s.sweepers[i].list[n as usize].expect("listed");
                s.sweepers[i].sent |= 1 << wanted;
                match s.holder[n as usize] {
                    Some(p) => Step::Check(n, p),
                    None => self.next_open(s, i, n + 1),
                }
            }
            Step::Check(n, fd) => {
                let same = s.index[n as usize] == s.sweepers[i].list[n as usize];
                if same || self.variant == Variant::NoSecondRead {
                    s.sweepers[i].list[n as usize] = None;
                    Step::Send(fd)
                } else {
                    self.next_open(s, i, n + 1)
                }
            }
            Step::Send(fd) => {
                let p = &mut s.procs[fd as usize];
                if matches!(p.life, Life::Newborn | Life::Alive) {
                    p.doomed = true;
                    s.stranger_hit |= !p.ours;
                }
                self.next_open(s, i, 0)
            }
            Step::Empty => {
                if s.pop == 0 {
                    Step::Twice
                } else {
                    Step::Renew
                }
            }
            Step::Twice => {
                if s.pop == 0 {
                    Step::OpenGate(true)
                } else {
                    Step::Renew
                }
            }
            Step::Renew => {
                self.lease(s, i);
                Step::Word
            }
            Step::OpenGate(empty) => {
                let other = &s.sweepers[1 - i];
                let works = !matches!(
                    other.step,
                    Step::Close | Step::Word | Step::Renew | Step::Done(_) | Step::Crashed
                );
                let (theirs, held) = (other.until, s.holds());
                if s.gate == s.sweepers[i].until || self.variant == Variant::OpensAny {
                    s.cut_short |= works && held && theirs == s.gate && self.sweepers > 1;
                    s.lease_lost |= works && held && theirs > s.now && self.sweepers > 1;
                    s.gate = 0;
                    s.passed();
                }
                Step::Done(empty)
            }
        };
        if next == Step::OpenGate(true) {
            s.wrongly_empty |= s.alive();
        }
        s.sweepers[i].step = next;
    }

    /// It would do nothing: sleeps until something is new.
    pub(super) fn idle(&self, s: &State, i: usize) -> bool {
        let new = s.index.iter().flatten().any(|p| s.sweepers[i].sent >> p & 1 == 0);
        s.sweepers[i].step == Step::Renew && s.pop != 0 && !new && self.variant != Variant::NothingSeen
    }
}
