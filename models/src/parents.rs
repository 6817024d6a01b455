//! KILL to parents of many (docs/internals/PROTOCOL.md 5): children first, each parent when they are dead, its youngest child
//! behind it. One star hangs below the youngest child of another one, and two children are many.
//!
//! | action | mirrors |
//! |---|---|
//! | `Enter`, `Land` | a fork, and `killer-ebpf/src/fork.rs:apply_gate` at its end |
//! | `Die` | `exit.rs:on_exit`: the number is in no list any more |
//! | `Hang` | a process that does not end: it sleeps in the kernel |
//! | `Sweep(Close)`, `Sweep(List)` | `killer-user/src/kill/sweep.rs:until_empty`, its first pass, with `parents.rs:of` |
//! | `Sweep(Send)` | one signal |
//! | `Sweep(Look)` | a later pass, with `parents.rs:due` |
//! | `GiveUp` | the end of patience: `parents.rs:all` |

use stateright::{Model, Property};

use crate::explore::over;

const PROCS: usize = 7;
/// Those that are there from the beginning, the oldest first, each with its parent.
const FIRST: [Option<usize>; 5] = [None, Some(0), Some(0), Some(2), Some(2)];
const MANY: usize = 2;
/// After so many looks in which none ended, parents are waited for no longer.
const STILL: u8 = 2;

/// What is modelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// The code.
    AsBuilt,
    /// Mutant: parents that were left are never sent it.
    NeverSent,
    /// Mutant: a parent waits for a child for ever.
    NoBound,
    /// Mutant: the youngest child is ended with the others.
    YoungestToo,
    /// Mutant: the youngest child is sent it before its parent.
    YoungestBefore,
    /// Mutant: a parent that is the youngest child of another one does not wait for that.
    NotForEachOther,
    /// Mutant: parents wait although newborns are not killed.
    WithoutGate,
    /// Mutant: a sweeper that gives up leaves them.
    LeftAtTheEnd,
}

/// Bounds and variant.
#[derive(Clone, Debug)]
pub struct Parents {
    /// What is modelled.
    pub variant: Variant,
}

impl Parents {
    /// Two parents, three other processes, two that are born.
    pub fn two(variant: Variant) -> Self {
        Self { variant }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Life {
    Unborn,
    Alive,
    Dead,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Proc {
    life: Life,
    doomed: bool,
    hangs: bool,
    /// In a fork, which was begun behind the first list.
    forks: Option<bool>,
}

/// A parent that is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Left {
    parent: u8,
    youngest: Option<u8>,
    /// Bits of those that it waits for.
    awaited: u8,
}

/// Where the sweeper is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// Closes the gate.
    Close,
    /// Lists for the first time.
    List,
    /// Sends to the next one.
    Send,
    /// Lists again.
    Look,
    /// Has ended: all are dead, or it gave up.
    Done,
    /// Was killed.
    Crashed,
}

/// A state.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    procs: [Proc; PROCS],
    born: u8,
    gate: bool,
    step: Step,
    sent: u8,
    queue: Vec<u8>,
    left: Vec<Left>,
    /// Births as the list before was made.
    seen: u8,
    still: u8,
    gives_up: bool,
    hangs: u8,
    /// A process that was forked behind the first list ran.
    ran: bool,
}

/// What can happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// A process enters fork.
    Enter(u8),
    /// Its child is there.
    Land(u8),
    /// One that was sent it ends.
    Die(u8),
    /// It does not.
    Hang(u8),
    /// The sweeper's next step.
    Sweep(Step),
    /// Its patience is at an end.
    GiveUp,
    /// It is killed.
    Crash,
}

fn bit(p: usize) -> u8 {
    1 << p
}

impl State {
    fn listed(&self) -> u8 {
        (0..PROCS).filter(|&p| self.procs[p].life == Life::Alive).fold(0, |all, p| all | bit(p))
    }

    fn runs(&self, p: usize) -> bool {
        self.procs[p].life == Life::Alive && !self.procs[p].doomed
    }

