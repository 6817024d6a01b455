//! What outside of a service depends on the processes that an order is for: read from /proc and the kernel's tables, for a dry run.
//! Bounded in time and size; what was not looked at is said.

mod gather;
mod look;
mod sockets;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant};

use look::{Seen, look};

use crate::lineage::{Lineage, Members};
use crate::lookup::Root;
use crate::report::human::count;
use crate::report::model::Outside;
use crate::sys::clock;
use crate::sys::clock::TICK;
use crate::sys::entry::{self, Entry};
use crate::tier::Tracker;

/// All of it takes so long at most.
const TIME: Duration = Duration::from_secs(2);
/// Of each kind so many are listed.
const LISTED: usize = 256;

/// Everybody that was looked at.
struct World {
    began: Instant,
    members: Vec<Seen>,
    strangers: Vec<Seen>,
    /// Sockets that somebody of the service has, whether the order is for it or not.
    own: BTreeSet<u64>,
    out: Outside,
}

/// What depends on some members of a root, which are given by number and start of their leader (CLOCK_BOOTTIME ns).
pub fn of(t: &Tracker, root: &Root, those: impl IntoIterator<Item = (u32, u64)>) -> Outside {
    let mut w = World {
        began: Instant::now(),
        members: Vec::new(),
        strangers: Vec::new(),
        own: BTreeSet::new(),
        out: Outside::default(),
    };
    let starts: BTreeMap<u32, u64> = those.into_iter().collect();
    if starts.is_empty() {
        return w.out;
    }
    let mut family: BTreeSet<u32> = Lineage::new(t, root.clone()).listed().into_iter().collect();
    family.extend(starts.keys());
    w.look_at(&starts, &family);
    w.pipes();
    w.unix();
    w.tables();
    w.locks(&family);
    w.traced();
    w.mounts();
    w.bound();
    w.out
}

impl World {
    fn left(&self) -> Duration {
        TIME.saturating_sub(self.began.elapsed())
    }

    /// Everybody: the targets, the others of the service, and strangers.
    fn look_at(&mut self, starts: &BTreeMap<u32, u64>, family: &BTreeSet<u32>) {
        let all = match entry::everybody() {
            Ok(all) => all,
            Err(e) => return self.out.left_out.push(format!("all processes: {e}")),
        };
        if !all.contains(&1) {
            self.out.left_out.push("processes that /proc hides (hidepid=)".into());
        }
        let own = std::process::id();
        let (mut late, mut unread) = (0, 0);
        // The service first: without it nothing is found.
        let (first, rest): (Vec<u32>, Vec<u32>) =
            all.into_iter().filter(|p| *p != own).partition(|p| family.contains(p));
        for pid in first.into_iter().chain(rest) {
            if self.left().is_zero() {
                late += 1;
                continue;
            }
            let seen = Entry::open(pid).and_then(|e| {
                let start = e.stat()?.starttime;
                Ok((look(pid, &e)?, clock::host_ticks(start)))
            });
            match seen {
                Ok((s, start)) if family.contains(&pid) => {
                    self.own.extend(&s.sockets);
                    // Another process may have the number by now.
                    if starts.get(&pid).is_some_and(|ns| ns / TICK == start) {
                        self.members.push(s);
                    }
                }
                Ok((s, _)) => self.strangers.push(s),
                Err(e) if entry::over(&e) => {}
                Err(_) => unread += 1,
            }
        }
        self.note(unread, "that this user may not look into");
        self.note(late, "for which there was no time");
    }

    fn note(&mut self, n: usize, why: &str) {
        if n > 0 {
            self.out.left_out.push(format!("{} {why}", count(n as u64, "process", "processes")));
        }
    }

    /// Lists have an end.
    fn bound(&mut self) {
        fn cut<T>(list: &mut Vec<T>, what: &str, left_out: &mut Vec<String>) {
            if list.len() > LISTED {
                left_out.push(format!("{} more {what}", list.len() - LISTED));
                list.truncate(LISTED);
            }
        }
        let o = &mut self.out;
        cut(&mut o.ports, "ports", &mut o.left_out);
        cut(&mut o.links, "pipes and sockets", &mut o.left_out);
        cut(&mut o.locks, "locks", &mut o.left_out);
        cut(&mut o.traced, "traced processes", &mut o.left_out);
    }

    /// Who of some processes has each inode.
    fn holders(of: &[Seen], inodes: fn(&Seen) -> &BTreeSet<u64>) -> HashMap<u64, Vec<&Seen>> {
        let mut by: HashMap<u64, Vec<&Seen>> = HashMap::new();
        for s in of {
            for i in inodes(s) {
                by.entry(*i).or_default().push(s);
            }
        }
        by
    }
}
