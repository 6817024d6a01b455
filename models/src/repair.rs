//! The walk over all tasks (docs/internals/PROTOCOL.md 2, "Walk") beside everything that [`crate::hooks`] does, and the reap of
//! what two walks did not meet.
//!
//! | step | mirrors |
//! |---|---|
//! | `Look` | `kernel/bpf/task_iter.c:task_seq_get_next` in PID order, holding the task; `killer-ebpf/src/walk.rs:on_walk` |
//! | `Del`, `DelPop` | an entry that is another's: `member.rs:remove` |
//! | `Fill`, `FillIndex` | start, tgid and index of an entry without them |
//! | `Pop` … `Index` | `member.rs:register` of a thread whose group is a member |
//! | `Recheck`, `OutDel`, `OutPop` | it may have passed its exit hook meanwhile |
//! | `Stamp`, `StampDel`, `StampPop` | `killer-ebpf/src/reap.rs:birth`, after each walk instead of each second |

mod steps;

use stateright::{Model, Property};

use crate::explore::over;
use crate::world::{Action as Task, Entry, Life, Mutant, SPACE, State as Tasks, TASKS, Tier, World};

/// What is modelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// The code: the walk passes over tasks in state TASK_NEW, claims a task that exits while it registers it, and replaces entries
    /// that it fills (`BPF_EXIST`); fork hooks renew the stamp of an entry that they find, and call the root doubtful when a
    /// reap under way may have looked at it before.
    AsBuilt,
    /// The design: the one that deletes another's entry locks its address, and nothing is doubtful. No kernel has that for
    /// programs.
    Locked,
    /// Mutant: what is born at an address that a reap may be judging is not called doubtful.
    NotDoubted,
    /// Mutant: the walk judges entries of tasks whose birth hooks are running.
    MeetsNewborns,
    /// Mutant: a task that exits while the walk registers it is claimed only when it is the last thread.
    LiveZero,
    /// Mutant: the walk fills the element in place.
    InPlace,
    /// Mutant: fork hooks do not renew.
    StampsNotRenewed,
    /// Mutant: one walk that did not meet a task is enough.
    OneWalk,
    /// Mutant: the walk counts down although another has won the delete.
    NoWin,
    /// Mutant: no second look at PF_EXITING after the walk has registered a thread.
    NoRecheck,
}

/// Bounds and variant.
#[derive(Clone, Debug)]
pub struct Repair {
    /// The tasks.
    pub world: World,
    /// What is modelled.
    pub variant: Variant,
    /// Walks.
    pub walks: u8,
}

/// Where the walk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// None is under way.
    Idle,
    /// Takes the next task from this number on, and looks at its entry.
    Look(u8),
    /// Deletes the entry, which is another's: start and tgid of that.
    Del(u8, u8, u8),
    /// Counts down.
    DelPop(u8, u8),
    /// Fills this element.
    Fill(u8, u8),
    /// Indexes.
    FillIndex(u8),
    /// Counts.
    Pop(u8),
    /// Inserts.
    Insert(u8),
    /// It is there already.
    Undo(u8),
    /// Indexes.
    Index(u8),
    /// Is it still there?
    Recheck(u8),
    /// Deletes it.
    OutDel(u8),
    /// Counts down.
    OutPop(u8),
    /// The walk is over: the next entry that was not met.
    Stamp(u8),
    /// Deletes it.
    StampDel(u8, u8),
    /// Counts down.
    StampPop(u8, u8),
}

/// A state.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// The tasks.
    pub w: Tasks,
    step: Step,
    /// The number that the walk has come to.
    at: u8,
    walks: u8,
    /// Complete walks begun after the last task was gone.
    after: u8,
    /// Tasks that an RCU reader keeps from being freed.
    rcu: u8,
}

/// What can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// To a task.
    Task(Task),
    /// The walk's next step.
    Walk(Step),
}

impl Repair {
    /// A member, a stranger, two births, one walk; an exit may be missed, and fork hooks as far as another registers.
    pub fn one_walk(tier: Tier, variant: Variant) -> Self {
        let witnessed = tier == Tier::Witnessed;
        let world = World {
            fails: 0,
            threads: witnessed,
            stranger_forks: !witnessed,
            skip_exit: u8::from(!witnessed),
            ..Self::hooks(tier, variant)
        };
        Self { world, variant, walks: 1 }
    }

