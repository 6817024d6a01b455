//! Steps of the fork hook and of the sweeper.

use super::*;

/// Where a process's fork is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fork {
    /// In user mode.
    No,
    /// In copy_process, no pending signal seen.
    Copy,
    /// About to make the newborn undecided.
    Mark(u8),
    /// About to read the epoch too early (mutant).
    Early(u8),
    /// About to index.
    Index(u8, bool),
    /// About to count it; true: too early (mutant).
    Count(u8, bool),
    /// About to read the epoch.
    Epoch(u8, bool),
    /// About to read the creator's word.
    Mine(u8),
    /// About to read what is pending.
    Pending(u8, Claim),
    /// About to write the newborn's word.
    Write(u8, Claim),
    /// About to wake the newborn.
    Wake(u8),
}

/// Where the sweeper is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// The epoch is not set.
    Begin,
    /// Lists from this number on.
    List(u8),
    /// Looks at the claim of this number.
    Filter(u8),
    /// Reads the entry of this number, which has none.
    Entry(u8),
    /// Opens the next of the list.
    Open(u8),
    /// Has opened this process.
    Check(u8, u8),
    /// Is sure of it.
    Claim(u8, u8),
    /// Sends.
    Send(u8, u8),
    /// Settles.
    Settle(u8, u8),
    /// Has ended.
    Done,
    /// Was killed.
    Crashed,
}

impl Broadcast {
    pub(super) fn queue(&self, s: &mut State, p: u8) {
        let proc = &mut s.procs[p as usize];
        if !matches!(proc.life, Life::Newborn | Life::Alive) {
            return;
        }
        proc.pending += 1;
        s.stranger_hit |= !proc.ours;
        let w = &mut s.words[proc.num as usize];
        if *w == Claim::Claimed && self.variant != Variant::LateSettle {
            *w = Claim::Sent;
        }
    }

    /// `killer-ebpf/src/broadcast.rs:newborn` and what is around it.
    pub(super) fn hook(&self, s: &mut State, p: u8) {
        let fork = s.procs[p as usize].fork;
        let num = |s: &State, q: u8| s.procs[q as usize].num as usize;
        let next = match fork {
            Fork::No | Fork::Copy => fork,
            Fork::Mark(c) => {
                let n = num(s, c);
                s.words[n] = Claim::Undecided;
                if self.variant == Variant::NoRecheck { Fork::Early(c) } else { Fork::Index(c, false) }
            }
            Fork::Early(c) => Fork::Index(c, s.epoch),
            Fork::Index(c, early) => {
                let n = num(s, c);
                s.index[n] = Some(c);
                match self.variant {
                    Variant::CountedEarly => Fork::Epoch(c, false),
                    Variant::NoRecheck => {
                        s.added += 1;
                        Fork::Epoch(c, early)
                    }
                    _ => Fork::Count(c, false),
                }
            }
            Fork::Count(c, early) => {
                s.added += 1;
                if early { Fork::Mark(c) } else { Fork::Epoch(c, false) }
            }
            Fork::Epoch(c, early) => {
                let seen = if self.variant == Variant::NoRecheck { early } else { s.epoch };
                match seen {
                    true => Fork::Mine(c),
                    false if self.undecided() => Fork::Write(c, Claim::None),
                    false => Fork::Wake(c),
                }
            }
            // With the inner root's epoch the outer one's claims are none, and what is written is none of its.
            Fork::Mine(c) if self.hidden() => Fork::Write(c, Claim::None),
            Fork::Mine(c) => {
                let mine = s.words[num(s, p)];
                match mine {
                    _ if self.variant == Variant::NaiveInherit => Fork::Write(c, mine),
                    Claim::Claimed => {
                        self.queue(s, c);
                        Fork::Write(c, Claim::Sent)
                    }
                    Claim::Sent => Fork::Pending(c, mine),
                    Claim::None | Claim::Undecided => Fork::Write(c, Claim::None),
                }
            }
            Fork::Pending(c, mine) => {
                if s.procs[p as usize].pending > 0 {
                    self.queue(s, c);
                }
                Fork::Write(c, mine)
            }
            Fork::Write(c, state) => {
                let n = num(s, c);
                s.words[n] = state;
                Fork::Wake(c)
            }
            Fork::Wake(c) => {
                s.procs[c as usize].life = Life::Alive;
                Fork::No
            }
        };
        s.procs[p as usize].fork = next;
    }

