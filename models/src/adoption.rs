//! Adoption of a running tree (docs/internals/PROTOCOL.md 7) while it forks, ends and is reparented, and numbers are used again.
//!
//! | action | mirrors |
//! |---|---|
//! | `Fork`, `Hook` | `killer-ebpf/src/adopt.rs:on_edge`: the edge, then `fork.rs:born` |
//! | `Exit` | `exit.rs:on_exit`: the claim, and `adopt.rs:on_ended`, both before the kernel reparents |
//! | `Adopt(Hold)` … `Unhold` | `killer-user/src/host/adopt.rs:adopt`, `take`; `killer-common/src/ctl.rs:HOLD`, `ADOPT_MODE` |
//! | `Adopt(Look)`, `Register`, `Recheck` | `walk.rs:on_walk`, `chosen`, number by number |
//!
//! Process 0 is an outsider and the reaper; process 1 is the one that is adopted, process 2 its child.

mod steps;

use stateright::{Model, Property};

use crate::explore::over;

const PROCS: usize = 7;
const NUMS: usize = 4;

/// What is modelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// The code: quiet is two passes that added nothing.
    AsBuilt,
    /// The design: quiet is a pass that added nothing, when every logged edge into the set has its child in `births` or its
    /// end logged.
    Edges,
    /// Mutant: forks are not logged.
    NoForkLog,
    /// Mutant: ends are not logged.
    NoExitLog,
    /// Mutant: no second look after registering.
    NoRecheck,
    /// Mutant: the adopter does not hold the root.
    NoHold,
    /// Mutant: a task whose parent is the reaper is taken, too.
    Guesses,
}

/// Bounds and variant.
#[derive(Clone, Debug)]
pub struct Adoption {
    /// What is modelled.
    pub variant: Variant,
    /// Forks while it goes on.
    pub forks: u8,
    /// Exits while it goes on.
    pub exits: u8,
    /// Numbers.
    pub nums: usize,
    /// Passes at most; more is "unsure".
    pub passes: u8,
    /// The adopter may be killed.
    pub crash: bool,
    /// CLONE_PARENT is used, too.
    pub clone_parent: bool,
    /// Another process of the reaper is there.
    pub outsider: bool,
    /// From the end of the first pass on: it has taken in process 2, but not the child that 2 had forked meanwhile, at a
    /// number that the pass had left behind; process 1 has ended.
    pub second_pass: bool,
}

impl Adoption {
    /// A process, its child and one more birth.
    pub fn three(variant: Variant) -> Self {
        Self {
            variant,
            forks: 1,
            exits: 3,
            nums: 4,
            passes: 4,
            crash: true,
            clone_parent: true,
            outsider: true,
            second_pass: false,
        }
    }

    /// Enough births to run from the two passes that have to be quiet.
    pub fn hoppers(variant: Variant) -> Self {
        Self {
            forks: 3,
            exits: 3,
            nums: 3,
            second_pass: true,
            crash: false,
            clone_parent: false,
            outsider: false,
            ..Self::three(variant)
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Life {
    Unborn,
    Newborn,
    Alive,
    Dead,
}

/// Where a process's fork is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fork {
    /// In user mode.
    No,
    /// Logs the edge.
    Edge(u8),
    /// Is the creator a member?
    Look(u8),
    /// Registers the child.
    Register(u8),
    /// Wakes it.
    Wake(u8),
}

/// Where the adopter is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// Counts 1.
    Hold,
    /// Adopt mode on.
    Mode,
    /// Looks at the task with this number.
    Look(u8),
    /// Registers it.
    Register(u8, u8),
    /// Is it still there?
    Recheck(u8, u8),
    /// The pass is over.
    Pass,
    /// Adopt mode off.
    Off,
    /// Counts down.
    Unhold,
    /// Has ended: quiet or not.
    Done(bool),
    /// Was killed.
    Crashed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Proc {
    life: Life,
    num: u8,
    parent: u8,
    fork: Fork,
    member: bool,
    was_member: bool,
    /// Logged creator.
    edge: Option<u8>,
    /// Its end was logged.
    ended: bool,
    /// Not of the lineage.
    other: bool,
}

/// A state.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    procs: [Proc; PROCS],
    born: u8,
    pop: i8,
    held: bool,
    mode: bool,
    step: Step,
    added: bool,
    quiet: u8,
    passes: u8,
    forks: u8,
    exits: u8,
    zero: bool,
}

/// What can happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// A process forks; its child has this number, and this process as its parent.
    Fork(u8, u8, u8),
    /// The next step of its hook.
    Hook(u8, Fork),
    /// A process ends, and its number is free.
    Exit(u8),
    /// The adopter's next step.
    Adopt(Step),
    /// The adopter is killed.
    Crash,
}

fn free(a: &Action) -> bool {
    matches!(a, Action::Crash | Action::Fork(..) | Action::Exit(_))
}

