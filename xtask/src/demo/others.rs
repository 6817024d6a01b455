//! What the usual ways would have left alive, worked out from /proc without signalling anybody.

use std::collections::{BTreeMap, BTreeSet};

/// What /proc says of one process.
#[derive(Clone, Debug)]
pub struct Seen {
    /// `/proc/PID/comm`.
    pub comm: String,
    ppid: i32,
    pgrp: i32,
    session: i32,
}

/// Every process now.
pub fn everybody() -> BTreeMap<i32, Seen> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|e| e.file_name().to_str()?.parse::<i32>().ok());
    pids.filter_map(|pid| Some((pid, seen(pid)?))).collect()
}

fn seen(pid: i32) -> Option<Seen> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may hold spaces and parentheses itself.
    let (before, after) = stat.rsplit_once(')')?;
    let comm = before.split_once('(')?.1.to_owned();
    let mut numbers = after.split_whitespace().skip(1).map_while(|n| n.parse().ok());
    Some(Seen { comm, ppid: numbers.next()?, pgrp: numbers.next()?, session: numbers.next()? })
}

/// A usual way, and which of the members it would leave.
#[derive(Debug)]
pub struct Way {
    /// How one would type it.
    pub name: String,
    /// Members it does not reach.
    pub left: Vec<i32>,
    /// Processes of others that it would hit.
    pub wrong: usize,
}

/// The usual ways to end the service whose main process is `main`, called `comm`.
pub fn ways(main: i32, comm: &str, members: &BTreeSet<i32>) -> Vec<Way> {
    let all = everybody();
    let own = all.get(&main);
    let pgrp = own.map_or(main, |m| m.pgrp);
    let session = own.map_or(main, |m| m.session);
    let family = descendants(main, &all);
    let way = |name: String, hits: &dyn Fn(i32, &Seen) -> bool| {
        let hit: BTreeSet<i32> =
            all.iter().filter(|(pid, seen)| hits(**pid, seen)).map(|(pid, _)| *pid).collect();
        Way {
            name,
            left: members
                .iter()
                .filter(|pid| all.contains_key(*pid) && !hit.contains(*pid))
                .copied()
                .collect(),
            wrong: hit.difference(members).count(),
        }
    };
    vec![
        way(format!("pkill -x {comm}"), &|_, seen| seen.comm == comm),
        way(format!("kill -- -{pgrp} (process group)"), &|_, seen| seen.pgrp == pgrp),
        way(format!("pkill -s {session} (session)"), &|_, seen| seen.session == session),
        way("/proc walk over PPid".to_owned(), &|pid, _| family.contains(&pid)),
    ]
}

fn descendants(of: i32, all: &BTreeMap<i32, Seen>) -> BTreeSet<i32> {
    let mut found = BTreeSet::from([of]);
    loop {
        let next: Vec<i32> = all
            .iter()
            .filter(|(pid, seen)| found.contains(&seen.ppid) && !found.contains(*pid))
            .map(|(pid, _)| *pid)
            .collect();
        if next.is_empty() {
            return found;
        }
        found.extend(next);
    }
}
