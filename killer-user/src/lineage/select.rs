//! Which members a signal is for: systemd's words and the sets beyond them.

use std::collections::{HashMap, HashSet};

use killer_common::record::{B_CONTROL, Dead, Member};

use crate::ask::whom::Pick;
use crate::keep::Slot;
use crate::sys::alive::Identity;

use super::describe::{self, Describer};
use super::home::Home;
use super::tree::missing;
use super::{Lineage, Members};

/// Whether a pick asks which process forked which over more than one fork; of a subtree, below which process.
fn asks_ancestors(pick: &Pick) -> Option<Option<u32>> {
    match pick {
        Pick::Not(p) => asks_ancestors(p),
        Pick::Depth(_) => Some(None),
        Pick::Subtree(pid) => Some(Some(*pid)),
        _ => None,
    }
}

/// Members of which it cannot be told whether `picks` means them, because ancestors of theirs are no longer known:
/// how many, and whether there were programs to remember these.
pub fn strays(f: &Lineage<'_>, picks: &[Pick]) -> (usize, bool) {
    let asked: Vec<Option<u32>> = picks.iter().filter_map(asks_ancestors).collect();
    if asked.is_empty() {
        return (0, false);
    }
    let (members, dead) = (f.members(&f.listed()), f.dead());
    let slot = f.root().slot.slot;
    let all = members.iter().chain(dead.iter().map(|d| &d.member));
    let by: HashMap<Identity, &Member> = all.map(|m| (Identity::of(m), m)).collect();
    let outside = by.values().filter(|m| m.root == slot).map(|m| m.above).min().unwrap_or(0);
    let mut remembered = false;
    let mut stray = |m: &&Member| {
        let mut seen = HashSet::new();
        let mut at = **m;
        loop {
            // Below the one that is asked for: what is above that does not matter.
            if asked.contains(&Some(at.tgid)) {
                return false;
            }
            let fresh = seen.insert(Identity::of(&at));
            match by.get(&Identity::creator(&at)) {
                Some(up) if fresh => at = **up,
                _ => break,
            }
        }
        let missing = missing(&at, slot, outside);
        remembered |= missing.is_some_and(|n| n > 0);
        missing.is_some()
    };
    let n = members.iter().filter(&mut stray).count();
    (n, remembered)
}

/// Whether a process lives that is no member.
fn lives(who: Identity) -> bool {
    who.start != 0 && who.lives()
}

/// Members at one moment, with what the picks need.
pub struct Snapshot<'a> {
    /// Members.
    pub members: &'a [Member],
    /// Members that have ended, as far as they are remembered.
    pub dead: &'a [Dead],
    /// The main process.
    pub main: Option<Identity>,
    /// What the first process was at the start, where that is known.
    pub home: Option<&'a Home>,
    /// Places whose members are no left-overs.
    pub kept: &'a [Slot],
    /// Now, CLOCK_BOOTTIME ns.
    pub now: u64,
    /// Matches a glob.
    pub glob: fn(&str, &str) -> bool,
}

