//! "Empty" and "not empty": both from the kernel's count alone.

use super::Survivor;
use crate::lineage::Family;

/// True when the kernel's own count says that nobody is alive and nobody is coming. Two censuses: insertions and
/// roots unchanged between them and all counts 0 ⇒ empty at the second read (docs/PROTOCOL.md 4).
pub fn empty<F: Family>(family: &F) -> bool {
    let a = family.census();
    if a.tasks != 0 {
        return false;
    }
    let b = family.census();
    b.tasks == 0 && a.inserts == b.inserts && a.roots == b.roots
}

/// Who is still there, and why.
pub fn survivors<F: Family>(family: &F) -> Vec<Survivor> {
    family
        .members(&family.listed())
        .into_iter()
        .map(|member| {
            let (code, text) = family.explain(&member);
            Survivor { member, code, text }
        })
        .collect()
}
