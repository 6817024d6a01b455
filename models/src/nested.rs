//! "Empty" of a root with roots inside it (docs/internals/PROTOCOL.md 4): double collect against forks, `exec` into other roots, new
//! inner roots and exits.
//!
//! | action | mirrors |
//! |---|---|
//! | `Run(Pop..Entry)` | `killer-ebpf/src/member.rs:register` in a task's own root |
//! | `Run(Check..LEntry)` | `killer-user/src/host/start.rs:join`, `killer-ebpf/src/ctl.rs:seed`, then the fork hook |
//! | `Create` | `killer-user/src/host/place.rs:make`, `ctl.rs:create`: an inner root of the launcher's own |
//! | `Exit` | `exit.rs:on_exit`: the mark, then the task |
//! | `Census` | `killer-user/src/lineage/set.rs:census`, `kill/proof.rs:empty`, counter by counter |

use stateright::{Model, Property};

/// Roots: 0 holds 1, and 2 when it is made.
const ROOTS: usize = 3;
const TASKS: usize = 5;

/// What is modelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// The code: two collects and a third look at the insertions and the list of roots; a mark hands its count over.
    AsBuilt,
    /// Mutant: two collects.
    Twice,
    /// Mutant: one census.
    Single,
    /// Mutant: insertions are not compared.
    NoInserts,
    /// Mutant: the insertions are read after the counts.
    InsertsLast,
}

/// Bounds and variant.
#[derive(Clone, Debug)]
pub struct Nested {
    /// What is modelled.
    pub variant: Variant,
    /// Forks in the own root.
    pub forks: u8,
    /// Launches into any root.
    pub launches: u8,
    /// Tasks at the beginning, one in each of the first roots.
    pub first: usize,
    /// An outsider launches, too.
    pub outsider: bool,
}

impl Nested {
    /// Three tasks.
    pub fn three(variant: Variant) -> Self {
        Self { variant, forks: 1, launches: 2, first: 1, outsider: false }
    }

    /// A task in each root, and an outsider that launches.
    pub fn outsider(variant: Variant) -> Self {
        Self { forks: 0, first: 2, outsider: true, ..Self::three(variant) }
    }

    /// For random walks.
    pub fn large(variant: Variant) -> Self {
        Self { forks: 2, launches: 3, first: 2, outsider: true, ..Self::three(variant) }
    }

    fn thrice(&self) -> bool {
        self.variant == Variant::AsBuilt
    }
}

/// What a task does: a fork in its root, or a launch into another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// Nothing.
    Idle,
    /// Counts the child.
    Pop(u8),
    /// Counts the insertion.
    Insert(u8),
    /// Inserts it.
    Entry(u8),
    /// Is anybody there?
    Check(u8),
    /// Counts the mark.
    MarkPop(u8),
    /// Sets it.
    Mark(u8),
    /// Has a mark, is about to fork.
    Marked(u8),
    /// Fork hook: has claimed the mark, counts the insertion.
    LInsert(u8),
    /// Inserts the child, which has the mark's count.
    LEntry(u8),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Life {
    No,
    Alive,
    Dead,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Task {
    life: Life,
    /// Root, [`OUT`] for an outsider.
    root: u8,
    step: Step,
    mark: Option<u8>,
}

const OUT: u8 = 9;

/// Where the census is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Census {
    /// Lists the roots: first, second or third time.
    Roots(u8),
    /// Reads insertions of this root.
    Inserts(u8, u8),
    /// Reads the count of this root.
    Count(u8, u8),
    /// Has said "empty" or not.
    Said(bool),
}

/// A state.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    tasks: [Task; TASKS],
    born: u8,
    pop: [i8; ROOTS],
    inserts: [u8; ROOTS],
    /// The third root is there.
    third: bool,
    forks: u8,
    launches: u8,
    census: Census,
    seen: [(bool, u8, i8); 3],
    /// Since the census began there was a moment when all was empty.
    empty: bool,
}

