//! What was asked for → what is asked of the engine.

use std::time::Duration;

use super::main_process::Main;
use super::record::StopRecord;
use super::{behind, instances};
use crate::ask::Kill;
use crate::ask::name;
use crate::kill::Order;
use crate::lookup::{Root, process};
use crate::tier::Tracker;

/// How long KILL to all goes on before survivors are named.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// What is asked of the engine; `most`: for so many processes at most.
pub fn order(t: &Tracker, root: &Root, k: &Kill, main: Option<Main>, most: Option<u64>) -> Order {
    // A probe is refused to nobody.
    let caller = if k.signal == 0 { process::Callers::default() } else { process::callers() };
    let limit = k.wait.and_then(|w| w.span.limit());
    Order {
        signal: k.signal,
        value: k.value,
        picks: k.whom.sets.clone(),
        main: main.map(|m| m.process),
        home: StopRecord::of(t, root.slot).home,
        kept: if k.whom.names_leftover() { instances::kept(t, root) } else { Vec::new() },
        glob: name::matches,
        dry_run: k.dry_run,
        near: process::near(&caller.known),
        caller: caller.pids(),
        unread: behind::guarded(&caller),
        include_self: k.include_self,
        patience: k.patience.or(limit).map_or(PATIENCE, |l| l.min(PATIENCE)),
        newborns: k.newborns,
        passing: false,
        most,
    }
}
