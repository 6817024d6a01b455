//! What makes a success none: hooks that are gone, so that it is not known what was forked since, and look-ups that
//! failed, so that somebody may have been passed over.

use killer_common::reason;

use super::failure::Failure;
use crate::ending::{Ending, Facts};
use crate::lookup::Root;
use crate::sys::alive;
use crate::tier::Tracker;

/// Why the tracker cannot vouch for what it does not know of.
#[derive(Debug)]
pub struct Doubt {
    /// In words.
    pub why: String,
    next: String,
}

impl Doubt {
    /// The failure of a call that went well but for this.
    pub fn failure(self, service: &str) -> Failure {
        let what = Ending::Doubtful.sentence(&Facts { service, ..Facts::default() });
        Failure::new(Ending::Doubtful, what).why(self.why).next(self.next)
    }
}

/// The doubt about everything that a call knew of. `proven`: the kernel's count says that nobody is left, which
/// failed look-ups do not touch. To be asked before anybody is told, and before exactness is looked at: what is found
/// here counts against it.
pub fn after(t: &Tracker, root: &Root, proven: bool) -> Option<Doubt> {
    links_gone(t, root).or_else(|| if proven { None } else { unread(t) })
}

fn unread(t: &Tracker) -> Option<Doubt> {
    let f = sound(t).err()?;
    let why = f.why.map_or(f.what.clone(), |w| format!("{}: {w}", f.what));
    Some(Doubt { why, next: f.next.unwrap_or_default() })
}

/// The doubt when hooks are gone.
fn links_gone(t: &Tracker, root: &Root) -> Option<Doubt> {
    let gone = t.hooks().map(|h| h.missing_links()).unwrap_or_default();
    if gone.is_empty() {
        return None;
    }
    // Also when they went in the middle of this call: the receipt says no more than the exit code.
    if t.reasons(root.slot.slot).is_none_or(|c| c.count[reason::TRACKER_GAP as usize] == 0) {
        let _ = t.reason(root.slot, reason::TRACKER_GAP);
    }
    Some(Doubt {
        why: format!("hooks of the tracker are gone ({}), so forks went unseen", gone.join(", ")),
        next: "look for processes that it left; then 'killer down --force' and start the services again"
            .into(),
    })
}

/// The error when something of the tracker could not be read: what was found may lack somebody. To be asked last.
pub fn sound(t: &Tracker) -> Result<(), Failure> {
    t.sound().and_then(|()| alive::sound()).map_err(|e| {
        let f = Failure::from(e);
        let why = f.why.unwrap_or(f.what);
        Failure::new(f.ending, "the tracker could not be read")
            .why(why)
            .next("the same command may work when it is given again")
    })
}
