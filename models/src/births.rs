//! Births and claims (docs/internals/PROTOCOL.md 2): which tasks are members, and what the count says, while hooks of several tasks run at
//! once, forks fail, runs of hooks are skipped, and numbers and addresses are used again.
//!
//! The steps and what they mirror are in [`crate::hooks`]. I1 to I3: every living task of the lineage
//! is registered or its creator is, and a count of 0 means that nobody is alive or coming, for good.

use stateright::{Model, Property};

use crate::explore::over;
use crate::world::{Action, Life, Mutant, State, TASKS, Tier, World};

impl World {
    /// A member, a stranger, two births; numbers and addresses are used again.
    pub fn three(tier: Tier, mutant: Mutant) -> Self {
        let witnessed = tier == Tier::Witnessed;
        Self {
            tier,
            mutant,
            births: 2,
            // Two fork hooks: without the witness one run may be skipped, with it all of them.
            skip_fork: if witnessed { 2 } else { 1 },
            skip_exit: 1,
            fails: u8::from(witnessed),
            stranger_forks: true,
            threads: true,
            two_threads: false,
            renew: false,
            lock: false,
            doubt: false,
        }
    }

    /// For random walks.
    pub fn large(tier: Tier) -> Self {
        Self { births: 3, skip_exit: 2, ..Self::three(tier, Mutant::No) }
    }

    /// As before 7.0: no run is skipped.
    pub fn nothing_skipped(tier: Tier, mutant: Mutant) -> Self {
        Self { skip_fork: 0, skip_exit: 0, ..Self::three(tier, mutant) }
    }
}

impl Model for World {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![self.first()]
    }

    fn actions(&self, s: &State, out: &mut Vec<Action>) {
        World::actions(self, s, |_| false, out);
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut s = last.clone();
        self.apply(&mut s, action);
        Some(s)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("the count is never negative", |_, s: &State| s.pop >= 0),
            Property::always("count 0: nobody is alive or coming (I3)", |_, s: &State| {
                s.pop != 0 || !s.alive()
            }),
            Property::always("count 0 is for good (I3)", |_, s: &State| !s.was_empty || s.pop == 0),
            Property::always("every task that runs is registered (I1)", |m: &World, s: &State| {
                m.all_registered(s)
            }),
            Property::always("no stranger is a member", |m: &World, s: &State| !m.stranger_is_member(s)),
            Property::always(
                "every task that runs is indexed, unless a hook was skipped",
                |m: &World, s: &State| {
                    m.skip_fork != s.skip_fork || m.skip_exit != s.skip_exit || m.all_indexed(s)
                },
            ),
            Property::always(
                "in the end the count is 0, unless an exit was missed",
                |m: &World, s: &State| {
                    let missed = m.skip_exit != s.skip_exit && m.tier == Tier::Typed;
                    missed || s.alive() || s.pop == 0 || !over(m, s, |_| false)
                },
            ),
            Property::sometimes("an address is used again", |_, s: &State| {
                s.tasks.iter().any(|f| {
                    f.life == Life::Freed && s.tasks.iter().any(|t| t.addr == f.addr && t.life == Life::Alive)
                })
            }),
            Property::sometimes("a thread execs", |_, s: &State| {
                s.tasks.iter().any(|t| {
                    t.life == Life::Alive
                        && t.num == s.groups[t.group as usize].tgid
                        && s.tasks[t.group as usize].addr != t.addr
                })
            }),
            Property::sometimes("all are gone", |_, s: &State| s.was_empty && !s.alive()),
        ]
    }
}

impl World {
    /// Entries that are whose they should not be: a stranger's address with what looks like its own entry.
    pub fn stranger_is_member(&self, s: &State) -> bool {
        s.tasks.iter().any(|t| {
            !t.ours
                && matches!(t.life, Life::Newborn | Life::Alive)
                && s.entry(t.addr).is_some_and(|e| e.start == t.group + 1 || e.start == 0)
        })
    }

    /// Every task of ours that runs is registered.
    pub fn all_registered(&self, s: &State) -> bool {
        s.tasks.iter().all(|t| {
            !t.ours
                || t.life != Life::Alive
                || s.entry(t.addr).is_some_and(|e| e.start == t.group + 1 || e.start == 0)
        })
    }

    /// Every process of ours that runs is indexed.
    pub fn all_indexed(&self, s: &State) -> bool {
        (0..TASKS as u8).all(|t| {
            !s.t(t).ours || s.t(t).life != Life::Alive || s.members[s.tgid(t) as usize] == Some(s.start(t))
        })
    }

    /// `member.rs:renew`.
    pub(crate) fn renew(&self, s: &mut State, k: u8) {
        if let (true, Some(e)) = (self.renew, s.births[s.t(k).addr as usize]) {
            s.elems[e as usize].stamp = s.walk;
        }
    }

    /// `member.rs:doubt`, after the entry that it is about was renewed or replaced.
    pub(crate) fn doubts(&self, s: &mut State, c: u8) {
        if let Some((stamp, reaped)) = s.met[c as usize].take() {
            s.doubted |= s.reaps != reaped && stamp + 1 < s.walk;
        }
    }
}
