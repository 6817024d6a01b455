//! `adopt --move` (docs/internals/PROTOCOL.md 7): a member goes from one root to another while it forks and ends.
//!
//! | action | mirrors |
//! |---|---|
//! | `Walk(Look..Again)` | `killer-ebpf/src/moves.rs:chosen`, `over`, with `member.rs:remove` and `register` |
//! | `Fork`, `Hook` | `fork.rs:creator`, `born`; `adopt.rs:on_edge` where no entry is found |
//! | `Exiting`, `Exit(Look..Pop)` | `kernel/exit.c:do_exit`: PF_EXITING, then `exit.rs:on_exit` with `member.rs:remove` |
//! | `Second` | `walk.rs:on_walk` of another command meanwhile |

use stateright::{Model, Property};

/// The root that is left, and the new one.
const OLD: u8 = 0;
const NEW: u8 = 1;
const TASKS: usize = 2;

/// What is modelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// The code: claimed as an end is, not put into the new root when it is exiting after the claim, looked at again after the insert.
    AsBuilt,
    /// Mutant: whether it is exiting is asked before the claim.
    AskedBefore,
    /// Mutant: it is put in, and not looked at again.
    NoLookAgain,
    /// Mutant: every walk moves, not only the adopter's.
    TwoWalks,
    /// Mutant: forks of a task without an entry are not logged.
    NoEdges,
    /// Mutant: the entry is replaced, not claimed.
    Replaced,
}

/// Bounds and variant.
#[derive(Clone, Debug)]
pub struct Moving {
    /// What is modelled.
    pub variant: Variant,
}

impl Moving {
    /// A task, and one that it may fork.
    pub fn two(variant: Variant) -> Self {
        Self { variant }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Life {
    Unborn,
    Alive,
    Exiting,
    Dead,
}

/// A hook of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// None runs.
    Idle,
    /// Fork hook: counts the child in this root.
    BirthPop(u8),
    /// Inserts it.
    BirthInsert(u8),
    /// Exit hook: has read the entry, claims it.
    Claim(u8),
    /// Counts down.
    Pop(u8),
}

/// Where a walk is with a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Walk {
    /// Reads the entry of this task.
    Look(u8),
    /// Claims the entry, which was in the old root.
    Claim(u8, bool),
    /// Counts down in the old root.
    Down(u8, bool),
    /// Is it exiting?
    Ask(u8),
    /// Counts it in the new root.
    Up(u8),
    /// Inserts it.
    Insert(u8),
    /// Replaces it.
    Replace(u8),
    /// Counts down in the old root, afterwards.
    DownAfter(u8),
    /// Is it exiting now?
    Again(u8),
    /// Counts down in the new root.
    Undo(u8),
    /// Has ended.
    Done,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Task {
    life: Life,
    entry: Option<u8>,
    step: Step,
}

/// A state.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    tasks: [Task; TASKS],
    /// The child's creator is logged.
    edge: bool,
    pop: [i8; 2],
    walks: [Walk; 2],
    /// The pass has changed something, and so many passes before it had not.
    changed: bool,
    quiet: u8,
}

/// What can happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// The first task forks.
    Fork,
    /// The next step of a task's hook.
    Hook(u8, Step),
    /// PF_EXITING.
    Exiting(u8),
    /// Its exit hook begins.
    Exit(u8),
    /// The next step of a walk.
    Walk(u8, Walk),
}

impl Moving {
    fn hook(&self, s: &mut State, t: u8) {
        let task = &mut s.tasks[t as usize];
        let next = match task.step {
            Step::Idle => Step::Idle,
            Step::BirthPop(r) => {
                s.pop[r as usize] += 1;
                Step::BirthInsert(r)
            }
            Step::BirthInsert(r) => {
                s.tasks[1] = Task { life: Life::Alive, entry: Some(r), step: Step::Idle };
                Step::Idle
            }
            Step::Claim(r) => {
                // The delete goes by the address: it takes out what is there now.
                match task.entry.take() {
                    Some(_) => Step::Pop(r),
                    None => Step::Idle,
                }
            }
            Step::Pop(r) => {
                s.pop[r as usize] -= 1;
                Step::Idle
            }
        };
        s.tasks[t as usize].step = next;
    }

