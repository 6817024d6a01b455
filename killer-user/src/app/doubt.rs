//! The last judgement of an order: what makes a success none. Hooks that are gone, so that nobody knows who was forked since,
//! and look-ups that failed, so that somebody may have been passed over.

use killer_common::names::P_SIGNAL;
use killer_common::reason;

use super::facts;
use super::failure::{Failure, code};
use crate::report::model::Receipt;
use crate::target::Root;
use crate::tier::Tracker;

/// The failure that a call has to end with although everything it knew of went well. `proven`: the kernel's count says
/// that nobody is left, which failed look-ups do not touch.
pub fn after(t: &Tracker, root: &Root, proven: bool) -> Option<Failure> {
    links_gone(t, root, &[]).or_else(|| if proven { None } else { super::unsound(t).err() })
}

/// The failure when hooks are gone, but for some that do not matter here.
fn links_gone(t: &Tracker, root: &Root, but: &[&str]) -> Option<Failure> {
    let mut gone = t.health().missing_links;
    gone.retain(|l| !but.contains(l));
    if !gone.is_empty() {
        // Also when they went in the middle of this call: the receipt says no more than the exit code.
        if t.reasons(root.slot.slot).is_none_or(|c| c.count[reason::TRACKER_GAP as usize] == 0) {
            let _ = t.reason(root.slot, reason::TRACKER_GAP);
        }
        return Some(
            Failure::new(code::FAILURE, format!("'{}': nobody knows whether that was all of it", root.name))
                .why(format!("hooks of the tracker are gone ({}), so forks went unseen", gone.join(", ")))
                .next("look for what it left; then 'killer down --force' and start the services again"),
        );
    }
    None
}

/// Judges a finished receipt; from here on it says what the exit code says. To be asked before anybody is told.
pub fn judge(t: &Tracker, root: &Root, r: &mut Receipt) -> Option<Failure> {
    if r.exit_code != 0 {
        return None;
    }
    settle(t, root, r, after(t, root, r.empty))
}

/// The same of a freeze: without the hook on signals each member was looked at all the same.
pub fn judge_freeze(t: &Tracker, root: &Root, r: &mut Receipt) -> Option<Failure> {
    if r.exit_code != 0 {
        return None;
    }
    settle(t, root, r, links_gone(t, root, &[P_SIGNAL]).or_else(|| super::unsound(t).err()))
}

fn settle(t: &Tracker, root: &Root, r: &mut Receipt, doubt: Option<Failure>) -> Option<Failure> {
    let f = doubt?;
    r.exactness = facts::exactness(t, root.slot.slot);
    r.notes.extend(f.why.clone());
    (r.exit_code, r.outcome, r.empty) = (f.code, "doubtful".into(), false);
    Some(f)
}
