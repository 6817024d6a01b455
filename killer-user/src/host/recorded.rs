//! What the recorder tells of processes: who forked them, and what they have executed.

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use killer_common::record::{Member, TaskKey};
use killer_common::recorder::*;

use super::failure::Failure;
use super::open::Host;
use super::{Tell, ended, execs, models, senders};
use crate::ask::Whose;
use crate::ask::lineage::Lineage;
use crate::ending::Ending;
use crate::keep::{Candidate, HowEnded, Recording, Records, Scope, candidate};
use crate::lineage::Link;
use crate::report::human::count;
use crate::report::model::{End, Executed};
use crate::report::{escape, message};
use crate::sys::alive::Identity;
use crate::tier::Tracker;

/// Records so much from now on; answers what is to be known.
pub fn record(of: Lineage, tell: &dyn Tell) -> Result<Vec<String>, Failure> {
    let host = Host::up()?;
    let scope = match of {
        Lineage::Off => None,
        Lineage::Services => Some(Scope::Members),
        Lineage::All => Some(Scope::Everybody),
    };
    let Some(records) = host.records() else {
        if scope.is_none() {
            return Ok(Vec::new());
        }
        return Err(Failure::new(Ending::Failed, "nothing can be recorded here")
            .why(format!(
                "the tier {} has no programs that could: they need the kernel's BTF",
                host.tier().name()
            ))
            .next("without it, the forks of members are kept as long as a descendant lives: 'killer up'"));
    };
    let _lock = host.lock()?;
    let before = records.recording()?;
    records.record(scope)?;
    let mut notes = Vec::new();
    if before.is_some_and(|b| Some(b.scope) > scope || !b.attached) {
        notes.push("what was recorded until now is forgotten".to_owned());
    }
    notes.extend(records.recording()?.map(|r| words(&r)));
    notes.iter().for_each(|n| tell.message(&message::render(n, None, None)));
    Ok(notes)
}

/// What is recorded, and what it has missed, in a sentence.
pub fn words(r: &Recording) -> String {
    let of = match r.scope {
        Scope::Members => "of members of services, what they execute is recorded",
        Scope::Everybody => "of every process of the host, who forked it and what it executes is recorded",
    };
    let since = match r.figures.complete {
        0 => String::new(),
        at => format!(" since {}", models::when(at)),
    };
    let missed = missed(r);
    let missed = if missed.is_empty() { String::new() } else { format!("; {}", missed.join(", ")) };
    format!("{of}{since}{missed}")
}

/// What is missing from what was recorded.
pub fn missed(r: &Recording) -> Vec<String> {
    let f = &r.figures;
    let mut all = Vec::new();
    if !r.attached {
        all.push("its hooks are gone: 'killer up --lineage=...' begins anew".to_owned());
    }
    let counts = [
        (f.lost_nodes, "forks had no place"),
        (f.lost_execs, "execs had no place"),
        (f.lost_ends, "ends were missed"),
        (r.skipped, "runs of its programs were skipped by the kernel"),
        (f.lost_senders, "senders of signals had no place"),
        (
            r.unheard,
            "runs of the one on signals were skipped by the kernel: senders are missing, or ones of before are named",
        ),
    ];
    all.extend(counts.iter().filter(|c| c.0 != 0).map(|(n, what)| format!("{n} {what}")));
    if !r.names {
        all.push("paths cannot be read (lockdown=confidentiality)".into());
    }
    all
}

/// Everybody who is recorded, read once.
#[derive(Debug)]
pub struct Recorded<'a> {
    records: &'a dyn Records,
    nodes: HashMap<TaskKey, Node>,
}

/// A line of recorded processes, the first one first.
#[derive(Debug, Default)]
pub struct Line {
    /// Each forked the next one, unless there are some between.
    pub nodes: Vec<Node>,
    /// Processes above the first one that are no longer known; 0: nobody knows how many. `None`: there is none.
    pub missing: Option<u32>,
    /// How many are no longer known between this one and the one before it.
    pub between: Option<(TaskKey, u32)>,
}

