//! What is remembered of a service beside the registry: how it is asked to stop, which its main process is when the first
//! one has ended, what its first process was at the start. The tier keeps it as bytes that go with the root.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use killer_common::record::{R_INSTANCE, STOP_LEN};

use crate::keep::Slot;
use crate::lineage::Home;
use crate::lookup::registry;
use crate::sys::alive::Identity;
use crate::sys::namespaces::Inodes;
use crate::sys::{clock, proc_text};
use crate::tier::Tracker;

/// Which process may become the main process when the first process has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Heir {
    /// Nobody: an end that was no success, a main process that was chosen or told to end.
    #[default]
    Nobody,
    /// One that can be guessed.
    Open,
    /// One that a pidfile names, and nobody else: an adoption, whose first process may have failed unseen.
    Written,
    /// Was guessed. It stays when others have ended, and has no heir.
    Guessed(Identity),
    /// Was named by the pidfile.
    Named(Identity),
}

/// As it is kept with its root: strings, each with a NUL. User, directory and command come first, then `key=value`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StopRecord {
    /// User to become; empty: the caller's.
    pub user: String,
    /// Working directory.
    pub dir: String,
    /// For `/bin/sh -c`; empty: there is no stop command.
    pub command: String,
    /// The first process ends when the service has started (`run --type=forking`).
    pub forking: bool,
    /// Absolute path of the pidfile.
    pub pidfile: Option<PathBuf>,
    /// The process that follows the first one.
    pub heir: Heir,
    /// What the first process was at the start.
    pub home: Option<Home>,
    /// The supervisor of its launcher (`run --kill-on-exit`).
    pub watch: Option<Identity>,
    /// What was started, or adopted, for people: program and arguments with spaces between them.
    pub started: Vec<u8>,
}

/// Bytes that are kept of what was started.
const STARTED: usize = 200;

impl StopRecord {
    /// The number of the supervisor beside a root's launcher, while it is alive.
    pub fn watched(t: &Tracker, slot: Slot) -> Option<u32> {
        Self::of(t, slot).watch.filter(|w| w.lives()).map(|w| w.pid)
    }

    /// For the tier to keep. What is for people only is left out where it would be too long.
    pub fn bytes(&self) -> Vec<u8> {
        let whole = self.encode();
        if whole.len() <= STOP_LEN {
            return whole;
        }
        let mut less = Self { started: Vec::new(), ..self.clone() };
        for clear in [|h: &mut Home| h.namespaces = Inodes::default(), |h: &mut Home| h.cgroups.clear()] {
            if less.encode().len() > STOP_LEN {
                less.home.as_mut().into_iter().for_each(clear);
            }
        }
        less.encode()
    }

    fn encode(&self) -> Vec<u8> {
        let mut v: Vec<Vec<u8>> =
            [&self.user, &self.dir, &self.command].iter().map(|s| s.as_bytes().to_vec()).collect();
        let mut put = |key: &str, value: &[u8]| v.push([key.as_bytes(), b"=", value].concat());
        if self.forking {
            put("type", b"forking");
        }
        if let Some(p) = &self.pidfile {
            put("pidfile", p.as_os_str().as_bytes());
        }
        match self.heir {
            Heir::Nobody => {}
            Heir::Open => put("heir", b"open"),
            Heir::Written => put("heir", b"written"),
            Heir::Guessed(p) => put("heir", format!("guessed:{}:{}", p.pid, p.start).as_bytes()),
            Heir::Named(p) => put("heir", format!("named:{}:{}", p.pid, p.start).as_bytes()),
        }
        if let Some(h) = &self.home {
            put("home", h.text().as_bytes());
        }
        if let Some(p) = self.watch {
            put("watch", format!("{}:{}", p.pid, p.start).as_bytes());
        }
        if !self.started.is_empty() {
            put("started", &self.started);
        }
        v.into_iter().flat_map(|s| s.into_iter().chain([0])).collect()
    }

    /// The same again; what is not understood is left out.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let mut parts = bytes.split(|b| *b == 0);
        let text = |p: &[u8]| String::from_utf8_lossy(p).into_owned();
        let mut r = Self {
            user: text(parts.next()?),
            dir: text(parts.next()?),
            command: text(parts.next()?),
            ..Self::default()
        };
        for part in parts {
            let Some(at) = part.iter().position(|b| *b == b'=') else { continue };
            let (key, value) = (&part[..at], &part[at + 1..]);
            match key {
                b"type" => r.forking = value == b"forking",
                b"pidfile" => r.pidfile = Some(PathBuf::from(OsString::from_vec(value.to_vec()))),
                b"heir" => r.heir = heir(&text(value)),
                b"home" => r.home = Home::read(&text(value)),
                b"watch" => r.watch = text(value).split_once(':').and_then(identity),
                b"started" => r.started = value.to_vec(),
                _ => {}
            }
        }
        Some(r)
    }

    /// What is kept of a root; of one that has nothing kept: that nobody follows its main process.
    pub fn of(t: &Tracker, slot: Slot) -> Self {
        t.stop_command(slot).ok().flatten().and_then(|b| Self::read(&b)).unwrap_or_default()
    }

    /// Whose pidfile is believed: root's, the caller's, and that of the user that the service became.
    pub fn owners(&self) -> Vec<u32> {
        let user = || nix::unistd::User::from_name(&self.user).ok().flatten().map(|u| u.uid.as_raw());
        let mut v = vec![0, rustix::process::geteuid().as_raw()];
        v.extend(self.user.parse().ok().or_else(user));
        v
    }

    /// Changes what is kept of a root. The caller holds the lock of the registry.
    pub fn change(t: &Tracker, slot: Slot, change: impl FnOnce(&mut Self)) -> std::io::Result<()> {
        let mut r = Self::of(t, slot);
        let before = r.clone();
        change(&mut r);
        if r == before { Ok(()) } else { t.set_stop_command(slot, &r.bytes()) }
    }

    /// Notes what was started, as it was given.
    pub fn started<A: AsRef<[u8]>>(argv: &[A]) -> Vec<u8> {
        let mut v = argv.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(&b' ');
        v.truncate(STARTED);
        v
    }

    /// What was started, in words.
    pub fn command(&self) -> Option<String> {
        let text = proc_text::shown(&self.started);
        (!text.is_empty()).then_some(text)
    }

    /// Notes what the first process is, before it runs a program: its session will be its own when it is `detached`.
    pub fn note_home(&mut self, pid: u32, detached: bool) {
        self.home = Home::now(pid).map(|h| if detached { Home { session: pid, pgrp: pid, ..h } } else { h });
    }
}

