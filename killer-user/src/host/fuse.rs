//! The fuse of an order: it does nothing when it is for more processes than `--max` or `--max-share` allows.

use std::collections::HashSet;

use super::asked;
use super::failure::Failure;
use crate::ask::Kill;
use crate::ask::fuse::{Fuse, Share};
use crate::ending::Ending;
use crate::kill::{Refusal, execute};
use crate::lineage::Lineage;
use crate::lookup::Root;
use crate::report::human::count;
use crate::sys::alive::Identity;
use crate::sys::population;
use crate::tier::Tracker;

/// What a fuse allows on this host, now.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    fuse: Fuse,
    /// Live processes of the host, where a share of them was given.
    host: u64,
}

impl Limit {
    /// Nothing is counted where there is no fuse.
    pub fn of(fuse: Fuse) -> Result<Option<Self>, Failure> {
        if fuse.is_off() {
            return Ok(None);
        }
        let host = match fuse.share {
            None => 0,
            Some(_) => population::live().map_err(|e| {
                Failure::new(
                    Ending::Failed,
                    "the host's processes cannot be counted, so --max-share cannot be judged",
                )
                .why(format!("{e}; nothing was signalled"))
                .next("--max=N needs no such count; or run it where /proc shows everybody")
            })?,
        };
        Ok(Some(Self { fuse, host }))
    }

    /// So many processes in one call.
    fn whole(&self) -> u64 {
        let share = self.fuse.share.map_or(u64::MAX, |s| s.of(self.host));
        share.min(self.fuse.max.unwrap_or(u64::MAX))
    }

    /// So many more, after those that were signalled before.
    pub fn rest(&self) -> u64 {
        self.whole().saturating_sub(self.fuse.used)
    }

    /// Refuses more than are allowed.
    pub fn judge(&self, of: &[&str], many: u64) -> Result<(), Failure> {
        if many <= self.rest() { Ok(()) } else { Err(self.refused(of, many)) }
    }

    /// The refusal of so many.
    pub fn refused(&self, of: &[&str], many: u64) -> Failure {
        let all = many.saturating_add(self.fuse.used);
        let max = self.fuse.max.filter(|m| all > *m);
        let share = self.fuse.share.filter(|s| all > s.of(self.host));
        let allowed = [
            max.map(|m| format!("--max allows {m}")),
            share.map(|s| {
                format!(
                    "--max-share={s} allows {} (of {} that live on this host)",
                    s.of(self.host),
                    self.host
                )
            }),
        ];
        let through = [
            max.map(|_| format!("--max={all}")),
            share.and_then(|_| Some(format!("--max-share={}", Share::least(all, self.host)?))),
        ];
        let words = |w: [Option<String>; 2], and: &str| w.into_iter().flatten().collect::<Vec<_>>().join(and);
        let who = match of {
            [one] => format!("refused for '{one}'"),
            many => format!("refused for {}", count(many.len() as u64, "service", "services")),
        };
        let before = match self.fuse.used {
            0 => String::new(),
            n => format!(", after {n} of other services"),
        };
        let n = count(many, "process", "processes");
        Failure::new(
            Ending::Failed,
            format!("{who}: {n} would be signalled{before}, and {}", words(allowed, ", ")),
        )
        .why(if self.fuse.used == 0 { "nothing was signalled" } else { "none of them was signalled" })
        .next(format!("'killer tree NAME' shows them; {} lets them through", words(through, " ")))
    }
}

/// The processes that an order is for, without being asked for more; a set that the guard refuses is told when its turn comes.
pub fn targets(t: &Tracker, root: &Root, k: &Kill) -> HashSet<Identity> {
    let order =
        asked::order(t, root, &Kill { dry_run: true, ..k.clone() }, super::models::main_of(t, root), None);
    let Ok(o) = execute(&mut Lineage::new(t, root.clone()), &order) else { return HashSet::new() };
    // This killer leaves a set before it is signalled.
    let own = std::process::id();
    o.targets.iter().filter(|x| x.member.tgid != own).map(|x| Identity::of(&x.member)).collect()
}

/// Refuses an order to all of these when it is for more than is allowed, before anything is done to one of them.
pub fn check<'a>(each: impl Iterator<Item = (&'a Tracker, &'a Root)>, k: &Kill) -> Result<(), Failure> {
    // A probe is refused to nobody.
    let limit = if k.signal == 0 { None } else { Limit::of(k.fuse)? };
    let Some(limit) = limit else { return Ok(()) };
    let (mut who, mut names) = (HashSet::new(), Vec::new());
    for (t, root) in each {
        who.extend(targets(t, root, k));
        names.push(&*root.name);
    }
    limit.judge(&names, who.len() as u64)
}

/// The words for a refusal of the engine's.
pub fn words(limit: Option<&Limit>, root: &Root, r: Refusal) -> Failure {
    match (r, limit) {
        (Refusal::Many(n), Some(l)) => l.refused(&[&root.name], n),
        _ => super::survivors::refused(root, r),
    }
}
