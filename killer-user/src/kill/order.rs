//! What is asked of the engine, and what it answers.

use std::time::Duration;

use killer_common::record::Member;

use super::gate::Gates;
use crate::ask::Newborns;
use crate::ask::whom::Pick;
use crate::keep::{Fate, Slot};
use crate::lineage::Home;
use crate::lookup::process::Unread;
use crate::sys::alive::Identity;

/// `SIGKILL`
pub const SIGKILL: i32 = 9;
/// `SIGSTOP`
pub const SIGSTOP: i32 = 19;

/// What is asked of the engine.
#[derive(Clone, Debug)]
pub struct Order {
    /// Signal; 0 only probes.
    pub signal: i32,
    /// Value of a real-time signal.
    pub value: Option<i32>,
    /// Which processes it is for; an intersection. Empty: all.
    pub picks: Vec<Pick>,
    /// Main process of the root.
    pub main: Option<Identity>,
    /// What its first process was at the start, where that is known.
    pub home: Option<Home>,
    /// Places whose members are no left-overs, where the picks ask for these.
    pub kept: Vec<Slot>,
    /// Matches globs of the picks.
    pub glob: fn(&str, &str) -> bool,
    /// Stop before the gate and only say what would be done.
    pub dry_run: bool,
    /// The caller and its ancestors, which a set must not hold.
    pub caller: Vec<u32>,
    /// Whose ancestors are not known: a set must not hold anybody who may be one of them.
    pub unread: Option<Unread>,
    /// Its session hangs on so many of them; an ancestor behind these may be signalled when the order names the main
    /// process, and not when it is for many.
    pub near: usize,
    /// Members among the caller's ancestors are meant, too.
    pub include_self: bool,
    /// How long to go on before survivors are named; only KILL to everything goes on until empty.
    pub patience: Duration,
    /// What newborns get.
    pub newborns: Newborns,
    /// It is refused when it is for more processes than so many.
    pub most: Option<u64>,
    /// A freeze ends with this process: it stays under way, so that the next call undoes it when this one has died.
    pub passing: bool,
}

impl Order {
    /// A signal for everybody; `caller` as in the field.
    pub fn to_all(signal: i32, caller: Vec<u32>, patience: Duration) -> Order {
        Order {
            near: caller.len(),
            unread: None,
            signal,
            value: None,
            picks: Vec::new(),
            main: None,
            home: None,
            kept: Vec::new(),
            glob: |_, _| false,
            dry_run: false,
            caller,
            include_self: false,
            patience,
            newborns: Newborns::Signal,
            most: None,
            passing: false,
        }
    }

    /// True when the order is for everybody.
    pub fn is_for_all(&self) -> bool {
        self.picks.iter().all(|p| *p == Pick::All)
    }

    /// The caller and how many of its nearest ancestors, all in all, no signal of this order may reach.
    pub fn spared(&self) -> usize {
        match self.include_self {
            true => 0,
            false if self.picks.contains(&Pick::Main) => self.near.min(self.caller.len()),
            false => self.caller.len(),
        }
    }

    /// True when this is the order that ends with "empty": KILL to all.
    pub fn ends_all(&self) -> bool {
        self.signal == SIGKILL && self.is_for_all()
    }
}

/// A member that a signal was meant for.
#[derive(Clone, Debug)]
pub struct Target {
    /// Its entry when it was found.
    pub member: Member,
    /// What became of it.
    pub fate: Fate,
}

/// A member that is still there, with the reason.
#[derive(Clone, Debug)]
pub struct Survivor {
    /// Its entry.
    pub member: Member,
    /// Short code.
    pub code: &'static str,
    /// Words.
    pub text: String,
}

/// Everything that one order did.
#[derive(Debug)]
pub struct Outcome {
    /// Members that the signal was meant for, in the order of sending.
    pub targets: Vec<Target>,
    /// Tasks that the kernel counted before.
    pub tasks_before: i64,
    /// Tasks that it counts now.
    pub tasks_after: i64,
    /// `Some(true)`: the kernel says that the set is empty; `Some(false)`: it says it is not.
    pub empty: bool,
    /// Passes over the set.
    pub passes: u32,
    /// Somebody may have been missed: lineages hopped away for too long, or the call was interrupted.
    pub unsure: bool,
    /// Of a freeze: births went on until time was over, so somebody may run although nobody was seen to.
    pub fled: bool,
    /// A process had not taken a queued value in time: its children are sent it at birth from then on, which
    /// signalfd(2) does not show as sigqueue(3) sends it.
    pub unlike: bool,
    /// Members that had not taken the same signal of the broadcast before, although it was waited for.
    pub behind: usize,
    /// Gates that were used.
    pub gates: Gates,
    /// Launchers whose pending fork was cancelled.
    pub cancelled: usize,
    /// The processes that are still there when an order to end all has run out of patience.
    pub survivors: Vec<Survivor>,
    /// ns from the start until the last signal was sent.
    pub signalled_after: u64,
    /// ns from the start until the end.
    pub ended_after: u64,
}
