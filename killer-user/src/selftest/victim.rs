//! The other side of a trial: `killer selftest/NAME …`, this very program as a victim. A service cannot have such a
//! name. Needs no other file than the program itself.

use std::ffi::OsString;

use super::ctx::{Ctx, Given, PREFIX};
use super::{janitor, shapes, swarm};
use crate::sys::offspring;

/// Becomes a victim when the arguments say so.
pub fn act(args: impl Iterator<Item = OsString>) {
    let args: Vec<OsString> = args.skip(1).collect();
    let Some(name) = args.first().and_then(|a| a.to_str()?.strip_prefix(PREFIX)) else { return };
    if name == janitor::NAME {
        offspring::exit(janitor::main(&args[1..]));
    }
    let ctx = Given::parse(&args[1..]).and_then(Ctx::new);
    let behaviour = shapes::ALL.iter().chain(swarm::ALL).find(|(n, _)| *n == name);
    if let (Some(ctx), Some((_, act))) = (ctx, behaviour) {
        // The tester ignores SIGCHLD, and that is inherited.
        offspring::children_stay();
        act(ctx);
        offspring::exit(0);
    }
    offspring::exit(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_behaviour_once() {
        let mut names: Vec<&str> = shapes::ALL.iter().chain(swarm::ALL).map(|(n, _)| *n).collect();
        names.sort_unstable();
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