impl Snapshot<'_> {
    fn is_main(&self, m: &Member) -> bool {
        self.main == Some(Identity::of(m))
    }

    /// The members that every pick takes.
    pub fn chosen(&self, picks: &[Pick]) -> HashSet<Identity> {
        let mut set: HashSet<Identity> = self.members.iter().map(Identity::of).collect();
        for p in picks {
            let keep: HashSet<Identity> = self.one(p);
            set.retain(|k| keep.contains(k));
        }
        set
    }

    fn one(&self, p: &Pick) -> HashSet<Identity> {
        let by = |f: &dyn Fn(&Member) -> bool| -> HashSet<Identity> {
            self.members.iter().filter(|m| f(m)).map(Identity::of).collect()
        };
        let alive: HashMap<Identity, &Member> = self.members.iter().map(|m| (Identity::of(m), m)).collect();
        match p {
            Pick::All => by(&|_| true),
            Pick::Main => by(&|m| self.is_main(m)),
            Pick::Not(p) => {
                let others = self.one(p);
                by(&|m| !others.contains(&Identity::of(m)))
            }
            Pick::Control => by(&|m| m.flags & B_CONTROL != 0),
            // As it is now: a process may have changed it without an exec, which is when the entry learns of it.
            Pick::Uid(u) => by(&|m| describe::uid(m).unwrap_or(m.uid) == *u),
            Pick::Born(d) => by(&|m| u128::from(self.now.saturating_sub(m.born)) <= d.as_nanos()),
            Pick::Leaves => {
                let parents: HashSet<Identity> = self.members.iter().map(Identity::creator).collect();
                by(&|m| !parents.contains(&Identity::of(m)))
            }
            Pick::Orphans => {
                // A process that was started from outside (main, control, adopted) has no parent among the members;
                // it may live.
                by(&|m| {
                    let up = Identity::creator(m);
                    !self.is_main(m) && !alive.contains_key(&up) && !lives(up)
                })
            }
            Pick::Leftover => by(&|m| !self.kept.contains(&Slot { slot: m.root, generation: m.generation })),
            Pick::Escaped => {
                let Some(home) = self.home() else { return HashSet::new() };
                let looks = Describer::default();
                by(&|m| looks.describe(m).is_some_and(|o| !home.escapes(&o).is_empty()))
            }
            Pick::Exe(g) => by(&|m| {
                describe::program(m).is_some_and(|e| {
                    (self.glob)(g, &e) || e.rsplit('/').next().is_some_and(|base| (self.glob)(g, base))
                })
            }),
            Pick::Depth(d) => {
                let up = self.creators();
                by(&|m| is_deep(Identity::of(m), *d, &up))
            }
            Pick::Subtree(pid) => {
                let below = self.below(*pid);
                by(&|m| below.get(&Identity::of(m)) == Some(&true))
            }
        }
    }

    /// Whether each is below the process of that number, found out once for every one on the way up.
    fn below(&self, pid: u32) -> HashMap<Identity, bool> {
        let up = self.creators();
        // The living one of that number, else the one that died last: it may have descendants.
        let living = self.members.iter().find(|m| m.tgid == pid).map(Identity::of);
        let dead = up.keys().filter(|k| k.pid == pid).max_by_key(|k| k.start).copied();
        let Some(top) = living.or(dead) else { return HashMap::new() };
        let mut below = HashMap::from([(top, true)]);
        for m in self.members {
            let mut way = Vec::new();
            let mut at = Some(Identity::of(m));
            let mut is = false;
            while let Some(k) = at {
                if let Some(known) = below.get(&k) {
                    is = *known;
                    break;
                }
                way.push(k);
                below.insert(k, false);
                at = up.get(&k).copied();
            }
            below.extend(way.into_iter().map(|k| (k, is)));
        }
        below
    }

    /// Which process forked which, the dead that are remembered included: a link that has died does not end a lineage.
    fn creators(&self) -> HashMap<Identity, Identity> {
        let dead = self.dead.iter().map(|d| &d.member);
        dead.chain(self.members).map(|m| (Identity::of(m), Identity::creator(m))).collect()
    }

    /// What "did not leave" means: what the first process was at the start; of a service that nobody saw start, the main
    /// process as it is now, else the oldest member.
    fn home(&self) -> Option<Home> {
        let now = || {
            let main = self.members.iter().find(|m| self.is_main(m));
            main.or_else(|| self.members.iter().min_by_key(|m| m.born)).and_then(Home::of)
        };
        self.home.cloned().or_else(now)
    }
}

/// Whether so many forks lie between the root and this process, by the remembered forks.
fn is_deep(mut at: Identity, wanted: u32, up: &HashMap<Identity, Identity>) -> bool {
    let mut depth = 0;
    // One step too many is enough to know that it is not so deep.
    while let Some(next) = up.get(&at).filter(|next| up.contains_key(next)) {
        depth += 1;
        at = *next;
        if depth > wanted {
            return false;
        }
    }
    depth == wanted
}
