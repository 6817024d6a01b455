//! Steps of the hooks over a [`State`], one that another CPU can come between at a time.
//!
//! | step | mirrors |
//! |---|---|
//! | `WLook`, `WPop` | `killer-ebpf/src/witness.rs:on_task_alloc`, `fork.rs:creator` |
//! | `Filter`, `Again`, `Fill`, `Look`, `Pop`, `Index` | `fork.rs:on_newtask`, `look_again`, `born` (hook 1 and 2) |
//! | `Insert`, `Old`, `Evict`, `EvictPop`, `Undo` | `member.rs:register`, `remove` |
//! | `Doubt`, `DoubtOwn` | `member.rs:doubt` |
//! | `OwnStale`, `OwnPop` | `fork.rs:creator`, an entry that is another's |
//! | `EGet` … `EPop` | `exit.rs:on_exit`, `process.rs:ended`, `member.rs:remove` |
//! | `XGet` … `XPop` | `witness.rs:on_task_free` |
//! | `Attach`, `Fail`, `Exec`, `Release`, `Free` | `kernel/fork.c:copy_process`, `fs/exec.c:de_thread`, `kernel/exit.c:release_task`, `__put_task_struct` |

use crate::world::{Action, Entry, Group, Life, Mutant, State, Step, Task, Tier, World};

impl World {
    /// What can happen; an address in `held` is not freed.
    pub fn actions(&self, s: &State, held: impl Fn(u8) -> bool, out: &mut Vec<Action>) {
        for n in 0..s.born {
            let t = s.t(n);
            let run = |out: &mut Vec<Action>| out.push(Action::Run(n, t.step));
            match (t.life, t.step) {
                (Life::Alive, Step::Idle) => {
                    if s.births_left > 0 && (t.ours || self.stranger_forks) {
                        let free = |a: &u8| {
                            !s.tasks
                                .iter()
                                .any(|t| t.addr == *a && !matches!(t.life, Life::Unborn | Life::Freed))
                        };
                        for a in s.spaces(|t| Some(t.addr)).into_iter().filter(free) {
                            out.push(Action::Clone(n, false, a));
                            if self.threads && t.ours {
                                out.push(Action::Clone(n, true, a));
                            }
                        }
                    }
                    if n != 1 {
                        out.push(Action::End(n));
                    }
                    let others = |o: &Task| o.group == t.group && o.num != t.num && o.life != Life::Unborn;
                    let leader =
                        s.tasks.iter().any(|o| others(o) && o.life == Life::Dead && o.num == s.tgid(n));
                    let quiet = s.tasks.iter().filter(|o| others(o)).all(|o| o.life >= Life::Dead);
                    if leader && quiet && t.num != s.tgid(n) {
                        out.push(Action::Exec(n));
                    }
                }
                (Life::Alive, Step::Copy(k)) => {
                    let held = |a: &u8| {
                        !s.tasks.iter().any(|t| t.num == *a && (Life::Newborn..=Life::Dead).contains(&t.life))
                    };
                    let nums = s.spaces(|t| (t.life != Life::Embryo).then_some(t.num));
                    out.extend(nums.into_iter().filter(held).map(|a| Action::Attach(n, a)));
                    if s.fails > 0 && s.t(k).life == Life::Embryo {
                        out.push(Action::Fail(n));
                    }
                }
                (_, Step::Hook(..)) => {
                    run(out);
                    if s.skip_fork > 0 {
                        out.push(Action::Skip(n, t.step));
                    }
                }
                (_, Step::Exit) => {
                    run(out);
                    if s.skip_exit > 0 {
                        out.push(Action::Skip(n, t.step));
                    }
                }
                (Life::Dead, Step::Idle) => {
                    let last = |o: &Task| {
                        o.group == t.group && o.num != t.num && (Life::Newborn..=Life::Dead).contains(&o.life)
                    };
                    if t.num != s.tgid(n) || !s.tasks.iter().any(last) {
                        out.push(Action::Release(n));
                    }
                }
                (Life::Released, Step::Idle) => {
                    if !held(n) {
                        out.push(Action::Free(n));
                    }
                }
                (_, Step::Idle) => {}
                (_, Step::Old(k, _) | Step::Again(k, _) | Step::Fill(k, _))
                    if s.locked[s.t(k).addr as usize] => {}
                _ => run(out),
            }
        }
        if !s.exit_hook {
            out.push(Action::AttachExit);
        }
    }

