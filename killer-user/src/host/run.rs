//! `run`, `exec`, `adopt`.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use killer_common::record::R_SERVICE;

use super::adopt::{self, Adopted};
use super::failure::Failure;
use super::names::find_one;
use super::on_exit::{self, OnExit};
use super::open::Host;
use super::place::{self, Wish};
use super::record::{Heir, StopRecord, no_heir};
use super::start;
use super::unknown::unknown;
use super::{Tell, forking, freeze, kin, pidfiles, recorded, replace, survivors, unseen};
use crate::ask::span::Span;
use crate::ask::{Command, Run, TakeIn, Whose};
use crate::ending::Ending;
use crate::lineage::Lineage;
use crate::lookup::{Root, pidfile, process, registry};
use crate::report::{human, message};
use crate::sys::alive::Identity;
use crate::sys::pass_on::PassOn;
use crate::sys::{daemon, interrupt, sched};
use crate::tier::Tracker;

/// Failures of `run` and `exec` are told apart from CMD's; missing privilege stays what it is.
fn run_failed(f: Failure) -> Failure {
    match f.ending {
        Ending::Failed => f.with(Ending::NotStarted),
        _ => f,
    }
}

/// How a start ended, or CMD.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ran {
    /// The service, by the name that it has now.
    pub name: String,
    /// In the foreground CMD's ending.
    pub ending: Ending,
}

/// Starts CMD as the root of a service; in the foreground this goes on until it has ended.
pub fn run(r: &Run, tell: &dyn Tell) -> Result<Ran, Failure> {
    let r = &replace::prepare(r, tell).map_err(run_failed)?;
    start(r, tell).map(|ending| Ran { name: r.name.clone(), ending })
}

/// Starts CMD in the background, for a program that stays; answers its root.
pub fn detached(t: &Tracker, r: &Run) -> Result<Root, Failure> {
    let s = start::start(t, &wish(r, 0), &r.command, to_write(r), kept(r, None), |_, _| Ok(()))?;
    registry::in_slot(t, s.slot.slot).filter(|root| root.slot == s.slot).ok_or_else(|| unknown(t, &r.name))
}

fn start(r: &Run, tell: &dyn Tell) -> Result<Ending, Failure> {
    let t = Host::up().map_err(run_failed)?;
    say_tier(&t, tell);
    let _log = tell.relay(&t);
    let cmd = &r.command;
    let owner = r.owner.map(on_exit::owner).transpose()?;
    if let (true, Some(span)) = (cmd.detach, r.kill_on_exit) {
        return background(&t, r, span, owner, tell);
    }
    let begin = |span| OnExit::begin(&t, &r.name, span, owner, None);
    let mut on_exit = r.kill_on_exit.map(begin).transpose()?;
    let mut pass = (!cmd.detach).then(|| PassOn::begin(false));
    let supervised = if on_exit.is_some() { start::SUPERVISED } else { 0 };
    let waits = if cmd.detach { 0 } else { start::FOREGROUND };
    let wish = wish(r, supervised | waits);
    let watch = on_exit.as_ref().and_then(OnExit::who);
    let met = |slot, pid| {
        on_exit.as_ref().map_or(Ok(()), |e| e.met(slot, pid))?;
        pass.iter_mut().for_each(|p| p.meet(pid));
        Ok(())
    };
    let s = start::start(&t, &wish, cmd, to_write(r), kept(r, watch), met).map_err(run_failed)?;
    say_place(&t, &s, tell);
    let Some(mut pass) = pass else {
        return Ok(Ending::Done);
    };
    let look = &mut || on_exit.iter_mut().for_each(|e| e.look(s.slot, tell));
    let ended = t.attend(s.pid, &mut pass, look);
    interrupt::catch();
    pass.over();
    if let Some(e) = on_exit {
        e.end(s.slot, tell);
    }
    let root = registry::in_slot(&t, s.slot.slot).filter(|n| n.slot == s.slot);
    if let Some(root) = root.filter(|root| crate::kill::empty(&Lineage::new(&t, root.clone()))) {
        pidfiles::ended(&t, &root);
    }
    unseen::remember(&t);
    let status = ended.map_err(|e| run_failed(e.into()))?;
    if status != 0 {
        no_heir(&t, s.slot);
    }
    if r.forking {
        return forking::started(&t, &s, r.pidfile.is_some(), Ending::of_command(status), tell);
    }
    Ok(Ending::of_command(status))
}

/// What its root is to be.
fn wish(r: &Run, flags: u64) -> Wish<'_> {
    let goes = r.command.detach && r.kill_on_exit.is_none();
    let flags = if r.service { flags | R_SERVICE } else { flags };
    Wish { flags, keep: r.keep, nest: Some(r.nest), goes, ..Wish::named(&r.name) }
}

