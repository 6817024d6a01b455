//! What /proc says about a member. It decides nothing: membership is the kernel's, this is for people.

use std::os::fd::{AsFd, OwnedFd};

use crate::sys::alive::{self, Look, look};
use crate::sys::entry::Entry;
use crate::sys::kernel_fs::{self, KernelDir};
use crate::sys::namespaces::{self, Held, Inodes};
use crate::sys::{proc, proc_text};
use killer_common::record::Member;
use killer_common::states::Thread;

/// Facts about a member that the kernel map does not keep.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outside {
    /// Arguments, as the process has them now.
    pub cmdline: Vec<String>,
    /// Process group.
    pub pgrp: u32,
    /// Session.
    pub session: u32,
    /// cgroups, as /proc has them: see [`hierarchies`].
    pub cgroups: String,
    /// Inode of its PID namespace.
    pub pid_ns: Option<u64>,
    /// Its other namespaces.
    pub namespaces: Inodes,
    /// Tasks.
    pub threads: i64,
}

/// Looks at one member after the other.
#[derive(Debug, Default)]
pub struct Describer {
    last: Held,
    /// By number: what the kernel has told of threads.
    told: Vec<Thread>,
}

/// What of a process is no file of its own in /proc.
struct Numbers {
    pgrp: u32,
    session: u32,
    threads: i64,
}

impl Describer {
    /// One that knows what the kernel has told of members' threads: of these `stat` is not read.
    pub fn knowing(mut told: Vec<Thread>) -> Self {
        told.sort_unstable_by_key(|t| t.tgid);
        Self { told, ..Self::default() }
    }

    /// Reads what /proc has about a member; `None` when it is gone or another process has its number.
    pub fn describe(&self, m: &Member) -> Option<Outside> {
        let threads = self.threads(m);
        // Before the look: what it gives afterwards is of the process that was looked at.
        let by_pidfd = namespaces::by_pidfd() || threads.is_some();
        let pidfd = by_pidfd.then(|| proc::pidfd_open(m.tgid).ok()).flatten();
        let known = threads.zip(pidfd.as_ref()).and_then(|(threads, fd)| known(m, fd, threads));
        let (e, numbers) = match known {
            Some(known) => known,
            None => match look(m.tgid, m.leader_start) {
                Look::Here(e, s) => {
                    let (pgrp, session) = (s.pgrp as u32, s.session as u32);
                    (e, Numbers { pgrp, session, threads: s.num_threads })
                }
                Look::Gone => return None,
                Look::Unknown => {
                    alive::note_blind();
                    return None;
                }
            },
        };
        let (pid_ns, namespaces) = self.last.namespaces(&e, pidfd.as_ref().map(|fd| fd.as_fd()));
        Some(Outside {
            cmdline: proc_text::arguments_of(&e),
            pgrp: numbers.pgrp,
            session: numbers.session,
            cgroups: cgroups_of(&e),
            pid_ns,
            namespaces,
            threads: numbers.threads,
        })
    }

    /// How many threads a member has, where the kernel has told that.
    fn threads(&self, m: &Member) -> Option<i64> {
        let at = self.told.partition_point(|t| t.tgid < m.tgid);
        let its = self.told[at..].iter().take_while(|t| t.tgid == m.tgid);
        its.filter(|t| t.start == m.leader_start).map(|t| t.threads.into()).next()
    }
}

/// The directory and the numbers of a member, without its `stat`: the pidfd's inode says that it is the member (6.9+), and that it has
/// not ended says that whatever was asked by its number until then was asked of it. `None`: that cannot be said.
fn known(m: &Member, pidfd: &OwnedFd, threads: i64) -> Option<(Entry, Numbers)> {
    if m.inode == 0 || proc::pidfd_inode(pidfd).ok()? != m.inode {
        return None;
    }
    let e = Entry::open(m.tgid).ok()?;
    let (pgrp, session) = proc::group_and_session(m.tgid)?;
    (!proc::pidfd_ended(pidfd)).then_some((e, Numbers { pgrp, session, threads }))
}

/// As [`Describer::describe`], of one alone.
pub fn describe(m: &Member) -> Option<Outside> {
    Describer::default().describe(m)
}

/// Path of a member's program; `None` also where it may not be looked at.
pub fn program(m: &Member) -> Option<String> {
    match look(m.tgid, m.leader_start) {
        Look::Here(e, _) => e.link("exe").ok().map(|e| e.to_string_lossy().into_owned()),
        Look::Gone => None,
        Look::Unknown => {
            alive::note_blind();
            None
        }
    }
}

/// cgroups of a process, as /proc has them.
pub(super) fn cgroups_of(e: &Entry) -> String {
    // One record (`fs/proc/base.c:proc_single_show`).
    let bytes = e.record("cgroup").unwrap_or_default();
    String::from_utf8(bytes).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned())
}

/// Controllers and path of every hierarchy in that text, without `killer`'s own (tier `named`): it moves tracked processes, which
/// is no escape.
pub fn hierarchies(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let of = |line| {
        let (_, rest) = str::split_once(line, ':').filter(|(n, _)| n.parse::<u32>().is_ok())?;
        rest.split_once(':')
    };
    text.lines().filter_map(of).filter(|(controllers, _)| !controllers.starts_with("name=killer"))
}