    /// Does it.
    pub fn apply(&self, s: &mut State, action: Action) {
        match action {
            Action::Clone(c, thread, addr) => {
                let k = s.born;
                let by = *s.t(c);
                let group = if thread { by.group } else { k };
                s.tasks[k as usize] =
                    Task { life: Life::Embryo, ours: by.ours, group, addr, num: 0, step: Step::Idle };
                s.born += 1;
                s.births_left -= 1;
                self.to(s, c, if self.tier == Tier::Witnessed { Step::WLook(k) } else { Step::Copy(k) });
            }
            Action::Attach(c, num) => {
                let Step::Copy(k) = s.t(c).step else { return };
                let t = &mut s.tasks[k as usize];
                (t.life, t.num) = (Life::Newborn, num);
                if t.group == k {
                    s.groups[k as usize] = Group { tgid: num, live: 1 };
                } else {
                    s.groups[t.group as usize].live += 1;
                }
                self.to(s, c, Step::Hook(k, 1));
            }
            Action::Fail(c) => {
                let Step::Copy(k) = s.t(c).step else { return };
                s.fails -= 1;
                s.tasks[k as usize].life = Life::Released;
                self.to(s, c, Step::Idle);
            }
            Action::Run(t, step) => self.run(s, t, step),
            Action::Skip(t, Step::Hook(k, h)) => {
                s.skip_fork -= 1;
                self.done(s, t, k, h);
            }
            Action::Skip(t, _) => {
                s.skip_exit -= 1;
                self.died(s, t);
            }
            Action::End(t) => {
                let g = s.t(t).group as usize;
                s.groups[g].live -= 1;
                s.tasks[t as usize].life = Life::Exiting;
                self.to(s, t, if s.exit_hook { Step::Exit } else { Step::Idle });
                if !s.exit_hook {
                    self.died(s, t);
                }
            }
            Action::Exec(t) => {
                let (group, num, tgid) = (s.t(t).group, s.t(t).num, s.tgid(t));
                let old =
                    s.tasks.iter().position(|o| o.group == group && o.num == tgid && o.life == Life::Dead);
                if let Some(old) = old {
                    (s.tasks[old].num, s.tasks[old].life) = (num, Life::Released);
                }
                s.tasks[t as usize].num = tgid;
            }
            Action::Release(t) => s.tasks[t as usize].life = Life::Released,
            Action::Free(t) => {
                if self.tier == Tier::Witnessed && self.mutant != Mutant::NoFree {
                    self.to(s, t, Step::XGet);
                } else {
                    s.tasks[t as usize].life = Life::Freed;
                }
            }
            Action::AttachExit => s.exit_hook = true,
        }
    }

    fn to(&self, s: &mut State, t: u8, step: Step) {
        s.tasks[t as usize].step = step;
    }

    fn died(&self, s: &mut State, t: u8) {
        s.tasks[t as usize].life = Life::Dead;
        self.to(s, t, Step::Idle);
    }

    fn freed(&self, s: &mut State, t: u8) {
        s.tasks[t as usize].life = Life::Freed;
        self.to(s, t, Step::Idle);
    }

    /// The fork hook `h` of child `k` is over; 0 is the witness.
    fn done(&self, s: &mut State, c: u8, k: u8, h: u8) {
        match h {
            0 => self.to(s, c, Step::Copy(k)),
            1 => self.to(s, c, Step::Hook(k, 2)),
            _ => {
                s.tasks[k as usize].life = Life::Alive;
                self.to(s, c, Step::Idle);
            }
        }
    }

    /// What a hook would insert for child `k`.
    fn newborn(&self, s: &State, k: u8, h: u8) -> Entry {
        match h {
            0 => Entry { stamp: s.walk, ..Entry::default() },
            _ => Entry { start: s.start(k), tgid: s.tgid(k) + 1, stamp: s.walk },
        }
    }