    fn counts(&self) -> u32 {
        self.left.iter().map(|l| l.awaited.count_ones()).sum()
    }

    fn apart(&self, p: usize) -> bool {
        self.left.iter().any(|l| l.parent as usize == p || l.youngest == Some(p as u8))
    }

    fn unsent(&self) -> Vec<u8> {
        let listed = self.listed();
        let new = |p: &usize| (listed & !self.sent) & bit(*p) != 0 && !self.apart(*p);
        (0..PROCS).filter(new).map(|p| p as u8).collect()
    }
}

/// Nobody can count on it.
fn free(a: &Action) -> bool {
    matches!(a, Action::Enter(_) | Action::Hang(_) | Action::GiveUp | Action::Crash)
}

impl Parents {
    fn set_apart(&self, s: &mut State) {
        let listed = s.listed();
        let children = |p: usize| -> Vec<usize> {
            (0..FIRST.len()).filter(|&c| FIRST[c] == Some(p) && listed & bit(c) != 0).collect()
        };
        let many = |p: usize| listed & bit(p) != 0 && children(p).len() >= MANY;
        for p in (0..FIRST.len()).filter(|&p| many(p)) {
            let mut awaited: u8 = children(p).into_iter().fold(0, |all, c| all | bit(c));
            let youngest = *children(p).last().expect("many");
            if self.variant != Variant::YoungestToo {
                awaited &= !bit(youngest);
            }
            let alone = !many(youngest) && self.variant != Variant::YoungestToo;
            if let Some(above) = FIRST[p]
                && many(above)
                && children(above).last() == Some(&p)
                && self.variant != Variant::NotForEachOther
            {
                awaited |= bit(above);
            }
            let youngest = alone.then_some(youngest as u8);
            s.left.push(Left { parent: p as u8, youngest, awaited });
        }
    }

    /// Those whose time has come, all when `all`.
    fn due(&self, s: &mut State, all: bool) -> Vec<u8> {
        let mut due = Vec::new();
        if self.variant != Variant::NeverSent {
            for l in s.left.extract_if(.., |l| all || l.awaited == 0) {
                let both = [Some(l.parent), l.youngest];
                match self.variant {
                    Variant::YoungestBefore => due.extend(both.into_iter().rev().flatten()),
                    _ => due.extend(both.into_iter().flatten()),
                }
            }
        }
        due
    }

    fn look(&self, s: &mut State) {
        let listed = s.listed();
        let before = s.counts();
        s.left.iter_mut().for_each(|l| l.awaited &= listed);
        s.still = if s.counts() < before { 0 } else { s.still.saturating_add(1).min(STILL) };
        let over = s.still == STILL && self.variant != Variant::NoBound;
        let born = std::mem::replace(&mut s.seen, s.born) != s.born;
        s.queue = self.due(s, over || born);
        s.queue.extend(s.unsent());
    }

    fn sweep(&self, s: &mut State) {
        s.step = match s.step {
            Step::Close => {
                s.gate = self.variant != Variant::WithoutGate;
                Step::List
            }
            Step::List => {
                s.seen = s.born;
                self.set_apart(s);
                s.queue = s.unsent();
                Step::Send
            }
            Step::Send if s.queue.is_empty() => match s.gives_up {
                true => Step::Done,
                false => Step::Look,
            },
            Step::Send => {
                let p = s.queue.remove(0) as usize;
                s.sent |= bit(p);
                s.procs[p].doomed |= s.procs[p].life == Life::Alive;
                Step::Send
            }
            Step::Look if s.listed() == 0 => Step::Done,
            Step::Look => {
                self.look(s);
                Step::Send
            }
            end => end,
        };
        if s.step == Step::Done {
            s.gate = false;
        }
    }

    /// A look would change something.
    fn wakes(&self, s: &State) -> bool {
        let mut after = s.clone();
        self.look(&mut after);
        s.listed() == 0 || after != *s
    }
}

