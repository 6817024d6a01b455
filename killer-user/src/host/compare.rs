//! `verify`: the kernel's set against every other way of finding it.

use std::collections::{HashMap, HashSet};
use std::ffi::{CStr, CString};

use killer_common::record::Member;

use super::failure::Failure;
use super::main_process::Main;
use super::service::Service;
use super::{certainty, models};
use crate::lineage::{self, Home, Lineage, Members};
use crate::lookup::Root;
use crate::report::model::{self, OtherWay, SCHEMA_VERSION, Verify};
use crate::sys::alive::{self, Look, near_start};
use crate::sys::entry::{self, Entry};
use crate::sys::namespaces::NAMESPACES;
use crate::sys::{clock, proc_text};
use crate::tier::Tracker;

/// What is compared of one process of the host.
struct Seen {
    ppid: u32,
    pgrp: u32,
    session: u32,
    /// In clock ticks since boot.
    started: u64,
    name: Vec<u8>,
    /// Its place among the cgroups.
    cgroups: usize,
}

/// Everything that /proc shows, without kernel threads.
#[derive(Default)]
struct Everybody {
    all: HashMap<u32, Seen>,
    /// Texts of /proc: many processes have the same one.
    cgroups: Vec<String>,
}

impl Everybody {
    fn now() -> Self {
        let mut here = Self::default();
        let mut known: HashMap<Vec<u8>, usize> = HashMap::new();
        for pid in entry::everybody().unwrap_or_default() {
            if let Some((seen, text)) = Self::look(pid) {
                let next = known.len();
                let place = *known.entry(text).or_insert_with_key(|text| {
                    here.cgroups.push(String::from_utf8_lossy(text).into_owned());
                    next
                });
                here.all.insert(pid, Seen { cgroups: place, ..seen });
            }
        }
        here
    }

    /// One, and the text of its cgroups.
    fn look(pid: u32) -> Option<(Seen, Vec<u8>)> {
        const PF_KTHREAD: u32 = 0x0020_0000;
        let e = Entry::open(pid).ok()?;
        let (s, bytes) = e.stat_as_it_is().ok()?;
        if s.flags & PF_KTHREAD != 0 || s.state == 'Z' {
            return None;
        }
        let seen = Seen {
            ppid: s.ppid as u32,
            pgrp: s.pgrp as u32,
            session: s.session as u32,
            started: s.starttime,
            name: proc_text::name_in(&bytes).to_owned(),
            cgroups: 0,
        };
        Some((seen, e.record("cgroup").unwrap_or_default()))
    }
}

/// What the kernel has, against every other way of finding it.
pub fn compare(t: &Tracker, r: &Root) -> Result<Verify, Failure> {
    let service = Service::read(t, r);
    let (members, main) = (&service.members, service.main);
    let here = Everybody::now();
    let seen = &here.all;
    let looks = Looks { t, main, members, seen, cgroups: &here.cgroups };
    let first = service.first().and_then(|m| Some((m.tgid, seen.get(&m.tgid)?, service.home()?)));
    let family = Lineage::new(t, r.clone());
    let ways = match first {
        None => vec![looks.skipped("all", "", "the service has no live process")],
        Some((pid, now, home)) => looks.all(pid, now, &home),
    };
    let v = Verify {
        version: SCHEMA_VERSION,
        kind: "verify",
        service: r.name.clone(),
        counts: service.counts,
        members: members.iter().map(|m| models::process(t, m, main)).collect(),
        ways,
        exactness: models::exactness(t, r),
        disagreements: members.iter().filter_map(|m| disagreement(&family, m, seen)).collect(),
    };
    certainty::sound(t)?;
    Ok(v)
}

/// What is compared with the members.
struct Looks<'a> {
    t: &'a Tracker,
    main: Option<Main>,
    members: &'a [Member],
    seen: &'a HashMap<u32, Seen>,
    cgroups: &'a [String],
}

