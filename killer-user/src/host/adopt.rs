//! `adopt`: a running process, or a member of another service, becomes a service.

use killer_common::record::{R_ADOPTED, TaskKey};

use super::failure::Failure;
use super::place::{self, Wish};
use super::record::{Heir, StopRecord};
use super::{recorded, unseen};
use crate::ending::Ending;
use crate::keep::{Candidate, Slot};
use crate::lineage::Home;
use crate::lookup::{Root, registry};
use crate::sys::clock::TICK;
use crate::sys::proc_text;
use crate::tier::Tracker;

/// What an adoption found.
#[derive(Debug)]
pub struct Adopted {
    /// The new root.
    pub slot: Slot,
    /// Passes over all tasks.
    pub passes: u32,
    /// Descendants that are members of other services, and stay that.
    pub elsewhere: u32,
}

/// Takes in who descends from a recorded process, alive or ended; `p`: the first one that lives.
pub fn below(t: &Tracker, name: &str, p: &Candidate, top: TaskKey) -> Result<Adopted, Failure> {
    let _lock = t.lock()?;
    let (slot, fresh) = place::make(t, &Wish { nest: None, flags: R_ADOPTED, ..Wish::named(name) })
        .map_err(|f| f.with(Ending::Failed))?;
    let r = take(t, slot, p, &From::Recorded(top));
    if r.is_err() && fresh {
        let _ = t.forget(slot);
    }
    r
}

/// By what it is known who belongs to a process that is taken in.
enum From<'a> {
    /// By parents, as they are now; `Some`: out of that service.
    Parents(Option<&'a Root>),
    /// By the recorder, from this process down.
    Recorded(TaskKey),
}

/// Takes a running process and its present descendants in (docs/internals/PROTOCOL.md 7). `moves`: also out of the service that
/// it is a member of.
pub fn adopt(t: &Tracker, name: &str, p: &Candidate, moves: bool) -> Result<Adopted, Failure> {
    let _lock = t.lock()?;
    let other = of(t, p);
    if let Some(other) = other.as_ref().filter(|o| registry::is_given_up(o) && !moves) {
        return recall(t, other.slot, name);
    }
    if let Some(other) = other.as_ref().filter(|_| !moves) {
        let other = &other.name;
        return Err(Failure::new(
            Ending::Failed,
            format!("process {} is already a member of service '{other}'", p.pid),
        )
        .why("a process belongs to one service at a time")
        .next(format!(
            "'killer --whom=subtree:{} {other}' is for it and what descends from it; 'killer adopt --move {name} --pid {}' takes \
             both out of '{other}'; 'killer rename {other} {name}' changes the name",
            p.pid, p.pid
        )));
    }
    if let Some(other) = &other {
        movable(t, other)?;
    }
    // Beside the one that it leaves, so inside of whatever is around that one.
    let beside = other.as_ref().map(|o| o.slot.slot);
    let wish = Wish { nest: None, beside, flags: R_ADOPTED, ..Wish::named(name) };
    let (slot, fresh) = place::make(t, &wish).map_err(|f| f.with(Ending::Failed))?;
    let top = recorded::top(t, p).filter(|_| other.is_none());
    let from = top.map_or(From::Parents(other.as_ref()), From::Recorded);
    let r = take(t, slot, p, &from);
    if r.is_err() && fresh {
        let _ = t.forget(slot);
    }
    r
}

/// Takes another process, with its present descendants, into a service that is there.
pub fn also(t: &Tracker, root: &Root, p: &Candidate) -> Result<Adopted, Failure> {
    let _lock = t.lock()?;
    let name = &root.name;
    if let Some(other) = of(t, p) {
        let next = match other.slot == root.slot {
            true => format!("'killer tree {name}' shows it"),
            false => format!("'killer tree {}' shows it there", other.name),
        };
        return Err(Failure::new(
            Ending::Failed,
            format!("process {} is already a member of service '{}'", p.pid, other.name),
        )
        .next(next));
    }
    let taken = t.adopt(root.slot, *p, None)?;
    if of(t, p).is_none_or(|now| now.slot != root.slot) {
        return Err(Failure::new(Ending::Failed, format!("process {} could not be taken in", p.pid))
            .why("it has ended, or the service was being ended meanwhile")
            .next(format!("'killer status {name}' shows what has become of it")));
    }
    unseen::remember(t);
    Ok(Adopted { slot: root.slot, passes: taken.passes, elsewhere: 0 })
}

