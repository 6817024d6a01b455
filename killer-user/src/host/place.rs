//! A place in the registry for a new root: its name, what has ended and gives its place, what it stands in.

use std::time::{Duration, Instant};

use killer_common::POOL_FIRST;
use killer_common::record::{R_ADOPTED, R_FOREGROUND, R_FREE, R_INSTANCE, R_SERVICE};

use super::failure::Failure;
use super::{elsewhere, promised};
use crate::ask::{KEEP, Nest};
use crate::ending::Ending;
use crate::keep::Slot;
use crate::lookup::{Root, registry};
use crate::tier::{Tracker, last_signal};

/// A gate, a broadcast and a hold that nobody renews are over by then.
const RESTS: Duration = Duration::from_millis(2500);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(10);

/// What a new root is to be.
#[derive(Clone, Copy, Debug)]
pub struct Wish<'a> {
    /// Service name.
    pub name: &'a str,
    /// `R_*` flags.
    pub flags: u64,
    /// So many that have ended stay known.
    pub keep: usize,
    /// Where it stands; `None`: in no service, where that can be.
    pub nest: Option<Nest>,
    /// It stands where the root in this slot stands, whatever `nest` says.
    pub beside: Option<u32>,
    /// The process that starts it goes right after.
    pub goes: bool,
}

impl<'a> Wish<'a> {
    /// With this name, and all else as usual.
    pub fn named(name: &'a str) -> Self {
        Self { name, flags: 0, keep: KEEP, nest: Some(Nest::Usual), beside: None, goes: false }
    }
}

/// Makes a root, under the lock of the registry; a dead service's name and slot are used again. True: it was not known
/// before.
pub fn make(t: &Tracker, w: &Wish<'_>) -> Result<(Slot, bool), Failure> {
    let name = w.name;
    let failed = |e: std::io::Error| match e.raw_os_error() {
        Some(libc::ELOOP) => Failure::new(Ending::NotStarted, "services are nested too deeply")
            .why(format!("at most {} inside each other", killer_common::MAX_DEPTH))
            .next("start it from outside of the innermost, or beside it: 'killer run --beside'"),
        _ => Failure::new(Ending::NotStarted, format!("cannot register '{name}'")).why(e.to_string()),
    };
    let outer = match (w.beside, t.whose().map_err(failed)?) {
        (Some(slot), _) => t.root(slot).map_or(0, |r| r.parent),
        (None, Some(mine)) => around(t, mine, w)?,
        (None, None) => 0,
    };
    let known = registry::every(t);
    promised::settle(t, &known);
    let old = known.iter().find(|r| r.name == name);
    let elsewhere = || elsewhere::named(t, name).map(|o| o.is_some_and(|(t, r)| elsewhere::lives(&t, &r)));
    if old.is_some_and(|old| elsewhere::lives(t, old)) || elsewhere()? {
        return Err(Failure::new(Ending::NotStarted, format!("service '{name}' is already tracked and alive"))
            .next(format!(
                "'killer run --replace' ends it first; 'killer rename {name} NEW' gives it another name, or choose another one"
            )));
    }
    super::unseen::refuse(name)?;
    if known.len() > w.keep {
        let ended: Vec<Root> = registry::ended(t).into_iter().filter(|r| r.name != name).collect();
        give(t, &ended[..ended.len().saturating_sub(w.keep)]);
    }
    if let Some(hooks) = t.hooks() {
        hooks.attach()?;
    }
    // An instance's slot is the kernel's to give.
    let old = old.filter(|o| o.slot.slot != outer && !o.is_instance());
    let fresh = old.is_none_or(|old| registry::abandoned(t, old));
    let mut next = old.map(|o| o.slot);
    loop {
        let place = match next.take().filter(|s| is_at_rest(t, s.slot)) {
            Some(place) => place,
            None => free(t)?,
        };
        if let Some(old) = old.filter(|o| o.slot != place && t.root(o.slot.slot).is_some()) {
            // The name is the new root's.
            t.forget(old.slot).map_err(failed)?;
        }
        let slot = t.create(place, outer, w.flags, name).map_err(failed)?;
        if is_at_rest(t, slot.slot) {
            if let Some(old) = old.filter(|o| o.slot.slot != slot.slot)
                && let Err(e) = last_signal::go_on(t, old.slot.slot, slot.slot)
            {
                log::info!("{name}: the processes that the last signal was for are not known any more: {e}");
            }
            return Ok((slot, fresh));
        }
        // Somebody who ends what was here before has come first, and does not know yet that this is another one.
        t.forget(slot).map_err(failed)?;
    }
}