/// What can happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// A task forks.
    Fork(u8),
    /// A task launches into this root.
    Launch(u8, u8),
    /// A task makes the third root, inside its own.
    Create(u8),
    /// The next step of a task.
    Run(u8, Step),
    /// A task ends.
    Exit(u8),
    /// The next step of the census.
    Census(Census),
}

impl Nested {
    fn run(&self, s: &mut State, t: u8) {
        let step = s.tasks[t as usize].step;
        let born = |s: &mut State, root: u8| {
            s.tasks[s.born as usize] = Task { life: Life::Alive, root, step: Step::Idle, mark: None };
            s.born += 1;
        };
        let next = match step {
            Step::Idle => Step::Idle,
            Step::Pop(r) => {
                s.pop[r as usize] += 1;
                Step::Insert(r)
            }
            Step::Insert(r) => {
                s.inserts[r as usize] += 1;
                Step::Entry(r)
            }
            Step::Entry(r) => {
                born(s, r);
                Step::Idle
            }
            Step::Check(_) if s.pop.iter().all(|p| *p == 0) => Step::Idle,
            Step::Check(r) => Step::MarkPop(r),
            Step::MarkPop(r) => {
                s.pop[r as usize] += 1;
                Step::Mark(r)
            }
            Step::Mark(r) => {
                s.tasks[t as usize].mark = Some(r);
                Step::Marked(r)
            }
            Step::Marked(r) => {
                s.tasks[t as usize].mark = None;
                Step::LInsert(r)
            }
            Step::LInsert(r) => {
                s.inserts[r as usize] += 1;
                Step::LEntry(r)
            }
            Step::LEntry(r) => {
                born(s, r);
                Step::Idle
            }
        };
        s.tasks[t as usize].step = next;
    }

    fn census(&self, s: &mut State) {
        let last = |s: &State, n: u8| s.seen[n as usize].0;
        let roots = |s: &State, n: u8| if last(s, n) { 3 } else { 2 };
        let swapped = self.variant == Variant::InsertsLast;
        let no_inserts = self.variant == Variant::NoInserts;
        let same = |a: (bool, u8, i8), b: (bool, u8, i8)| a.0 == b.0 && (a.1 == b.1 || no_inserts);
        let counted = |s: &mut State, n: u8| match (n, s.seen) {
            (0, [a, ..]) if a.2 != 0 => Census::Said(false),
            (0, _) if self.variant == Variant::Single => Census::Said(true),
            (0, _) => Census::Roots(1),
            (1, [a, b, _]) if b.2 != 0 || !same(a, b) => Census::Said(false),
            (1, _) if self.thrice() => Census::Roots(2),
            (1, _) => Census::Said(true),
            (_, [_, b, c]) => Census::Said(same(b, c)),
        };
        s.census = match s.census {
            Census::Roots(n) => {
                s.seen[n as usize] = (s.third, 0, 0);
                if swapped { Census::Count(n, 0) } else { Census::Inserts(n, 0) }
            }
            Census::Inserts(n, r) => {
                s.seen[n as usize].1 += s.inserts[r as usize];
                match r + 1 < roots(s, n) {
                    true => Census::Inserts(n, r + 1),
                    false if swapped || n == 2 => counted(s, n),
                    false => Census::Count(n, 0),
                }
            }
            Census::Count(n, r) => {
                s.seen[n as usize].2 += s.pop[r as usize];
                match r + 1 < roots(s, n) {
                    true => Census::Count(n, r + 1),
                    false if swapped => Census::Inserts(n, 0),
                    false => counted(s, n),
                }
            }
            said => said,
        };
    }
}

