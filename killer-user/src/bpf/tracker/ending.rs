//! Who left the index last, and may hold something still.

use killer_common::record::Ending;

use super::Tracker;

impl Tracker {
    /// Processes of the roots of `set` that left the index last. Whether they have let go of everything is not known here.
    pub fn ending(&self, set: &dyn Fn(u32) -> bool) -> Vec<Ending> {
        let mut v = Vec::new();
        self.ending.for_each(|i, e| {
            if e.tgid == 0 || !set(e.root) {
                return;
            }
            // Copied while it was written, perhaps: then once more.
            let again = self.ending.get(i).unwrap_or_default();
            v.push(if again == e { e } else { self.ending.get(i).unwrap_or_default() });
        });
        v
    }
}
