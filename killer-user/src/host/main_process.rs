//! Which the main process of a service is: the one that the registry has, the one that its pidfile names, or, when
//! the first process of a daemon has ended as it should, the one that can be guessed (systemd's GuessMainPID=).

use std::collections::HashSet;

use killer_common::record::{B_CONTROL, Member, R_SCRIPT};

use super::Tell;
use super::failure::Failure;
use super::record::{Heir, StopRecord, wall_second};
use super::written;
use crate::ending::Ending;
use crate::lookup::{Root, pidfile, registry};
use crate::report::{escape, message};
use crate::sys::alive::Identity;
use crate::tier::Tracker;

/// The main process of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Main {
    /// The process.
    pub process: Identity,
    /// Nobody has said that it is the one.
    pub guessed: bool,
}

impl Main {
    /// True when it is this member.
    pub fn is(&self, m: &Member) -> bool {
        self.process == Identity::of(m)
    }
}

/// The one that the registry has; nobody when it has none.
pub fn registered(r: &Root) -> Identity {
    Identity { pid: r.record.main_tgid, start: r.record.main_start }
}

/// The main process, while it is a member: that of the newest instance that has one.
pub fn of(t: &Tracker, service: &Root) -> Option<Main> {
    let others =
        || service.others.iter().filter_map(|s| registry::in_slot(t, s.slot).filter(|r| r.slot == *s));
    of_one(t, service).or_else(|| others().find_map(|r| of_one(t, &r)))
}

/// True when the registry, or the pidfile that `run` was given, says which it is: a look that costs little.
pub fn is_said(t: &Tracker, r: &Root) -> bool {
    here(t, registered(r)).is_some() || named(t, r, &kept(t, r)).is_some()
}

/// A process, while it is a member.
fn here(t: &Tracker, k: Identity) -> Option<Identity> {
    let m = t.member(k.pid).ok().flatten()?;
    (k.pid != 0 && Identity::of(&m) == k).then_some(k)
}

fn of_one(t: &Tracker, r: &Root) -> Option<Main> {
    let here = |k: Identity| here(t, k);
    if let Some(k) = here(registered(r)) {
        return Some(Main { process: k, guessed: false });
    }
    let kept = kept(t, r);
    if let Some(k) = named(t, r, &kept) {
        return Some(Main { process: k, guessed: false });
    }
    match kept.heir {
        Heir::Nobody => None,
        Heir::Named(p) => here(p).map(|k| Main { process: k, guessed: false }),
        Heir::Guessed(p) => here(p).map(|k| Main { process: k, guessed: true }),
        Heir::Written => written::look(t, r).main.map(|k| Main { process: k, guessed: false }),
        Heir::Open => match written::look(t, r).main {
            Some(k) => Some(Main { process: k, guessed: false }),
            None => guess(t, r).map(|k| Main { process: k, guessed: true }),
        },
    }
}

/// What is kept of a root. Of an instance, of which nothing is kept yet, the main process is still to be found.
fn kept(t: &Tracker, r: &Root) -> StopRecord {
    match r.is_instance() && matches!(t.stop_command(r.slot), Ok(None)) {
        true => StopRecord { heir: Heir::Open, ..StopRecord::default() },
        false => StopRecord::of(t, r.slot),
    }
}

/// The process that the pidfile names, when root or the service's user has written it since the service began.
fn named(t: &Tracker, r: &Root, kept: &StopRecord) -> Option<Identity> {
    let path = kept.pidfile.as_ref()?;
    let found = match pidfile::named(path, &kept.owners()) {
        Ok(found) => found,
        Err(e) => {
            log::info!("{}: {}: {e}", r.name, path.display());
            return None;
        }
    };
    let m = t.member(found.pid).ok().flatten()?;
    let ours = m.root == r.slot.slot && found.is_since(wall_second(r.record.born));
    (ours && !found.is_before(wall_second(m.born))).then(|| Identity::of(&m))
}

/// The one member that the first process has forked, else the one whose creator is no member. None, when there are more.
fn guess(t: &Tracker, r: &Root) -> Option<Identity> {
    let first = registered(r);
    if first.pid == 0 && !r.is_instance() || !registry::is_live_state(r) {
        return None;
    }
    let (members, mut own) = members(t, r);
    if let Some(until) = scripts_end(t, r) {
        own.retain(|m| m.born <= until);
    }
    let forked: Vec<&Member> =
        own.iter().filter(|m| first.pid != 0 && Identity::creator(m) == first).collect();
    match &forked[..] {
        [] => match &outermost(&members, &own)[..] {
            [one] => Some(Identity::of(one)),
            _ => None,
        },
        [one] => Some(Identity::of(one)),
        _ => None,
    }
}

