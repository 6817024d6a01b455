//! Slots that change hands (docs/internals/PROTOCOL.md 11): instances are opened and given back by the kernel, while a command
//! lists, signals and proves.
//!
//! | action | mirrors |
//! |---|---|
//! | `Open(Take..Live)` | `killer-ebpf/src/rules/open.rs:rule_slot`, `held`, `open` |
//! | `Exit(Down..Push)` | `instance.rs:left`, `give_back`; two threads that end at once may both see 0 |
//! | `Sweep` | `killer-user/src/kill/mod.rs:execute`, with the lease and the second look at the record |

use stateright::{Model, Property};

const SLOTS: usize = 2;
const LEASE: u8 = 9;

/// What is modelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// The code: lease, then the record again; the lease holds until after the proof; the opener takes no slot that is held.
    AsBuilt,
    /// Mutant: the record is read, then the lease is taken.
    ReadFirst,
    /// Mutant: the lease ends before the proof.
    DroppedEarly,
    /// Mutant: the opener does not look for a lease.
    NotLooked,
    /// Mutant: an instance is known by its slot alone.
    NoGeneration,
}

/// Bounds and variant.
#[derive(Clone, Debug)]
pub struct Instances {
    /// What is modelled.
    pub variant: Variant,
    /// Starts of services, the first one there.
    pub starts: u8,
}

impl Instances {
    /// Three starts, two slots.
    pub fn three(variant: Variant) -> Self {
        Self { variant, starts: 3 }
    }
}

/// An instance's process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// Has not begun.
    Coming,
    /// Has taken this slot out of the queue, looks for a lease.
    Look(u8),
    /// Puts it back.
    Back(u8),
    /// Raises the generation.
    Raise(u8),
    /// Writes `instances`.
    Key(u8),
    /// Counts and inserts itself.
    Register(u8),
    /// State LIVE.
    Live(u8),
    /// Runs.
    Runs(u8),
    /// Has been signalled; its exit hook claims its entry and counts down.
    Down(u8),
    /// Reads the count: this thread, and another one, too.
    Read(u8, u8),
    /// Deletes `instances`.
    Delete(u8, u8),
    /// State FREE.
    Free(u8, u8),
    /// Pushes the slot.
    Push(u8, u8),
    /// Is gone.
    Gone,
    /// Had no slot.
    NoSlot,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Proc {
    step: Step,
    generation: u8,
}

/// The command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sweep {
    /// Finds the service: slot 0 and its generation.
    Find,
    /// Takes the lease.
    Lease,
    /// Reads the record again.
    Again,
    /// Signals whom it finds in the slot.
    Signal,
    /// Reads the count.
    Proof,
    /// Opens the gate.
    Open,
    /// Has ended.
    Done,
}

/// A state.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    procs: [Proc; 3],
    queue: Vec<u8>,
    pop: [i8; SLOTS],
    generation: [u8; SLOTS],
    live: [bool; SLOTS],
    /// Keys of `instances`.
    keys: Vec<(u8, u8)>,
    lease: u8,
    sweep: Sweep,
    target: u8,
    killed: Option<(u8, u8)>,
    stranger: bool,
    rounds: u8,
}

/// What can happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// The next step of a process.
    Run(u8, Step),
    /// A process ends by itself.
    End(u8),
    /// The second of its threads ends after it: it reads the count, too.
    Other(u8),
    /// The next step of the command.
    Sweep(Sweep),
}

impl Instances {
    fn key(&self, slot: u8, generation: u8) -> (u8, u8) {
        (slot, if self.variant == Variant::NoGeneration { 0 } else { generation })
    }

    fn run(&self, s: &mut State, n: usize) {
        let p = s.procs[n];
        let step = match p.step {
            Step::Coming => match s.queue.is_empty() {
                true => Step::NoSlot,
                false => Step::Look(s.queue.remove(0)),
            },
            Step::Look(slot) => {
                let held = slot == 0 && s.lease > 0 && self.variant != Variant::NotLooked;
                if held || s.pop[slot as usize] != 0 || s.live[slot as usize] {
                    Step::Back(slot)
                } else {
                    Step::Raise(slot)
                }
            }
            Step::Back(slot) => {
                s.queue.push(slot);
                Step::NoSlot
            }
            Step::Raise(slot) => {
                s.generation[slot as usize] += 1;
                s.procs[n].generation = s.generation[slot as usize];
                Step::Key(slot)
            }
            Step::Key(slot) => {
                s.keys.push(self.key(slot, p.generation));
                Step::Register(slot)
            }
            Step::Register(slot) => {
                s.pop[slot as usize] += 1;
                Step::Live(slot)
            }
            Step::Live(slot) => {
                s.live[slot as usize] = true;
                Step::Runs(slot)
            }
            Step::Down(slot) => {
                s.pop[slot as usize] -= 1;
                Step::Read(slot, 2)
            }
            // Two threads have counted down: each reads 0.
            Step::Read(slot, left) if s.pop[slot as usize] == 0 => Step::Delete(slot, left),
            Step::Read(slot, left) => self.next(slot, left),
            Step::Delete(slot, left) => {
                let key = self.key(slot, p.generation);
                match s.keys.iter().position(|k| *k == key) {
                    Some(i) => {
                        s.keys.remove(i);
                        Step::Free(slot, left)
                    }
                    None => self.next(slot, left),
                }
            }
            Step::Free(slot, left) => {
                s.live[slot as usize] = false;
                Step::Push(slot, left)
            }
            Step::Push(slot, left) => {
                s.queue.push(slot);
                self.next(slot, left)
            }
            same => same,
        };
        s.procs[n].step = step;
    }

