//! What "did not leave" means: session, process group, namespaces and cgroups of a service's first process, as they were
//! at the start. That process may have ended, or changed them, since.

use std::collections::BTreeMap;

use killer_common::record::Member;

use super::describe::{self, Outside, cgroups_of, hierarchies};
use crate::sys::entry::Entry;
use crate::sys::namespaces::{self, Held, Inodes, NAMESPACES};

/// What a first process was at the start. A cgroup or namespace that is not there was not known, and nothing is
/// judged by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    /// Session. 0 is one as well: that of an init which never called `setsid`, or one whose leader is outside the PID
    /// namespace. A process that has left it cannot come back: `setsid` makes a new one.
    pub session: u32,
    /// Process group; 0 as for the session.
    pub pgrp: u32,
    /// Inode of its PID namespace.
    pub pid_ns: Option<u64>,
    /// Its other namespaces.
    pub namespaces: Inodes,
    /// Controllers → path, of every hierarchy that there was. A long path is kept as `#` and its hash.
    pub cgroups: BTreeMap<String, String>,
}

/// Paths that are longer are kept by their hash.
const LONG: usize = 96;

/// FNV-1a, which every version of `killer` has in common.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3))
}

fn short(path: &str) -> String {
    if path.len() <= LONG { path.to_owned() } else { format!("#{:016x}", hash(path)) }
}

fn same(kept: &str, path: &str) -> bool {
    if path.len() <= LONG { kept == path } else { kept == short(path) }
}

fn kept(cgroups: &str) -> BTreeMap<String, String> {
    hierarchies(cgroups).map(|(c, path)| (c.to_owned(), short(path))).collect()
}

impl From<&Outside> for Home {
    fn from(o: &Outside) -> Self {
        let cgroups = kept(&o.cgroups);
        Self { session: o.session, pgrp: o.pgrp, pid_ns: o.pid_ns, namespaces: o.namespaces, cgroups }
    }
}

impl Home {
    /// Of a process that cannot be another one now: a child that nobody has waited for.
    pub fn now(pid: u32) -> Option<Self> {
        let e = Entry::open(pid).ok()?;
        let s = e.stat().ok()?;
        let cgroups = kept(&cgroups_of(&e));
        let (pid_ns, namespaces) = Held::default().namespaces(&e, None);
        Some(Self { session: s.session as u32, pgrp: s.pgrp as u32, pid_ns, namespaces, cgroups })
    }

    /// Of a member, as it is now.
    pub fn of(m: &Member) -> Option<Self> {
        describe::describe(m).as_ref().map(Self::from)
    }

    /// True when a path is the one that the first process was in.
    pub fn same_cgroup(&self, controllers: &str, path: &str) -> bool {
        self.cgroups.get(controllers).is_some_and(|p| same(p, path))
    }

