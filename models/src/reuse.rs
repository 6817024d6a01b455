//! A slot that is given to another root while commands still end the one before (docs/internals/PROTOCOL.md 9): the lease on its
//! line, and whose record it is.
//!
//! | action | mirrors |
//! |---|---|
//! | `Sweep(_, Hold..Reread)` | `killer-user/src/lineage/gate.rs:close_gate`, once for each pass |
//! | `Sweep(_, Open)`, `Sweep(_, LetGo)` | `lineage/gate.rs:open_gate`; `bpf/programs/pool.rs:let_slots_go` |
//! | `Start(Look..Again)` | `host/place.rs:make`, `is_at_rest`; `killer-ebpf/src/ctl.rs:create` |
//! | `Birth` | `killer-ebpf/src/fork.rs:apply_gate`, of the new root |
//! | `Tick` | the clock; a command can sleep past its deadline |
//!
//! How several commands share the word that holds is model `holds`; here each has one of its own.

use stateright::{Model, Property};

/// How long a lease holds.
const LEASE: u8 = 2;
/// The root that is ended, and the one that comes after it.
const OLD: u8 = 1;
const NEW: u8 = 2;
/// The new one was given up again.
const NONE: u8 = 3;

/// What is modelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// The code.
    AsBuilt,
    /// Mutant: a start takes the slot whatever is on its line.
    TakenAtOnce,
    /// Mutant: a sweeper closes the gate without a hold.
    NotHeld,
    /// Mutant: it reads the record, and holds then.
    ReadFirst,
    /// Mutant: it does not read the record again when it has closed the gate.
    NotReadAgain,
    /// Mutant: a start does not look at the line again when the record is its own.
    NotAskedAgain,
}

/// Bounds and variant.
#[derive(Clone, Debug)]
pub struct Reuse {
    /// What is modelled.
    pub variant: Variant,
    /// The clock ends here.
    pub last: u8,
    /// Passes of each sweeper.
    pub passes: u8,
}

impl Reuse {
    /// Two sweepers of two passes, of which one may die; a start of which two processes are born.
    pub fn two(variant: Variant) -> Self {
        Self { variant, last: 4, passes: 2 }
    }
}

/// Where a sweeper is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Sweep {
    /// Takes the hold.
    Hold,
    /// Reads whose record it is.
    Read,
    /// Closes the gate, or goes on with it.
    Close,
    /// Reads the record again.
    Reread,
    /// Opens the gate, when it is its own.
    Open,
    /// Lets go of the slot.
    LetGo,
    /// Is at its end, or dead.
    Over,
}

/// Where the start is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Start {
    /// Looks at the line.
    Look,
    /// Makes the record its own.
    Create,
    /// Looks at the line again.
    Again,
    /// Its processes are born.
    Lives,
    /// It takes another slot.
    Elsewhere,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Sweeper {
    step: Sweep,
    /// Its lease: twice the deadline, and which sweeper it is.
    until: u8,
    /// Its hold.
    hold: u8,
    /// Until when it holds, or would.
    ends: u8,
    passes: u8,
}

/// A state.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    root: u8,
    /// As [`Sweeper::until`]; 0: open.
    gate: u8,
    now: u8,
    sweepers: [Sweeper; 2],
    start: Start,
    births: u8,
    deaths: u8,
    /// A process of the new root met the gate.
    hit: bool,
    /// A sweeper slept past its hold before it closed the gate.
    late: bool,
}

/// What can happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// The next step of a sweeper.
    Sweep(u8, Sweep),
    /// It dies.
    Die(u8),
    /// The next step of the start.
    Start(Start),
    /// A process of the new root is born.
    Birth,
    /// Time goes on.
    Tick,
}

impl State {
    fn closed(&self) -> bool {
        self.gate / 2 > self.now
    }

    fn at_rest(&self) -> bool {
        !self.closed() && self.sweepers.iter().all(|w| w.hold <= self.now)
    }
}