impl<'a> Recorded<'a> {
    /// `None`: nothing is recorded.
    pub fn read(t: &'a Tracker) -> std::io::Result<Option<Self>> {
        let Some(records) = t.records() else { return Ok(None) };
        if records.recording()?.is_none() {
            return Ok(None);
        }
        let nodes = records.nodes()?.into_iter().map(|n| (n.key, n)).collect();
        Ok(Some(Self { records, nodes }))
    }

    /// A process.
    pub fn node(&self, it: Identity) -> Option<&Node> {
        self.nodes.get(&TaskKey { tgid: it.pid, pad: 0, start: it.start })
    }

    /// Who forked a member: one that was an orphan when it was adopted has another parent by then.
    pub fn creator(&self, m: &Member) -> Identity {
        let recorded =
            self.node(Identity::of(m)).map(|n| Identity { pid: n.creator.tgid, start: n.creator.start });
        recorded.unwrap_or_else(|| Identity::creator(m))
    }

    /// Those that have or had this number, the youngest first.
    pub fn with(&self, pid: u32, inode: Option<u64>) -> Vec<&Node> {
        let is = |n: &&Node| n.key.tgid == pid && inode.is_none_or(|i| n.inode == i);
        let mut v: Vec<&Node> = self.nodes.values().filter(is).collect();
        v.sort_by_key(|n| std::cmp::Reverse(n.key.start));
        v
    }

    /// Up from a process to the first one that is known, with itself.
    pub fn line(&self, it: Identity) -> Line {
        let mut nodes: Vec<Node> = Vec::new();
        let mut seen = HashSet::new();
        let mut at = TaskKey { tgid: it.pid, pad: 0, start: it.start };
        let mut between = None;
        loop {
            while let Some(n) = self.nodes.get(&at).filter(|_| seen.insert(at)) {
                nodes.push(*n);
                at = n.creator;
            }
            // The deeper ones are forgotten by age; what they hold is the last of the first ones.
            let Some(n) = nodes.last().filter(|n| n.depth > HOLDERS && between.is_none()) else { break };
            let Some(up) = self.nodes.get(&n.holder) else { break };
            between = Some((n.key, n.depth.saturating_sub(up.depth + 1)));
            at = n.holder;
        }
        nodes.reverse();
        let missing = nodes.first().and_then(|n| (n.depth > 0).then_some(n.depth));
        Line { nodes, missing, between }
    }

    /// What a process has executed; and how many execs between are left out.
    pub fn executed(&self, it: Identity) -> (Vec<Executed>, u64) {
        let Some(n) = self.node(it) else { return (Vec::new(), 0) };
        let all = self.records.execs(n).unwrap_or_default();
        let left_out = u64::from(n.execs).saturating_sub(all.len() as u64);
        (all.iter().map(executed).collect(), left_out)
    }

    /// How a process ended.
    pub fn end(&self, it: Identity) -> Option<End> {
        let how = self.node(it).and_then(|n| HowEnded::of(n.status, n.ended))?;
        let sender = senders::of(Some(self.records), it, how);
        Some(End { sender, ..ended::of(Some(how), "ended") })
    }

    /// How a process that is a member of nothing came about.
    pub fn how(&self, it: Identity) -> &'static str {
        match self.node(it) {
            Some(n) if n.flags & N_BEFORE != 0 => "before",
            Some(n) if n.creator.tgid == 0 => "kernel",
            _ => "forked",
        }
    }
}

/// So many processes are named where one has to be chosen.
const NAMED: usize = 10;

/// The recorded process that a candidate is, where everybody is recorded.
pub fn top(t: &Tracker, p: &Candidate) -> Option<TaskKey> {
    let recorded = Recorded::read(t).ok()??;
    let all = recorded.records.recording().ok()?.is_some_and(|r| r.scope == Scope::Everybody);
    let is = |n: &&&Node| candidate(n) == Candidate { inode: n.inode, ..*p };
    recorded.with(p.pid, None).iter().find(is).filter(|_| all).map(|n| n.key)
}