    /// How a member slipped from what other tools look at when they end a service.
    pub fn escapes(&self, o: &Outside) -> Vec<&'static str> {
        let mut v = Vec::new();
        if o.session != self.session {
            v.push("session");
        }
        if o.pgrp != self.pgrp {
            v.push("process group");
        }
        // A hierarchy that was mounted, or unmounted, since says nothing.
        if hierarchies(&o.cgroups).any(|(c, p)| self.cgroups.get(c).is_some_and(|kept| !same(kept, p))) {
            v.push("cgroup");
        }
        if self.pid_ns.is_some() && o.pid_ns.is_some() && o.pid_ns != self.pid_ns {
            v.push("PID namespace");
        }
        v
    }

    /// Other namespaces that a member is in, beside the PID namespace. They hide nobody: it can be seen and signalled
    /// as before.
    pub fn other_namespaces(&self, o: &Outside) -> Vec<&'static str> {
        let both = self.namespaces.iter().zip(&o.namespaces).zip(NAMESPACES);
        let other = both.filter(|((a, b), _)| a.is_some() && b.is_some() && a != b);
        other.map(|(_, (_, words))| words).collect()
    }

    /// To be kept: without NUL.
    pub fn text(&self) -> String {
        let mut out = format!("{} {} {}", self.session, self.pgrp, self.pid_ns.unwrap_or(0));
        let known = NAMESPACES.iter().zip(self.namespaces).filter_map(|((name, _), i)| Some((name, i?)));
        for (name, inode) in known {
            out.push_str(&format!(" {name}={inode}"));
        }
        for (c, p) in &self.cgroups {
            out.push_str(&format!("\n{c}:{p}"));
        }
        out
    }

    /// The same again, also what a version kept that knew the PID namespace only.
    pub fn read(text: &str) -> Option<Self> {
        let mut lines = text.split('\n');
        let mut words = lines.next()?.split(' ');
        let mut number = || words.next()?.parse::<u64>().ok();
        let (session, pgrp, ns) = (number()?, number()?, number()?);
        let known = words.filter_map(|w| {
            let (name, inode) = w.split_once('=')?;
            Some((name, inode.parse().ok()?))
        });
        let namespaces = namespaces::inodes(known);
        let cgroups = lines.filter_map(|l| l.split_once(':')).map(|(c, p)| (c.into(), p.into())).collect();
        let (session, pgrp, pid_ns) = (session as u32, pgrp as u32, (ns != 0).then_some(ns));
        Some(Self { session, pgrp, pid_ns, namespaces, cgroups })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outside(session: u32, path: &str) -> Outside {
        let cgroups = format!("0::{path}\n1:name=new:/x\n");
        Outside { session, pgrp: 5, cgroups, pid_ns: Some(9), ..Outside::default() }
    }

    #[test]
    fn what_was_not_there_at_the_start_says_nothing() {
        let long = format!("/{}", "deep/".repeat(100));
        let home = Home {
            session: 4,
            pgrp: 5,
            pid_ns: None,
            namespaces: Inodes::default(),
            cgroups: [(String::new(), short(&long)), ("freezer".into(), "/".into())].into(),
        };
        assert_eq!(Home::read(&home.text()), Some(home.clone()));
        assert_eq!(home.escapes(&outside(4, &long)), Vec::<&str>::new());
        assert_eq!(home.escapes(&outside(6, "/else")), ["session", "cgroup"]);
        // A process that starts in session 0 and leaves it has left.
        let first = Home {
            session: 0,
            pgrp: 0,
            pid_ns: None,
            namespaces: Inodes::default(),
            cgroups: BTreeMap::new(),
        };
        assert_eq!(Home::read(&first.text()), Some(first.clone()));
        assert_eq!(first.escapes(&outside(6, "/else")), ["session", "process group"]);
        assert_eq!(first.escapes(&Outside { pgrp: 0, ..outside(0, "/else") }), Vec::<&str>::new());
        assert_eq!(Home::read(""), None);
    }

    #[test]
    fn another_namespace_is_told_and_no_escape() {
        let inside = |mnt, net| Outside {
            namespaces: namespaces::inodes([("mnt", mnt), ("net", net), ("uts", 7)]),
            ..outside(4, "/x")
        };
        let mut home = Home::from(&inside(1, 2));
        assert_eq!(Home::read(&home.text()), Some(home.clone()));
        for (mnt, net, words) in
            [(1, 2, &[][..]), (3, 2, &["mount namespace"]), (3, 4, &["mount namespace", "network namespace"])]
        {
            assert_eq!(home.other_namespaces(&inside(mnt, net)), words);
            assert_eq!(home.escapes(&inside(mnt, net)), Vec::<&str>::new());
        }
        // What could not be read on one side says nothing.
        home.namespaces[0] = None;
        assert_eq!(home.other_namespaces(&inside(3, 2)), Vec::<&str>::new());
        let other = Outside { pid_ns: Some(8), ..inside(3, 2) };
        assert_eq!(home.escapes(&other), ["PID namespace"]);
    }

    #[test]
    fn what_other_versions_kept_is_read() {
        let old = Home::read("4 5 9\n:/a b\nname=new:/x").expect("a text of before");
        assert_eq!((old.session, old.pgrp, old.pid_ns, old.namespaces), (4, 5, Some(9), Inodes::default()));
        assert_eq!(old.cgroups.len(), 2);
        assert_eq!(old.other_namespaces(&outside(4, "/a b")), Vec::<&str>::new());
        let new = Home::read("4 5 9 mnt=1 later=2 net=x uts\n:/a b").expect("a text of later");
        assert_eq!((new.namespaces, new.cgroups.len()), (namespaces::inodes([("mnt", 1)]), 1));
    }

    #[test]
    fn all_namespaces_have_their_place() {
        let home = Home {
            session: u32::MAX,
            pgrp: u32::MAX,
            pid_ns: Some(u64::from(u32::MAX)),
            namespaces: Inodes::default().map(|_| Some(u64::from(u32::MAX))),
            cgroups: BTreeMap::new(),
        };
        assert!(home.text().len() < 160, "{}", home.text());
    }
}
