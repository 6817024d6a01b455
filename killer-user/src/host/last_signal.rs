//! The processes that the last signal of a service was for: `tree --last`.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::models;
use super::record::StopRecord;
use crate::ask::signal;
use crate::ending::Ending;
use crate::keep::Slot;
use crate::lookup::Root;
use crate::report::model::{self, LastKill, Node, Process, Receipt, SCHEMA_VERSION, Tree};
use crate::sys::clock;
use crate::tier::{Tracker, last_signal};

/// So many processes are kept.
const MOST: usize = 256;

/// As it is kept with a slot.
#[derive(Debug, Serialize, Deserialize)]
struct Last {
    /// The service, as it was called.
    name: String,
    /// The root that it was sent to.
    #[serde(default)]
    slot: u32,
    generation: u32,
    boot: String,
    signal: i32,
    uid: u32,
    /// When it was sent, CLOCK_BOOTTIME ns.
    at: u64,
    exit_code: u8,
    /// How many there were.
    reached: u64,
    who: Vec<Process>,
}

/// This boot, in a word.
fn boot() -> String {
    crate::sys::proc_text::text("/proc/sys/kernel/random/boot_id").trim().to_owned()
}

/// Remembers the processes that an order has reached; an order that has reached none changes nothing.
pub fn remember(t: &Tracker, root: &Root, signal: i32, ending: Ending, orders: &[&Receipt]) {
    let hit = orders.iter().flat_map(|r| &r.targets).filter(|x| x.result == "signalled");
    let mut who: Vec<Process> = hit.map(|x| x.process.clone()).collect();
    who.sort_by_key(|p| (p.pid, p.start));
    who.dedup_by_key(|p| (p.pid, p.start));
    if who.is_empty() {
        return;
    }
    let reached = who.len() as u64;
    who.truncate(MOST);
    let last = Last {
        name: root.name.clone(),
        slot: root.slot.slot,
        generation: root.slot.generation,
        boot: boot(),
        signal,
        uid: rustix::process::getuid().as_raw(),
        at: clock::boottime_ns(),
        exit_code: ending.code(),
        reached,
        who,
    };
    let kept =
        serde_json::to_vec(&last).map_err(Into::into).and_then(|b| last_signal::keep(t, root.slot.slot, &b));
    if let Err(e) = kept {
        log::info!("{}: the processes that the signal was for cannot be noted: {e}", root.name);
    }
}

impl Last {
    fn is_to(&self, root: Slot) -> bool {
        root == Slot { slot: self.slot, generation: self.generation }
    }
}

/// The one of this service, also before it was started again under its name.
fn of(t: &Tracker, r: &Root) -> Option<Last> {
    let last: Last = serde_json::from_slice(&last_signal::kept(t, r.slot.slot)?).ok()?;
    let ours = last.is_to(r.slot) || last.name == r.name;
    (ours && last.boot == boot()).then_some(last)
}

/// How many the last signal of this service has reached, where that is remembered.
pub fn reached(t: &Tracker, r: &Root) -> Option<u64> {
    of(t, r).filter(|l| l.is_to(r.slot)).map(|l| l.reached)
}

/// The processes that it was for, as a tree; those that have ended are marked.
pub fn tree(t: &Tracker, r: &Root) -> Tree {
    let empty = Tree {
        version: SCHEMA_VERSION,
        kind: "tree",
        service: r.name.clone(),
        last_kill: None,
        note: None,
        more: 0,
        tree: Vec::new(),
    };
    let Some(l) = of(t, r) else {
        let note = match r.record.last_at {
            0 => "no signal has been sent to it by name since it was started",
            _ => "the processes that the last signal was for are not remembered",
        };
        return Tree { note: Some(note.into()), ..empty };
    };
    let note = match (l.is_to(r.slot), l.reached - l.who.len() as u64) {
        (false, _) => Some("it has been started again since".into()),
        (_, 0) => None,
        (_, more) => Some(format!("{more} more are not remembered")),
    };
    let last_kill = LastKill {
        signal: signal::name(l.signal),
        uid: l.uid,
        at: models::when(l.at),
        age_s: models::seconds_since(l.at),
        exit_code: u32::from(l.exit_code),
        reached: Some(l.reached),
    };
    let command = StopRecord::of(t, r.slot).command();
    Tree { last_kill: Some(last_kill), note, tree: forest(t, l.who, command.as_deref()), ..empty }
}

/// Each below the process that forked it, where that one is among them, too.
fn forest(t: &Tracker, who: Vec<Process>, command: Option<&str>) -> Vec<Node> {
    let mut by_age: Vec<Process> = who;
    by_age.sort_by_key(|p| (p.start, p.pid));
    let place: HashMap<u32, usize> = by_age.iter().enumerate().map(|(i, p)| (p.pid, i)).collect();
    let node = |mut p: Process| {
        let now = t.member(p.pid).ok().flatten();
        p.command = command.filter(|_| p.main).map(str::to_owned);
        model::Node {
            alive: now.is_some_and(|m| m.leader_start == p.start),
            tasks: None,
            escaped: Vec::new(),
            other_namespaces: Vec::new(),
            age_s: models::seconds_since(p.start),
            unknown_ancestors: None,
            more: 0,
            children: Vec::new(),
            process: p,
        }
    };
    // From the youngest on: a process is younger than the one that forked it.
    let mut done: Vec<Option<Node>> = by_age.into_iter().map(|p| Some(node(p))).collect();
    for i in (0..done.len()).rev() {
        let up = done[i].as_ref().and_then(|n| place.get(&n.process.creator).copied());
        if let Some(up) = up.filter(|up| *up < i)
            && let Some(n) = done[i].take()
            && let Some(above) = done[up].as_mut()
        {
            above.children.insert(0, n);
        }
    }
    done.into_iter().flatten().collect()
}