/// What is remembered of it: how it is asked to stop (as the same user, in the directory that `run` was called in), and which
/// its main process is when the first one has ended.
fn kept(r: &Run, watch: Option<Identity>) -> StopRecord {
    let here = std::env::current_dir().unwrap_or_else(|_| "/".into());
    StopRecord {
        user: r.command.user.clone().unwrap_or_default(),
        dir: here.to_string_lossy().into_owned(),
        command: r.exec_stop.clone().unwrap_or_default(),
        forking: r.forking,
        pidfile: r.pidfile.as_ref().map(|p| here.join(p)),
        heir: Heir::Open,
        home: None,
        watch,
        started: StopRecord::started(&r.command.argv.iter().map(|a| a.as_bytes()).collect::<Vec<_>>()),
    }
}

/// Where `killer` writes CMD's number. A daemon whose first process ends writes its own.
fn to_write(r: &Run) -> Option<&Path> {
    r.pidfile.as_deref().filter(|_| !r.forking)
}

/// A supervisor of its own: a small process in a session of its own that starts CMD and ends what it leaves; another
/// one watches over it.
fn background(
    t: &Tracker,
    r: &Run,
    span: Span,
    owner: Option<OwnedFd>,
    tell: &dyn Tell,
) -> Result<Ending, Failure> {
    let report = match daemon::background()? {
        Err(Some(said)) => {
            // As the supervisor has ended its start.
            return Ok(Ending::Command(said));
        }
        Err(None) => {
            return Err(Failure::new(Ending::NotStarted, "the supervisor died before it had started CMD"));
        }
        Ok(report) => report,
    };
    let start = move |report| {
        let on_exit = OnExit::begin(t, &r.name, span, owner, Some(report))?;
        let mut pass = PassOn::begin(true);
        let met = |slot, pid| {
            on_exit.met(slot, pid)?;
            pass.meet(pid);
            Ok(())
        };
        let wish = wish(r, start::SUPERVISED);
        let s = start::start(t, &wish, &r.command, to_write(r), kept(r, on_exit.who()), met)?;
        Ok((s, on_exit, pass))
    };
    match start(&report).map_err(run_failed) {
        Ok((s, mut on_exit, mut pass)) => {
            say_place(t, &s, tell);
            if !place::step_out(t, s.slot) {
                log::warn!(
                    "the supervisor of '{}' stays a member of the service that it was called in",
                    r.name
                );
            }
            report.done(Ending::Done.code());
            let _ = t.attend(s.pid, &mut pass, &mut || on_exit.look(s.slot, tell));
            on_exit.end(s.slot, tell);
            std::process::exit(Ending::Done.code().into());
        }
        Err(f) => {
            let c = tell.fail(&f).code();
            report.done(c);
            std::process::exit(i32::from(c));
        }
    }
}

/// Runs CMD as a control process.
pub fn exec(name: &str, argv: &[OsString], tell: &dyn Tell) -> Result<Ending, Failure> {
    let (t, _) = find_one(name).map_err(run_failed)?;
    let _log = tell.relay(&t);
    let mut pass = PassOn::begin(false);
    let cmd = Command { argv: argv.to_vec(), ..Command::default() };
    let s = start::join(&t, name, &cmd, |pid| pass.meet(pid)).map_err(run_failed)?;
    Ok(Ending::of_command(t.attend(s.pid, &mut pass, &mut || {}).map_err(|e| run_failed(e.into()))?))
}

/// Another user's process is taken in only by a caller that may see and signal every user's.
fn own_or_able(pid: u32) -> Result<(), Failure> {
    let missing = crate::kernel::probe::missing_caps();
    if missing.is_empty() || process::owner(pid).is_none_or(|u| u == rustix::process::geteuid().as_raw()) {
        return Ok(());
    }
    Err(Failure::new(Ending::NotPermitted, format!("not permitted to adopt process {pid} of another user"))
        .why(crate::keep::KeepError::lack(&missing))
        .next("run it as root"))
}

/// With `-v`: that it is not the tier that one would expect.
fn say_tier(t: &Tracker, tell: &dyn Tell) {
    if let (Some(why), true) = (t.better(), tell.verbose() > 0) {
        let text = format!("tracked by tier {}", t.tier().name());
        let why = format!("no better one: {why}");
        tell.message(&message::render(&text, Some(&why), Some("'killer doctor' says what it promises")));
    }
}

/// With `-v`: the service that it is inside of.
fn say_place(t: &Tracker, s: &start::Started, tell: &dyn Tell) {
    if tell.verbose() > 0
        && let Some(text) = place::words(t, s.slot)
    {
        tell.message(&message::render(&text, None, None));
    }
}

/// What an adoption came to.
#[derive(Debug)]
pub struct TakenIn {
    /// `Adopted`, or what became of the freeze.
    pub ending: Ending,
    /// What there is to know besides: orphans that may belong to it.
    pub notes: Vec<String>,
}

