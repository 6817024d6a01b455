//! What a service does between two looks: forks, execs, processor time, memory. /proc is read of each process after it was checked
//! which one it is, and of so many at most.

use std::collections::HashMap;
use std::time::Instant;

use crate::lineage::{Lineage, Members};
use crate::lookup::{Root, registry};
use crate::report::model;
use crate::sys::alive::{self, Identity, Look, look};
use crate::sys::clock;
use crate::tier::Tracker;

/// So many processes are looked at each time, of all services together.
pub const MOST: u64 = 1000;
/// Ticks a second, in /proc.
const TICKS: f64 = 100.0;

/// What a service does.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// Processes born, a second; the kernel counts them all where a tier has programs.
    pub forks: Option<f64>,
    /// Execs of those that live, a second.
    pub execs: Option<f64>,
    /// Percent of one processor.
    pub cpu: Option<f64>,
    /// Resident memory, bytes; what processes share is counted for each.
    pub rss: u64,
    /// So many were looked at.
    pub looked: u64,
    /// Of so many.
    pub of: u64,
}

impl Usage {
    /// What was read is of some only; the figures are for all, by them.
    pub fn is_estimate(&self) -> bool {
        self.looked < self.of
    }
}

/// How many may be looked at of each: all of them where there are few, and of the larger ones as many of each.
pub fn share(sizes: &[u64]) -> Vec<u64> {
    let mut by_size: Vec<usize> = (0..sizes.len()).collect();
    by_size.sort_by_key(|&i| sizes[i]);
    let (mut left, mut share) = (MOST, vec![0; sizes.len()]);
    for (done, i) in by_size.into_iter().enumerate() {
        share[i] = sizes[i].min((left / (sizes.len() - done) as u64).max(1));
        left = left.saturating_sub(share[i]);
    }
    share
}

/// A process at the last look.
#[derive(Clone, Copy, Debug)]
struct Before {
    /// Processor time of its own.
    ticks: u64,
    /// The same with that of its children that have ended and were waited for.
    all: u64,
    execs: u32,
}

/// What was there at the last look.
#[derive(Debug, Default)]
pub struct Meter {
    at: Option<(Instant, u64)>,
    ever: u64,
    before: HashMap<Identity, Before>,
    /// Nobody was left out.
    whole: bool,
}

/// What one look has found, added up.
#[derive(Debug, Default)]
struct Sum {
    looked: u64,
    pages: u64,
    ticks: u64,
    /// The same with that of members that have ended since, and whose parents, which are members, have waited for them.
    all: i64,
    execs: u64,
    /// Of so many it is known what they did since the last look.
    known: u64,
}

impl Meter {
    /// What it does; so many processes are looked at.
    pub fn measure(&mut self, t: &Tracker, root: &Root, s: &model::Service, most: u64) -> Option<Usage> {
        let now = (Instant::now(), clock::boottime_ns());
        let ever: u64 = registry::places(t, root).iter().map(|p| t.pop(p.slot).processes).sum();
        let family = Lineage::new(t, root.clone());
        let listed = family.listed();
        let of = listed.len() as u64;
        let chosen = sample(listed, most as usize);
        let since = self.at.map(|(_, boottime)| boottime);
        let mut after = HashMap::with_capacity(chosen.len());
        let mut sum = Sum::default();
        for m in family.members(&chosen) {
            let (_, stat) = match look(m.tgid, m.leader_start) {
                Look::Here(e, s) => (e, s),
                Look::Gone => continue,
                Look::Unknown => {
                    alive::note_blind();
                    continue;
                }
            };
            let ticks = stat.utime + stat.stime;
            let children = (stat.cutime + stat.cstime).max(0) as u64;
            let it = Before { ticks, all: ticks + children, execs: m.execs };
            sum.looked += 1;
            sum.pages += stat.rss;
            let newborn = since.is_some_and(|since| m.born > since);
            let blank = newborn.then_some(Before { ticks: 0, all: 0, execs: 0 });
            if let Some(was) = self.before.remove(&Identity::of(&m)).or(blank) {
                sum.known += 1;
                sum.ticks += it.ticks.saturating_sub(was.ticks);
                sum.all += it.all as i64 - was.all as i64;
                sum.execs += u64::from(it.execs.saturating_sub(was.execs));
            }
            after.insert(Identity::of(&m), it);
        }
        let whole = sum.looked == of;
        if whole && self.whole {
            // Who is left here has ended: what it did until the last look was counted then.
            sum.all -= self.before.values().map(|b| b.all as i64).sum::<i64>();
            sum.ticks = sum.ticks.max(sum.all.max(0) as u64);
        }
        let elapsed = self.at.map(|(at, _)| (now.0 - at).as_secs_f64()).filter(|s| *s > 0.01);
        let forks = elapsed.map(|s| ever.saturating_sub(self.ever) as f64 / s);
        let counts = !s.ever_at_least;
        *self = Self { at: Some(now), ever, before: after, whole };
        Some(sum.usage(of, elapsed, forks.filter(|_| counts)))
    }
}

