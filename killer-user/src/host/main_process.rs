//! Which the main process of a service is: the one that the registry has, the one that its pidfile names, or, when
//! the first process of a daemon has ended as it should, the one that can be guessed (systemd's GuessMainPID=).

use std::collections::HashSet;

use killer_common::record::{B_CONTROL, Member};

use super::failure::Failure;
use super::record::{Heir, StopRecord, wall_second};
use crate::ending::Ending;
use crate::lookup::{Root, pidfile, registry};
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

/// The main process, while it is a member.
pub fn of(t: &Tracker, r: &Root) -> Option<Main> {
    let here = |k: Identity| {
        let m = t.member(k.pid).ok().flatten()?;
        (k.pid != 0 && Identity::of(&m) == k).then_some(k)
    };
    if let Some(k) = here(registered(r)) {
        return Some(Main { process: k, guessed: false });
    }
    let kept = StopRecord::of(t, r.slot);
    if let Some(k) = named(t, r, &kept) {
        return Some(Main { process: k, guessed: false });
    }
    match kept.heir {
        Heir::Nobody => None,
        Heir::Named(p) => here(p).map(|k| Main { process: k, guessed: false }),
        Heir::Guessed(p) => here(p).map(|k| Main { process: k, guessed: true }),
        Heir::Open => guess(t, r).map(|k| Main { process: k, guessed: true }),
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
    if first.pid == 0 || !registry::is_live_state(r) {
        return None;
    }
    let family = registry::family(t, r.slot.slot);
    let listed = t.listed(&|s| family.contains(&u32::from(s)));
    let members: Vec<Member> = listed.into_iter().filter_map(|p| t.member(p).ok().flatten()).collect();
    let there: HashSet<Identity> = members.iter().map(Identity::of).collect();
    let own = || members.iter().filter(|m| m.root == r.slot.slot && m.flags & B_CONTROL == 0);
    let only = |among: &dyn Fn(&Member) -> bool| {
        let mut found = own().filter(|m| among(m));
        let one = found.next();
        (one, found.next().is_some())
    };
    match only(&|m| Identity::creator(m) == first) {
        (Some(_), true) => None,
        (Some(m), false) => Some(Identity::of(m)),
        (None, _) => match only(&|m| !there.contains(&Identity::creator(m))) {
            (Some(m), false) => Some(Identity::of(m)),
            _ => None,
        },
    }
}

/// Remembers the process that was guessed or named: when it ends, none is guessed in its place. Where that cannot be
/// done, the next caller finds out again.
pub fn settle(t: &Tracker, r: &Root) {
    let heir = |m: &Main| match m.guessed {
        true => Heir::Guessed(m.process),
        false => Heir::Named(m.process),
    };
    let new = |kept: &StopRecord| {
        let m = of(t, r).filter(|m| m.process != registered(r))?;
        (kept.heir != heir(&m)).then(|| heir(&m))
    };
    let kept = StopRecord::of(t, r.slot);
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

/// What is said to a caller that asks for a main process that is not there, while others are.
pub fn gone(name: &str) -> Failure {
    Failure::new(Ending::Failed, format!("'{name}': the main process is gone")).next(format!(
        "'killer status {name}' shows the processes that are left, 'killer set-main {name} PID' chooses another"
    ))
}
