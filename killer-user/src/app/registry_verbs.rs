//! `set-main`, `forget`, `rename`, `up`, `down`.

use killer_common::record::R_SUPERVISED;

use super::failure::Failure;
use super::host::Host;
use super::names::{self, For};
use super::several::{self, Did};
use super::stop_record::{Heir, StopRecord};
use super::{Screen, doubt, elsewhere, find, host, unknown};
use crate::cli::Names;
use crate::ending::Ending;
use crate::report::model::{Done, Verb};
use crate::sys::alive;
use crate::target::{Root, registry};
use crate::tier::{KeepError, Paths, Tracker, last, memory};

/// Makes a member the main process.
pub fn set_main(name: &str, pid: u32) -> Result<Ending, Failure> {
    let (t, r) = find(name)?;
    let _lock = t.lock()?;
    match t.set_main(r.slot, pid) {
        Ok(()) => {
            // Chosen, also where it is none: nobody is guessed any more.
            StopRecord::change(&t, r.slot, |kept| kept.heir = Heir::Nobody)?;
            Ok(Ending::Done)
        }
        Err(e) if e.raw_os_error() == Some(libc::ENOENT) => {
            Err(Failure::new(Ending::Failed, format!("process {pid} is no member of '{name}'"))
                .next(format!("'killer status {name}' shows the members")))
        }
        Err(e) => Err(e.into()),
    }
}

/// Forgets services that have ended.
pub fn forget(names: &Names, screen: &Screen) -> Result<Ending, Failure> {
    let (t, found) = names::find(names, For::Verb)?;
    let one = |t: &Tracker, root: &Root| {
        forget_one(t, root)?;
        let model = Done::new(Verb::Forget, Some(&root.name), Ending::Forgotten);
        Ok(Did { ending: model.ending, word: model.ending.word(), model })
    };
    Ok(several::each(&t, &found, screen, true, one, |_, _| String::new()))
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
    match t.forget(r.slot) {
        Ok(()) => {
            last::drop(t, r.slot.slot);
            Ok(())
        }
        Err(e) if e.raw_os_error() == Some(libc::EBUSY) => Err(alive()),
        Err(e) => Err(e.into()),
    }
}

/// Gives up live services: they live on without a name. What has ended is forgotten.
pub fn give_up(names: &Names, screen: &Screen) -> Result<Ending, Failure> {
    let (t, found) = names::find(names, For::Verb)?;
    let one = |t: &Tracker, root: &Root| {
        let ending = if elsewhere::lives(t, root) {
            give_up_one(t, root)?;
            Ending::GivenUp
        } else {
            forget_one(t, root)?;
            Ending::Forgotten
        };
        let model = Done::new(Verb::Forget, Some(&root.name), ending);
        Ok(Did { ending, word: ending.word(), model })
    };
    Ok(several::each(&t, &found, screen, true, one, |_, _| String::new()))
}

/// No member is touched and no count: only the name goes, so that whoever was a member stays one until it has ended.
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
    super::unseen::remember(t);
    Ok(())
}

/// Forgets every service that has ended, and nobody who lives.
pub fn forget_ended(screen: &Screen) -> Result<Ending, Failure> {
    let mut forgotten = Vec::new();
    if let Some(t) = Host::open()? {
        forget_all(&t, &mut forgotten)?;
    }
    screen.data(&forgotten, |_| String::new());
    Ok(Ending::Done)
}

fn forget_all(t: &Tracker, forgotten: &mut Vec<Done>) -> Result<(), Failure> {
    let others = elsewhere::trackers(t)?.0;
    for t in std::iter::once(t).chain(others.iter().map(|o| &**o)) {
        let _lock = t.lock()?;
        for r in registry::ended(t) {
            match t.forget(r.slot) {
                Ok(()) if registry::is_given_up(&r) => {}
                Err(e) if e.raw_os_error() != Some(libc::EBUSY) => return Err(e.into()),
                Err(_) => {}
                Ok(()) => forgotten.push(Done::new(Verb::Forget, Some(&r.name), Ending::Forgotten)),
            }
        }
        doubt::sound(t)?;
    }
    Ok(())
}

/// Changes a service's name.
pub fn rename(old: &str, new: &str) -> Result<Ending, Failure> {
    let (t, _) = find(old)?;
    let _lock = t.lock()?;
    let r = registry::named(&t, old).ok_or_else(|| unknown(&t, old))?;
    if old == new {
        return Ok(Ending::Done);
    }
    if registry::named(&t, new).is_some() || elsewhere::named(&t, new)?.is_some() {
        return Err(Failure::new(Ending::Failed, format!("there is a service '{new}' already"))
            .next(format!("forget it when it has ended ('killer forget {new}'), or choose another name")));
    }
    super::unseen::refuse(new)?;
    t.rename(r.slot, new)?;
    super::unseen::remember(&t);
    Ok(Ending::Done)
}

/// Loads and pins the tracker.
pub fn up(witness: bool, screen: &Screen) -> Result<Ending, Failure> {
    let paths = Paths::default();
    Host::load(|t| {
        if witness && t.tier().is_without_programs() {
            let what = format!("the tier {} has no second witness", t.tier().name());
            return Err(Failure::new(Ending::Failed, what)
                .why("it is programs that the named hierarchy is a witness of")
                .next("'killer doctor' says why there are none"));
        }
        if witness {
            t.up_witness()?;
        }
        Tracker::sweep(&paths);
        Ok(())
    })?;
    let others = paths.others();
    if !others.is_empty() {
        screen.message(&crate::report::message::render(
            &format!("pins of other versions are here, too: {}", others.join(", ")),
            Some("their services are not visible to this killer"),
            Some("end them with that version's killer, then its 'down'"),
        ));
    }
    Ok(Ending::Done)
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
            v.push(match super::facts::main_of(t, &r) {
                Some(m) => format!("{} (main process {})", r.name, m.pid),
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

/// Nobody comes after this one who could let go whom an interrupted freeze has left stopped. What is lost is lost all the same.
fn leave(t: &Tracker) {
    if let Err(f) = host::put_right(t) {
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
pub fn down(force: bool, screen: &Screen) -> Result<Ending, Failure> {
    let paths = Paths::default();
    let (others, unseen) = Tracker::others();
    for t in &others {
        refuse_live(t, force)?;
    }
    if !force {
        super::unseen::lost()?;
    }
    let lost = losses(others.iter());
    others.iter().for_each(leave);
    let tear = || tear(&others, &unseen, force);
    let said = |mut lost: Vec<String>, more: Vec<String>| {
        lost.extend(more);
        if !lost.is_empty() {
            let what = format!("not tracked any more, and alive: {}", lost.join(", "));
            screen.message(&crate::report::message::render(&what, None, None));
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
        refuse_live(t, force)?;
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