    fn leader(&self, s: &State, k: u8) -> bool {
        s.t(k).group == k
    }

    fn run(&self, s: &mut State, t: u8, step: Step) {
        let me = s.t(t).addr;
        let ours = |s: &State, k: u8| s.filter[s.tgid(k) as usize] != 0;
        let mine = |s: &State| s.entry(me);
        match step {
            Step::Idle | Step::Copy(_) => {}
            Step::WLook(k) => match mine(s) {
                None => self.done(s, t, k, 0),
                Some(e) if self.stale(s, t, e) => self.to(s, t, Step::OwnStale(k, 0)),
                Some(_) => self.to(s, t, Step::WPop(k)),
            },
            Step::WPop(k) => self.count(s, t, k, 0),
            Step::Hook(k, h) => match ours(s, t) {
                false => self.done(s, t, k, h),
                true => self.to(s, t, if h == 2 { Step::Again(k, h) } else { Step::Fill(k, h) }),
            },
            Step::Again(k, h) => match s.entry(s.t(k).addr) {
                Some(e) if e.start == s.start(k) => {
                    self.renew(s, k);
                    if self.doubt && e.stamp != s.walk {
                        s.met[t as usize] = Some((e.stamp, s.reaped));
                        self.to(s, t, Step::DoubtOwn(k, h));
                    } else {
                        self.done(s, t, k, h);
                    }
                }
                _ => self.to(s, t, Step::Fill(k, h)),
            },
            Step::Fill(k, h) => {
                let at = s.births[s.t(k).addr as usize];
                match at {
                    Some(e) if self.tier == Tier::Witnessed && s.elems[e as usize].start == 0 => {
                        let stamp = s.elems[e as usize].stamp;
                        s.elems[e as usize] = Entry { stamp, ..self.newborn(s, k, h) };
                        self.renew(s, k);
                        s.filter[s.tgid(k) as usize] += 1;
                        self.to(s, t, Step::Index(k, h));
                    }
                    _ => self.to(s, t, Step::Look(k, h)),
                }
            }
            Step::Look(k, h) => match mine(s) {
                None => self.done(s, t, k, h),
                Some(e) if self.stale(s, t, e) => self.to(s, t, Step::OwnStale(k, h)),
                Some(_) if self.mutant == Mutant::InsertFirst => self.to(s, t, Step::Insert(k, h)),
                Some(_) => self.to(s, t, Step::Pop(k, h)),
            },
            Step::OwnStale(k, h) => {
                let tgid = mine(s).map_or(0, |e| e.tgid);
                match s.delete(me) {
                    true => self.to(s, t, Step::OwnPop(k + 16 * tgid, h)),
                    false => self.done(s, t, k, h),
                }
            }
            Step::OwnPop(packed, h) => {
                s.down(packed / 16);
                self.done(s, t, packed % 16, h);
            }
            Step::Pop(k, h) => self.count(s, t, k, h),
            Step::Insert(k, h) => {
                let e = self.newborn(s, k, h);
                match s.insert(s.t(k).addr, e) {
                    true if self.mutant == Mutant::InsertFirst && h != 0 => {
                        s.up(e.tgid);
                        self.registered(s, t, k, h);
                    }
                    true if s.met[t as usize].is_some() => self.to(s, t, Step::Doubt(k, h)),
                    true => self.registered(s, t, k, h),
                    false => self.to(s, t, Step::Old(k, h)),
                }
            }
            Step::Doubt(k, h) => {
                self.doubts(s, t);
                self.registered(s, t, k, h);
            }
            Step::DoubtOwn(k, h) => {
                self.doubts(s, t);
                self.done(s, t, k, h);
            }
            Step::Old(k, h) => {
                let new = self.newborn(s, k, h);
                match s.entry(s.t(k).addr) {
                    Some(e) if (e.start, e.tgid) == (new.start, new.tgid) => {
                        self.renew(s, k);
                        s.met[t as usize] = self.doubt.then_some((e.stamp, s.reaped));
                        self.to(s, t, Step::Undo(k, h));
                    }
                    Some(_) if self.mutant == Mutant::KeepStale => self.to(s, t, Step::Undo(k, h)),
                    Some(e) => {
                        s.met[t as usize] = self.doubt.then_some((e.stamp, s.reaped));
                        s.locked[s.t(k).addr as usize] = self.lock;
                        self.to(s, t, Step::Evict(k + 16 * e.tgid, h));
                    }
                    None => self.to(s, t, Step::Insert(k, h)),
                }
            }
            Step::Evict(packed, h) => {
                let addr = s.t(packed % 16).addr;
                s.locked[addr as usize] = false;
                match s.delete(addr) {
                    true => self.to(s, t, Step::EvictPop(packed, h)),
                    false => self.to(s, t, Step::Insert(packed % 16, h)),
                }
            }
            Step::EvictPop(packed, h) => {
                s.down(packed / 16);
                self.to(s, t, Step::Insert(packed % 16, h));
            }
            Step::Undo(k, h) => {
                let tgid = self.newborn(s, k, h).tgid;
                s.down(tgid);
                // The witness then answers -EAGAIN; a fork hook leaves it.
                match h {
                    0 => {
                        s.tasks[k as usize].life = Life::Released;
                        s.met[t as usize] = None;
                        self.to(s, t, Step::Idle);
                    }
                    _ if s.met[t as usize].is_some() => self.to(s, t, Step::DoubtOwn(k, h)),
                    _ => self.done(s, t, k, h),
                }
            }
            Step::Index(k, h) => {
                if self.leader(s, k) {
                    s.members[s.tgid(k) as usize] = Some(s.start(k));
                }
                self.done(s, t, k, h);
            }
            Step::Exit => match ours(s, t) {
                false => self.died(s, t),
                true => self.to(s, t, Step::EGet),
            },
            Step::EGet => match mine(s) {
                None => self.died(s, t),
                Some(e) => {
                    let last = match self.mutant {
                        Mutant::LeaderExit => s.t(t).num == s.tgid(t),
                        _ => s.live(t) == 0,
                    };
                    self.to(s, t, if last { Step::EUnindex(e.tgid) } else { Step::EDel(e.tgid) });
                }
            },
            Step::EUnindex(tgid) => {
                if tgid != 0 {
                    s.members[tgid as usize - 1] = None;
                }
                self.to(s, t, Step::EDel(tgid));
            }
            Step::EDel(tgid) => {
                let won = s.delete(me) || self.mutant == Mutant::NoWin;
                if won { self.to(s, t, Step::EPop(tgid)) } else { self.died(s, t) }
            }
            Step::EPop(tgid) => {
                s.down(tgid);
                self.died(s, t);
            }
            Step::XGet => match mine(s) {
                None => self.freed(s, t),
                Some(e) => {
                    let own =
                        e.tgid != 0 && self.leader(s, t) && s.members[e.tgid as usize - 1] == Some(e.start);
                    self.to(s, t, if own { Step::XUnindex(e.tgid) } else { Step::XDel(e.tgid) });
                }
            },
            Step::XUnindex(tgid) => {
                s.members[tgid as usize - 1] = None;
                self.to(s, t, Step::XDel(tgid));
            }
            Step::XDel(tgid) => match s.delete(me) {
                true => self.to(s, t, Step::XPop(tgid)),
                false => self.freed(s, t),
            },
            Step::XPop(tgid) => {
                s.down(tgid);
                self.freed(s, t);
            }
        }
    }

    fn stale(&self, s: &State, t: u8, e: Entry) -> bool {
        e.start != 0 && e.start != s.start(t) && self.mutant != Mutant::NoStart
    }

    fn count(&self, s: &mut State, c: u8, k: u8, h: u8) {
        let tgid = self.newborn(s, k, h).tgid;
        s.up(tgid);
        self.to(s, c, Step::Insert(k, h));
    }

    fn registered(&self, s: &mut State, c: u8, k: u8, h: u8) {
        match h {
            0 => self.done(s, c, k, h),
            _ => self.to(s, c, Step::Index(k, h)),
        }
    }
}