/// Whether one of these processes descends from a recorded one.
pub fn has_below(t: &Tracker, top: TaskKey, pids: &[u32]) -> Result<bool, Failure> {
    let Some(records) = t.records() else { return Ok(false) };
    Ok(records.below(top)?.living.iter().any(|n| pids.contains(&n.key.tgid)))
}

/// The process that `adopt --of` is about, and the oldest one below it that lives.
pub fn find(t: Option<&Tracker>, whose: &Whose) -> Result<(TaskKey, Candidate), Failure> {
    let none = || {
        Failure::new(Ending::Failed, "the processes of this host are not recorded")
            .why("who descends from a process that may have ended is known since they are")
            .next("'killer up --lineage=all' records from then on; 'killer adopt NAME --pid PID' takes in what descends from PID now")
    };
    let t = t.ok_or_else(none)?;
    let recorded = Recorded::read(t)?.ok_or_else(none)?;
    if recorded.records.recording()?.is_none_or(|r| r.scope != Scope::Everybody) {
        return Err(none());
    }
    let (what, found) = match whose {
        Whose::Of(pid, inode) => (format!("process {pid}"), recorded.with(*pid, *inode)),
        Whose::Executed(path) => (path.display().to_string(), recorded.firsts_of(path)),
        _ => (String::new(), Vec::new()),
    };
    let mut with = Vec::new();
    for n in &found {
        let below = recorded.records.below(n.key)?;
        with.extend(below.living.first().map(|first| (n.key, candidate(first), below.living.len())));
    }
    match (&with[..], found.is_empty()) {
        ([(top, first, _)], _) => Ok((*top, *first)),
        ([], true) => Err(Failure::new(Ending::Failed, format!("nobody is known: {what}"))
            .why("it has not been recorded, or nobody has descended from it for a while")
            .next("'ps -e' shows the processes, and 'killer why PID' where one comes from")),
        ([], false) => {
            Err(Failure::new(Ending::Failed, format!("nobody who descends from it lives: {what}"))
                .next(format!("'killer why {}' shows what has become of it", found[0].key.tgid)))
        }
        (several, _) => {
            let mut them: Vec<String> =
                several.iter().take(NAMED).map(|s| recorded.named(&s.0, s.2)).collect();
            if several.len() > NAMED {
                them.push(format!("and {} more", several.len() - NAMED));
            }
            Err(Failure::new(Ending::Failed, format!("more than one is meant: {what}"))
                .why(them.join(", "))
                .next("give one of them: --of PID, or --of PID:INODE"))
        }
    }
}

impl Recorded<'_> {
    /// Those who have executed a program and descend from nobody who has; the file is known by its path as it was executed, also from
    /// the directory where that was, or by its inode when it is still there.
    fn firsts_of(&self, path: &Path) -> Vec<&Node> {
        let now = std::fs::metadata(path).ok().map(|m| (m.dev(), m.ino()));
        let is = |e: &Exec| {
            let end = e.path.iter().position(|b| *b == 0).unwrap_or(PATH);
            // `include/linux/kdev_t.h`: 12 bits and 20; makedev(3) has another order.
            let dev = rustix::fs::makedev(e.dev >> 20, e.dev & 0xf_ffff);
            let typed = Path::new(OsStr::from_bytes(&e.path[..end]));
            let whole = || {
                executed(e)
                    .directory
                    .is_some_and(|d| Path::new(&d).join(typed).components().eq(path.components()))
            };
            typed == path || whole() || e.flags & E_SCRIPT == 0 && now == Some((dev, e.inode))
        };
        let has = |n: &&Node| n.execs > 0 && self.records.execs(n).unwrap_or_default().iter().any(is);
        let all: HashMap<TaskKey, &Node> = self.nodes.values().filter(has).map(|n| (n.key, n)).collect();
        let below = |n: &Node| {
            let line = self.line(Identity { pid: n.creator.tgid, start: n.creator.start });
            line.nodes.iter().any(|up| all.contains_key(&up.key))
        };
        let mut firsts: Vec<&Node> = all.values().filter(|n| !below(n)).copied().collect();
        firsts.sort_by_key(|n| (n.born, n.key));
        firsts
    }

    /// One that may be meant, for people.
    fn named(&self, k: &TaskKey, living: usize) -> String {
        let n = self.nodes.get(k).copied().unwrap_or_default();
        let which = if n.inode == 0 { k.tgid.to_string() } else { format!("{}:{}", k.tgid, n.inode) };
        let name = escape::comm(bytemuck::bytes_of(&n.comm));
        let end = if n.ended == 0 { "" } else { ", ended" };
        format!(
            "{which} ({name}, since {}{end}, {})",
            models::when(n.born),
            count(living as u64, "process alive", "processes alive")
        )
    }
}