/// Takes a running process in. `holds`: the service is frozen in the same call.
pub fn adopt(
    name: &str,
    whose: &Whose,
    to: TakeIn,
    holds: bool,
    tell: &dyn Tell,
) -> Result<TakenIn, Failure> {
    if let Whose::Pid(pid, _) = whose {
        own_or_able(*pid)?;
    }
    let mut top = None;
    let p = match whose {
        Whose::Of(..) | Whose::Executed(_) => {
            let found = recorded::find(Host::open()?.as_deref(), whose)?;
            top = Some(found.0);
            found.1
        }
        Whose::Pid(pid, inode) => process::open(*pid, *inode).map_err(|e| {
            Failure::new(Ending::Failed, format!("cannot adopt: {e}")).next("'ps -e' shows the processes")
        })?,
        Whose::Pidfile(f) => pidfile::open(f).map_err(|e| {
            Failure::new(Ending::Failed, format!("cannot adopt from {}", f.display()))
                .why(e.to_string())
                .next("give the process itself with --pid PID when you are sure")
        })?,
    };
    own_or_able(p.pid)?;
    if holds {
        not_the_caller(p.pid, name)?;
    }
    if to == TakeIn::There {
        let (t, root) = find_one(name)?;
        if registry::frozen(&t, root.slot.slot).is_some() {
            not_the_caller(p.pid, name)?;
        }
        return taken(&t, name, holds, tell, || adopt::also(&t, &root, &p));
    }
    let t = Host::up()?;
    say_tier(&t, tell);
    // It may descend from there through processes that have ended.
    let callers = || [process::ancestors(), vec![std::process::id()]].concat();
    if let Some(top) = top.or_else(|| recorded::top(&t, &p)).filter(|_| holds)
        && recorded::has_below(&t, top, &callers())?
    {
        return Err(would_be_held(p.pid, name));
    }
    taken(&t, name, holds, tell, || match top {
        Some(top) => adopt::below(&t, name, &p, top),
        None => adopt::adopt(&t, name, &p, to == TakeIn::Moved),
    })
}

/// Whoever waits for this command, and the command, would be held with it.
fn not_the_caller(pid: u32, name: &str) -> Result<(), Failure> {
    if pid != std::process::id() && !process::ancestors().contains(&pid) {
        return Ok(());
    }
    Err(would_be_held(pid, name))
}

fn would_be_held(pid: u32, name: &str) -> Failure {
    Failure::new(Ending::Failed, format!("process {pid} is not taken into '{name}' and held"))
        .why("this command descends from it, and would be held, too")
        .next("run it from elsewhere, or leave the service running: without --freeze, after 'killer thaw'")
}

/// Takes in, holds still, and says what came of it.
fn taken(
    t: &Tracker,
    name: &str,
    holds: bool,
    tell: &dyn Tell,
    take: impl FnOnce() -> Result<Adopted, Failure>,
) -> Result<TakenIn, Failure> {
    let _log = tell.relay(t);
    if holds {
        freeze::cannot(t)?;
    }
    let hurry = holds.then(sched::Hurry::start);
    let a = take()?;
    let root = registry::in_slot(t, a.slot.slot);
    let mut ending = Ending::Adopted;
    // One that is frozen already has a member more, which runs.
    let frozen = || registry::frozen(t, a.slot.slot).and_then(|s| registry::in_slot(t, s));
    if let Some(root) = if holds { root.clone() } else { frozen() } {
        let held = freeze::freeze(t, &root, tell)?.ending;
        ending = if held.is_good() { ending } else { held };
    }
    drop(hurry);
    // Not all that it ever had: one that was given up has had others.
    let e = root.as_ref().map(|r| super::models::exactness(t, r)).unwrap_or_default();
    let n = root.clone().map(|r| survivors::counts(&Lineage::new(t, r))).unwrap_or_default();
    let text = format!(
        "adopted {} ({}) in {} passes; {}\n",
        human::count(n.processes, "process", "processes"),
        human::count(n.tasks.max(0) as u64, "task", "tasks"),
        a.passes,
        human::exactness(&e)
    );
    tell.message(&format!("killer: '{}': {text}", crate::report::escape::text(name)));
    // Of an exact set nobody can be missing.
    let mut notes = root.filter(|_| !e.exact).map(|r| kin::hints(t, &r)).unwrap_or_default();
    if a.elsewhere > 0 {
        let they = human::count(a.elsewhere.into(), "descendant is a member", "descendants are members");
        notes.push(format!("{they} of other services, and stay that"));
    }
    notes.iter().for_each(|n| tell.message(&message::render(&format!("'{name}': {n}"), None, None)));
    Ok(TakenIn { ending, notes })
}
