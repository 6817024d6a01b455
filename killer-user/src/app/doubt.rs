//! What makes a success of the main form none: hooks that are gone, so that nobody knows who was forked since, and look-ups
//! that failed, so that somebody may have been passed over.

use super::failure::{Failure, code};
use crate::tier::Tracker;

/// The failure that a call has to end with although everything it knew of went well. `proven`: the kernel's count says
/// that nobody is left, which failed look-ups do not touch.
pub fn after(t: &Tracker, name: &str, proven: bool) -> Option<Failure> {
    let gone = t.health().missing_links;
    if !gone.is_empty() {
        return Some(
            Failure::new(code::FAILURE, format!("'{name}': nobody knows whether that was all of it"))
                .why(format!("hooks of the tracker are gone ({}), so forks went unseen", gone.join(", ")))
                .next("look for what it left; then 'killer down --force' and start the services again"),
        );
    }
    if proven { None } else { super::unsound(t).err() }
}