/// Whether nobody has begun to end, and nobody to signal, what was in this slot before.
fn is_at_rest(t: &Tracker, slot: u32) -> bool {
    t.gate().is_none_or(|gate| gate.is_at_rest(slot))
}

/// A free slot. Those of services that were ended or signalled in this moment are waited for when there is no other.
fn free(t: &Tracker) -> Result<Slot, Failure> {
    let until = Instant::now() + RESTS;
    loop {
        if let Some(free) = t.free_slot() {
            return Ok(free);
        }
        // More are to be kept than there are places for.
        let ended = registry::ended(t);
        if let Some(longest) = ended.iter().position(|r| is_at_rest(t, r.slot.slot)) {
            give(t, &ended[longest..=longest]);
            if let Some(free) = t.free_slot() {
                return Ok(free);
            }
        }
        let is_free = |slot| t.slot(slot).is_some_and(|r| r.state == R_FREE);
        if Instant::now() >= until || ended.is_empty() && !(1..POOL_FIRST).any(is_free) {
            break;
        }
        std::thread::sleep(LOOK);
    }
    Err(Failure::new(Ending::NotStarted, "all places for services are taken")
        .why("by services that live, or that were ended or signalled just now")
        .next("end some of them: 'killer list' shows them"))
}

/// Slot of the outer root of what a member of `mine` starts; 0: none.
fn around(t: &Tracker, mine: u32, w: &Wish<'_>) -> Result<u32, Failure> {
    let Some(root) = registry::in_slot(t, mine) else { return Ok(0) };
    let fixed = t.descent_is_for_life();
    let beside = match w.nest {
        Some(Nest::Inside) => false,
        Some(Nest::Beside) if fixed => {
            return Err(Failure::new(
                Ending::NotStarted,
                format!("'{}' cannot be started beside '{}'", w.name, root.name),
            )
            .why(format!("without the kernel's help a process belongs for life to the service that it descends from (tier {})", t.tier().name()))
            .next("start it from outside of the service, or inside of it: 'killer run --inside'"));
        }
        Some(Nest::Beside) => true,
        None if fixed => false,
        None => return Ok(0),
        // What a rule has opened, and what was adopted (a listener, whose sessions are below it), is not what is typed
        // in it.
        Some(Nest::Usual) if !fixed && root.record.flags & (R_INSTANCE | R_ADOPTED | R_SERVICE) != 0 => true,
        // A caller that waits for its command waits for what that starts; what a daemon or a login starts is for itself.
        Some(Nest::Usual) => !fixed && (w.flags | root.record.flags) & R_FOREGROUND == 0,
    };
    // What was given up is nobody's service: what is started in it is outside.
    if registry::is_given_up(&root) && !fixed {
        return Ok(root.record.parent);
    }
    // The mark of the launcher decides whose member CMD is: he himself may stay where he is.
    Ok(if beside { root.record.parent } else { mine })
}

/// After a start: the supervisor of what stands beside the service that it was called in does not end with that one.
/// For a process with one thread; true when it is in no other service than what it keeps watch over.
pub fn step_out(t: &Tracker, started: Slot) -> bool {
    let outer = registry::in_slot(t, started.slot).map_or(0, |r| r.record.parent);
    match t.whose() {
        Ok(Some(mine)) if mine != outer => t.leave().is_ok(),
        r => r.is_ok(),
    }
}

/// In words where a root stands, when it is in another one.
pub fn words(t: &Tracker, started: Slot) -> Option<String> {
    let r = registry::in_slot(t, started.slot)?;
    let outer = registry::in_slot(t, r.record.parent).filter(|o| !registry::is_given_up(o))?;
    Some(format!("'{}' is inside '{}' and ends with it", r.name, outer.name))
}

/// What has ended gives its place. What is not forgotten stays known: the registry refuses it for a service that
/// lives after all.
fn give(t: &Tracker, ended: &[Root]) {
    for r in ended {
        match t.forget(r.slot) {
            Ok(()) => log::info!("service '{}' gave its place", r.name),
            Err(e) => log::warn!("service '{}' has ended and could not be forgotten: {e}", r.name),
        }
    }
}
