//! Service names → roots: the registry of the tier is the only one.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use killer_common::record::{R_FREEZING, R_FROZEN, R_INSTANCE, R_LIVE, R_STARTING, RootRecord};
use killer_common::{POOL, POOL_FIRST};

use crate::keep::Slot;
use crate::sys::clock;
use crate::tier::Tracker;

/// A root as the registry has it; where a name means a service with several instances, the newest of them, and the
/// others.
#[derive(Clone, Debug)]
pub struct Root {
    /// Slot and generation.
    pub slot: Slot,
    /// Service name.
    pub name: String,
    /// The kernel's record.
    pub record: RootRecord,
    /// The other instances that are meant by the name, newest first.
    pub others: Vec<Slot>,
}

impl Root {
    /// Of one record.
    pub fn of(slot: u32, record: RootRecord) -> Self {
        let name = name_of(&record);
        Self { slot: Slot { slot, generation: record.generation }, name, record, others: Vec::new() }
    }

    /// This one and the other instances, newest first.
    pub fn instances(&self) -> impl Iterator<Item = Slot> + '_ {
        std::iter::once(self.slot).chain(self.others.iter().copied())
    }

    /// There is no instance of it now ([`nobody`]).
    pub fn is_nobody(&self) -> bool {
        self.slot.slot == 0
    }

    /// Opened by the kernel when a rule matched.
    pub fn is_instance(&self) -> bool {
        self.record.flags & R_INSTANCE != 0
    }
}

/// A service that has no instance now: nobody is in it, and nothing that is asked of it finds anybody.
pub fn nobody(name: &str) -> Root {
    let mut record: RootRecord = bytemuck::Zeroable::zeroed();
    record.state = R_LIVE;
    Root { slot: Slot { slot: 0, generation: 0 }, name: name.to_owned(), record, others: Vec::new() }
}

/// The name in a record.
pub fn name_of(r: &RootRecord) -> String {
    let len = r.name.iter().position(|&b| b == 0).unwrap_or(r.name.len());
    String::from_utf8_lossy(&r.name[..len]).into_owned()
}

/// What the name of a service that was given up begins with: no name begins so (`parse::name::parse_new`).
const GIVEN_UP: &str = "-given-up-";

/// The name of what is given up in this slot.
pub fn given_up_name(s: Slot) -> String {
    format!("{GIVEN_UP}{}", s.slot)
}

/// Given up alive (`forget --live`): it has no name that anybody could say.
pub fn is_given_up(r: &Root) -> bool {
    r.name.starts_with(GIVEN_UP)
}

/// Every service, by name, without those that a killed `run` left behind.
pub fn all(t: &Tracker) -> Vec<Root> {
    clock::began();
    let mut v = every(t);
    v.retain(|r| !abandoned(t, r) && r.name != crate::tier::CANARY && !is_given_up(r));
    let mut out: Vec<Root> = Vec::with_capacity(v.len());
    for r in v {
        match out.last_mut() {
            Some(last) if last.name == r.name => join(t, last, r),
            _ => out.push(r),
        }
    }
    out
}

/// Adds another instance. The newest stands for all of them, and one that has ended for nobody else.
fn join(t: &Tracker, service: &mut Root, r: Root) {
    let age = |x: &Root| (t.count(x.slot.slot) != 0, x.record.born);
    match age(&r) > age(service) {
        true => {
            let mut before = std::mem::replace(service, r);
            service.others.push(before.slot);
            service.others.append(&mut before.others);
        }
        false => service.others.push(r.slot),
    }
    // Newest first: as many looks as there are instances, which are few.
    let born = |s: &Slot| std::cmp::Reverse(t.root(s.slot).map_or(0, |r| r.born));
    service.others.sort_by_key(born);
}