impl Model for Adoption {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let none = Proc {
            life: Life::Unborn,
            num: 0,
            parent: 0,
            fork: Fork::No,
            member: false,
            was_member: false,
            edge: None,
            ended: false,
            other: false,
        };
        let mut s = State {
            procs: [none; PROCS],
            born: 3,
            pop: 0,
            held: false,
            mode: false,
            step: Step::Hold,
            added: false,
            quiet: 0,
            passes: 0,
            forks: self.forks,
            exits: self.exits,
            zero: false,
        };
        s.procs[0] = Proc { life: Life::Alive, num: NUMS as u8, other: true, ..none };
        s.procs[1] = Proc { life: Life::Alive, num: 0, ..none };
        s.procs[2] = Proc { life: Life::Alive, num: 2, parent: 1, ..none };
        if self.outsider {
            s.procs[3] = Proc { life: Life::Alive, num: self.nums as u8 - 1, other: true, ..none };
            s.born = 4;
        }
        if self.second_pass {
            (s.procs[1].life, s.procs[1].edge, s.procs[1].ended) = (Life::Dead, Some(0), true);
            (s.procs[2].member, s.procs[2].was_member) = (true, true);
            (s.procs[2].parent, s.procs[2].edge) = (0, Some(1));
            s.procs[3] = Proc { life: Life::Alive, num: 1, parent: 2, edge: Some(2), ..none };
            (s.born, s.pop, s.held, s.mode, s.step, s.added) = (4, 2, true, true, Step::Pass, true);
        }
        vec![s]
    }

    fn actions(&self, s: &State, out: &mut Vec<Action>) {
        let used =
            |n: u8| s.procs.iter().any(|p| p.num == n && matches!(p.life, Life::Newborn | Life::Alive));
        for n in 1..s.born {
            let p = &s.procs[n as usize];
            if p.life != Life::Alive || p.other {
                continue;
            }
            if p.fork != Fork::No {
                out.push(Action::Hook(n, p.fork));
                continue;
            }
            if s.forks > 0 && (s.born as usize) < PROCS {
                let nums = (0..self.nums as u8).filter(|&n| !used(n));
                for f in nums {
                    out.push(Action::Fork(n, f, n));
                    // Before adopt mode such a child is an orphan from the start.
                    if self.clone_parent && s.mode {
                        out.push(Action::Fork(n, f, p.parent));
                    }
                }
            }
            // A task that lost its creator before adopt mode has no lineage any more: that is known and said.
            if s.exits > 0 && s.mode {
                out.push(Action::Exit(n));
            }
        }
        if !matches!(s.step, Step::Done(_) | Step::Crashed) {
            out.push(Action::Adopt(s.step));
            // What the walk does to one task is one program.
            if self.crash && !matches!(s.step, Step::Hold | Step::Register(..) | Step::Recheck(..)) {
                out.push(Action::Crash);
            }
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut s = last.clone();
        match action {
            Action::Fork(p, num, parent) => {
                let c = s.born;
                let new = &mut s.procs[c as usize];
                (new.life, new.num, new.parent) = (Life::Newborn, num, parent);
                s.procs[p as usize].fork = Fork::Edge(c);
                s.born += 1;
                s.forks -= 1;
            }
            Action::Hook(p, _) => self.hook(&mut s, p),
            Action::Exit(p) => {
                if self.variant != Variant::NoExitLog {
                    let parent = s.procs[p as usize].parent;
                    self.log(&mut s, p, parent);
                    for c in 1..s.born {
                        if s.procs[c as usize].parent == p {
                            self.log(&mut s, c, p);
                        }
                    }
                    s.procs[p as usize].ended = s.mode;
                }
                self.claim(&mut s, p);
                for c in &mut s.procs {
                    if c.parent == p {
                        c.parent = 0;
                    }
                }
                s.procs[p as usize].life = Life::Dead;
                s.exits -= 1;
            }
            Action::Adopt(_) => self.adopt(&mut s),
            Action::Crash => {
                // Its exit hook claims the hold; the mode runs out.
                s.step = Step::Crashed;
                s.mode = false;
                if std::mem::take(&mut s.held) {
                    s.pop -= 1;
                }
            }
        }
        s.zero |= s.pop == 0 && !matches!(s.step, Step::Hold | Step::Done(_) | Step::Crashed);
        (s != *last).then_some(s)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("the count is never negative", |_, s: &State| s.pop >= 0),
            Property::always("no outsider is taken in", |_, s: &State| {
                !s.procs.iter().any(|p| p.other && p.member)
            }),
            Property::always("the count is not 0 while the adoption goes on", |_, s: &State| !s.zero),
            Property::always("in the end the count is what is there", |m: &Adoption, s: &State| {
                let there = s.procs.iter().filter(|p| p.member && p.life == Life::Alive).count();
                s.pop == there as i8 || !over(m, s, free)
            }),
            Property::always("quiet: all of the lineage are members", |m: &Adoption, s: &State| {
                s.step != Step::Done(true)
                    || s.procs[1..].iter().all(|p| p.life != Life::Alive || p.member || p.other)
                    // It ended before it could be taken in: that is an error, not an adoption.
                    || !s.procs.iter().any(|p| p.was_member)
                    || !over(m, s, free)
            }),
            Property::sometimes("an orphan is taken in", |_, s: &State| {
                s.procs[3..].iter().any(|p| p.member && p.parent == 0 && p.life == Life::Alive)
            }),
            Property::sometimes("quiet", |_, s: &State| s.step == Step::Done(true) && s.procs[2].member),
        ]
    }
}
