//! Broadcast (docs/internals/PROTOCOL.md 8): a signal that does not end its receivers, once along every lineage path.
//!
//! | action | mirrors |
//! |---|---|
//! | `Hook` | `killer-ebpf/src/fork.rs:born`, from `member::index` on, and `broadcast.rs:newborn` |
//! | queueing, in `Send` and `Hook` | `broadcast.rs:on_signal`, under the receiver's siglock |
//! | `Sweep(List)` | `killer-user/src/lineage/broadcast/of_lineage.rs:listed_whole`, number by number |
//! | `Sweep(Filter)`, `Sweep(Entry)` | `kill/broadcast.rs:until_claimed`: the claims of the list, then the entries of those without one |
//! | `Sweep(Open..Settle)` | `kill/sweep.rs:deliver`: `open`, identity, `exchange`, `send`, `exchange` |
//! | `Exit`, `Release` | `exit.rs:on_exit` (index entry), later the number is free (`kernel/exit.c:release_task`) |
//! | `Take` | return to user mode: `kernel/signal.c:get_signal`; never in the middle of a fork |
//!
//! Processes have one thread. `Copy` is `kernel/fork.c:copy_process` after its last look at pending signals.

mod steps;

use stateright::{Model, Property};

use crate::explore::over;
pub use steps::{Fork, Step};

/// Slots for processes, numbers for them.
const PROCS: usize = 6;
const NUMS: usize = 5;

/// What is modelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// The code: a newborn's word is undecided before it is indexed, and the sweeper looks again while somebody is; it ends
    /// on a list during which nobody was added to the index; the newest epoch holds.
    AsBuilt,
    /// Mutant: a newborn's word is written once, after it was indexed.
    OneWrite,
    /// Mutant: the sweeper trusts one list in PID order.
    PidOrder,
    /// Mutant: births are counted before they are indexed, as insertions are.
    CountedEarly,
    /// Mutant: entries are asked, not numbers: a process that ended after the list was made is passed over.
    EntriesAsked,
    /// Mutant: an inner root's broadcast that still holds hides the outer one's.
    InnerFirst,
    /// Mutant: a newborn inherits its creator's state.
    NaiveInherit,
    /// Mutant: the epoch is read before the newborn is indexed, and not again.
    NoRecheck,
    /// Mutant: the entry is not read again after the process was opened.
    NoSecondRead,
    /// Mutant: the sweeper settles its claim, not the hook in the moment of queueing.
    LateSettle,
    /// Mutant: sent first, claimed then.
    SendFirst,
    /// Mutant: the sweeper changes claims by plain stores.
    PlainStore,
    /// Mutant: the sweeper does not look again after it has sent.
    OnePass,
}

/// Bounds of the model.
#[derive(Clone, Debug)]
pub struct Broadcast {
    /// What is modelled.
    pub variant: Variant,
    /// Members at the beginning.
    pub first: usize,
    /// Forks by members.
    pub forks: u8,
    /// Exits of members.
    pub exits: u8,
    /// Numbers.
    pub nums: usize,
    /// Strangers that may take a free number.
    pub strangers: u8,
    /// Pidfds have inodes (6.9+), and one exit may be missed.
    pub inodes: bool,
    /// The sweeper may be killed at any point.
    pub crash: bool,
    /// All are in an inner root whose own broadcast is over but still holds.
    pub inner: bool,
}

impl Broadcast {
    /// Three processes, one number used again, one crash of the sweeper.
    pub fn three(variant: Variant) -> Self {
        Self {
            variant,
            first: 1,
            forks: 2,
            exits: 1,
            nums: 3,
            strangers: 1,
            inodes: false,
            crash: true,
            inner: variant == Variant::InnerFirst,
        }
    }

    /// The same where pidfds have inodes and an exit may be missed.
    pub fn inodes(variant: Variant) -> Self {
        Self { inodes: true, ..Self::three(variant) }
    }

    /// For random walks.
    pub fn large(variant: Variant) -> Self {
        Self { first: 2, forks: 4, exits: 3, nums: NUMS, ..Self::inodes(variant) }
    }