impl Model for Nested {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let none = Task { life: Life::No, root: 0, step: Step::Idle, mark: None };
        let mut firsts = vec![[0, 1]];
        if self.first == 1 {
            firsts.push([1, 0]);
        }
        let state = |roots: [u8; 2]| {
            let mut s = State {
                tasks: [none; TASKS],
                born: self.first as u8,
                pop: [0; ROOTS],
                inserts: [0; ROOTS],
                third: false,
                forks: self.forks,
                launches: self.launches,
                census: Census::Roots(0),
                seen: [(false, 0, 0); 3],
                empty: false,
            };
            for (t, root) in roots.into_iter().enumerate().take(self.first) {
                s.tasks[t] = Task { life: Life::Alive, root, ..none };
                s.pop[root as usize] += 1;
            }
            if self.outsider {
                s.tasks[self.first] = Task { life: Life::Alive, root: OUT, ..none };
                s.born += 1;
            }
            s
        };
        firsts.into_iter().map(state).collect()
    }

    fn actions(&self, s: &State, out: &mut Vec<Action>) {
        // One launch at a time: the registry's lock.
        let launching = s
            .tasks
            .iter()
            .any(|t| !matches!(t.step, Step::Idle | Step::Pop(_) | Step::Insert(_) | Step::Entry(_)));
        let busy = s.tasks.iter().filter(|t| t.step != Step::Idle).count();
        for n in 0..s.born {
            let t = &s.tasks[n as usize];
            if t.life != Life::Alive {
                continue;
            }
            let room = s.born as usize + busy < TASKS;
            if t.step != Step::Idle {
                out.push(Action::Run(n, t.step));
            } else if room {
                if s.forks > 0 && t.root != OUT {
                    out.push(Action::Fork(n));
                }
                if s.launches > 0 && !launching {
                    out.extend((0..2 + u8::from(s.third)).map(|r| Action::Launch(n, r)));
                    if !s.third && t.root != OUT {
                        out.push(Action::Create(n));
                    }
                }
            }
            if t.root != OUT && matches!(t.step, Step::Idle | Step::Marked(_)) {
                out.push(Action::Exit(n));
            }
        }
        if !matches!(s.census, Census::Said(_)) {
            out.push(Action::Census(s.census));
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut s = last.clone();
        match action {
            Action::Fork(t) => {
                s.tasks[t as usize].step = Step::Pop(s.tasks[t as usize].root);
                s.forks -= 1;
            }
            Action::Launch(t, r) => {
                s.tasks[t as usize].step = Step::Check(r);
                s.launches -= 1;
            }
            Action::Create(t) => {
                s.third = true;
                s.tasks[t as usize].step = Step::MarkPop(2);
                s.launches -= 1;
            }
            Action::Run(t, _) => self.run(&mut s, t),
            Action::Exit(t) => {
                let task = &mut s.tasks[t as usize];
                (task.life, task.step) = (Life::Dead, Step::Idle);
                let root = task.root;
                if let Some(r) = task.mark.take() {
                    s.pop[r as usize] -= 1;
                }
                s.pop[root as usize] -= 1;
            }
            Action::Census(_) => self.census(&mut s),
        }
        let hook = |t: &Task| matches!(t.step, Step::LInsert(_) | Step::LEntry(_));
        let coming = |t: &Task| t.life == Life::Alive && (t.root != OUT || t.mark.is_some() || hook(t));
        s.empty |= s.census != Census::Roots(0) && !s.tasks.iter().any(coming);
        Some(s)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("\"empty\" is never said early", |_, s: &State| {
                s.census != Census::Said(true) || s.empty
            }),
            Property::always("no count is negative", |_, s: &State| s.pop.iter().all(|p| *p >= 0)),
            Property::sometimes("\"empty\" is said", |_, s: &State| s.census == Census::Said(true)),
            Property::sometimes("two counts were 0 and somebody lives", |_, s: &State| {
                s.census == Census::Said(false) && s.seen[0].2 == 0
            }),
            Property::sometimes("somebody lives in the third root", |_, s: &State| {
                s.tasks.iter().any(|t| t.life == Life::Alive && t.root == 2)
            }),
        ]
    }
}
