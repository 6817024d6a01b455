//! Members that have ended, as far as they are remembered.

use std::collections::BTreeMap;

use killer_common::record::Dead;

use super::recorded::Recorded;
use super::{ended, models};
use crate::keep::Slot;
use crate::report::escape;
use crate::report::model::EndedProcess;
use crate::sys::alive::Identity;
use crate::tier::Tracker;

/// Those of a root, the oldest first.
pub fn ended_of(t: &Tracker, slot: Slot) -> std::io::Result<Vec<EndedProcess>> {
    let mut all: BTreeMap<(u64, u32), EndedProcess> = BTreeMap::new();
    // Of those who have forked nobody only the recorder knows more than the number.
    let recorded = Recorded::read(t)?;
    if let Some(past) = t.past() {
        for e in past.left_last(&|s| s == slot.slot).iter().filter(|e| e.generation == slot.generation) {
            let it = Identity { pid: e.tgid, start: e.start };
            let ended = (e.at != 0).then(|| models::when(e.at));
            let who = recorded.as_ref().and_then(|r| r.node(it));
            all.insert(
                (e.start, e.tgid),
                EndedProcess {
                    comm: who.map(|n| escape::comm(bytemuck::bytes_of(&n.comm))),
                    uid: who.map(|n| n.uid),
                    creator: who.map(|n| n.creator.tgid),
                    ended,
                    ..of(t, it, e.inode)
                },
            );
        }
        let ours = |d: &&Dead| (d.member.root, d.member.generation) == (slot.slot, slot.generation);
        for d in past.dead()?.iter().filter(ours) {
            let m = &d.member;
            let it = Identity::of(m);
            all.insert(
                (it.start, it.pid),
                EndedProcess {
                    comm: Some(escape::comm(&m.comm)),
                    uid: Some(m.uid),
                    creator: Some(m.creator_tgid),
                    ended: Some(models::when(d.ended)),
                    ..of(t, it, m.inode)
                },
            );
        }
    }
    Ok(all.into_values().collect())
}

fn of(t: &Tracker, it: Identity, inode: u64) -> EndedProcess {
    EndedProcess {
        pid: it.pid,
        start: it.start,
        inode: (inode != 0).then_some(inode),
        comm: None,
        uid: None,
        creator: None,
        began: models::when(it.start),
        ended: None,
        end: ended::known(t, it.pid, it.start).unwrap_or_else(|| ended::of(None, "ended")),
    }
}