    fn undecided(&self) -> bool {
        self.variant != Variant::OneWrite
    }

    fn hidden(&self) -> bool {
        self.inner && self.variant == Variant::InnerFirst
    }
}

/// What a claim word means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Claim {
    /// Nothing in this epoch.
    None,
    /// About to be sent.
    Claimed,
    /// Sent, or received by the creator.
    Sent,
    /// Its fork hook has not decided yet.
    Undecided,
}

/// What the sweeper knows of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Item {
    /// Not listed, or nothing to do.
    No,
    /// Listed.
    Listed,
    /// Listed, without a claim.
    Open,
    /// Its entry: to be sent.
    Is(u8),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Life {
    Unborn,
    Newborn,
    Alive,
    Zombie,
    Gone,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Proc {
    life: Life,
    ours: bool,
    num: u8,
    pending: u8,
    taken: u8,
    /// What its line of creators had received when each forked.
    before: u8,
    fork: Fork,
}

/// A state.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    procs: [Proc; PROCS],
    /// The process that has a number: from birth to release.
    holder: [Option<u8>; NUMS],
    /// Index entries: the process is its own start.
    index: [Option<u8>; NUMS],
    words: [Claim; NUMS],
    epoch: bool,
    step: Step,
    list: [Item; NUMS],
    /// The list was not whole, somebody was undecided, or somebody on it has ended.
    again: bool,
    sent: u8,
    /// Births counted, and what the sweeper read of it.
    added: u8,
    added_seen: u8,
    born: u8,
    forks: u8,
    exits: u8,
    strangers: u8,
    missed: bool,
    stranger_hit: bool,
}

/// What can happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// A member enters fork.
    Enter(u8),
    /// Its child is attached and has this number.
    Attach(u8, u8),
    /// The next step of its fork hook.
    Hook(u8, Fork),
    /// A member ends; its index entry goes.
    Exit(u8),
    /// A member ends, unseen by the hook.
    ExitMissed(u8),
    /// Its number is free.
    Release(u8),
    /// It takes a signal.
    Take(u8),
    /// A stranger takes this number.
    Stranger(u8),
    /// The sweeper's next step.
    Sweep(Step),
    /// The sweeper is killed.
    Crash,
}

fn free(a: &Action) -> bool {
    matches!(
        a,
        Action::Crash | Action::Exit(_) | Action::ExitMissed(_) | Action::Enter(_) | Action::Stranger(_)
    )
}