impl Sum {
    /// For all of them, by those that were looked at.
    fn usage(&self, of: u64, elapsed: Option<f64>, forks: Option<f64>) -> Usage {
        let all = |n: u64, by: u64| n as f64 * of as f64 / by as f64;
        let rate = |n: u64| match (elapsed, self.known) {
            (Some(s), known) if known > 0 => Some(all(n, known) / s),
            _ if of == 0 && elapsed.is_some() => Some(0.0),
            _ => None,
        };
        let rss = self.pages * rustix::param::page_size() as u64;
        Usage {
            forks,
            execs: rate(self.execs),
            cpu: rate(self.ticks).map(|ticks| ticks / TICKS * 100.0),
            rss: if self.looked == 0 { 0 } else { all(rss, self.looked) as u64 },
            looked: self.looked,
            of,
        }
    }
}

/// So many of them, mostly the same ones at the next look; in PID order, as what reads them wants them.
fn sample(mut pids: Vec<u32>, most: usize) -> Vec<u32> {
    if pids.len() > most {
        // Neighbours were mostly forked by one process, and do the same.
        pids.sort_by_key(|p| p.wrapping_mul(0x9e37_79b1));
        pids.truncate(most);
        pids.sort_unstable();
    }
    pids
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_fair_and_bounded() {
        assert_eq!(share(&[]), Vec::<u64>::new());
        assert_eq!(share(&[3, 5]), [3, 5]);
        assert_eq!(share(&[10_000, 3, 20_000]), [498, 3, 499]);
        assert!(share(&[100; 50]).iter().sum::<u64>() <= MOST);
    }

    #[test]
    fn samples_stay_the_same() {
        let pids: Vec<u32> = (1..5000).collect();
        let some = sample(pids.clone(), 100);
        assert!(some.len() == 100 && some.is_sorted());
        // One that is not in it has ended.
        let gone = pids.iter().copied().filter(|p| !some.contains(p)).nth(7).unwrap();
        assert_eq!(sample(pids.into_iter().filter(|p| *p != gone).collect(), 100), some);
        assert_eq!(sample(vec![4, 9], 100), [4, 9]);
    }

    #[test]
    fn figures_are_for_all() {
        let sum = Sum { looked: 10, pages: 10, ticks: 50, execs: 5, known: 5, ..Sum::default() };
        let u = sum.usage(20, Some(2.0), Some(1.5));
        assert!(u.is_estimate() && u.forks == Some(1.5));
        assert_eq!((u.cpu, u.execs), (Some(100.0), Some(10.0)));
        assert_eq!(u.rss, 20 * rustix::param::page_size() as u64);
        let first = Sum::default().usage(0, None, None);
        assert_eq!((first.cpu, first.rss, first.is_estimate()), (None, 0, false));
    }
}