impl Reuse {
    fn sweep(&self, s: &mut State, n: u8) {
        let v = self.variant;
        let (root, now, gate) = (s.root, s.now, s.gate);
        let w = &mut s.sweepers[n as usize];
        w.step = match w.step {
            Sweep::Hold => {
                w.ends = now + LEASE;
                if v != Variant::NotHeld {
                    w.hold = now + LEASE;
                }
                if v == Variant::ReadFirst { Sweep::Close } else { Sweep::Read }
            }
            Sweep::Read => match (root == OLD, v) {
                (true, Variant::ReadFirst) => Sweep::Hold,
                (true, _) => Sweep::Close,
                (false, _) => Sweep::Open,
            },
            Sweep::Close => {
                s.late |= w.ends <= now;
                w.until = 2 * (now + LEASE) + n;
                s.gate = gate.max(w.until);
                Sweep::Reread
            }
            Sweep::Reread => {
                if root != OLD && gate == w.until && v != Variant::NotReadAgain {
                    s.gate = 0;
                }
                w.passes -= 1;
                match (root == OLD && w.passes > 0, v) {
                    (false, _) => Sweep::Open,
                    (true, Variant::ReadFirst) => Sweep::Read,
                    (true, _) => Sweep::Hold,
                }
            }
            Sweep::Open => {
                if gate == w.until && !(v == Variant::NotReadAgain && root != OLD) {
                    s.gate = 0;
                }
                Sweep::LetGo
            }
            Sweep::LetGo => {
                w.hold = 0;
                Sweep::Over
            }
            Sweep::Over => Sweep::Over,
        };
    }

    fn start(&self, s: &mut State) {
        let free = self.variant == Variant::TakenAtOnce || s.at_rest();
        s.start = match s.start {
            Start::Look if free => Start::Create,
            Start::Look => Start::Elsewhere,
            Start::Create => {
                s.root = NEW;
                Start::Again
            }
            Start::Again if free || self.variant == Variant::NotAskedAgain => Start::Lives,
            Start::Again => {
                s.root = NONE;
                Start::Elsewhere
            }
            over => over,
        };
    }
}

impl Model for Reuse {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let step = if self.variant == Variant::ReadFirst { Sweep::Read } else { Sweep::Hold };
        let sweeper = Sweeper { step, until: 0, hold: 0, ends: 0, passes: self.passes };
        vec![State {
            root: OLD,
            gate: 0,
            now: 1,
            sweepers: [sweeper; 2],
            start: Start::Look,
            births: 2,
            deaths: 1,
            hit: false,
            late: false,
        }]
    }

    fn actions(&self, s: &State, out: &mut Vec<Action>) {
        for (n, w) in (0u8..).zip(&s.sweepers).filter(|(_, w)| w.step != Sweep::Over) {
            out.push(Action::Sweep(n, w.step));
            if s.deaths > 0 {
                out.push(Action::Die(n));
            }
        }
        match s.start {
            Start::Elsewhere => {}
            Start::Lives if s.births > 0 => out.push(Action::Birth),
            Start::Lives => {}
            step => out.push(Action::Start(step)),
        }
        if s.now < self.last {
            out.push(Action::Tick);
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut s = last.clone();
        match action {
            Action::Sweep(n, _) => self.sweep(&mut s, n),
            Action::Die(n) => {
                s.sweepers[n as usize].step = Sweep::Over;
                s.deaths -= 1;
            }
            Action::Start(_) => self.start(&mut s),
            Action::Birth => {
                s.births -= 1;
                s.hit |= s.closed();
            }
            Action::Tick => s.now += 1,
        }
        Some(s)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("no process of a root meets the gate of the root before", |_, s: &State| {
                !s.hit || s.late
            }),
            Property::always("a sweeper that was late goes on behind an open gate", |_, s: &State| {
                let behind = |w: &Sweeper| matches!(w.step, Sweep::Open | Sweep::LetGo) && s.gate == w.until;
                s.start != Start::Lives || !s.closed() || !s.sweepers.iter().any(behind)
            }),
            Property::sometimes("the slot is used again", |_, s: &State| s.start == Start::Lives),
            Property::sometimes("it is used again while another one ends what was there", |_, s: &State| {
                s.start == Start::Lives && s.sweepers.iter().any(|w| w.step == Sweep::Read)
            }),
            Property::sometimes("a start finds out after it has made the record its own", |_, s: &State| {
                s.root == NONE
            }),
            Property::sometimes("a sweeper is late", |_, s: &State| s.late),
        ]
    }
}