/// A recorded process as a link of a line: a member of nothing.
pub fn link(n: &Node) -> Link {
    let member = Member {
        tgid: n.key.tgid,
        leader_start: n.key.start,
        inode: n.inode,
        creator_tgid: n.creator.tgid,
        creator_start: n.creator.start,
        uid: n.uid,
        born: n.born,
        comm: bytemuck::cast(n.comm),
        execs: n.execs,
        ended: n.ended,
        ..Member::default()
    };
    Link { member, ended: (n.ended != 0).then_some(n.ended) }
}

fn executed(e: &Exec) -> Executed {
    let flag = |bit| e.flags & bit != 0;
    let name = execs::text(&e.file);
    let there = if flag(E_NO_ARGS) { 0 } else { e.args_len as usize };
    let (args, args_cut) = execs::arguments(&e.args, there).unwrap_or_default();
    let parts = e.dir[..(e.dir_len as usize).min(DIR)].split(|b| *b == 0).filter(|p| !p.is_empty());
    let mut parts: Vec<String> = parts.map(|p| String::from_utf8_lossy(p).into_owned()).collect();
    parts.reverse();
    let above = if flag(E_DEEP) { "..." } else { "" };
    Executed {
        at: models::when(e.at),
        file: execs::file(&e.path, e.dev, e.inode),
        name: (!name.is_empty()).then_some(name),
        deleted: flag(E_DELETED) && !flag(E_MEMORY),
        memory: flag(E_MEMORY),
        script: flag(E_SCRIPT),
        args,
        args_cut,
        directory: (!flag(E_NO_NAMES)).then(|| format!("{above}/{}", parts.join("/"))),
        uid: e.uid,
        euid: e.euid,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blank() -> Exec {
        let mut e: Exec = bytemuck::Zeroable::zeroed();
        e.dev = 8 << 20 | 1;
        e
    }

    fn put(to: &mut [u8], text: &[u8]) {
        to[..text.len()].copy_from_slice(text);
    }

    #[test]
    fn an_exec_is_read_whole() {
        let mut e = blank();
        put(&mut e.path, b"./x\0rest");
        put(&mut e.file, b"x\0");
        put(&mut e.args, b"x\0-a\0\0");
        put(&mut e.dir, b"tmp\0var\0");
        (e.args_len, e.dir_len, e.flags) = (6, 8, E_DELETED | E_SCRIPT);
        let x = executed(&e);
        assert_eq!((x.file.path.as_deref(), x.file.dev.as_str()), (Some("./x"), "8:1"));
        assert_eq!(
            (x.args, x.args_cut, x.directory.as_deref()),
            (vec!["x".into(), "-a".into(), String::new()], false, Some("/var/tmp"))
        );
        assert!(x.deleted && x.script && !x.memory);
    }

    #[test]
    fn what_could_not_be_read_is_missing() {
        let mut e = blank();
        (e.args_len, e.flags) = (9, E_NO_ARGS | E_NO_NAMES);
        let x = executed(&e);
        assert!(x.args.is_empty() && x.directory.is_none() && x.file.path.is_none());
        (e.args_len, e.flags, e.dir_len) = (5000, E_DEEP | E_MEMORY | E_DELETED, 3);
        put(&mut e.dir, b"abc");
        let x = executed(&e);
        assert!(x.args_cut && x.memory && !x.deleted);
        assert_eq!(x.directory.as_deref(), Some(".../abc"));
    }
}
