//! The tracker itself: loaded, and taken down.

use super::failure::Failure;
use super::open::{self, Host};
use super::{Tell, models, unseen};
use crate::ending::Ending;
use crate::keep::KeepError;
use crate::lookup::registry;
use crate::report::message;
use crate::tier::{Paths, Tracker, memory};

/// Loads and pins the tracker.
pub fn up(cross_check: bool, tell: &dyn Tell) -> Result<Host, Failure> {
    let paths = Paths::default();
    let host = Host::load(|t| {
        if cross_check && t.tier().is_without_programs() {
            let what = format!("the tier {} has no cross-check", t.tier().name());
            return Err(Failure::new(Ending::Failed, what)
                .why("the named hierarchy is compared with what programs keep")
                .next("'killer doctor' says why there are none"));
        }
        if cross_check {
            t.up_cross_check()?;
        }
        Tracker::sweep(&paths);
        Ok(())
    })?;
    let others = paths.others();
    if !others.is_empty() {
        tell.message(&message::render(
            &format!("pins of other versions are here, too: {}", others.join(", ")),
            Some("their services are not visible to this killer"),
            Some("end them with that version's killer, then its 'down'"),
        ));
    }
    Ok(host)
}

/// Lets the hooks rest until something is to be tracked, when nothing is.
pub fn rest(host: &Host) -> Result<(), Failure> {
    let Some(hooks) = host.hooks() else { return Ok(()) };
    let _lock = host.lock()?;
    hooks.detach()?;
    Ok(())
}

fn refuse_live(t: &Tracker, force: bool) -> Result<(), Failure> {
    if force {
        return Ok(());
    }
    let live: Vec<String> =
        registry::all(t).into_iter().filter(|r| t.count(r.slot.slot) != 0).map(|r| r.name).collect();
    if live.is_empty() {
        return Ok(());
    }
    Err(Failure::new(Ending::Failed, "services are tracked")
        .why(format!("alive: {}", live.join(", ")))
        .next("end them first; 'killer down --force' loses track of them, and they live on"))
}

/// What is lost by force: names, and where to find what lives on.
fn losses<'a>(all: impl Iterator<Item = &'a Tracker>) -> Vec<String> {
    let mut v = Vec::new();
    for t in all {
        for r in registry::all(t).into_iter().filter(|r| t.count(r.slot.slot) != 0) {
            v.push(match models::main_of(t, &r) {
                Some(m) => format!("{} (main process {})", r.name, m.process.pid),
                None => {
                    let some = t.listed(&|s| u32::from(s) == r.slot.slot);
                    let pids: Vec<String> = some.iter().take(4).map(u32::to_string).collect();
                    let more = if some.len() > pids.len() { ", …" } else { "" };
                    format!("{} (no main process; {}{more})", r.name, pids.join(", "))
                }
            });
        }
    }
    v
}

/// No call comes after this one that could let the processes go that an interrupted freeze has left stopped. What is
/// lost is lost all the same.
fn leave(t: &Tracker) {
    if let Err(f) = open::put_right(t) {
        log::warn!("{}", f.what);
    }
}

/// Takes down what needs no programs.
fn tear(others: &[Tracker], unseen: &[String], force: bool) -> Result<Ending, Failure> {
    let mut kept = None;
    for t in others {
        let _lock = t.lock()?;
        refuse_live(t, force)?;
        match t.in_files().map_or(Ok(()), |f| f.tear_down()) {
            Err(e @ KeepError::Kept { .. }) => kept = Some(e),
            done => done?,
        }
    }
    if let Some(e) = kept {
        return Err(e.into());
    }
    match unseen.first() {
        None => Ok(Ending::Done),
        Some(why) => Err(Failure::new(Ending::Failed, "not everything could be taken down")
            .why(why.clone())
            .next("give the command as root, where it was started")),
    }
}

/// Detaches the tracker.
pub fn down(force: bool, tell: &dyn Tell) -> Result<Ending, Failure> {
    let paths = Paths::default();
    let (others, unseen) = Tracker::others();
    for t in &others {
        refuse_live(t, force)?;
    }
    if !force {
        unseen::lost()?;
    }
    let lost = losses(others.iter());
    others.iter().for_each(leave);
    let tear = || tear(&others, &unseen, force);
    let said = |mut lost: Vec<String>, more: Vec<String>| {
        lost.extend(more);
        if !lost.is_empty() {
            let what = format!("not tracked any more, and alive: {}", lost.join(", "));
            tell.message(&message::render(&what, None, None));
        }
    };
    if Tracker::is_forced() {
        let done = tear();
        said(lost, Vec::new());
        return done;
    }
    if !paths.root.exists() {
        let done = tear();
        memory::forget(&paths);
        said(lost, Vec::new());
        return done;
    }
    let t = match Tracker::open_pins(&paths) {
        Ok(t) => Some(t),
        Err(KeepError::NotLoaded) => None,
        Err(KeepError::Damaged(_)) if force => None,
        // A user's own registry is gone, the host's tracker is not this user's.
        Err(KeepError::NotPermitted { .. }) if !others.is_empty() => return tear(),
        Err(e) => return Err(e.into()),
    };
    // It takes the lock itself.
    t.iter().for_each(leave);
    let lock = Tracker::lock_at(&paths)?;
    if let Some(t) = &t {
        // From here on no exec opens a service.
        let rules = t.rules();
        let set = rules.map(|r| r.withdraw()).transpose()?;
        if let Err(live) = refuse_live(t, force) {
            rules.zip(set).map(|(r, set)| r.resume(set)).transpose()?;
            return Err(live);
        }
    }
    let more = losses(t.iter());
    Tracker::down(&paths, &lock)?;
    memory::forget(&paths);
    drop(lock);
    let done = tear();
    // Only an empty directory goes: others may have pins in it.
    let _ = std::fs::remove_dir(&paths.root);
    said(lost, more);
    done
}