/// The service with the instances that its own processes have opened since then (CLOCK_BOOTTIME, ns) by executing its script
/// again. They came out of it, whatever the name meant when it was looked up; what others have started meanwhile did not.
pub fn grown(t: &Tracker, service: &Root, since: u64) -> Root {
    let mut grown = service.clone();
    if !service.is_instance() {
        return grown;
    }
    for r in every(t).into_iter().filter(|r| r.name == service.name && r.is_instance()) {
        let new = r.record.born > since && !grown.instances().any(|s| s == r.slot);
        if new && came_out_of(t, service, &r.record) {
            grown.others.push(r.slot);
        }
    }
    grown
}

/// Whether an instance was opened out of one of these, or out of one that was, and so on: a slot keeps its record when it is
/// given back, until it has another use.
fn came_out_of(t: &Tracker, service: &Root, r: &RootRecord) -> bool {
    let mut from = Slot { slot: r.from, generation: r.from_generation };
    for _ in 0..POOL {
        if service.instances().any(|s| s == from) {
            return true;
        }
        let same = |r: &RootRecord| r.generation == from.generation && r.flags & R_INSTANCE != 0;
        let Some(r) = t.slot(from.slot).filter(same).filter(|r| name_of(r) == service.name) else {
            return false;
        };
        from = Slot { slot: r.from, generation: r.from_generation };
    }
    false
}

/// Every root in use.
pub fn every(t: &Tracker) -> Vec<Root> {
    let mut v: Vec<Root> = t.roots().into_iter().map(|(slot, record)| Root::of(slot, record)).collect();
    v.sort_by(|a, b| a.name.cmp(&b.name));
    v
}

/// The service with exactly this name.
pub fn named(t: &Tracker, name: &str) -> Option<Root> {
    clock::began();
    let mut its = every(t).into_iter().filter(|r| r.name == name && !abandoned(t, r) && !is_given_up(r));
    let mut service = its.next()?;
    its.for_each(|r| join(t, &mut service, r));
    Some(service)
}

/// The root in a slot.
pub fn in_slot(t: &Tracker, slot: u32) -> Option<Root> {
    t.root(slot).map(|record| Root::of(slot, record))
}

/// The root again; `None` when it was forgotten or its slot has another use.
pub fn again(t: &Tracker, r: &Root) -> Option<Root> {
    let again = in_slot(t, r.slot.slot).filter(|n| n.slot == r.slot)?;
    Some(Root { others: r.others.clone(), ..again })
}

/// So long the slot of an instance is not used for another service after a look at it: while a command counts, lists
/// or signals it, which it does much more often.
const HOLD: Duration = Duration::from_secs(2);

/// Keeps the kernel from using an instance's slot for another service. Only what is read of the slot afterwards says
/// whose it is.
fn hold(t: &Tracker, slots: impl Iterator<Item = Slot>) {
    let mut pool = slots.filter(|s| s.slot >= POOL_FIRST).peekable();
    if pool.peek().is_none() {
        return;
    }
    if let Some(gate) = t.gate() {
        let until = clock::monotonic_ns() + HOLD.as_nanos() as u64;
        pool.for_each(|s| gate.hold(s.slot, until));
    }
}

/// A root with its other instances and all roots inside of them, outermost first; nobody in the place of one that was
/// forgotten or has ended, or whose slot has another use.
pub fn places(t: &Tracker, root: &Root) -> Vec<Slot> {
    hold(t, root.instances());
    let outers = t.outers();
    let is = |s: &Slot| outers.iter().any(|(root, _)| root == s);
    with_inner(root.instances().filter(is).collect(), &outers)
}

/// These roots and all that are inside of them, outermost first.
fn with_inner(mut v: Vec<Slot>, outers: &[(Slot, Slot)]) -> Vec<Slot> {
    let mut i = 0;
    while i < v.len() {
        let outer = v[i];
        for (inner, of) in outers {
            if *of == outer && !v.contains(inner) {
                v.push(*inner);
            }
        }
        i += 1;
    }
    v
}

