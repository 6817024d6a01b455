//! How many processes a stop is for, whichever of its signals it comes to.

use std::collections::HashSet;

use super::Run;
use crate::ask::fuse::Fuse;
use crate::host::failure::Failure;
use crate::host::fuse;

impl Run<'_> {
    /// Refuses more than is allowed of all of these together.
    pub(super) fn judge<'a, 'r: 'a>(
        all: impl Iterator<Item = &'a Run<'r>>,
        fuse: Fuse,
    ) -> Result<(), Failure> {
        let Some(limit) = fuse::Limit::of(fuse)? else { return Ok(()) };
        let (mut who, mut names) = (HashSet::new(), Vec::new());
        for run in all {
            for set in &run.sets(!run.whole()) {
                who.extend(fuse::targets(run.t, &run.root, &run.order(libc::SIGTERM, set, true)));
            }
            names.push(&*run.root.name);
        }
        limit.judge(&names, who.len() as u64)
    }
}
