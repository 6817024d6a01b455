//! `ledger`: what has been of a service: who has ended and how, and what was done to it.

use std::collections::BTreeMap;

use killer_common::record::Dead;

use super::failure::Failure;
use super::{certainty, ended, models, receipts, survivors};
use crate::lineage::Lineage;
use crate::lookup::Root;
use crate::report::escape;
use crate::report::model::{EndedProcess, Ledger, SCHEMA_VERSION};
use crate::sys::alive::Identity;
use crate::tier::Tracker;

/// The last `most` of each kind.
pub fn ledger(t: &Tracker, root: &Root, most: Option<usize>) -> Result<Ledger, Failure> {
    let slot = root.slot;
    let mut all: BTreeMap<(u64, u32), EndedProcess> = BTreeMap::new();
    if let Some(past) = t.past() {
        for e in past.left_last(&|s| s == slot.slot).iter().filter(|e| e.generation == slot.generation) {
            let it = Identity { pid: e.tgid, start: e.start };
            all.insert((e.start, e.tgid), of(t, it, e.inode));
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
    let mut all: Vec<EndedProcess> = all.into_values().collect();
    let more = most.map_or(0, |m| all.len().saturating_sub(m));
    let (receipts, older) = receipts::of_service(&root.name, most)?;
    certainty::sound(t)?;
    Ok(Ledger {
        version: SCHEMA_VERSION,
        kind: "ledger",
        service: root.name.clone(),
        ever: t.pop(slot.slot).processes,
        now: survivors::counts(&Lineage::new(t, root.clone())),
        ended: all.split_off(more),
        receipts,
        more: (more as u64, older),
    })
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
