//! Each kind of dependence, found among those that were looked at.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::World;
use super::look::Seen;
use super::sockets::{self, Row, TABLES};
use crate::host::mounts::{self, Mount};
use crate::report::model::{HeldLock, HeldMount, Link, Port, Stranger, Traced};
use crate::sys::entry::{self, Entry};
use crate::sys::{proc_text, unix_peers};

fn pids(of: &[&Seen]) -> Vec<u32> {
    of.iter().map(|s| s.pid).collect()
}

fn strangers(of: &[&Seen]) -> Vec<Stranger> {
    of.iter().map(|s| s.stranger()).collect()
}

impl World {
    /// Pipes that strangers have, too, whichever end.
    pub(super) fn pipes(&mut self) {
        let (ours, theirs) =
            (Self::holders(&self.members, |s| &s.pipes), Self::holders(&self.strangers, |s| &s.pipes));
        let mut links: Vec<Link> = Vec::new();
        for (inode, has) in &ours {
            if let Some(other) = theirs.get(inode) {
                links.push(Link {
                    kind: "pipe",
                    what: inode.to_string(),
                    members: pids(has),
                    outside: strangers(other),
                });
            }
        }
        links.sort_by(|a, b| a.what.cmp(&b.what));
        self.out.links.extend(links);
    }

    /// Unix sockets whose other end strangers have, and any socket that they have, too.
    pub(super) fn unix(&mut self) {
        let ours = Self::holders(&self.members, |s| &s.sockets);
        if ours.is_empty() {
            return;
        }
        let theirs = Self::holders(&self.strangers, |s| &s.sockets);
        let mut links: Vec<Link> = Vec::new();
        for (inode, has) in &ours {
            if let Some(other) = theirs.get(inode) {
                let what = inode.to_string();
                links.push(Link {
                    kind: "shared-socket",
                    what,
                    members: pids(has),
                    outside: strangers(other),
                });
            }
        }
        // Who sends to a member without a connection has it as a peer in its own namespace: most are in this one.
        let mut places = self.networks();
        let here = entry::link("self/ns/net").ok().and_then(|l| number(&l.to_string_lossy()));
        places.entry(here).or_insert_with(std::process::id);
        let (mut pairs, mut left_out) = (BTreeSet::new(), Vec::new());
        for pid in places.into_values() {
            match Entry::open(pid).and_then(|e| unix_peers::of(&e, self.left())) {
                Ok(all) => pairs.extend(all.into_iter().flat_map(|(a, b)| [(a, b), (b, a)])),
                Err(e) => left_out.push(format!("other ends of unix sockets of process {pid}: {e}")),
            }
        }
        for (own, peer) in pairs.into_iter().filter(|(_, peer)| !self.own.contains(peer)) {
            if let (Some(has), Some(other)) = (ours.get(&own), theirs.get(&peer)) {
                let what = own.to_string();
                links.push(Link { kind: "unix", what, members: pids(has), outside: strangers(other) });
            }
        }
        links.sort_by(|a, b| (a.kind, &a.what).cmp(&(b.kind, &b.what)));
        self.out.links.extend(links);
        self.out.left_out.extend(left_out);
    }

    /// Network namespaces that members with sockets are in, with one of them each.
    fn networks(&self) -> BTreeMap<Option<u64>, u32> {
        let mut all = BTreeMap::new();
        for m in self.members.iter().filter(|m| !m.sockets.is_empty()) {
            all.entry(m.places.1).or_insert(m.pid);
        }
        all
    }

    /// Ports and connections, of each network namespace that members are in.
    pub(super) fn tables(&mut self) {
        let ours = Self::holders(&self.members, |s| &s.sockets);
        let theirs = Self::holders(&self.strangers, |s| &s.sockets);
        let (mut ports, mut links, mut left_out) = (Vec::new(), Vec::new(), Vec::new());
        for pid in self.networks().into_values() {
            if self.left().is_zero() {
                left_out.push(format!("ports of process {pid}, for which there was no time"));
                continue;
            }
            let mut rows: Vec<Row> = Vec::new();
            for table in TABLES {
                match entry::table(&format!("{pid}/net/{table}")) {
                    Ok(text) => rows.extend(sockets::rows(table, &String::from_utf8_lossy(&text))),
                    // A kernel without IPv6.
                    Err(e) if entry::over(&e) => {}
                    Err(e) => left_out.push(format!("{table} sockets of process {pid}: {e}")),
                }
            }
            let ends = sockets::ends(&rows);
            for r in &rows {
                let Some(has) = ours.get(&r.inode) else { continue };
                if r.is_open() {
                    let established = rows.iter().filter(|c| r.takes(c)).count() as u64;
                    ports.push(Port {
                        protocol: r.table,
                        at: r.local.to_string(),
                        established,
                        members: pids(has),
                    });
                } else if r.is_connected() {
                    let other = ends.get(&sockets::other(r));
                    if other.is_some_and(|i| self.own.contains(i)) {
                        continue;
                    }
                    let outside = other.and_then(|i| theirs.get(i)).map(|o| strangers(o)).unwrap_or_default();
                    let kind = if r.table.starts_with("tcp") { "tcp" } else { "udp" };
                    links.push(Link { kind, what: r.remote.to_string(), members: pids(has), outside });
                }
            }
        }
        self.out.ports.extend(ports);
        self.out.links.extend(links);
        self.out.left_out.extend(left_out);
    }