/// Slots of a root and of all roots inside it, outermost first.
pub fn family(t: &Tracker, slot: u32) -> Vec<u32> {
    let generation = t.slot(slot).map_or(0, |r| r.generation);
    let v = with_inner(vec![Slot { slot, generation }], &t.outers());
    v.into_iter().map(|s| s.slot).collect()
}

/// Roots that stand in state STARTING although their maker is gone and nothing is in them: left by a `killer`
/// that was killed in the middle of `run`. They are as good as forgotten.
pub fn abandoned(t: &Tracker, r: &Root) -> bool {
    if r.record.state != R_STARTING || t.count(r.slot.slot) != 0 {
        return false;
    }
    !crate::sys::alive::alive(r.record.owner_tgid, r.record.owner_start)
}

/// Roots that have ended, and all that is inside them, too: the longest-ended first, as far as that is known. First
/// of all stand those that a killed `run` left behind.
pub fn ended(t: &Tracker) -> Vec<Root> {
    let mut all = every(t);
    all.retain(|r| r.name != crate::tier::CANARY);
    // From the inside out: a root that holds a live process is alive. A tier of directories removes the inner ones
    // first, too.
    all.sort_by_key(|r| std::cmp::Reverse(r.record.depth));
    let mut alive = HashSet::new();
    let mut ended = Vec::new();
    for r in all {
        let outer = (r.record.parent, r.record.parent_generation);
        let inside = alive.contains(&(r.slot.slot, r.slot.generation));
        let made = is_live_state(&r) || abandoned(t, &r);
        if inside || t.count(r.slot.slot) != 0 || !made {
            alive.insert(outer);
            continue;
        }
        ended.push(r);
    }
    let mut last: HashMap<Slot, u64> = HashMap::new();
    if !ended.is_empty() {
        for d in t.past().and_then(|p| p.dead().ok()).unwrap_or_default() {
            let of = Slot { slot: d.member.root, generation: d.member.generation };
            let at = last.entry(of).or_default();
            *at = d.ended.max(*at);
        }
    }
    // No record says when a root ended: it was not before its birth, its last signal, or the end of a member that is
    // remembered.
    let heard = |r: &Root| {
        let of_dead = last.get(&r.slot).copied().unwrap_or(0);
        (is_live_state(r), r.record.born.max(r.record.last_at).max(of_dead))
    };
    ended.sort_by_cached_key(heard);
    ended
}

/// Slot of the root that is frozen: this one, or one around it.
pub fn frozen(t: &Tracker, slot: u32) -> Option<u32> {
    let mut at = slot;
    for _ in 0..=killer_common::MAX_DEPTH {
        let r = t.root(at)?;
        if r.flags & (R_FREEZING | R_FROZEN) != 0 {
            return Some(at);
        }
        at = r.parent;
    }
    None
}

/// True when the root has had a first process.
pub fn is_live_state(r: &Root) -> bool {
    r.record.state == R_LIVE
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ask::name;
    use killer_common::NAME_LEN;
    use proptest::prelude::*;

    fn named(bytes: [u8; NAME_LEN]) -> killer_common::record::RootRecord {
        let zeroed = bytemuck::Zeroable::zeroed();
        killer_common::record::RootRecord { generation: 1, state: R_LIVE, name: bytes, ..zeroed }
    }

    proptest! {
        #[test]
        fn any_record_has_a_name(a in any::<[u8; 32]>(), b in any::<[u8; 32]>()) {
            let bytes: [u8; NAME_LEN] = [a, b].concat().try_into().unwrap();
            let n = name_of(&named(bytes));
            prop_assert!(!n.contains('\0') && n.len() <= 3 * NAME_LEN);
        }

        #[test]
        fn a_name_comes_back(s in ".{1,64}") {
            if let Ok(n) = name::parse(&s) {
                let mut bytes = [0; NAME_LEN];
                for (to, word) in bytes.chunks_exact_mut(8).zip(crate::tier::name_words(&n)) {
                    to.copy_from_slice(&word.to_le_bytes());
                }
                prop_assert_eq!(name_of(&named(bytes)), n);
            }
        }
    }
}