/// Real uid of a member now.
pub fn uid(m: &Member) -> Option<u32> {
    match look(m.tgid, m.leader_start) {
        Look::Here(e, _) => e.status().ok().map(|s| s.ruid),
        _ => None,
    }
}

/// Why a member that was sent SIGKILL is still there (F42): (code, words).
pub fn explain(m: &Member) -> (&'static str, String) {
    let pid = m.tgid;
    let status = match look(pid, m.leader_start) {
        Look::Here(e, _) => e.text("status").unwrap_or_default(),
        Look::Gone => String::new(),
        Look::Unknown => return ("unknown", "cannot be looked at in /proc".into()),
    };
    let field = |k: &str| {
        status
            .lines()
            .find_map(|l| l.strip_prefix(k)?.strip_prefix(':').map(str::trim))
            .unwrap_or_default()
            .to_owned()
    };
    if status.is_empty() {
        return ("exiting", "its exit is under way".into());
    }
    let tracer = field("TracerPid");
    if !tracer.is_empty() && tracer != "0" {
        let held = |pid: &str| {
            let status = proc_text::text(&format!("/proc/{}/status", m.tgid));
            status.lines().any(|l| l.strip_prefix("TracerPid:").is_some_and(|t| t.trim() == pid))
        };
        let tracer = with_name(&tracer, held);
        return (
            "traced",
            format!("held by tracer {tracer}: it can end when the tracer lets it go on, or dies"),
        );
    }
    if field("CoreDumping") == "1" {
        return ("coredump", "dumping core".into());
    }
    if let Some(path) = frozen(pid) {
        return ("frozen", format!("in a frozen cgroup v1: {path}; it dies when that is thawed"));
    }
    let state = field("State");
    if state.starts_with('D') {
        let wchan = proc_text::text(&format!("/proc/{pid}/wchan"));
        let wchan = if wchan.is_empty() || wchan == "0" { "an unknown place".into() } else { wchan };
        return (
            "uninterruptible",
            format!("in uninterruptible sleep in {wchan}: no code of its own will run again"),
        );
    }
    if state.starts_with('Z') {
        let child = |pid: &str| match look(m.tgid, m.leader_start) {
            Look::Here(_, s) => s.ppid.to_string() == pid,
            _ => false,
        };
        let parent = with_name(&field("PPid"), child);
        return ("zombie", format!("it has ended; its parent {parent} has not reaped it yet"));
    }
    ("alive", format!("alive in state {state}"))
}

/// A number with the name of the process that has it, when `still` says of the number afterwards that it is still the
/// one.
fn with_name(pid: &str, still: impl Fn(&str) -> bool) -> String {
    let name = pid.parse().map(proc_text::name).unwrap_or_default();
    match name.is_empty() || !still(pid) {
        true => pid.to_owned(),
        false => format!("{pid} ({})", proc_text::shown(&name)),
    }
}

/// Where a process is in a freezer of cgroup v1.
#[derive(Debug)]
pub struct Freezer {
    /// Controllers of the hierarchy.
    pub controllers: String,
    /// Its group, from the root of the hierarchy.
    pub path: Vec<u8>,
    /// That root.
    pub root: KernelDir,
}

/// Controllers and path of the freezer's hierarchy in a text as [`hierarchies`] takes it. A group's name has any bytes but a newline.
fn freezer_in(text: &[u8]) -> Option<(String, Vec<u8>)> {
    let of = |line: &[u8]| {
        let mut words = line.splitn(3, |b| *b == b':').skip(1);
        let controllers = std::str::from_utf8(words.next()?).ok()?.to_owned();
        Some((controllers, words.next()?.to_owned()))
    };
    let mut all = text.split(|b| *b == b'\n').filter_map(of);
    all.find(|(c, _)| c.split(',').any(|c| c == "freezer") && !c.starts_with("name=killer"))
}

/// The frozen freezer that a process is in; `None`: it is in none, it is thawed, or it cannot be looked at.
pub fn freezer(e: &Entry) -> Option<Freezer> {
    let (controllers, path) = freezer_in(&e.record("cgroup").ok()?)?;
    let root = kernel_fs::cgroup_v1(&controllers).ok()?;
    let state = root.below(&path).and_then(|d| d.read("freezer.state")).ok()?;
    (state.trim() != "THAWED").then_some(Freezer { controllers, path, root })
}

fn frozen(pid: u32) -> Option<String> {
    let f = freezer(&Entry::open(pid).ok()?)?;
    Some(kernel_fs::place(&f.controllers) + &proc_text::shown(&f.path))
}

#[cfg(test)]
mod tests {
    use super::freezer_in;

    #[test]
    fn the_freezers_group() {
        let text = b"9:name=killer,freezer:/no\n6:cpu,freezer:/a:b\xff\n0::/x\n";
        assert_eq!(freezer_in(text), Some(("cpu,freezer".into(), b"/a:b\xff".to_vec())));
        assert_eq!(freezer_in(b"0::/x\n\nfreezer"), None);
    }
}