    /// Locks that members hold, and strangers who wait for them.
    pub(super) fn locks(&mut self, family: &BTreeSet<u32>) {
        let text = match entry::table("locks") {
            Ok(t) => String::from_utf8_lossy(&t).into_owned(),
            Err(e) => return self.out.left_out.push(format!("locks: {e}")),
        };
        let names: HashMap<u32, &Seen> = self.strangers.iter().map(|s| (s.pid, s)).collect();
        let members: BTreeSet<u32> = self.members.iter().map(|m| m.pid).collect();
        let mut held: Vec<HeldLock> = Vec::new();
        // Whether the lines of those that wait are below a lock of a member's.
        let mut at = false;
        for words in text.lines().map(|l| l.split_ascii_whitespace().skip(1).collect::<Vec<_>>()) {
            match words[..] {
                ["->", _, _, _, pid, ..] => {
                    let waits = pid.parse().ok().filter(|p| at && !family.contains(p));
                    if let (Some(pid), Some(last)) = (waits, held.last_mut()) {
                        let comm = names.get(&pid).map_or(String::new(), |s| s.comm.clone());
                        last.waiting.push(Stranger { pid, comm });
                    }
                }
                [kind, _, how, pid, file, ..] => {
                    let member = pid.parse().ok().filter(|p| members.contains(p));
                    at = member.is_some();
                    held.extend(member.map(|member| HeldLock {
                        kind: format!("{kind} {how}"),
                        file: file.to_owned(),
                        member,
                        waiting: Vec::new(),
                    }));
                }
                _ => {}
            }
        }
        self.out.locks = held;
    }

    /// Strangers that members trace.
    pub(super) fn traced(&mut self) {
        let tracers: BTreeSet<u32> = self.members.iter().map(|m| m.pid).collect();
        let of = self.strangers.iter().filter(|s| tracers.contains(&s.tracer));
        self.out.traced = of.map(|s| Traced { member: s.tracer, outside: s.stranger() }).collect();
    }

    /// File systems that members serve, and mount namespaces that nobody else is in.
    pub(super) fn mounts(&mut self) {
        let servers: Vec<&Seen> = self.members.iter().filter(|m| m.fuse).collect();
        if let Some(first) = servers.first() {
            let fuse = mounts(first.pid).into_iter().filter(Mount::is_fuse);
            let mounts = fuse.map(|m| proc_text::shown(&m.at)).collect();
            self.out.mounts.push(HeldMount { kind: "fuse-server", members: pids(&servers), mounts });
        }
        let own = entry::link("self/ns/mnt").ok().and_then(|l| number(&l.to_string_lossy()));
        let theirs: BTreeSet<u64> = self.strangers.iter().filter_map(|s| s.places.0).chain(own).collect();
        let mut places: BTreeMap<u64, Vec<&Seen>> = BTreeMap::new();
        for m in &self.members {
            if let Some(place) = m.places.0.filter(|p| own.is_some() && !theirs.contains(p)) {
                places.entry(place).or_default().push(m);
            }
        }
        for has in places.into_values() {
            let n = mounts(has[0].pid).len();
            self.out.mounts.push(HeldMount {
                kind: "mount-namespace",
                members: pids(&has),
                mounts: vec![format!("{n} mounts")],
            });
        }
    }
}

/// The number in `mnt:[4026531841]`.
fn number(link: &str) -> Option<u64> {
    link.split_once('[')?.1.strip_suffix(']')?.parse().ok()
}

/// Mounts as a process sees them.
fn mounts(pid: u32) -> Vec<Mount> {
    Entry::open(pid).map(|e| mounts::of(&e)).unwrap_or_default()
}
