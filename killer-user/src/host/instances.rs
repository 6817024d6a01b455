//! The instances of a service: which of them a caller means, which is the one that the service is now, and what is left
//! over of the others.

use super::main_process;
use super::record::{Heir, StopRecord};
use crate::keep::Slot;
use crate::lineage::{Lineage, Members};
use crate::lookup::process::{self, Unread};
use crate::lookup::{Root, registry};
use crate::report::{escape, message, model};
use crate::sys::alive::Identity;
use crate::sys::proc_text;
use crate::tier::Tracker;
use killer_common::record::{Member, RootRecord};

use super::models;

/// The process that opened an instance.
fn opener(r: &RootRecord) -> Identity {
    Identity { pid: r.opener_tgid, start: r.opener_start }
}

/// Each instance by itself, newest first; those that have ended meanwhile are left out.
pub fn each(t: &Tracker, service: &Root) -> Vec<Root> {
    let alone = |s: Slot| registry::in_slot(t, s.slot).filter(|r| r.slot == s);
    service.instances().filter_map(alone).collect()
}

/// A service as a caller means it.
pub struct Meant {
    /// With nobody else, it is one that has ended.
    pub service: Root,
    /// So many instances are left out.
    pub left_out: usize,
    /// A warning, when one that is not left out may be the caller's own.
    pub unsure: Option<String>,
}

/// The service without the instances that an ancestor of the caller has opened, so that a script may end its own
/// service.
pub fn of_others(t: &Tracker, service: &Root) -> Meant {
    let whole = |unsure| Meant { service: service.clone(), left_out: 0, unsure };
    if !service.is_instance() && service.others.is_empty() {
        return whole(None);
    }
    let callers = process::callers();
    let pids = callers.pids();
    let own = |r: &Root| pids.contains(&r.record.opener_tgid) && opener(&r.record).lives();
    let all = each(t, service);
    let before = all.len();
    let rest: Vec<Root> = all.into_iter().filter(|r| !own(r)).collect();
    let unsure = callers.unread.and_then(|u| may_be_own(&rest, u));
    let left_out = before - rest.len();
    if left_out == 0 {
        return whole(unsure);
    }
    let mut rest = rest.into_iter();
    let meant = rest.next().map(|first| Root { others: rest.map(|r| r.slot).collect(), ..first });
    Meant { service: meant.unwrap_or_else(|| registry::nobody(&service.name)), left_out, unsure }
}

/// Says that an ancestor which is not known may have opened one of these.
fn may_be_own(others: &[Root], u: Unread) -> Option<String> {
    let may = |r: &&Root| opener(&r.record).start <= u.until && opener(&r.record).lives();
    let r = others.iter().find(may)?;
    let what = format!("'{}': whether what has opened it has started this killer is not known", r.name);
    let why = format!("process {}, an ancestor of this killer, cannot be read", u.pid);
    Some(message::render(&what, Some(&why), None))
}

/// Says that some are left out, where that is asked for (`-v`).
pub fn left_out(name: &str, n: usize) -> String {
    let which = if n == 1 { "an instance is" } else { "some instances are" };
    let what = format!("'{name}': {which} left out: this killer was started by what has opened it");
    message::render(&what, None, None)
}

/// What is known of the main process of one instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Alive,
    Ended,
    Unknown,
}

fn state(t: &Tracker, r: &Root) -> State {
    if main_process::of(t, r).is_some() {
        return State::Alive;
    }
    let kept = StopRecord::of(t, r.slot);
    let had = main_process::registered(r).pid != 0;
    match kept.heir {
        Heir::Guessed(_) | Heir::Named(_) => State::Ended,
        Heir::Nobody if had && !r.is_instance() => State::Ended,
        // A daemon may have no process that could be told to be its main one.
        Heir::Open if had && !r.is_instance() && !kept.forking => State::Ended,
        _ => State::Unknown,
    }
}

/// Places whose members are no left-overs: the newest instance that has a main process, and those that are newer; of
/// all instances without one, those of which it is not known to have ended.
pub fn kept(t: &Tracker, service: &Root) -> Vec<Slot> {
    let all: Vec<(Root, State)> =
        each(t, service).into_iter().map(|r| (state(t, &r), r)).map(|(s, r)| (r, s)).collect();
    let current = all.iter().position(|(_, s)| *s == State::Alive).unwrap_or(all.len());
    let kept = all.iter().take(current + 1).filter(|(_, s)| *s != State::Ended);
    kept.flat_map(|(r, _)| registry::places(t, r)).collect()
}

/// Members that are left over.
pub fn left_over(t: &Tracker, service: &Root, members: &[Member]) -> Vec<Member> {
    let kept = kept(t, service);
    let place = |m: &Member| Slot { slot: m.root, generation: m.generation };
    members.iter().filter(|m| !kept.contains(&place(m))).copied().collect()
}

/// So many left-overs are named.
const SHOWN: usize = 16;

/// Left-overs in systemd's words.
pub fn words(left: &[Member]) -> Vec<String> {
    let word = |m: &Member| format!("Found left-over process {} ({})", m.tgid, escape::comm(&m.comm));
    let mut v: Vec<String> = left.iter().take(SHOWN).map(word).collect();
    if left.len() > SHOWN {
        v.push(format!("Found {} more left-over processes", left.len() - SHOWN));
    }
    v
}

/// What opened an instance: what was executed, and the word after it.
pub fn command(r: &RootRecord) -> Option<String> {
    let bytes = &r.command[..(r.command_len as usize).min(r.command.len())];
    let words: Vec<&[u8]> = bytes.split(|b| *b == 0).filter(|w| !w.is_empty()).collect();
    let text = proc_text::shown(&words.join(&b' '));
    (!text.is_empty()).then_some(text)
}

/// All of them for `status`; nobody for a service that is no instance, and the only one of its name.
pub fn shown(t: &Tracker, service: &Root) -> Vec<model::Instance> {
    if !service.is_instance() && service.others.is_empty() {
        return Vec::new();
    }
    let kept = kept(t, service);
    let one = |r: &Root| model::Instance {
        since: models::when(r.record.born),
        age_s: models::seconds_since(r.record.born),
        command: command(&r.record).or_else(|| StopRecord::of(t, r.slot).command()),
        opener: Some(r.record.opener_tgid).filter(|p| *p != 0),
        main_pid: main_process::of(t, r).map(|m| m.process.pid),
        processes: Lineage::new(t, r.clone()).listed().len() as u64,
        left_over: !kept.contains(&r.slot),
    };
    each(t, service).iter().map(one).collect()
}
