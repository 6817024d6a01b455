//! Steps of the hooks and of the adopter.

use super::*;

impl Adoption {
    /// For random walks.
    pub fn large(variant: Variant) -> Self {
        Self { forks: 3, exits: 5, nums: 4, passes: 8, ..Self::three(variant) }
    }

    pub(super) fn log(&self, s: &mut State, child: u8, creator: u8) {
        if s.mode {
            s.procs[child as usize].edge.get_or_insert(creator);
        }
    }

    pub(super) fn register(&self, s: &mut State, p: u8) {
        s.pop += 1;
        let p = &mut s.procs[p as usize];
        (p.member, p.was_member) = (true, true);
    }

    pub(super) fn claim(&self, s: &mut State, p: u8) {
        if std::mem::take(&mut s.procs[p as usize].member) {
            s.pop -= 1;
        }
    }

    pub(super) fn hook(&self, s: &mut State, p: u8) {
        let next = match s.procs[p as usize].fork {
            Fork::No => Fork::No,
            Fork::Edge(c) => {
                if self.variant != Variant::NoForkLog {
                    self.log(s, c, p);
                }
                Fork::Look(c)
            }
            Fork::Look(c) => {
                if s.procs[p as usize].member {
                    Fork::Register(c)
                } else {
                    Fork::Wake(c)
                }
            }
            Fork::Register(c) => {
                // The walk may have been faster: NOEXIST.
                if !s.procs[c as usize].member {
                    self.register(s, c);
                }
                Fork::Wake(c)
            }
            Fork::Wake(c) => {
                s.procs[c as usize].life = Life::Alive;
                Fork::No
            }
        };
        s.procs[p as usize].fork = next;
    }

    /// `killer-ebpf/src/walk.rs:belongs`, `first`.
    pub(super) fn belongs(&self, s: &State, p: u8) -> bool {
        p == 1 || s.procs[p as usize].member
    }

    /// `killer-ebpf/src/walk.rs:chosen`.
    pub(super) fn chosen(&self, s: &State, p: u8) -> bool {
        let edge = |k: u8| s.procs[k as usize].edge;
        let mut k = p;
        if p == 1 {
            return true;
        }
        if edge(k).is_none() {
            k = s.procs[k as usize].parent;
            if self.belongs(s, k) || k == 0 && self.variant == Variant::Guesses {
                return true;
            }
        }
        for _ in 0..PROCS {
            let Some(creator) = edge(k) else { return false };
            k = creator;
            if self.belongs(s, k) {
                return true;
            }
        }
        false
    }

    /// Every logged edge into the set has its child registered, or its end logged; what is linked to the set by edges of the
    /// dead is in it.
    pub(super) fn closed(&self, s: &State) -> bool {
        let mut within: u8 = 1 << 1;
        for _ in 0..PROCS {
            for (n, p) in s.procs.iter().enumerate() {
                if p.was_member || p.edge.is_some_and(|c| within >> c & 1 != 0) {
                    within |= 1 << n;
                }
            }
        }
        (1..PROCS).all(|n| within >> n & 1 == 0 || s.procs[n].member || s.procs[n].ended)
    }

    pub(super) fn adopt(&self, s: &mut State) {
        s.step = match s.step {
            Step::Hold => {
                if self.variant != Variant::NoHold {
                    s.pop += 1;
                    s.held = true;
                }
                Step::Mode
            }
            Step::Mode => {
                s.mode = true;
                Step::Look(0)
            }
            Step::Look(n) => {
                let there = |p: &Proc| p.num == n && matches!(p.life, Life::Newborn | Life::Alive);
                match s.procs.iter().position(there).map(|p| p as u8) {
                    Some(p) if p != 0 && !s.procs[p as usize].member && self.chosen(s, p) => {
                        Step::Register(n, p)
                    }
                    _ => self.next(n),
                }
            }
            Step::Register(n, p) => {
                if !s.procs[p as usize].member {
                    self.register(s, p);
                    s.added = true;
                }
                Step::Recheck(n, p)
            }
            Step::Recheck(n, p) => {
                if s.procs[p as usize].life == Life::Dead && self.variant != Variant::NoRecheck {
                    self.claim(s, p);
                }
                self.next(n)
            }
            Step::Pass => {
                s.passes += 1;
                s.quiet = if std::mem::take(&mut s.added) { 0 } else { s.quiet + 1 };
                let quiet = match self.variant {
                    Variant::AsBuilt => s.quiet >= 2,
                    _ => s.quiet >= 1 && self.closed(s),
                };
                if quiet || s.passes == self.passes {
                    s.quiet = u8::from(quiet);
                    Step::Off
                } else {
                    Step::Look(0)
                }
            }
            Step::Off => {
                s.mode = false;
                Step::Unhold
            }
            Step::Unhold => {
                if std::mem::take(&mut s.held) {
                    s.pop -= 1;
                }
                Step::Done(s.quiet == 1)
            }
            end => end,
        };
    }

    pub(super) fn next(&self, n: u8) -> Step {
        if n as usize + 1 < self.nums { Step::Look(n + 1) } else { Step::Pass }
    }
}