/// A daemon may fork so long after its script has ended, ns.
const LATE: u64 = 10_000_000_000;
/// A script whose end is not remembered has started its daemon within so long, ns.
const STARTING: u64 = 120_000_000_000;

/// Until when the main process of an instance that a script has opened was born at the latest (CLOCK_BOOTTIME ns): what
/// was forked later is something else, which may have outlived it. `None`: the script still runs, or there was none.
fn scripts_end(t: &Tracker, r: &Root) -> Option<u64> {
    let opener = Identity { pid: r.record.opener_tgid, start: r.record.opener_start };
    if r.record.flags & R_SCRIPT == 0 || opener.lives() {
        return None;
    }
    let dead = t.past().and_then(|p| p.dead().ok()).unwrap_or_default();
    let ended = dead.iter().find(|d| Identity::of(&d.member) == opener).map(|d| d.ended);
    Some(ended.map_or(r.record.born + STARTING, |e| e + LATE))
}

/// All members of a family, and the root's own that are no control processes.
pub fn members(t: &Tracker, r: &Root) -> (Vec<Member>, Vec<Member>) {
    let family = registry::family(t, r.slot.slot);
    let listed = t.listed(&|s| family.contains(&u32::from(s)));
    let members: Vec<Member> = listed.into_iter().filter_map(|p| t.member(p).ok().flatten()).collect();
    let own = |m: &&Member| m.root == r.slot.slot && m.flags & B_CONTROL == 0;
    let own = members.iter().filter(own).copied().collect();
    (members, own)
}

/// Those whose creator is no member.
pub fn outermost(members: &[Member], own: &[Member]) -> Vec<Member> {
    let there: HashSet<Identity> = members.iter().map(Identity::of).collect();
    own.iter().filter(|m| !there.contains(&Identity::creator(m))).copied().collect()
}

/// Remembers the process that was guessed or named: when it ends, none is guessed in its place. Where that cannot be
/// done, the next caller finds out again.
pub fn settle(t: &Tracker, service: &Root) {
    settle_one(t, service);
    for s in &service.others {
        if let Some(r) = registry::in_slot(t, s.slot).filter(|r| r.slot == *s) {
            settle_one(t, &r);
        }
    }
}

fn settle_one(t: &Tracker, r: &Root) {
    let heir = |m: &Main| match m.guessed {
        true => Heir::Guessed(m.process),
        false => Heir::Named(m.process),
    };
    let new = |kept: &StopRecord| {
        let m = of_one(t, r).filter(|m| m.process != registered(r))?;
        (kept.heir != heir(&m)).then(|| heir(&m))
    };
    let kept = kept(t, r);
    if (kept.heir == Heir::Nobody && kept.pidfile.is_none()) || new(&kept).is_none() {
        return;
    }
    let Ok(_lock) = t.lock() else { return };
    let changed = StopRecord::change(t, r.slot, |kept| {
        if let Some(h) = new(kept) {
            kept.heir = h;
        }
    });
    if let Err(e) = changed {
        log::info!("{}: {e}", r.name);
    }
}

/// Says which pidfiles were not believed, where that is asked for (`-v`).
pub fn say_why(t: &Tracker, r: &Root, tell: &dyn Tell) {
    let looked = matches!(kept(t, r).heir, Heir::Open | Heir::Written);
    if tell.verbose() == 0 || !looked {
        return;
    }
    for why in written::look(t, r).refused {
        tell.message(&message::render(&format!("'{}': {why}", r.name), None, None));
    }
}

/// What is said to a caller that asks for a main process that is not there, while others are.
/// It names those of which one may be meant.
pub fn gone(t: &Tracker, r: &Root) -> Failure {
    let name = &r.name;
    let next = format!(
        "'killer status {name}' shows the processes that are left, 'killer set-main {name} PID' chooses another"
    );
    let (members, own) = members(t, r);
    let outer = outermost(&members, &own);
    let word = |m: &Member| format!("{} ({})", m.tgid, escape::comm(&m.comm));
    let mut words: Vec<String> = outer.iter().take(SHOWN).map(word).collect();
    if outer.len() > SHOWN {
        words.push(format!("{} more", outer.len() - SHOWN));
    }
    let next = match words.is_empty() {
        true => next,
        false => format!("candidates: {}; {next}", words.join(", ")),
    };
    let what = match registered(r).pid {
        0 => format!("'{name}': no main process is known"),
        _ => format!("'{name}': the main process is gone"),
    };
    Failure::new(Ending::Failed, what).next(next)
}

/// So many candidates are named.
const SHOWN: usize = 8;
