//! KILL to all (docs/internals/PROTOCOL.md 5): the gate as a lease, two sweepers, numbers used again, a crash.
//!
//! | action | mirrors |
//! |---|---|
//! | `Hook` | `killer-ebpf/src/fork.rs:born`, `apply_gate` with `gate.rs:holds`, and `kfunc::send_signal_group` (gate D) |
//! | `Die` | `exit.rs:on_exit`; a doomed process has left at most the fork that it was in (`kernel/fork.c:copy_process`) |
//! | `Sweep(_, Close)`, `Renew` | `killer-user/src/kill/gate.rs:Lease::renew`, `lineage/gate.rs:close_gate` |
//! | `Sweep(_, List)` | `set.rs:listed`, `members` |
//! | `Sweep(_, Open..Send)` | `kill/sweep.rs:deliver` |
//! | `Sweep(_, Empty..)` | `kill/proof.rs:empty`, `sweep.rs:until_empty` |
//! | `Sweep(_, OpenGate)` | `lineage/gate.rs:open_gate` |
//!
//! Each reading of the clock is later than the one before, so no two leases end in the same moment.

mod steps;

use stateright::{Model, Property};

use crate::explore::over;
pub use steps::{Fork, Step};

const PROCS: usize = 5;
const NUMS: usize = 4;
/// How long a lease holds.
const LEASE: u8 = 3;
/// After the end of the clock.
const END: u8 = 40;

/// What is modelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// The code.
    AsBuilt,
    /// Mutant: the gate is read before the newborn is inserted.
    GateFirst,
    /// Mutant: the entry is not read again after the process was opened.
    NoSecondRead,
    /// Mutant: nothing listed is empty.
    NothingSeen,
    /// Mutant: the gate has no end.
    NoLease,
    /// Mutant: a sweeper that is done opens the gate.
    OpensAny,
    /// Mutant: a shorter lease replaces a longer one.
    ShorterStands,
    /// Mutant: an index entry goes with the leader; the process lives on.
    LeaderExit,
}

/// Bounds and variant.
#[derive(Clone, Debug)]
pub struct Gate {
    /// What is modelled.
    pub variant: Variant,
    /// Forks.
    pub forks: u8,
    /// Exits before anybody is killed.
    pub exits: u8,
    /// Numbers.
    pub nums: usize,
    /// Strangers that may take a free number.
    pub strangers: u8,
    /// Sweepers.
    pub sweepers: usize,
    /// Ticks of the clock.
    pub ticks: u8,
    /// A sweeper's lease is not to end because of the other one's end: does not hold, see docs/internals/MODELS.md.
    pub strict: bool,
}

impl Gate {
    /// Three processes, a number used again, one sweeper and its crash.
    pub fn three(variant: Variant) -> Self {
        Self { variant, forks: 2, exits: 1, nums: 3, strangers: 1, sweepers: 1, ticks: 2, strict: false }
    }

    /// Two processes, two sweepers, a crash of one.
    pub fn two_sweepers(variant: Variant) -> Self {
        Self { forks: 1, exits: 0, nums: 2, strangers: 0, sweepers: 2, ticks: 1, ..Self::three(variant) }
    }

    /// For random walks.
    pub fn large(variant: Variant) -> Self {
        Self { forks: 3, exits: 2, nums: NUMS, strangers: 1, sweepers: 2, ticks: 6, ..Self::three(variant) }
    }
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
    doomed: bool,
    num: u8,
    fork: Fork,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Sweeper {
    step: Step,
    until: u8,
    list: [Option<u8>; NUMS],
    sent: u8,
}

/// A state.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    procs: [Proc; PROCS],
    holder: [Option<u8>; NUMS],
    index: [Option<u8>; NUMS],
    pop: u8,
    gate: u8,
    now: u8,
    sweepers: [Sweeper; 2],
    born: u8,
    forks: u8,
    exits: u8,
    strangers: u8,
    ticks: u8,
    crash: bool,
    /// What the passes since the gate is closed have listed.
    listed: Option<u8>,
    slipped: bool,
    stranger_hit: bool,
    wrongly_empty: bool,
    lease_lost: bool,
    cut_short: bool,
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
    /// A doomed process ends.
    Die(u8),
    /// One ends by itself.
    Exit(u8),
    /// Its number is free.
    Release(u8),
    /// A stranger takes this number.
    Stranger(u8),
    /// A sweeper's next step.
    Sweep(u8, Step),
    /// A sweeper has had enough.
    GiveUp(u8),
    /// A sweeper is killed.
    Crash(u8),
    /// Time passes.
    Tick,
}

impl State {
    fn holds(&self) -> bool {
        self.gate > self.now
    }

    fn passed(&mut self) {
        if !self.holds() {
            self.listed = None;
        }
    }

    fn alive(&self) -> bool {
        self.procs.iter().any(|p| p.ours && matches!(p.life, Life::Newborn | Life::Alive))
    }
}

fn free(a: &Action) -> bool {
    matches!(
        a,
        Action::Crash(_) | Action::GiveUp(_) | Action::Exit(_) | Action::Enter(_) | Action::Stranger(_)
    )
}

