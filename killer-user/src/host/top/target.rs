//! Which service is meant, also when another one has got its name.

use crate::keep::Slot;
use crate::lookup::Root;
use crate::tier::Tracker;

/// One service, also when another one gets its name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    /// Its name.
    pub name: String,
    tier: &'static str,
    slot: u32,
    generation: u32,
}

impl Target {
    /// That one.
    pub(super) fn of(t: &Tracker, root: &Root) -> Self {
        let Slot { slot, generation } = root.slot;
        Self { name: root.name.clone(), tier: t.tier().name(), slot, generation }
    }

    /// Any one.
    #[cfg(test)]
    pub fn sample(name: &str, slot: u32) -> Self {
        Self { name: name.into(), tier: "typed", slot, generation: 1 }
    }

    /// It is still the one.
    pub(super) fn is(&self, t: &Tracker, root: &Root) -> bool {
        *self == Self::of(t, root)
    }
}