fn identity((pid, start): (&str, &str)) -> Option<Identity> {
    Some(Identity { pid: pid.parse().ok()?, start: start.parse().ok()? })
}

fn heir(text: &str) -> Heir {
    let mut words = text.split(':');
    let how = words.next();
    let mut number = || words.next().and_then(|w| w.parse::<u64>().ok());
    match (how, number(), number()) {
        (Some("open"), ..) => Heir::Open,
        (Some("written"), ..) => Heir::Written,
        (Some("guessed"), Some(pid), Some(start)) => Heir::Guessed(Identity { pid: pid as u32, start }),
        (Some("named"), Some(pid), Some(start)) => Heir::Named(Identity { pid: pid as u32, start }),
        _ => Heir::Nobody,
    }
}

/// Nobody follows the main process of a root any more, when it was told to end, chosen, or has failed.
pub fn no_heir(t: &Tracker, slot: Slot) {
    let may_have = |h: Heir| matches!(h, Heir::Open | Heir::Written);
    let instance = t.root(slot.slot).is_some_and(|r| r.flags & R_INSTANCE != 0);
    if instance && matches!(t.stop_command(slot), Ok(None)) {
        // That nothing is kept of an instance means that its main process is still to be found.
        let _lock = t.lock();
        let _ = t.set_stop_command(slot, &StopRecord::default().bytes());
        return;
    }
    if !may_have(StopRecord::of(t, slot).heir) {
        return;
    }
    let Ok(_lock) = t.lock() else { return };
    let changed = StopRecord::change(t, slot, |r| {
        if may_have(r.heir) {
            r.heir = Heir::Nobody;
        }
    });
    if let Err(e) = changed {
        log::warn!("{}: {e}", registry::in_slot(t, slot.slot).map(|r| r.name).unwrap_or_default());
    }
}

/// Wall-clock second of a CLOCK_BOOTTIME ns.
pub fn wall_second(boottime: u64) -> f64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0.0, |d| d.as_secs_f64()) - clock::boottime_ns().saturating_sub(boottime) as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::namespaces;
    use proptest::prelude::*;

    fn record() -> StopRecord {
        StopRecord {
            user: "www".into(),
            dir: "/srv".into(),
            command: "kill -s QUIT $MAINPID; a=b".into(),
            forking: true,
            pidfile: Some("/run/a=b.pid".into()),
            heir: Heir::Guessed(Identity { pid: 7, start: 1 << 60 }),
            home: Some(Home {
                session: 3,
                pgrp: 4,
                pid_ns: Some(4_026_531_836),
                namespaces: namespaces::inodes([("mnt", 4_026_531_841), ("user", 4_026_531_837)]),
                cgroups: [(String::new(), "/a b:c".to_owned()), ("cpu,cpuacct".into(), "/".into())].into(),
            }),
            watch: Some(Identity { pid: 9, start: 1 << 50 }),
            started: b"/bin/x --y=\xff".to_vec(),
        }
    }

    #[test]
    fn a_record_comes_back() {
        let p = Identity { pid: 1, start: 2 };
        for heir in [Heir::Nobody, Heir::Open, Heir::Written, Heir::Guessed(p), Heir::Named(p)] {
            let r = StopRecord { heir, ..record() };
            assert_eq!(StopRecord::read(&r.bytes()), Some(r));
        }
        assert_eq!(StopRecord::read(&StopRecord::default().bytes()), Some(StopRecord::default()));
        assert_eq!(
            StopRecord::read(b"u\0d\0c\0"),
            Some(StopRecord {
                user: "u".into(),
                dir: "d".into(),
                command: "c".into(),
                ..StopRecord::default()
            })
        );
    }

    #[test]
    fn what_is_for_people_goes_first() {
        let rest = StopRecord { command: String::new(), started: Vec::new(), ..record() }.bytes().len();
        let r = StopRecord { command: "x".repeat(STOP_LEN - rest), ..record() };
        let back = StopRecord::read(&r.bytes()).expect("a record");
        assert!(r.bytes().len() <= STOP_LEN && back.started.is_empty());
        assert_eq!((back.command, back.heir, back.home), (r.command, r.heir, r.home));
        let long = StopRecord { command: "x".repeat(3000), ..record() };
        assert!(long.bytes().len() > STOP_LEN, "the tier refuses it");
    }

    proptest! {
        #[test]
        fn any_bytes_are_no_panic(b in prop::collection::vec(any::<u8>(), 0..300)) {
            if let Some(r) = StopRecord::read(&b) {
                prop_assert!(StopRecord::read(&r.bytes()).is_some());
            }
        }
    }
}