impl Model for Parents {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let none = Proc { life: Life::Unborn, doomed: false, hangs: false, forks: None };
        let mut procs = [none; PROCS];
        procs[..FIRST.len()].iter_mut().for_each(|p| p.life = Life::Alive);
        vec![State {
            procs,
            born: FIRST.len() as u8,
            gate: false,
            step: Step::Close,
            sent: 0,
            queue: Vec::new(),
            left: Vec::new(),
            seen: 0,
            still: 0,
            gives_up: false,
            hangs: 1,
            ran: false,
        }]
    }

    fn actions(&self, s: &State, out: &mut Vec<Action>) {
        let flights = s.procs.iter().filter(|p| p.forks.is_some()).count();
        for (n, p) in (0u8..).zip(&s.procs).filter(|(_, p)| p.life == Life::Alive) {
            if p.forks.is_some() {
                out.push(Action::Land(n));
            } else if !p.doomed && (s.born as usize) + flights < PROCS {
                out.push(Action::Enter(n));
            }
            if p.doomed && !p.hangs && p.forks.is_none() {
                out.push(Action::Die(n));
                if s.hangs > 0 {
                    out.push(Action::Hang(n));
                }
            }
        }
        match s.step {
            Step::Done | Step::Crashed => return,
            Step::Look if !self.wakes(s) => {}
            step => out.push(Action::Sweep(step)),
        }
        if s.step == Step::Look {
            out.push(Action::GiveUp);
        }
        if s.step != Step::Close {
            out.push(Action::Crash);
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut s = last.clone();
        match action {
            Action::Enter(p) => {
                s.procs[p as usize].forks = Some(!matches!(s.step, Step::Close | Step::List));
            }
            Action::Land(p) => {
                let late = s.procs[p as usize].forks.take()?;
                let child = &mut s.procs[s.born as usize];
                (child.life, child.doomed) = (Life::Alive, s.gate);
                s.ran |= late && !s.gate && !matches!(s.step, Step::Done | Step::Crashed);
                s.born += 1;
            }
            Action::Die(p) => s.procs[p as usize].life = Life::Dead,
            Action::Hang(p) => {
                s.procs[p as usize].hangs = true;
                s.hangs -= 1;
            }
            Action::Sweep(_) => self.sweep(&mut s),
            Action::GiveUp => {
                s.queue = match self.variant {
                    Variant::LeftAtTheEnd => Vec::new(),
                    _ => self.due(&mut s, true),
                };
                (s.gives_up, s.step) = (true, Step::Send);
            }
            Action::Crash => (s.step, s.gate) = (Step::Crashed, false),
        }
        Some(s)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("in the end everybody was sent it", |m: &Parents, s: &State| {
                // What was born behind the last list of one that gave up, or beside one that was killed, is another call's.
                s.step == Step::Crashed || !over(m, s, free) || (0..FIRST.len()).all(|p| !s.runs(p))
            }),
            Property::always("no parent that runs sees all its children end", |_, s: &State| {
                let dead = |c: usize| s.procs[c].life == Life::Dead;
                let all = |p: usize| (0..FIRST.len()).filter(|&c| FIRST[c] == Some(p)).all(dead);
                [0, 2].into_iter().all(|p| !s.runs(p) || !all(p))
            }),
            Property::always("no process runs that was forked behind the first list", |_, s: &State| !s.ran),
            Property::always("in the end the sweeper is done", |m: &Parents, s: &State| {
                let hangs = s.procs.iter().any(|p| p.hangs);
                hangs || matches!(s.step, Step::Done | Step::Crashed) || !over(m, s, free)
            }),
            Property::sometimes("a parent ends behind its children", |_, s: &State| {
                s.procs[1].life == Life::Dead && s.procs[0].doomed && s.procs[2].life == Life::Alive
            }),
            Property::sometimes("one that hangs does not keep its parent", |_, s: &State| {
                s.procs[1].hangs && s.procs[0].life == Life::Dead && s.step == Step::Look
            }),
            Property::sometimes("all are dead", |_, s: &State| s.step == Step::Done && s.listed() == 0),
        ]
    }
}
