//! Where the record of a process stands while its leader ends, its last thread ends, or another thread executes a program
//! (docs/internals/PROTOCOL.md 2), and whether a reader finds it.
//!
//! | action | mirrors |
//! |---|---|
//! | `Step(_, Look..Tell)` | `killer-ebpf/src/exit.rs:on_exit`, with `process.rs:ended`, `ended_apart`, `goes_on` |
//! | `Step(_, Copy..Drop)` | `killer-ebpf/src/process.rs:take_over` |
//! | `End`, `Exec` | `kernel/exit.c:do_exit` up to the hook; `fs/exec.c:de_thread` |
//! | `Read(Key..Again)` | `killer-user/src/bpf/programs/sets.rs:member` |
//!
//! That a hook is skipped is in model `repair`; here none is.

use stateright::{Model, Property};

/// The leader and two threads.
pub const TASKS: usize = 3;

/// What is modelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// The code.
    AsBuilt,
    /// Mutant: a leader does not look again whether it was the last after all.
    NotLookedAgain,
    /// Mutant: it says that the record stands apart before it does.
    SaidFirst,
    /// Mutant: it deletes its own element first.
    DeletedFirst,
    /// Mutant: an exec drops what stands apart before it says where the record is.
    DroppedFirst,
    /// Mutant: an exec says that the old one is no record any more before it says where the record is.
    MarkedFirst,
    /// Mutant: a reader does not read the key again.
    ReadOnce,
    /// Mutant: whoever finds the record as the last one tells the creator, whose delete it was or not.
    NoClaim,
}

/// A process of three threads.
#[derive(Clone, Debug)]
pub struct Leaders {
    /// What is modelled.
    pub variant: Variant,
}

/// Where a task is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// It runs.
    Runs,
    /// Is it the last? Whose is the record?
    Look,
    /// A leader that is the last takes the process off the list.
    Unlist,
    /// A leader that is not puts the record apart.
    Apart,
    /// It says so.
    Unset,
    /// It deletes its own element.
    Delete,
    /// It looks again.
    LookAgain,
    /// What stands apart is looked up as the last one.
    Find,
    /// And deleted.
    Take,
    /// The creator is told.
    Tell,
    /// An exec by another thread copies the record.
    Copy,
    /// Its element is no thread's any more.
    Own,
    /// It says where the record is.
    Set,
    /// What stands apart is no record any more.
    Mark,
    /// And deleted.
    Drop,
    /// It has ended.
    Over,
}

/// Where the reader is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Read {
    /// Reads the key.
    Key,
    /// Looks for the leader's element.
    Leader,
    /// Looks for what stands apart.
    Apart,
    /// Reads the key again.
    Again,
    /// Has found it, or has not.
    Done(bool),
}

/// A state.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    steps: [Step; TASKS],
    /// After its element was deleted it tells the creator.
    tells: [bool; TASKS],
    /// Threads that have not passed `exit_signals`.
    live: u8,
    /// Elements of the tasks: `Some(true)`: the record.
    births: [Option<bool>; TASKS],
    apart: bool,
    /// What stands apart is called no record.
    marked: bool,
    /// Task + 1 whose element has the record.
    leader: u8,
    told: u8,
    read: Read,
    /// The key that the reader has read.
    key: u8,
    execs: u8,
    /// A reader did not find a process of which somebody ran.
    missed: bool,
}

impl State {
    /// All have ended, and their hooks with them.
    fn over(&self) -> bool {
        self.steps.iter().all(|t| *t == Step::Over)
    }
}

/// What can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A task ends.
    End(usize),
    /// Another thread than the leader executes a program: it is alone by then.
    Exec(usize),
    /// The next step of a task's hook.
    Step(usize, Step),
    /// The next step of the reader.
    Read(Read),
}

impl Leaders {
    /// What there is to explore.
    pub fn three(variant: Variant) -> Self {
        Self { variant }
    }