    /// The other thread's reading comes at any time later.
    fn next(&self, slot: u8, left: u8) -> Step {
        if left > 1 { Step::Read(slot, left - 1) } else { Step::Gone }
    }

    fn sweep(&self, s: &mut State) {
        let v = self.variant;
        s.sweep = match s.sweep {
            Sweep::Find if !s.live[0] => Sweep::Find,
            Sweep::Find => {
                s.target = s.generation[0];
                Sweep::Lease
            }
            Sweep::Lease => {
                s.lease = LEASE;
                if v == Variant::ReadFirst { Sweep::Signal } else { Sweep::Again }
            }
            Sweep::Again if s.live[0] && s.generation[0] == s.target => Sweep::Signal,
            Sweep::Again => Sweep::Open,
            Sweep::Signal => {
                for n in 0..s.procs.len() {
                    if s.procs[n].step == Step::Runs(0) {
                        s.stranger |= s.procs[n].generation != s.target;
                        s.killed = Some((n as u8, s.procs[n].generation));
                        s.procs[n].step = Step::Down(0);
                    }
                }
                if v == Variant::DroppedEarly {
                    s.lease = 0;
                }
                Sweep::Proof
            }
            Sweep::Proof if s.pop[0] != 0 && s.rounds > 0 => {
                s.rounds -= 1;
                Sweep::Signal
            }
            Sweep::Proof => Sweep::Open,
            Sweep::Open => {
                s.lease = 0;
                Sweep::Done
            }
            Sweep::Done => Sweep::Done,
        };
    }
}

/// Everybody has ended.
fn over(s: &State) -> bool {
    s.procs.iter().all(|p| matches!(p.step, Step::Gone | Step::NoSlot))
}

impl Model for Instances {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let coming = Proc { step: Step::Coming, generation: 0 };
        vec![State {
            procs: [coming; 3],
            queue: vec![0, 1],
            pop: [0; SLOTS],
            generation: [0; SLOTS],
            live: [false; SLOTS],
            keys: Vec::new(),
            lease: 0,
            sweep: Sweep::Find,
            target: 0,
            killed: None,
            stranger: false,
            rounds: 2,
        }]
    }

    fn actions(&self, s: &State, out: &mut Vec<Action>) {
        for (n, p) in s.procs.iter().enumerate().take(self.starts as usize) {
            match p.step {
                Step::Gone | Step::NoSlot => {}
                Step::Runs(_) => out.push(Action::End(n as u8)),
                step => out.push(Action::Run(n as u8, step)),
            }
        }
        match s.sweep {
            Sweep::Find if !s.live[0] => {}
            Sweep::Done => {}
            step => out.push(Action::Sweep(step)),
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut s = last.clone();
        match action {
            Action::Run(n, _) => self.run(&mut s, n as usize),
            Action::End(n) | Action::Other(n) => {
                if let Step::Runs(slot) = s.procs[n as usize].step {
                    s.procs[n as usize].step = Step::Down(slot);
                }
            }
            Action::Sweep(_) => self.sweep(&mut s),
        }
        Some(s)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("nobody of another service is signalled", |_: &Self, s: &State| !s.stranger),
            Property::always("no slot has two instances", |_, s: &State| {
                (0..SLOTS as u8).all(|slot| {
                    let there = |p: &&Proc| {
                        matches!(p.step, Step::Raise(x) | Step::Key(x) | Step::Register(x) | Step::Live(x)
                            | Step::Runs(x) if x == slot)
                    };
                    s.procs.iter().filter(there).count() + s.queue.iter().filter(|q| **q == slot).count() <= 1
                })
            }),
            Property::always("in the end every slot is free, once", |_, s: &State| {
                !over(s) || {
                    let mut q = s.queue.clone();
                    q.sort_unstable();
                    q == [0, 1] && s.keys.is_empty() && s.live == [false; SLOTS]
                }
            }),
            Property::sometimes("a slot is used again", |_, s: &State| s.generation[0] == 2),
            Property::sometimes("somebody is killed", |_, s: &State| s.killed.is_some()),
        ]
    }
}