    fn walk(&self, s: &mut State, w: usize) {
        let exiting = |s: &State, t: u8| s.tasks[t as usize].life != Life::Alive;
        // The next task, or the next pass.
        let on = |s: &mut State, t: u8| {
            if (t as usize) + 1 < TASKS {
                return Walk::Look(t + 1);
            }
            if w == 1 {
                return Walk::Done;
            }
            s.quiet = if s.changed { 0 } else { s.quiet + 1 };
            s.changed = false;
            if s.quiet == 2 { Walk::Done } else { Walk::Look(0) }
        };
        let v = self.variant;
        s.walks[w] = match s.walks[w] {
            Walk::Look(t) => {
                let task = s.tasks[t as usize];
                let descends = t == 0 || s.tasks[0].entry != Some(OLD);
                match task.entry {
                    Some(OLD) if descends && v == Variant::Replaced => Walk::Replace(t),
                    Some(OLD) if descends => {
                        s.changed = true;
                        Walk::Claim(t, v == Variant::AskedBefore && exiting(s, t))
                    }
                    // A child that is in no root: its edge leads to what has been moved.
                    None if t == 1 && s.edge && task.life == Life::Alive => {
                        s.changed = true;
                        Walk::Up(t)
                    }
                    _ => on(s, t),
                }
            }
            Walk::Claim(t, was) => match s.tasks[t as usize].entry.take() {
                Some(_) => Walk::Down(t, was),
                None => on(s, t),
            },
            Walk::Down(t, was) => {
                s.pop[OLD as usize] -= 1;
                match v {
                    Variant::AskedBefore if was => on(s, t),
                    Variant::AskedBefore => Walk::Up(t),
                    _ => Walk::Ask(t),
                }
            }
            Walk::Ask(t) if exiting(s, t) => on(s, t),
            Walk::Ask(t) => Walk::Up(t),
            Walk::Up(t) => {
                s.pop[NEW as usize] += 1;
                Walk::Insert(t)
            }
            Walk::Insert(t) => {
                s.tasks[t as usize].entry = Some(NEW);
                if v == Variant::NoLookAgain { on(s, t) } else { Walk::Again(t) }
            }
            Walk::Replace(t) => {
                s.changed = true;
                match s.tasks[t as usize].entry {
                    Some(_) => {
                        s.tasks[t as usize].entry = Some(NEW);
                        s.pop[NEW as usize] += 1;
                        Walk::DownAfter(t)
                    }
                    None => on(s, t),
                }
            }
            Walk::DownAfter(t) => {
                s.pop[OLD as usize] -= 1;
                on(s, t)
            }
            Walk::Again(t) if exiting(s, t) => match s.tasks[t as usize].entry.take() {
                Some(_) => Walk::Undo(t),
                None => on(s, t),
            },
            Walk::Again(t) => on(s, t),
            Walk::Undo(t) => {
                s.pop[NEW as usize] -= 1;
                on(s, t)
            }
            Walk::Done => Walk::Done,
        };
    }
}

/// Every walk and every hook has ended.
fn over(s: &State) -> bool {
    s.walks.iter().all(|w| *w == Walk::Done) && s.tasks.iter().all(|t| t.step == Step::Idle)
}

impl Model for Moving {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let first = Task { life: Life::Alive, entry: Some(OLD), step: Step::Idle };
        let second = if self.variant == Variant::TwoWalks { Walk::Look(0) } else { Walk::Done };
        vec![State {
            tasks: [first, Task { life: Life::Unborn, entry: None, step: Step::Idle }],
            edge: false,
            pop: [1, 0],
            walks: [Walk::Look(0), second],
            changed: false,
            quiet: 0,
        }]
    }

    fn actions(&self, s: &State, out: &mut Vec<Action>) {
        for (n, t) in s.tasks.iter().enumerate() {
            let n = n as u8;
            match (t.life, t.step) {
                (Life::Unborn, _) => {}
                (_, step) if step != Step::Idle => out.push(Action::Hook(n, step)),
                (Life::Alive, _) => {
                    if n == 0 && s.tasks[1].life == Life::Unborn && s.walks[0] != Walk::Done {
                        out.push(Action::Fork);
                    }
                    out.push(Action::Exiting(n));
                }
                (Life::Exiting, _) => out.push(Action::Exit(n)),
                (Life::Dead, _) => {}
            }
        }
        for (n, w) in s.walks.iter().enumerate().filter(|(_, w)| **w != Walk::Done) {
            out.push(Action::Walk(n as u8, *w));
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut s = last.clone();
        match action {
            Action::Fork => match s.tasks[0].entry {
                Some(r) => s.tasks[0].step = Step::BirthPop(r),
                None => {
                    s.edge = self.variant != Variant::NoEdges;
                    s.tasks[1] = Task { life: Life::Alive, entry: None, step: Step::Idle };
                }
            },
            Action::Hook(t, _) => self.hook(&mut s, t),
            Action::Exiting(t) => s.tasks[t as usize].life = Life::Exiting,
            Action::Exit(t) => {
                let task = &mut s.tasks[t as usize];
                task.life = Life::Dead;
                if let Some(r) = task.entry {
                    task.step = Step::Claim(r);
                }
            }
            Action::Walk(w, _) => self.walk(&mut s, w as usize),
        }
        Some(s)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut v = vec![
            Property::always("the count is never below what is there", |_: &Self, s: &State| {
                (0..2).all(|r| {
                    let there = s.tasks.iter().filter(|t| t.entry == Some(r)).count();
                    s.pop[r as usize] >= there as i8
                })
            }),
            Property::always("in the end the count is what is there, and nobody dead is", |_, s| {
                !over(s)
                    || (0..2).all(|r| {
                        let there = s.tasks.iter().filter(|t| t.entry == Some(r)).count();
                        s.pop[r as usize] == there as i8
                    }) && s.tasks.iter().all(|t| t.life != Life::Dead || t.entry.is_none())
            }),
            Property::always("in the end nobody alive is in no root", |_, s| {
                !over(s) || s.tasks.iter().all(|t| t.life != Life::Alive || t.entry.is_some())
            }),
        ];
        v.push(Property::sometimes("both are moved", |_, s: &State| {
            over(s) && s.tasks.iter().all(|t| t.entry == Some(NEW))
        }));
        v.push(Property::sometimes("it ends in the old root, while it is moved", |_, s: &State| {
            matches!(s.walks[0], Walk::Ask(0)) && s.tasks[0].life == Life::Dead
        }));
        v
    }
}
