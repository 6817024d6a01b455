//! A stop that the official command of the very service has called: what it spares, so that the command can go on.

use std::collections::HashSet;
use std::path::Path;

use killer_common::record::{B_CONTROL, Member};

use crate::host::official::Way;
use crate::lineage::{Lineage, Members};
use crate::lookup::{Root, process};
use crate::sys::alive::Identity;
use crate::tier::Tracker;

/// Names what is run to a `killer stop` below it, which runs it no second time.
pub const STOPPING: &str = "KILLER_STOPPING";

/// The control process of a service that has called this killer: what a `killer stop` runs to stop it.
pub fn caller(t: &Tracker, root: &Root, way: &Way) -> Option<Identity> {
    let source = &way.official.as_ref()?.source;
    if std::env::var_os(STOPPING).is_none_or(|s| Path::new(&s) != source) {
        return None;
    }
    let family = Lineage::new(t, root.clone());
    let members = process::ancestors().into_iter().filter_map(|p| family.member(p).ok().flatten());
    members.filter(|m| m.flags & B_CONTROL != 0).last().map(|m| Identity::of(&m))
}

/// A member and what it has forked.
pub fn below(members: &[Member], top: Option<Identity>) -> HashSet<Identity> {
    let mut all: HashSet<Identity> = top.into_iter().collect();
    let mut before = usize::MAX;
    while !all.is_empty() && all.len() != before {
        before = all.len();
        let more = members.iter().filter(|m| all.contains(&Identity::creator(m))).map(Identity::of);
        let more: Vec<Identity> = more.collect();
        all.extend(more);
    }
    all
}
