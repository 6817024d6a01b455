//! `ledger`: what has been of a service: who has ended and how, and what was done to it.

use super::failure::Failure;
use super::{certainty, promised, receipts, remembered, survivors};
use crate::lineage::Lineage;
use crate::lookup::Root;
use crate::report::model::{Ledger, SCHEMA_VERSION};
use crate::tier::Tracker;

/// The last `most` of each kind.
pub fn ledger(t: &Tracker, root: &Root, most: Option<usize>) -> Result<Ledger, Failure> {
    promised::look(t, std::slice::from_ref(root));
    let slot = root.slot;
    let mut all = remembered::ended_of(t, slot)?;
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
