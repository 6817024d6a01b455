//! Ancestors of the caller that cannot be read, so that it is not known who is behind them: `/proc` hides other users'
//! processes where it is mounted so (`hidepid=`), and before 6.13 nothing else tells their parents.

use super::Tell;
use crate::lineage::{Lineage, Members};
use crate::lookup::Root;
use crate::lookup::process::{Callers, Unread, callers};
use crate::report::message;
use crate::tier::Tracker;

/// The one behind which somebody may be whom an order must not signal. A user's own ancestor could only be there if somebody
/// with more rights came between: a user is told, and not refused every service of an earlier login.
pub fn guarded(callers: &Callers) -> Option<Unread> {
    callers.unread.filter(|_| is_root())
}

/// Tells it a user whose order to this service begins; for the receipt, too.
pub fn say(t: &Tracker, root: &Root, tell: &dyn Tell) -> Option<String> {
    if is_root() {
        return None;
    }
    let note = note(&Lineage::new(t, root.clone()))?;
    tell.message(&message::render(&format!("'{}': {note}", root.name), None, None));
    Some(note)
}

/// What a user is told of an order to this set.
pub fn note(family: &Lineage<'_>) -> Option<String> {
    if is_root() {
        return None;
    }
    let unread = callers().unread?;
    let older = |u: &Unread| family.members(&family.listed()).iter().any(|m| m.leader_start <= u.until);
    Some(unread).filter(older).map(|u| {
        format!(
            "process {}, an ancestor of this killer, cannot be read: whether it descends from this service is not known",
            u.pid
        )
    })
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
