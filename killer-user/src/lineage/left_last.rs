//! Members that are no members any more, and may hold memory, files and ports for a while yet.

use killer_common::record::Member;

use super::Lineage;
use crate::lookup::process;

impl Lineage<'_> {
    /// The processes that left the family's list last, in any order: their pidfds say whether they have let go of
    /// everything.
    pub fn ending(&self) -> Vec<Member> {
        let slots: Vec<(u32, u32)> =
            self.slots().iter().map(|&s| (s, self.tracker.slot(s).map_or(0, |r| r.generation))).collect();
        let all = self
            .tracker
            .past()
            .map(|p| p.left_last(&|slot| slots.iter().any(|s| s.0 == slot)))
            .unwrap_or_default();
        let now = all.into_iter().filter(|e| slots.contains(&(e.root, e.generation)));
        now.map(|e| Member {
            tgid: e.tgid,
            root: e.root,
            generation: e.generation,
            leader_start: e.start,
            inode: e.inode,
            threads: 1,
            ..Member::default()
        })
        .collect()
    }
}

/// The same with the name that the process of that number has now: for one that was found to be there still.
pub fn named(m: Member) -> Member {
    let mut comm = [0; 16];
    for (to, from) in comm[..15].iter_mut().zip(process::comm(m.tgid).bytes()) {
        *to = from;
    }
    if m.comm == [0; 16] { Member { comm, ..m } } else { m }
}