/// What was given up has a name again.
fn recall(t: &Tracker, slot: Slot, name: &str) -> Result<Adopted, Failure> {
    if registry::named(t, name).is_some() || super::elsewhere::named(t, name)?.is_some() {
        return Err(Failure::new(Ending::Failed, format!("there is a service '{name}' already"))
            .next(format!("forget it when it has ended ('killer forget {name}'), or choose another name")));
    }
    unseen::refuse(name)?;
    t.rename(slot, name)?;
    unseen::remember(t);
    Ok(Adopted { slot, passes: 0, elsewhere: 0 })
}

/// The service that a candidate is a member of.
fn of(t: &Tracker, p: &Candidate) -> Option<Root> {
    let m = t.member(p.pid).ok().flatten().filter(|m| m.leader_start / TICK == p.start_ticks)?;
    registry::in_slot(t, m.root)
}

/// A frozen set lets nobody out.
fn movable(t: &Tracker, other: &Root) -> Result<(), Failure> {
    let Some(frozen) = registry::frozen(t, other.slot.slot).and_then(|s| registry::in_slot(t, s)) else {
        return Ok(());
    };
    Err(Failure::new(Ending::Failed, format!("nothing can be moved out of '{}'", other.name))
        .why(format!("service '{}' is frozen", frozen.name))
        .next(format!("'killer thaw {}' first", frozen.name)))
}

fn take(t: &Tracker, slot: Slot, p: &Candidate, from: &From<'_>) -> Result<Adopted, Failure> {
    let (home, argv) = (Home::now(p.pid), proc_text::arguments(p.pid));
    let (passes, elsewhere) = match from {
        From::Recorded(top) => {
            let taken = t.adopt_below(slot, *top)?;
            (taken.passes, taken.elsewhere)
        }
        From::Parents(other) => (by_parents(t, slot, p, *other)?, 0),
    };
    if t.pop(slot.slot).processes == 0 && elsewhere > 0 {
        return Err(Failure::new(Ending::Failed, "nobody was taken in")
            .why("everybody alive who descends from it is a member of a service already")
            .next(format!("'killer why {}' shows of which", p.pid)));
    }
    if t.pop(slot.slot).processes == 0 {
        return Err(Failure::new(
            Ending::Failed,
            format!("process {} ended before it could be taken in", p.pid),
        ));
    }
    // ENOENT: the process itself has ended meanwhile; its descendants are there.
    let _ = t.set_main(slot, p.pid);
    // Had the number become another's before it was looked at, it would not be a member's now.
    let same = t.member(p.pid).ok().flatten().is_some_and(|m| m.root == slot.slot);
    let kept = match same {
        true => StopRecord { home, started: StopRecord::started(&argv), ..StopRecord::default() },
        false => StopRecord::default(),
    };
    let kept = StopRecord { heir: Heir::Written, ..kept };
    if let Err(e) = t.set_stop_command(slot, &kept.bytes()) {
        log::warn!("what the process is cannot be kept: {e}");
    }
    t.go_live(slot)?;
    unseen::remember(t);
    Ok(Adopted { slot, passes, elsewhere })
}

/// Takes a process and its present descendants in, by their parents; answers how many passes it took.
fn by_parents(t: &Tracker, slot: Slot, p: &Candidate, other: Option<&Root>) -> Result<u32, Failure> {
    let taken = match t.adopt(slot, *p, other.map(|o| o.slot)) {
        Err(e) if e.kind() == std::io::ErrorKind::Unsupported => {
            return Err(Failure::new(Ending::Failed, format!("process {} cannot be moved", p.pid))
                .why(e.to_string())
                .next("start it again from outside of the service"));
        }
        taken => taken?,
    };
    if let Some(other) = other.filter(|o| of(t, p).is_some_and(|now| now.slot == o.slot)) {
        return Err(Failure::new(Ending::Failed, format!("process {} could not be moved", p.pid))
            .why(format!("'{}' was being killed, frozen or signalled meanwhile", other.name))
            .next(format!("'killer status {}' shows what has become of it", other.name)));
    }
    Ok(taken.passes)
}
