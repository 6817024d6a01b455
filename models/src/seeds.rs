//! Marks of launchers (docs/internals/PROTOCOL.md 3) against a KILL of the same root: what is a member, what has begun to run CMD,
//! and what "empty" means.
//!
//! | action | mirrors |
//! |---|---|
//! | `Launch(Count..Gate)` | `killer-ebpf/src/ctl.rs:seed`: one program, so no crash of `killer` between them |
//! | `Launch(Look..Kill)` | `fork.rs:creator`, `born`, `apply_gate` in the launcher's context; `member.rs:take_seed`, `register` |
//! | `Launch(Canary)`, `Go` | `killer-user/src/bpf/programs/changes.rs:spawn`, `consumed`, `sys/launch.rs:spawn`: one byte lets the child become CMD |
//! | `Launch(EMark..)` | `exit.rs:on_exit`, when the launcher dies |
//! | `Kill(Close)` … | `kill/mod.rs:execute`, `sweep.rs:until_empty`, `lineage/gate.rs:cancel_marks`, `proof.rs:empty` |

mod steps;

use stateright::{Model, Property};

use crate::explore::over;

/// What is modelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// The code: the mark is claimed first; the winner hands its count over to the child; the loser registers nothing. The
    /// launcher asks whether the child is a member.
    AsBuilt,
    /// Mutant: the child is counted and inserted, then the mark is claimed, whichever wins it.
    ChildFirst,
    /// Mutant: the launcher only asks whether its mark is gone.
    NoQuestion,
    /// Mutant: the mark is claimed and counted down before the child is counted.
    MarkFirst,
    /// Mutant: counted down without winning the delete.
    NoWin,
    /// Mutant: the child becomes CMD without waiting for its parent.
    NoPipe,
    /// Mutant: the mark is counted after it is set.
    CountLate,
    /// Mutant: the exit hook leaves marks.
    MarkStays,
}

/// Bounds and variant.
#[derive(Clone, Debug)]
pub struct Seeds {
    /// What is modelled.
    pub variant: Variant,
    /// Fork hooks of the launcher's fork may be skipped, all of them.
    pub skip: bool,
    /// The gate may run out at any time.
    pub expiry: bool,
    /// Another member is alive at the beginning.
    pub member: bool,
}

impl Seeds {
    /// A launcher, its child and a member; a crash of the launcher and of the sweeper.
    pub fn three(variant: Variant) -> Self {
        Self { variant, skip: true, expiry: true, member: true }
    }
}

/// Where the launcher is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd)]
pub enum L {
    /// Counts 1.
    Count,
    /// Sets the mark.
    Mark,
    /// Reads the gate.
    Gate,
    /// In user mode, about to fork.
    Fork,
    /// Fork hook: has it a mark?
    Look,
    /// Counts the child.
    Pop,
    /// Inserts it.
    Insert,
    /// Claims the mark.
    Claim,
    /// Counts that down.
    ClaimPop,
    /// Gate D: is it closed?
    Still,
    /// Looks whether the mark is gone.
    Canary,
    /// Asks whether the child is a member.
    Ask,
    /// Lets the child become CMD.
    Go,
    /// Takes the mark back: counts down.
    Undo,
    /// Has ended; CMD runs.
    Started,
    /// Has ended; nothing was started.
    Failed,
    /// Was killed: exit hook, mark.
    EMark,
    /// Counts down.
    EPop,
    /// Is gone.
    Dead,
}

/// Where the sweeper is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum K {
    /// Closes the gate.
    Close,
    /// Reads the marks.
    Marks,
    /// Claims the launcher's.
    Cancel,
    /// Counts down.
    CancelPop,
    /// Signals what is listed.
    Sweep,
    /// Reads the count.
    Empty,
    /// And again.
    Twice,
    /// Opens the gate.
    Open,
    /// Has said "empty".
    Done,
    /// Was killed.
    Crashed,
}

/// The launcher's child.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Child {
    /// Not there.
    No,
    /// In its parent's fork hook.
    Newborn,
    /// Waits at the pipe.
    Waits,
    /// Is CMD.
    Cmd,
    /// Past its exit hook.
    Gone,
}

/// A state.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    l: L,
    k: K,
    child: Child,
    doomed: bool,
    /// `BIRTHS` has the child.
    entry: bool,
    mark: bool,
    pop: i8,
    member: bool,
    member_doomed: bool,
    gate: bool,
    crash: bool,
    skipped: bool,
    /// "Empty" was said while the mark had been set before.
    said: bool,
}