impl Looks<'_> {
    /// Each way by which others look for a service, from its main process `pid`, which is `now`; `home` is what it was.
    fn all(&self, pid: u32, now: &Seen, home: &Home) -> Vec<OtherWay> {
        let group = self.by(|s| s.pgrp == home.pgrp);
        let session = self.by(|s| s.session == home.session);
        let mut ways = vec![
            self.way("process group", "kill -- -PGID, shells", &group),
            self.way("session", "pkill -s", &session),
            self.way("/proc parent walk", "psutil, pstree, tree-kill", &walk(self.seen, pid)),
            self.way("process name", "killall, pkill -x", &self.by(|s| s.name == now.name)),
            self.cgroup(home),
        ];
        ways.extend(self.namespaces(home));
        ways
    }

    /// Those that the service does not share with the caller, and so hardly with everybody else.
    fn namespaces(&self, home: &Home) -> Vec<OtherWay> {
        let number = |pid, name: &CStr| Entry::open(pid).and_then(|e| e.links(c"ns")?.number(name)).ok();
        let all = NAMESPACES.into_iter().zip(home.namespaces).map(|((name, words), i)| (name, words, i));
        let all = all.chain([("pid", "PID namespace", home.pid_ns)]);
        let ways = all.filter_map(|(name, words, i)| {
            let name =
                CString::new(name).ok().filter(|n| i.is_some() && number(std::process::id(), n) != i)?;
            let same = self.seen.keys().copied().filter(|pid| number(*pid, &name) == i).collect();
            Some(self.way(words, "pkill --ns", &same))
        });
        ways.collect()
    }

    fn by(&self, f: impl Fn(&Seen) -> bool) -> HashSet<u32> {
        self.seen.iter().filter(|(_, s)| f(s)).map(|(p, _)| *p).collect()
    }

    fn cgroup(&self, home: &Home) -> OtherWay {
        let (name, used_by) = ("cgroup", "systemctl kill, cgroup.kill");
        // Without controllers: the unified hierarchy.
        let group = home.cgroups.iter().find(|(c, _)| matches!(c.as_str(), "" | "name=systemd"));
        match group {
            Some((c, path)) if path != "/" => {
                let same = |text: &String| {
                    lineage::hierarchies(text).any(|(of, p)| of == c && home.same_cgroup(c, p))
                };
                let same: Vec<bool> = self.cgroups.iter().map(same).collect();
                self.way(name, used_by, &self.by(|s| same[s.cgroups]))
            }
            Some(_) => self.skipped(name, used_by, "the service is in the root cgroup with everybody else"),
            None => self.skipped(name, used_by, "no cgroup hierarchy is mounted"),
        }
    }

    /// What a way has found, against the members.
    fn way(&self, name: &str, used_by: &str, found: &HashSet<u32>) -> OtherWay {
        let ids: HashSet<u32> = self.members.iter().map(|m| m.tgid).collect();
        let me = std::process::id();
        let mut strangers: Vec<u32> =
            found.iter().filter(|p| !ids.contains(p) && **p != me).copied().collect();
        strangers.sort_unstable();
        let missed = self.members.iter().filter(|m| !found.contains(&m.tgid));
        OtherWay {
            way: name.into(),
            used_by: used_by.into(),
            found: found.intersection(&ids).count(),
            missed: missed.map(|m| models::process(self.t, m, self.main)).collect(),
            strangers: strangers.iter().filter_map(|p| self.stranger(*p)).collect(),
            skipped: None,
        }
    }

    /// A way that cannot be gone.
    fn skipped(&self, name: &str, used_by: &str, why: &str) -> OtherWay {
        OtherWay {
            way: name.into(),
            used_by: used_by.into(),
            found: 0,
            missed: Vec::new(),
            strangers: Vec::new(),
            skipped: Some(why.into()),
        }
    }

    fn stranger(&self, pid: u32) -> Option<model::Process> {
        let s = self.seen.get(&pid)?;
        Some(model::Process {
            pid,
            comm: proc_text::shown(&s.name),
            creator: s.ppid,
            ..model::Process::default()
        })
    }
}

/// Everything below a process by its present parents.
fn walk(seen: &HashMap<u32, Seen>, top: u32) -> HashSet<u32> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for (pid, s) in seen {
        children.entry(s.ppid).or_default().push(*pid);
    }
    let mut found = HashSet::from([top]);
    let mut queue = vec![top];
    while let Some(p) = queue.pop() {
        for &c in children.get(&p).into_iter().flatten() {
            if found.insert(c) {
                queue.push(c);
            }
        }
    }
    found
}

/// An index entry that /proc contradicts: when it was read with everything, and, where it did, looked at twice so that an exit
/// between the two is none.
fn disagreement(f: &Lineage<'_>, m: &Member, seen: &HashMap<u32, Seen>) -> Option<String> {
    let same = |s: &Seen| near_start(clock::host_ticks(s.started), m.leader_start);
    if seen.get(&m.tgid).is_some_and(same) || is_there(m) {
        return None;
    }
    let again = f.member(m.tgid).ok().flatten()?;
    if again.leader_start != m.leader_start || is_there(&again) {
        return None;
    }
    let stat = Entry::open(m.tgid).and_then(|e| e.stat()).ok();
    match stat {
        // Its exit is under way, or /proc of another PID namespace is mounted here.
        None => None,
        Some(s) if near_start(clock::host_ticks(s.starttime), m.leader_start) => None,
        Some(_) => {
            Some(format!("the index says that {} is a member, but another process has this number", m.tgid))
        }
    }
}

/// True when /proc has it under its number. A look that fails is noted.
fn is_there(m: &Member) -> bool {
    match alive::look(m.tgid, m.leader_start) {
        Look::Here(..) => true,
        Look::Gone => false,
        Look::Unknown => {
            alive::note_blind();
            false
        }
    }
}