impl Model for Gate {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let none = Proc { life: Life::Unborn, ours: true, doomed: false, num: 0, fork: Fork::No };
        let sweeper = Sweeper { step: Step::Close, until: 0, list: [None; NUMS], sent: 0 };
        let mut s = State {
            procs: [none; PROCS],
            holder: [None; NUMS],
            index: [None; NUMS],
            pop: 1,
            gate: 0,
            now: 0,
            sweepers: [sweeper; 2],
            born: 1,
            forks: self.forks,
            exits: self.exits,
            strangers: self.strangers,
            ticks: self.ticks,
            crash: true,
            listed: None,
            slipped: false,
            stranger_hit: false,
            wrongly_empty: false,
            lease_lost: false,
            cut_short: false,
        };
        s.procs[0].life = Life::Alive;
        s.holder[0] = Some(0);
        s.index[0] = Some(0);
        if self.variant == Variant::LeaderExit {
            s.index[0] = None;
        }
        vec![s]
    }

    fn actions(&self, s: &State, out: &mut Vec<Action>) {
        let free = || (0..self.nums as u8).filter(|&n| s.holder[n as usize].is_none());
        for n in 0..s.born {
            let p = &s.procs[n as usize];
            match (p.life, p.fork) {
                (Life::Alive, Fork::No) => {
                    if p.ours && !p.doomed && s.forks > 0 {
                        out.push(Action::Enter(n));
                    }
                    if p.doomed {
                        out.push(Action::Die(n));
                    } else if p.ours && s.exits > 0 {
                        out.push(Action::Exit(n));
                    }
                }
                (Life::Alive, Fork::Copy) if p.doomed => out.push(Action::Die(n)),
                (Life::Alive, Fork::Copy) => {
                    let room = (s.born as usize) < PROCS;
                    out.extend(free().filter(|_| room).map(|f| Action::Attach(n, f)));
                }
                (Life::Alive, fork) => out.push(Action::Hook(n, fork)),
                (Life::Zombie, _) => out.push(Action::Release(n)),
                _ => {}
            }
        }
        if s.strangers > 0 && (s.born as usize) < PROCS {
            out.extend(free().map(Action::Stranger));
        }
        for i in 0..self.sweepers {
            let step = s.sweepers[i].step;
            // The clock of the model ends.
            let clock = matches!(step, Step::Close | Step::Renew) && s.now > END / 2;
            if !matches!(step, Step::Done(_) | Step::Crashed) && !clock {
                if !self.idle(s, i) {
                    out.push(Action::Sweep(i as u8, step));
                }
                if step == Step::Renew && self.sweepers > 1 {
                    out.push(Action::GiveUp(i as u8));
                }
                if s.crash && step != Step::Close {
                    out.push(Action::Crash(i as u8));
                }
            }
        }
        if s.now + 1 < END && s.ticks > 0 && s.gate != 0
            || s.now + 1 < END && s.holds() && s.sweepers.iter().any(|w| w.step == Step::Crashed)
        {
            out.push(Action::Tick);
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
                let new = &mut s.procs[c as usize];
                (new.life, new.num) = (Life::Newborn, n);
                s.born += 1;
                s.holder[n as usize] = Some(c);
                let early = self.variant == Variant::GateFirst;
                s.procs[p as usize].fork = if early { Fork::Early(c) } else { Fork::Insert(c, false) };
            }
            Action::Hook(p, _) => self.hook(&mut s, p),
            Action::Die(p) | Action::Exit(p) => {
                let proc = &mut s.procs[p as usize];
                if !proc.doomed {
                    s.exits -= 1;
                }
                (proc.life, proc.fork) = (Life::Zombie, Fork::No);
                if proc.ours {
                    s.index[proc.num as usize] = None;
                    s.pop -= 1;
                }
            }
            Action::Release(p) => {
                s.procs[p as usize].life = Life::Gone;
                s.holder[s.procs[p as usize].num as usize] = None;
            }
            Action::Stranger(n) => {
                let c = s.born;
                let new = &mut s.procs[c as usize];
                (new.life, new.ours, new.num) = (Life::Alive, false, n);
                s.holder[n as usize] = Some(c);
                s.born += 1;
                s.strangers -= 1;
            }
            Action::Sweep(i, _) => self.sweep(&mut s, i as usize),
            Action::GiveUp(i) => s.sweepers[i as usize].step = Step::OpenGate(false),
            Action::Crash(i) => {
                s.sweepers[i as usize].step = Step::Crashed;
                s.crash = false;
            }
            Action::Tick => {
                s.now += 1;
                s.ticks = s.ticks.saturating_sub(1);
                s.passed();
            }
        }
        Some(s)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut all = vec![
            Property::always("no stranger is signalled", |_, s: &State| !s.stranger_hit),
            Property::always("\"empty\" is never said early", |_, s: &State| !s.wrongly_empty),
            Property::always("a task in no pass under the gate is killed at birth", |_, s: &State| {
                !s.slipped
            }),
            Property::always("nobody's lease is cut short by another", |_, s: &State| !s.cut_short),
            Property::always("in the end the gate is open", |m: &Gate, s: &State| {
                !s.holds() || !over(m, s, free)
            }),
            Property::always("in the end all are dead", |m: &Gate, s: &State| {
                // Unless every sweeper crashed or gave up.
                let left = s.sweepers[..m.sweepers]
                    .iter()
                    .all(|w| matches!(w.step, Step::Crashed | Step::Done(false)));
                left || !s.alive() || !over(m, s, free)
            }),
            Property::always("in the end each sweeper is done", |m: &Gate, s: &State| {
                let ended = |w: &Sweeper| matches!(w.step, Step::Crashed | Step::Done(_));
                s.sweepers[..m.sweepers].iter().all(ended) || !over(m, s, free)
            }),
            Property::sometimes("a newborn is killed at birth", |_, s: &State| {
                s.procs.iter().any(|p| p.life == Life::Newborn && p.doomed)
            }),
            Property::sometimes("a lease runs out", |_, s: &State| s.gate != 0 && s.gate <= s.now),
            Property::sometimes("\"empty\" is said", |_, s: &State| s.sweepers[0].step == Step::Done(true)),
        ];
        if self.strict {
            all.push(Property::always("a lease holds while its sweeper works", |_, s: &State| !s.lease_lost));
        }
        all
    }
}