    fn hooks(tier: Tier, variant: Variant) -> World {
        let (locked, plain) = (variant == Variant::Locked, variant == Variant::NotDoubted);
        World {
            renew: variant != Variant::StampsNotRenewed,
            lock: locked,
            doubt: !locked && !plain,
            ..World::three(tier, Mutant::No)
        }
    }

    /// Every fork hook of one thread is skipped: the walk registers it.
    pub fn lost_thread(variant: Variant) -> Self {
        let world =
            World { births: 1, skip_fork: 2, skip_exit: 0, ..Self::one_walk(Tier::Typed, variant).world };
        Self { world: World { threads: true, ..world }, variant, walks: 2 }
    }

    /// Two threads of a process, a stranger, one birth, two walks; an exit may be missed.
    pub fn stamps(variant: Variant) -> Self {
        let world = World {
            births: 1,
            two_threads: true,
            threads: true,
            stranger_forks: false,
            ..Self::hooks(Tier::Typed, variant)
        };
        Self { world, variant, walks: 2 }
    }

    /// The reap where a birth is registered before it is on any list: a member, a stranger, a birth, two walks.
    pub fn stamps_witnessed(variant: Variant) -> Self {
        let typed = Self::stamps(variant);
        let world = World { tier: Tier::Witnessed, two_threads: false, skip_exit: 0, ..typed.world };
        Self { world, ..typed }
    }

    /// For random walks.
    pub fn large(tier: Tier, variant: Variant) -> Self {
        let world = World { births: 3, ..Self::hooks(tier, variant) };
        Self { world, variant, walks: 3 }
    }

    /// All fork hooks of a birth may be skipped: the walk mends it, but later.
    fn lost(&self) -> bool {
        self.world.tier == Tier::Typed && self.world.skip_fork > 1
    }
}

/// All of ours have been freed.
fn gone(w: &Tasks) -> bool {
    w.tasks.iter().all(|t| !t.ours || matches!(t.life, Life::Unborn | Life::Freed))
}

fn alive(w: &Tasks) -> u8 {
    (0..TASKS).filter(|&t| w.tasks[t].life < Life::Released).fold(0, |m, t| m | 1 << t)
}

/// The task that the walk holds a reference to.
fn held(step: Step) -> Option<u8> {
    match step {
        Step::Del(t, ..)
        | Step::DelPop(t, _)
        | Step::Fill(t, _)
        | Step::FillIndex(t)
        | Step::Pop(t)
        | Step::Insert(t)
        | Step::Undo(t)
        | Step::Index(t)
        | Step::Recheck(t)
        | Step::OutDel(t)
        | Step::OutPop(t) => Some(t),
        _ => None,
    }
}

impl Model for Repair {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State { w: self.world.first(), step: Step::Idle, at: 0, walks: self.walks, after: 0, rcu: 0 }]
    }

    fn actions(&self, s: &State, out: &mut Vec<Action>) {
        let mut tasks = Vec::new();
        self.world.actions(&s.w, |t| held(s.step) == Some(t) || s.rcu >> t & 1 != 0, &mut tasks);
        out.extend(tasks.into_iter().map(Action::Task));
        if s.step != Step::Idle || s.walks > 0 {
            out.push(Action::Walk(s.step));
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut s = last.clone();
        match action {
            Action::Task(a) => self.world.apply(&mut s.w, a),
            Action::Walk(step) => self.walk(&mut s, step),
        }
        Some(s)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("the count is never negative", |_, s: &State| s.w.pop >= 0),
            Property::always(
                "count 0: nobody is alive or coming (I3), or it is doubtful",
                |m: &Repair, s: &State| m.lost() || s.w.doubted || s.w.pop != 0 || !s.w.alive(),
            ),
            Property::always(
                "every task that runs is registered (I1), or it is doubtful",
                |m: &Repair, s: &State| m.lost() || s.w.doubted || m.world.all_registered(&s.w),
            ),
            Property::always("no stranger is a member", |m: &Repair, s: &State| {
                !m.world.stranger_is_member(&s.w)
            }),
            Property::always("in the end the count is 0", |m: &Repair, s: &State| {
                let missed = m.world.skip_exit != s.w.skip_exit && m.world.tier == Tier::Typed;
                let due = !missed || s.after >= 2;
                !due || s.w.pop == 0 || !gone(&s.w) || !over(m, s, |_| false)
            }),
            Property::sometimes("two walks or one after all are gone", |m: &Repair, s: &State| {
                s.after == m.walks
            }),
        ]
    }
}
