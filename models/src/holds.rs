//! The word in which commands that look at a slot at the same time hold it (docs/internals/PROTOCOL.md 11): a deadline, and
//! how many they are. The last one that lets go frees the slot; one that dies is counted until the deadline.
//!
//! | action | mirrors |
//! |---|---|
//! | `Begin`, `Load`, `Clock`, `Swap` | `killer-user/src/bpf/programs/pool.rs:hold_slot`, `let_slots_go`; `holds.rs:taken`, `let_go` |
//! | `Look` | `killer-ebpf/src/rules/open.rs:held` |
//! | `Tick` | the clock; a command can sleep past its deadline |

use stateright::{Model, Property};

/// How long a hold lasts.
const LEASE: u8 = 2;

/// What is modelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// The code.
    AsBuilt,
    /// Mutant: nobody is counted; whose deadline stands there takes the word away for all.
    NotCounted,
    /// Mutant: one that lets go does not look whether its deadline has passed.
    NoDeadline,
    /// Mutant: the clock is read before the word.
    ClockFirst,
    /// Mutant: one that holds again after its deadline is not counted again.
    CountedOnce,
}

/// Bounds and variant.
#[derive(Clone, Debug)]
pub struct Holds {
    /// What is modelled.
    pub variant: Variant,
    /// The clock ends here.
    pub last: u8,
}

impl Holds {
    /// Two commands, of which each can hold twice; one of them may die.
    pub fn two(variant: Variant) -> Self {
        Self { variant, last: 4 }
    }
}

/// Deadline and count.
type Word = (u8, u8);

/// What a change of the word is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum For {
    /// To hold, or to hold on.
    Hold,
    /// To let go.
    LetGo,
}

/// Where a command is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// Between two changes.
    Idle,
    /// Reads the word, or with [`Variant::ClockFirst`] the clock.
    First(For),
    /// Reads the other one.
    Second(For),
    /// Exchanges the word, if it is the same still.
    Swap(For),
    /// Has let go, or died.
    Done,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Command {
    step: Step,
    /// The deadline until which it wants to hold.
    until: u8,
    /// The one until which it holds; 0: it does not.
    own: u8,
    word: Word,
    now: u8,
    left: u8,
}

/// A state.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    word: Word,
    now: u8,
    commands: [Command; 2],
    deaths: u8,
    /// The slot was used again while somebody held it.
    lost: bool,
    /// Somebody died, or held past a deadline.
    late: bool,
    /// The slot was used again before the deadline of a command that has let go.
    early: bool,
}

/// What can happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// A command begins to change the word.
    Begin(u8, For),
    /// Its next step.
    Run(u8, Step),
    /// It dies.
    Die(u8),
    /// Time goes on.
    Tick,
    /// A service starts and looks at the slot.
    Look,
}

impl Holds {
    /// `None`: the word stays.
    fn change(&self, c: &Command, what: For) -> Option<Word> {
        let v = self.variant;
        let live = c.word.0 > c.now;
        let (deadline, count) = if live { c.word } else { (0, 0) };
        match what {
            For::Hold if v == Variant::NotCounted => Some((deadline.max(c.until), 1)),
            For::Hold => {
                let counted = c.own > c.now || v == Variant::CountedOnce && c.own != 0;
                let count = if counted { count.max(1) } else { count + 1 };
                Some((deadline.max(c.until), count))
            }
            For::LetGo if v == Variant::NotCounted => (c.word.0 == c.own).then_some((0, 0)),
            For::LetGo if c.own <= c.now && v != Variant::NoDeadline => None,
            For::LetGo => match c.word.1 {
                0 => None,
                1 => Some((0, 0)),
                n => Some((c.word.0, n - 1)),
            },
        }
    }

    fn run(&self, s: &mut State, n: usize) {
        let (word, now) = (s.word, s.now);
        let c = &mut s.commands[n];
        let clock_first = self.variant == Variant::ClockFirst;
        match c.step {
            Step::First(what) | Step::Second(what) => {
                let first = matches!(c.step, Step::First(_));
                if first == clock_first {
                    c.now = now;
                } else {
                    c.word = word;
                }
                c.step = if first { Step::Second(what) } else { Step::Swap(what) };
            }
            Step::Swap(what) => {
                let to = self.change(c, what);
                match to {
                    Some(_) if word != c.word => c.step = Step::First(what),
                    to => {
                        s.word = to.unwrap_or(word);
                        s.late |= what == For::Hold && s.commands[n].until <= now;
                        let c = &mut s.commands[n];
                        match what {
                            For::Hold => (c.own, c.step) = (c.own.max(c.until), Step::Idle),
                            For::LetGo => c.step = Step::Done,
                        }
                    }
                }
            }
            Step::Idle | Step::Done => {}
        }
    }
}

/// True while a command relies on its hold.
fn holds(s: &State, c: &Command) -> bool {
    let leaves =
        matches!(c.step, Step::First(For::LetGo) | Step::Second(For::LetGo) | Step::Swap(For::LetGo));
    c.own > s.now && c.step != Step::Done && !leaves
}

impl Model for Holds {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let idle = Command { step: Step::Idle, until: 0, own: 0, word: (0, 0), now: 0, left: 2 };
        vec![State {
            word: (0, 0),
            now: 1,
            commands: [idle; 2],
            deaths: 1,
            lost: false,
            late: false,
            early: false,
        }]
    }

    fn actions(&self, s: &State, out: &mut Vec<Action>) {
        for (n, c) in (0u8..).zip(&s.commands) {
            match c.step {
                Step::Done => continue,
                Step::Idle => {
                    if c.left > 0 {
                        out.push(Action::Begin(n, For::Hold));
                    }
                    if c.own != 0 {
                        out.push(Action::Begin(n, For::LetGo));
                    }
                }
                step => out.push(Action::Run(n, step)),
            }
            if s.deaths > 0 {
                out.push(Action::Die(n));
            }
        }
        if s.now < self.last {
            out.push(Action::Tick);
        }
        out.push(Action::Look);
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut s = last.clone();
        match action {
            Action::Begin(n, what) => {
                let c = &mut s.commands[n as usize];
                if what == For::Hold {
                    (c.until, c.left) = (s.now + LEASE, c.left - 1);
                }
                c.step = Step::First(what);
            }
            Action::Run(n, _) => self.run(&mut s, n as usize),
            Action::Die(n) => {
                s.commands[n as usize].step = Step::Done;
                (s.deaths, s.late) = (s.deaths - 1, true);
            }
            Action::Tick => {
                s.now += 1;
                s.late |= s.commands.iter().any(|c| c.step != Step::Done && c.own != 0 && c.own <= s.now);
            }
            Action::Look if s.word.0 > s.now => return None,
            Action::Look => {
                s.lost |= s.commands.iter().any(|c| holds(&s, c));
                s.early |= s.commands.iter().any(|c| c.step == Step::Done && c.own > s.now);
            }
        }
        Some(s)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("nobody's hold is cut short", |_: &Self, s: &State| !s.lost),
            Property::always("the last one that lets go in time frees the slot", |_, s: &State| {
                s.late || s.word == (0, 0) || s.commands.iter().any(|c| c.step != Step::Done)
            }),
            Property::sometimes("a slot is used again before the deadline", |_, s: &State| s.early),
            Property::sometimes("two hold at the same time", |_, s: &State| {
                s.commands.iter().all(|c| holds(s, c))
            }),
        ]
    }
}