    fn step(&self, s: &mut State, t: usize) {
        let record = s.births[t] == Some(true);
        s.steps[t] = match s.steps[t] {
            Step::Runs | Step::Over => return,
            Step::Look => match (s.live == 0, record) {
                (true, true) => Step::Unlist,
                (true, false) => Step::Find,
                (false, false) => Step::Delete,
                (false, true) => match self.variant {
                    Variant::SaidFirst => Step::Unset,
                    Variant::DeletedFirst => Step::Delete,
                    _ => Step::Apart,
                },
            },
            Step::Unlist => {
                if s.leader == t as u8 + 1 {
                    s.leader = 0;
                }
                s.tells[t] = true;
                Step::Delete
            }
            Step::Apart => {
                s.apart = true;
                match self.variant {
                    Variant::SaidFirst => Step::Delete,
                    _ => Step::Unset,
                }
            }
            Step::Unset => {
                s.leader = 0;
                match self.variant {
                    Variant::SaidFirst => Step::Apart,
                    Variant::DeletedFirst => Step::LookAgain,
                    _ => Step::Delete,
                }
            }
            Step::Delete => {
                s.births[t] = None;
                match (s.tells[t], record) {
                    (true, _) => Step::Tell,
                    (false, true) if self.variant == Variant::DeletedFirst => Step::Apart,
                    (false, true) if self.variant != Variant::NotLookedAgain => Step::LookAgain,
                    _ => Step::Over,
                }
            }
            Step::LookAgain if s.live == 0 => Step::Find,
            Step::LookAgain => Step::Over,
            Step::Find if s.apart => Step::Take,
            Step::Find => self.after(s, t),
            Step::Take => {
                let won = std::mem::take(&mut s.apart);
                if won || self.variant == Variant::NoClaim {
                    s.told += 1;
                }
                self.after(s, t)
            }
            Step::Tell => {
                s.told += 1;
                Step::Over
            }
            // The old leader's hook is over: what it had stands apart.
            Step::Copy => Step::Own,
            Step::Own => {
                s.births[t] = Some(true);
                match self.variant {
                    Variant::DroppedFirst => Step::Drop,
                    Variant::MarkedFirst => Step::Mark,
                    _ => Step::Set,
                }
            }
            Step::Set => {
                s.leader = t as u8 + 1;
                match self.variant {
                    Variant::DroppedFirst => Step::Runs,
                    Variant::MarkedFirst => Step::Drop,
                    _ => Step::Mark,
                }
            }
            Step::Mark => {
                s.marked = true;
                if self.variant == Variant::MarkedFirst { Step::Set } else { Step::Drop }
            }
            Step::Drop => {
                s.apart = false;
                match self.variant {
                    Variant::DroppedFirst => Step::Set,
                    _ => Step::Runs,
                }
            }
        };
    }

    /// What stands apart is gone: a thread deletes its own element still.
    fn after(&self, s: &State, t: usize) -> Step {
        if s.births[t].is_some() { Step::Delete } else { Step::Over }
    }

    fn read(&self, s: &mut State) {
        s.read = match s.read {
            Read::Key => {
                s.key = s.leader;
                if s.key == 0 { Read::Apart } else { Read::Leader }
            }
            Read::Leader if s.births[s.key as usize - 1] == Some(true) => Read::Done(true),
            Read::Leader => Read::Apart,
            Read::Apart if s.apart && !s.marked => Read::Done(true),
            Read::Apart if self.variant == Variant::ReadOnce => Read::Done(false),
            Read::Apart => Read::Again,
            Read::Again if s.leader != s.key && s.leader != 0 => {
                s.key = s.leader;
                Read::Leader
            }
            Read::Again => Read::Done(false),
            done @ Read::Done(_) => done,
        };
        // One of which nobody runs any more may be on the list or not.
        s.missed |= s.read == Read::Done(false) && s.live != 0;
    }
}

impl Model for Leaders {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            steps: [Step::Runs; TASKS],
            tells: [false; TASKS],
            live: TASKS as u8,
            births: [Some(true), Some(false), Some(false)],
            apart: false,
            marked: false,
            leader: 1,
            told: 0,
            read: Read::Key,
            key: 0,
            execs: 1,
            missed: false,
        }]
    }

    fn actions(&self, s: &State, out: &mut Vec<Action>) {
        for (t, step) in s.steps.iter().enumerate() {
            match step {
                Step::Over => {}
                Step::Runs => {
                    out.push(Action::End(t));
                    let others = s.steps.iter().enumerate().filter(|(o, _)| *o != t);
                    let alone = others.clone().all(|(_, o)| *o == Step::Over);
                    if s.execs > 0 && s.births[t] == Some(false) && alone {
                        out.push(Action::Exec(t));
                    }
                }
                step => out.push(Action::Step(t, *step)),
            }
        }
        if !matches!(s.read, Read::Done(_)) {
            out.push(Action::Read(s.read));
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut s = last.clone();
        match action {
            Action::End(t) => {
                s.live -= 1;
                s.steps[t] = Step::Look;
            }
            Action::Exec(t) => {
                s.execs -= 1;
                s.steps[t] = Step::Copy;
            }
            Action::Step(t, _) => self.step(&mut s, t),
            Action::Read(_) => self.read(&mut s),
        }
        Some(s)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("a process that runs is found", |_, s: &State| !s.missed),
            Property::always("nothing is left of one that has ended", |_, s: &State| {
                !s.over() || !s.apart && s.leader == 0 && s.births.iter().all(Option::is_none)
            }),
            Property::always("its creator is told once", |_, s: &State| {
                s.told <= 1 && (!s.over() || s.told == 1)
            }),
            Property::sometimes("a record stands apart", |_, s: &State| s.apart && s.leader == 0),
            Property::sometimes("an exec takes it over", |_, s: &State| s.leader > 1 && !s.apart),
            Property::sometimes("a reader finds it where it has gone", |_, s: &State| {
                s.read == Read::Done(true) && s.key > 1
            }),
        ]
    }
}
