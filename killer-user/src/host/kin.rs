//! Orphans that may belong to what was adopted: they have lost their lineage before, so they are told of and never taken in.

use std::collections::HashSet;
use std::path::PathBuf;

use crate::lineage::{Lineage, Members};
use crate::lookup::{Root, process};
use crate::report::escape;
use crate::sys::entry::{Entry, everybody};
use crate::sys::proc_text;
use crate::tier::Tracker;

/// So many are told.
const MOST: usize = 10;

/// What speaks for a process.
#[derive(Default)]
struct Looks {
    programs: HashSet<PathBuf>,
    sessions: HashSet<i32>,
    users: HashSet<u32>,
    /// Start of the oldest, ticks.
    oldest: Option<u64>,
    /// Who gets orphans: process 1, and what may be a subreaper, which is an ancestor and not the parent.
    reapers: HashSet<i32>,
}

/// Who may be the parent of its orphans.
fn reapers(main: Option<u32>) -> HashSet<i32> {
    let parent = |p: u32| Entry::open(p).ok()?.stat().ok().map(|s| s.ppid as u32).filter(|p| *p > 0);
    let above = std::iter::successors(main.and_then(parent).and_then(parent), |p| parent(*p));
    above.take(64).map(|p| p as i32).chain([1]).collect()
}

/// Lines for people: who it is, what speaks for it, and how it is taken in.
pub fn hints(t: &Tracker, root: &Root) -> Vec<String> {
    let family = Lineage::new(t, root.clone());
    let all = family.members(&family.listed());
    // A number may be another's when the command is given; with its inode nobody else is taken for it.
    let by_inode = all.iter().any(|m| m.inode != 0);
    let members: HashSet<u32> = all.iter().map(|m| m.tgid).collect();
    let main = (root.record.main_tgid != 0).then_some(root.record.main_tgid);
    let none = Looks { reapers: reapers(main), ..Looks::default() };
    let looks = members.iter().filter_map(|p| Entry::open(*p).ok()).fold(none, |mut l, e| {
        if let (Ok(s), Ok(u)) = (e.stat(), e.status()) {
            l.sessions.insert(s.session);
            l.users.insert(u.ruid);
            l.oldest = Some(l.oldest.map_or(s.starttime, |o| o.min(s.starttime)));
            l.programs.extend(e.link("exe"));
        }
        l
    });
    let callers: HashSet<u32> = process::ancestors().into_iter().chain([std::process::id()]).collect();
    let others = everybody().unwrap_or_default();
    let others = others.into_iter().filter(|p| *p != 1 && !members.contains(p) && !callers.contains(p));
    let found = others.filter_map(|p| {
        let why = speaks(&looks, p)?;
        // One that is a member of another service is no orphan that nobody knows.
        t.member(p).ok().filter(Option::is_none)?;
        let it = process::open(p, None).ok()?;
        let which = if by_inode { format!("{p}:{}", it.inode) } else { p.to_string() };
        let name = escape::text(&proc_text::shown(&proc_text::name(p)));
        Some(format!(
            "process {p} ({name}) may belong to it: an orphan {why}; 'killer adopt {} --also {which}' takes it in",
            root.name
        ))
    });
    let mut all: Vec<String> = found.take(MOST + 1).collect();
    if all.len() > MOST {
        all[MOST] = "and there are more orphans that look like that".into();
    }
    all
}

/// What an orphan has in common with the members. `None`: too little.
fn speaks(looks: &Looks, pid: u32) -> Option<String> {
    let e = Entry::open(pid).ok()?;
    let s = e.stat().ok()?;
    // Who is not older, has lost its parent, and is of the same user.
    if !looks.reapers.contains(&s.ppid) || Some(s.starttime) < looks.oldest {
        return None;
    }
    e.status().ok().filter(|u| looks.users.contains(&u.ruid))?;
    let mut why = Vec::new();
    if e.link("exe").is_ok_and(|exe| looks.programs.contains(&exe)) {
        why.push("of the same program");
    }
    // The session of what init started is its own.
    if s.session != 0 && s.session != pid as i32 && looks.sessions.contains(&s.session) {
        why.push("in the same session");
    }
    (!why.is_empty()).then(|| format!("of the same user, {}", why.join(" and ")))
}
