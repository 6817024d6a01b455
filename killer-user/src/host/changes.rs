//! What is changed in the registry by name: main processes, names, and what is forgotten or given up.

use killer_common::record::R_SUPERVISED;

use super::failure::Failure;
use super::names::find_one;
use super::open::Host;
use super::record::{Heir, StopRecord};
use super::unknown::unknown;
use super::{certainty, elsewhere, promised, unseen};
use crate::ending::Ending;
use crate::keep::Slot;
use crate::lookup::{Root, registry};
use crate::report::model::{Done, Verb};
use crate::sys::alive;
use crate::tier::{Tracker, last_signal};

/// Makes a member the main process.
pub fn set_main(name: &str, pid: u32) -> Result<(), Failure> {
    let (t, r) = find_one(name)?;
    let _lock = t.lock()?;
    // The instance that it belongs to.
    let of = t.member(pid).ok().flatten().map(|m| Slot { slot: m.root, generation: m.generation });
    let slot = of.filter(|s| r.others.contains(s)).unwrap_or(r.slot);
    match t.set_main(slot, pid) {
        Ok(()) => {
            // Chosen, also where it is none: nobody is guessed any more.
            let kept = StopRecord { heir: Heir::Nobody, ..StopRecord::of(&t, slot) };
            t.set_stop_command(slot, &kept.bytes())?;
            Ok(())
        }
        Err(e) if e.raw_os_error() == Some(libc::ENOENT) => {
            Err(Failure::new(Ending::Failed, format!("process {pid} is no member of '{name}'"))
                .next(format!("'killer status {name}' shows the members")))
        }
        Err(e) => Err(e.into()),
    }
}

/// Forgets a service that has ended.
pub fn forget(t: &Tracker, root: &Root) -> Result<Ending, Failure> {
    forget_one(t, root).map(|()| Ending::Forgotten)
}

/// Gives up a live service: it lives on without a name. What has ended is forgotten.
pub fn give_up(t: &Tracker, root: &Root) -> Result<Ending, Failure> {
    if !elsewhere::lives(t, root) {
        return forget(t, root);
    }
    give_up_one(t, root).map(|()| Ending::GivenUp)
}

fn forget_one(t: &Tracker, root: &Root) -> Result<(), Failure> {
    let name = &root.name;
    let _lock = t.lock()?;
    let r = registry::again(t, root).ok_or_else(|| unknown(t, name))?;
    let alive = || {
        Failure::new(Ending::Failed, format!("service '{name}' has live processes"))
            .why("a live service is never forgotten: nobody could end it by name any more")
            .next(format!("end it first: 'killer -s KILL {name}'; 'killer forget --live {name}' gives it up"))
    };
    if registry::family(t, r.slot.slot).iter().any(|&s| t.count(s) != 0) {
        return Err(alive());
    }
    promised::settle(t, std::slice::from_ref(&r));
    match t.forget(r.slot) {
        Ok(()) => {
            last_signal::drop(t, r.slot.slot);
            Ok(())
        }
        Err(e) if e.raw_os_error() == Some(libc::EBUSY) => Err(alive()),
        Err(e) => Err(e.into()),
    }
}

/// No member is touched and no count: only the name goes, so that a process that was a member stays one until it has
/// ended.
fn give_up_one(t: &Tracker, root: &Root) -> Result<(), Failure> {
    let name = &root.name;
    let _lock = t.lock()?;
    let r = registry::again(t, root).ok_or_else(|| unknown(t, name))?;
    let no = |why: String, next: String| {
        Err(Failure::new(Ending::Failed, format!("service '{name}' cannot be given up")).why(why).next(next))
    };
    if let Some(at) = registry::frozen(t, r.slot.slot).and_then(|s| registry::in_slot(t, s)) {
        return no(
            "it is frozen: nobody could let it go on".into(),
            format!("'killer thaw {}' first", at.name),
        );
    }
    let outer =
        registry::in_slot(t, r.record.parent).filter(|o| o.slot.generation == r.record.parent_generation);
    if let Some(outer) = outer.filter(|o| !registry::is_given_up(o)) {
        return no(
            format!("it is inside '{}' and ends with that one", outer.name),
            format!("give '{}' up, or start it again with 'killer run --beside'", outer.name),
        );
    }
    let launched = alive::alive(r.record.owner_tgid, r.record.owner_start);
    if r.record.flags & R_SUPERVISED != 0 && (launched || StopRecord::watched(t, r.slot).is_some()) {
        return no(
            "its supervisor ends it when its main process ends ('run --kill-on-exit')".into(),
            format!("'killer rename {name} NEW' frees the name"),
        );
    }
    t.rename(r.slot, &registry::given_up_name(r.slot))?;
    unseen::remember(t);
    Ok(())
}

/// Forgets every service that has ended, and none that lives.
pub fn forget_ended() -> Result<Vec<Done>, Failure> {
    let mut forgotten = Vec::new();
    if let Some(t) = Host::open()? {
        forget_all(&t, &mut forgotten)?;
    }
    Ok(forgotten)
}

fn forget_all(t: &Tracker, forgotten: &mut Vec<Done>) -> Result<(), Failure> {
    let others = elsewhere::trackers(t)?.0;
    for t in std::iter::once(t).chain(others.iter().map(|o| &**o)) {
        let _lock = t.lock()?;
        let ended = registry::ended(t);
        promised::settle(t, &ended);
        for r in ended {
            match t.forget(r.slot) {
                Ok(()) if registry::is_given_up(&r) => {}
                Err(e) if e.raw_os_error() != Some(libc::EBUSY) => return Err(e.into()),
                Err(_) => {}
                Ok(()) => forgotten.push(Done::new(Verb::Forget, Some(&r.name), Ending::Forgotten)),
            }
        }
        certainty::sound(t)?;
    }
    Ok(())
}

/// Changes a service's name.
pub fn rename(old: &str, new: &str) -> Result<(), Failure> {
    let (t, _) = find_one(old)?;
    let _lock = t.lock()?;
    let r = registry::named(&t, old).ok_or_else(|| unknown(&t, old))?;
    if old == new {
        return Ok(());
    }
    if registry::named(&t, new).is_some() || elsewhere::named(&t, new)?.is_some() {
        return Err(Failure::new(Ending::Failed, format!("there is a service '{new}' already"))
            .next(format!("forget it when it has ended ('killer forget {new}'), or choose another name")));
    }
    unseen::refuse(new)?;
    r.instances().try_for_each(|s| t.rename(s, new))?;
    unseen::remember(&t);
    Ok(())
}
