//! "Empty" and "not empty": both from the kernel's count alone.

use super::Survivor;
use crate::lineage::Members;

/// True when the kernel's own count says that nobody is alive and nobody is coming. Two censuses and a third look:
/// insertions and roots unchanged and all counts 0 ⇒ empty when the second began to count (docs/internals/PROTOCOL.md 4).
pub fn empty<F: Members>(family: &F) -> bool {
    let a = family.census();
    if a.tasks != 0 {
        return false;
    }
    let b = family.census();
    if b.tasks != 0 || a.inserts != b.inserts || a.roots != b.roots {
        return false;
    }
    // An outsider's mark is in no insertions: it can come into a root that was counted, and its child's own launch
    // into one that was not, while the second census counts. Such a child is an insertion by now.
    let c = family.census();
    b.inserts == c.inserts && b.roots == c.roots
}

/// The processes that are still there, each with the reason.
pub fn survivors<F: Members>(family: &F) -> Vec<Survivor> {
    family
        .members(&family.listed())
        .into_iter()
        .map(|member| {
            let (code, text) = family.explain(&member);
            Survivor { member, code, text }
        })
        .collect()
}
