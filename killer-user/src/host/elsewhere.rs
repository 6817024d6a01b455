//! Services that another tier took in than the one that new ones are started in: every verb finds them there.

use super::failure::Failure;
use super::open::Host;
use crate::lookup::{Root, registry};
use crate::tier::Tracker;

/// Other tiers that keep services of this caller, and in words what could not be looked at.
pub fn trackers(t: &Tracker) -> Result<(Vec<Host>, Vec<String>), Failure> {
    let (others, unseen) = t.elsewhere();
    Ok((others.into_iter().map(Host::of).collect::<Result<_, _>>()?, unseen))
}

/// True when somebody of it, or inside it, is alive.
pub fn lives(t: &Tracker, r: &Root) -> bool {
    registry::places(t, r).iter().any(|s| t.count(s.slot) != 0)
}

/// The service of that name, and what keeps it: a live one before one that has ended.
pub fn named(t: &Tracker, word: &str) -> Result<Option<(Host, Root)>, Failure> {
    let found = trackers(t)?.0.into_iter().filter_map(|o| registry::named(&o, word).map(|r| (o, r)));
    let mut found: Vec<(Host, Root)> = found.collect();
    found.sort_by_key(|(o, r)| !lives(o, r));
    Ok(found.into_iter().next())
}

/// Names of the services there, and in words what could not be looked at.
pub fn names(t: &Tracker) -> (Vec<String>, Vec<String>) {
    let (others, unseen) = t.elsewhere();
    (others.iter().flat_map(|o| registry::all(o).into_iter().map(|r| r.name)).collect(), unseen)
}