    /// `NONE` → `CLAIMED` and so on; false when it is something else.
    pub(super) fn exchange(&self, s: &mut State, n: u8, from: Claim, to: Claim) -> bool {
        let w = &mut s.words[n as usize];
        if *w != from && self.variant != Variant::PlainStore {
            return false;
        }
        *w = to;
        true
    }

    /// Claims of what is listed first, then entries of those without one, then sends, or has ended.
    fn next_item(&self, s: &mut State) -> Step {
        let first = |s: &State, item: Item| s.list.iter().position(|i| *i == item).map(|n| n as u8);
        if let Some(n) = first(s, Item::Listed) {
            return Step::Filter(n);
        }
        if let Some(n) = first(s, Item::Open) {
            return Step::Entry(n);
        }
        let due = s.list.iter().any(|i| matches!(i, Item::Is(_)));
        if std::mem::take(&mut s.again) || due { self.next_open(s, 0) } else { Step::Done }
    }

    pub(super) fn next_open(&self, s: &mut State, from: u8) -> Step {
        let next = (from..self.nums as u8).find(|&n| matches!(s.list[n as usize], Item::Is(_)));
        match next {
            Some(n) => Step::Open(n),
            None if self.variant == Variant::OnePass => Step::Done,
            None => {
                s.list = [Item::No; NUMS];
                Step::List(0)
            }
        }
    }

    /// `killer-user/src/kill/broadcast.rs:once_each`, `kill/sweep.rs:deliver`.
    pub(super) fn sweep(&self, s: &mut State) {
        s.step = match s.step {
            Step::Done | Step::Crashed => s.step,
            Step::Begin => {
                s.epoch = true;
                Step::List(0)
            }
            Step::List(n) => {
                let i = n as usize;
                if i == 0 {
                    (s.added_seen, s.again) = (s.added, false);
                }
                s.list[i] = if s.index[i].is_some() { Item::Listed } else { Item::No };
                if i + 1 < self.nums {
                    Step::List(n + 1)
                } else {
                    s.again = s.added != s.added_seen && self.variant != Variant::PidOrder;
                    self.next_item(s)
                }
            }
            Step::Filter(n) => {
                let i = n as usize;
                s.again |= s.words[i] == Claim::Undecided;
                s.list[i] = if s.words[i] == Claim::None { Item::Open } else { Item::No };
                self.next_item(s)
            }
            Step::Entry(n) => {
                let i = n as usize;
                s.list[i] = match s.index[i] {
                    Some(p) if s.sent >> p & 1 == 0 => Item::Is(p),
                    Some(_) => Item::No,
                    None => {
                        s.again |= self.variant != Variant::EntriesAsked;
                        Item::No
                    }
                };
                self.next_item(s)
            }
            Step::Open(n) => {
                let i = n as usize;
                s.sent |= 1 << s.wanted(n);
                match s.holder[i] {
                    Some(p) => Step::Check(n, p),
                    None => self.next_open(s, n + 1),
                }
            }
            Step::Check(n, fd) => {
                let i = n as usize;
                let wanted = s.wanted(n);
                let same = match self.variant {
                    Variant::NoSecondRead => true,
                    _ if self.inodes => fd == wanted,
                    _ => s.index[i] == Some(wanted),
                };
                match same {
                    true if self.variant == Variant::SendFirst => Step::Send(n, fd),
                    true => Step::Claim(n, fd),
                    false => self.next_open(s, n + 1),
                }
            }
            Step::Claim(n, fd) => match self.exchange(s, n, Claim::None, Claim::Claimed) {
                true if self.variant == Variant::SendFirst => Step::Settle(n, fd),
                true => Step::Send(n, fd),
                false => {
                    s.sent &= !(1 << s.wanted(n));
                    self.next_open(s, n + 1)
                }
            },
            Step::Send(n, fd) => {
                self.queue(s, fd);
                if self.variant == Variant::SendFirst { Step::Claim(n, fd) } else { Step::Settle(n, fd) }
            }
            Step::Settle(n, fd) => {
                let gone = s.procs[fd as usize].life == Life::Gone;
                let to = if gone { Claim::None } else { Claim::Sent };
                self.exchange(s, n, Claim::Claimed, to);
                self.next_open(s, n + 1)
            }
        };
    }

    pub(super) fn ended(s: &State) -> bool {
        matches!(s.step, Step::Done)
    }
}

impl State {
    /// Which process the sweeper means by a number.
    fn wanted(&self, n: u8) -> u8 {
        match self.list[n as usize] {
            Item::Is(p) => p,
            other => unreachable!("{other:?}"),
        }
    }
}