/// What can happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// The launcher's next step.
    Launch(L),
    /// The kernel skips the fork hooks.
    Skip,
    /// The launcher is killed.
    KillLauncher,
    /// The sweeper's next step.
    Kill(K),
    /// The sweeper is killed.
    Crash,
    /// The gate's lease runs out.
    Expire,
    /// The child dies: signal, end of file at the pipe, or by itself.
    ChildDies,
    /// The member dies.
    MemberDies,
}

fn free(a: &Action) -> bool {
    matches!(a, Action::Crash | Action::KillLauncher | Action::Skip)
}

impl Model for Seeds {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            l: L::Count,
            k: K::Close,
            child: Child::No,
            doomed: false,
            entry: false,
            mark: false,
            pop: i8::from(self.member),
            member: self.member,
            member_doomed: false,
            gate: false,
            crash: true,
            skipped: false,
            said: false,
        }]
    }

    fn actions(&self, s: &State, out: &mut Vec<Action>) {
        if !matches!(s.l, L::Started | L::Failed | L::Dead) {
            out.push(Action::Launch(s.l));
        }
        if self.skip && s.l == L::Look {
            out.push(Action::Skip);
        }
        // Between programs and outside of fork: SIGKILL takes effect at the return to user mode.
        if s.crash && matches!(s.l, L::Fork | L::Canary | L::Ask | L::Go) {
            out.push(Action::KillLauncher);
        }
        if !matches!(s.k, K::Done | K::Crashed) {
            out.push(Action::Kill(s.k));
            // A cancellation is one program.
            if s.crash && !matches!(s.k, K::Close | K::CancelPop) {
                out.push(Action::Crash);
            }
        }
        if s.gate && (self.expiry || s.k == K::Crashed) {
            out.push(Action::Expire);
        }
        let no_parent = s.child == Child::Waits && matches!(s.l, L::Failed | L::Dead | L::EMark | L::EPop);
        if no_parent || s.child == Child::Cmd || s.doomed && s.child == Child::Waits {
            out.push(Action::ChildDies);
        }
        if s.member {
            out.push(Action::MemberDies);
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut s = last.clone();
        match action {
            Action::Launch(_) => self.launch(&mut s),
            Action::Skip => {
                s.skipped = true;
                s.l = self.born(&mut s);
            }
            Action::KillLauncher => {
                s.crash = false;
                s.l = L::EMark;
            }
            Action::Kill(_) => self.kill(&mut s),
            Action::Crash => {
                s.crash = false;
                s.k = K::Crashed;
            }
            Action::Expire => s.gate = false,
            Action::ChildDies => {
                s.child = Child::Gone;
                if std::mem::take(&mut s.entry) {
                    s.pop -= 1;
                }
            }
            Action::MemberDies => {
                s.member = false;
                s.pop -= 1;
            }
        }
        (s != *last).then_some(s)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("the count is never negative", |_, s: &State| s.pop >= 0),
            Property::always("CMD never runs untracked", |_, s: &State| s.child != Child::Cmd || s.entry),
            Property::always("after \"empty\" no task runs that was coming", |_, s: &State| {
                // Doomed ones die before their first instruction.
                !s.said || s.doomed || !matches!(s.child, Child::Cmd) && !s.entry
            }),
            Property::always("a mark is never uncounted: count 0 means that nobody comes", |_, s: &State| {
                s.pop > 0 || !s.mark
            }),
            Property::always("in the end the count is what is there", |m: &Seeds, s: &State| {
                let there = i8::from(s.member) + i8::from(s.entry);
                s.pop == there && !s.mark || !over(m, s, free)
            }),
            Property::always("in the end the gate is open", |m: &Seeds, s: &State| {
                !s.gate || !over(m, s, free)
            }),
            Property::always("in the end the sweeper is done", |m: &Seeds, s: &State| {
                matches!(s.k, K::Done | K::Crashed) || !over(m, s, free)
            }),
            Property::sometimes("CMD runs", |_, s: &State| s.child == Child::Cmd),
            Property::sometimes("a kill cancels the mark", |_, s: &State| s.k == K::CancelPop),
            Property::sometimes("\"empty\" is said after a mark", |_, s: &State| s.said),
        ]
    }
}
