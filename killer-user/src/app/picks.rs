//! `--whom`: what was typed, as what the engine picks by.

use super::failure::Failure;
use crate::ending::Ending;
use crate::lineage::Pick;
use crate::parse::whom::{Set, Whom};

/// Every set that was named; users by their numbers.
pub fn picks(w: &Whom) -> Result<Vec<Pick>, Failure> {
    w.sets.iter().map(pick).collect()
}

fn pick(s: &Set) -> Result<Pick, Failure> {
    Ok(match s {
        Set::All => Pick::All,
        Set::Main => Pick::Main,
        Set::Not(s) => Pick::Not(Box::new(pick(s)?)),
        Set::Control => Pick::Control,
        Set::Leaves => Pick::Leaves,
        Set::Orphans => Pick::Orphans,
        Set::Escaped => Pick::Escaped,
        Set::Exe(g) => Pick::Exe(g.clone()),
        Set::Born(d) => Pick::Born(*d),
        Set::Depth(n) => Pick::Depth(*n),
        Set::Subtree(p) => Pick::Subtree(*p),
        Set::Uid(u) => Pick::Uid(uid(u)?),
    })
}

fn uid(user: &str) -> Result<u32, Failure> {
    let known = nix::unistd::User::from_name(user).ok().flatten().map(|u| u.uid.as_raw());
    known.or_else(|| user.parse().ok()).ok_or_else(|| {
        Failure::new(Ending::Usage, format!("no such user '{user}'"))
            .next("uid: takes a name that getent passwd knows, or a number")
    })
}