impl Model for Broadcast {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let none =
            Proc { life: Life::Unborn, ours: true, num: 0, pending: 0, taken: 0, before: 0, fork: Fork::No };
        let mut s = State {
            procs: [none; PROCS],
            holder: [None; NUMS],
            index: [None; NUMS],
            words: [Claim::None; NUMS],
            epoch: false,
            step: Step::Begin,
            list: [Item::No; NUMS],
            again: false,
            sent: 0,
            added: 0,
            added_seen: 0,
            born: self.first as u8,
            forks: self.forks,
            exits: self.exits,
            strangers: self.strangers,
            missed: !self.inodes,
            stranger_hit: false,
        };
        for p in 0..self.first {
            s.procs[p] = Proc { life: Life::Alive, num: p as u8, ..none };
            s.holder[p] = Some(p as u8);
            s.index[p] = Some(p as u8);
        }
        vec![s]
    }

    fn actions(&self, s: &State, out: &mut Vec<Action>) {
        let free = || (0..self.nums as u8).filter(|&n| s.holder[n as usize].is_none());
        for p in 0..s.born {
            let proc = &s.procs[p as usize];
            match (proc.life, proc.fork) {
                (Life::Alive, Fork::No) => {
                    if proc.pending > 0 {
                        out.push(Action::Take(p));
                    } else if proc.ours && s.forks > 0 {
                        out.push(Action::Enter(p));
                    }
                    if proc.ours && s.exits > 0 {
                        out.push(Action::Exit(p));
                        if !s.missed {
                            out.push(Action::ExitMissed(p));
                        }
                    }
                }
                (Life::Alive, Fork::Copy) => {
                    let room = (s.born as usize) < PROCS;
                    out.extend(free().filter(|_| room).map(|n| Action::Attach(p, n)));
                }
                (Life::Alive, fork) => out.push(Action::Hook(p, fork)),
                (Life::Zombie, _) => out.push(Action::Release(p)),
                _ => {}
            }
        }
        if s.strangers > 0 && (s.born as usize) < PROCS {
            out.extend(free().map(Action::Stranger));
        }
        if !matches!(s.step, Step::Done | Step::Crashed) {
            out.push(Action::Sweep(s.step));
            if self.crash && s.step != Step::Begin {
                out.push(Action::Crash);
            }
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut s = last.clone();
        match action {
            Action::Enter(p) => {
                s.procs[p as usize].fork = Fork::Copy;
                s.forks -= 1;
            }
            Action::Attach(p, n) => {
                let c = s.born;
                let by = s.procs[p as usize];
                s.procs[c as usize] = Proc {
                    life: Life::Newborn,
                    ours: true,
                    num: n,
                    pending: 0,
                    taken: 0,
                    before: by.before + by.taken,
                    fork: Fork::No,
                };
                s.born += 1;
                s.holder[n as usize] = Some(c);
                let next = match self.variant {
                    Variant::CountedEarly => Fork::Count(c, true),
                    _ if self.undecided() => Fork::Mark(c),
                    _ => Fork::Index(c, false),
                };
                s.procs[p as usize].fork = next;
            }
            Action::Hook(p, _) => self.hook(&mut s, p),
            Action::Exit(p) => {
                let n = s.procs[p as usize].num as usize;
                s.index[n] = None;
                s.procs[p as usize].life = Life::Zombie;
                s.exits -= 1;
            }
            Action::ExitMissed(p) => {
                s.missed = true;
                s.procs[p as usize].life = Life::Zombie;
                s.exits -= 1;
            }
            Action::Release(p) => {
                s.procs[p as usize].life = Life::Gone;
                s.holder[s.procs[p as usize].num as usize] = None;
            }
            Action::Take(p) => {
                s.procs[p as usize].pending -= 1;
                s.procs[p as usize].taken += 1;
            }
            Action::Stranger(n) => {
                let c = s.born;
                let proc = &mut s.procs[c as usize];
                (proc.life, proc.ours, proc.num) = (Life::Alive, false, n);
                s.holder[n as usize] = Some(c);
                s.born += 1;
                s.strangers -= 1;
            }
            Action::Sweep(_) => {
                self.sweep(&mut s);
                // Nothing has changed: it sleeps a moment and looks again.
                if s == *last {
                    return None;
                }
            }
            Action::Crash => s.step = Step::Crashed,
        }
        Some(s)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("no stranger is signalled", |_, s: &State| !s.stranger_hit),
            Property::always("at most once along a path", |_, s: &State| {
                s.procs.iter().all(|p| p.before + p.taken + p.pending <= 1)
            }),
            Property::always("in the end once along every path", |m: &Broadcast, s: &State| {
                !Broadcast::ended(s)
                    || s.procs
                        .iter()
                        .all(|p| !p.ours || p.life != Life::Alive || p.before + p.taken + p.pending == 1)
                    || !over(m, s, free)
            }),
            Property::always("in the end the sweeper is done", |m: &Broadcast, s: &State| {
                matches!(s.step, Step::Done | Step::Crashed) || !over(m, s, free)
            }),
            Property::sometimes("a handler's child is left alone", |_, s: &State| {
                Broadcast::ended(s) && s.procs.iter().any(|p| p.before == 1 && p.life == Life::Alive)
            }),
            Property::sometimes("a child behind is signalled", |_, s: &State| {
                Broadcast::ended(s) && s.procs[2].life == Life::Alive && s.procs[2].taken == 1
            }),
            Property::sometimes("a number is used again", |_, s: &State| {
                s.procs.iter().any(|g| {
                    g.life == Life::Gone && s.procs.iter().any(|p| p.life == Life::Alive && p.num == g.num)
                })
            }),
        ]
    }
}
