//! Steps of the walk.

use super::*;

impl Repair {
    pub(super) fn walk(&self, s: &mut State, step: Step) {
        let w = &mut s.w;
        let next = Step::Look(s.at + 1);
        let addr = |w: &Tasks, t: u8| w.t(t).addr;
        s.step = match step {
            Step::Idle => {
                w.walk += 1;
                s.walks -= 1;
                s.after = if gone(w) { s.after + 1 } else { 0 };
                Step::Look(0)
            }
            // A number whose task is gone is passed over.
            Step::Look(n) => {
                let at = |n: &u8| {
                    let there =
                        |t: &&u8| w.t(**t).num == *n && (Life::Newborn..=Life::Dead).contains(&w.t(**t).life);
                    [0, 1, 2, 3, 4].iter().find(there).copied()
                };
                s.at = (n..SPACE as u8).find(|n| at(n).is_some()).unwrap_or(SPACE as u8);
                match at(&s.at) {
                    Some(t) => self.look(s, t),
                    None => {
                        w.reaps += 1;
                        Step::Stamp(0)
                    }
                }
            }
            Step::Del(t, start, tgid) => {
                let a = addr(w, t);
                // Under the lock it is still what it was, or its owner has claimed it.
                let same = !self.world.lock || w.entry(a).is_some_and(|e| e.start == start);
                let won = same && w.delete(a) || self.variant == Variant::NoWin;
                w.locked[a as usize] = false;
                s.rcu = 0;
                if won { Step::DelPop(t, tgid) } else { next }
            }
            Step::DelPop(_, tgid) => {
                w.down(tgid);
                next
            }
            Step::Fill(t, e) => {
                let new = Entry { start: w.start(t), tgid: w.tgid(t) + 1, stamp: w.walk };
                // A replacement fails when the entry was claimed meanwhile.
                let e =
                    if self.variant == Variant::InPlace { Some(e) } else { w.births[addr(w, t) as usize] };
                if let Some(e) = e {
                    if w.elems[e as usize].tgid == 0 {
                        w.filter[new.tgid as usize - 1] += 1;
                    }
                    w.elems[e as usize] = new;
                    Step::FillIndex(t)
                } else {
                    next
                }
            }
            Step::FillIndex(t) => {
                let (start, tgid) = (w.start(t), w.tgid(t) as usize);
                w.members[tgid].get_or_insert(start);
                next
            }
            Step::Pop(t) => {
                let tgid = w.tgid(t) + 1;
                w.up(tgid);
                Step::Insert(t)
            }
            Step::Insert(t) => {
                let new = Entry { start: w.start(t), tgid: w.tgid(t) + 1, stamp: w.walk };
                if w.insert(addr(w, t), new) { Step::Index(t) } else { Step::Undo(t) }
            }
            Step::Undo(t) => {
                let tgid = w.tgid(t) + 1;
                w.down(tgid);
                next
            }
            Step::Index(t) => {
                let (start, tgid) = (w.start(t), w.tgid(t) as usize);
                w.members[tgid].get_or_insert(start);
                Step::Recheck(t)
            }
            Step::Recheck(t) => {
                let last = w.live(t) == 0;
                let out = match self.variant {
                    Variant::NoRecheck => false,
                    Variant::LiveZero => w.t(t).life >= Life::Exiting && last,
                    _ => w.t(t).life >= Life::Exiting,
                };
                if out && last {
                    let tgid = w.tgid(t) as usize;
                    w.members[tgid] = None;
                }
                if out { Step::OutDel(t) } else { next }
            }
            Step::OutDel(t) => {
                let won = w.delete(addr(w, t)) || self.variant == Variant::NoWin;
                if won { Step::OutPop(t) } else { next }
            }
            Step::OutPop(t) => {
                let tgid = w.tgid(t) + 1;
                w.down(tgid);
                next
            }
            Step::Stamp(a) => {
                let need = if self.variant == Variant::OneWalk { 1 } else { 2 };
                let due = |a: &u8| {
                    !w.locked[*a as usize]
                        && w.entry(*a).is_some_and(|e| e.stamp + need <= w.walk && e.start != 0)
                };
                match (a..SPACE as u8).find(due).map(|a| (a, w.entry(a).unwrap_or_default())) {
                    None => {
                        w.reaped += 1;
                        Step::Idle
                    }
                    Some((a, e)) => {
                        s.rcu = alive(w);
                        w.locked[a as usize] = self.world.lock;
                        Step::StampDel(a, e.tgid)
                    }
                }
            }
            Step::StampDel(a, tgid) => {
                let won = w.delete(a);
                w.locked[a as usize] = false;
                s.rcu = 0;
                if won { Step::StampPop(a, tgid) } else { Step::Stamp(a + 1) }
            }
            Step::StampPop(a, tgid) => {
                w.down(tgid);
                Step::Stamp(a + 1)
            }
        };
    }

    /// `killer-ebpf/src/walk.rs:on_walk`, up to its first change.
    pub(super) fn look(&self, s: &mut State, t: u8) -> Step {
        let w = &mut s.w;
        let next = Step::Look(s.at + 1);
        let (start, tgid, addr) = (w.start(t), w.tgid(t) as usize, w.t(t).addr);
        let (exiting, live) = (w.t(t).life >= Life::Exiting, w.live(t));
        if w.t(t).life == Life::Newborn && self.variant != Variant::MeetsNewborns {
            let own = |e: &u8| w.elems[*e as usize].start == start;
            if let Some(e) = w.births[addr as usize].filter(own) {
                w.elems[e as usize].stamp = w.walk;
            }
            return next;
        }
        match w.births[addr as usize].map(|e| (e, w.elems[e as usize])) {
            Some((_, b)) if b.start != 0 && b.start != start => {
                if w.locked[addr as usize] {
                    return next;
                }
                s.rcu = alive(w);
                w.locked[addr as usize] = self.world.lock;
                Step::Del(t, b.start, b.tgid)
            }
            // `exit_state`: its exit hook is over, so it was skipped.
            Some((_, b)) if w.t(t).life == Life::Dead => {
                if live == 0 && b.tgid != 0 {
                    w.members[b.tgid as usize - 1] = None;
                }
                Step::Del(t, b.start, b.tgid)
            }
            Some((e, b)) => {
                w.elems[e as usize].stamp = w.walk;
                match live {
                    0 => next,
                    _ if b.start == 0 => Step::Fill(t, e),
                    _ if w.members[tgid].is_none() => Step::FillIndex(t),
                    _ => next,
                }
            }
            None if exiting || w.members[tgid] != Some(start) => next,
            None => Step::Pop(t),
        }
    }
}
