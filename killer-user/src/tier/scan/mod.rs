//! The tier `scan`: neither programs nor root. Members are the descendants of a supervisor process, as /proc shows them.
//!
//! The supervisor is a subreaper (`kernel/exit.c:find_new_reaper`): orphans among its descendants become its
//! children, so it has no child left exactly when no descendant is left, and takes its mark away then. Only a
//! process that may enter another PID namespace, or kill the supervisor, slips away. An adopted process, which the
//! supervisor was told of, it can only look at.

mod adopter;
mod descent;
mod end;
mod gate;
mod port;
mod sets;
mod start_line;
mod supervisor;

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use killer_common::record::Member;

use descent::{Top, Tops, Up, climb};
use end::End;

use super::Place;
use super::files::{self, FileRegistry, RootFile};
use super::seen::{self, Id, Seen};
use super::stopped::Stopped;
use crate::keep::{KeepError, Slot};
use crate::sys::alive;

const ADOPT_PASSES: i32 = 24;

/// The registry, and what this process knows of the sets.
#[derive(Debug)]
pub struct Scan {
    files: FileRegistry,
    /// The processes that were found to be members: descent is for life, so (number, start) is enough.
    known: RefCell<HashMap<Id, u32>>,
    stopped: Stopped,
    /// Where supervisors say how what this process started has ended.
    ends: RefCell<HashMap<i32, End>>,
}

/// What became of a supervisor or an adopter.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Watch {
    Running,
    /// It said that nobody is left.
    Ended,
    /// It was killed: what it knew last is all there is.
    Lost,
}

/// Where the registry of this user may be, the best place first. What a caller's environment says differs from login
/// to login: a call that looks for a service looks at all of them.
pub(super) fn homes(at: &Place) -> Vec<PathBuf> {
    let uid = rustix::process::geteuid().as_raw();
    if at.chosen {
        return vec![at.root.join(format!("scan-{uid}"))];
    }
    let named = |word: &str| at.own.as_ref().map_or(word.to_owned(), |o| format!("{word}-{o}"));
    let given = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|d| {
        use std::os::unix::fs::MetadataExt;
        d.is_absolute() && d.metadata().is_ok_and(|m| m.is_dir() && m.uid() == uid)
    });
    let given = given.map(|d| d.join(named("killer")));
    let user = PathBuf::from(format!("/run/user/{uid}"));
    let user = user.is_dir().then(|| user.join(named("killer")));
    let mut v: Vec<PathBuf> = match uid {
        0 => std::iter::once(at.root.join(named("scan"))).chain(given).collect(),
        _ => given
            .into_iter()
            .chain(user)
            .chain([Path::new("/tmp").join(named(&format!("killer-{uid}")))])
            .collect(),
    };
    v.dedup();
    v
}

fn mark(s: Slot, w: Id) -> String {
    format!("alive.{}.{}.{}.{}", s.slot, s.generation, w.pid, w.start)
}

fn notes(s: Slot, w: Id) -> String {
    format!("known.{}.{}.{}", s.slot, s.generation, w.pid)
}

/// One look at all processes: which there are, and of which root each is a member.
struct Everybody {
    all: HashMap<u32, Seen>,
    slots: HashMap<u32, u32>,
    /// Everybody was looked at.
    whole: bool,
}

impl Scan {
    fn at(files: FileRegistry) -> Self {
        Self { files, known: RefCell::default(), stopped: Stopped::default(), ends: RefCell::default() }
    }

    /// Opens it where it has been made; `NotLoaded` elsewhere.
    pub fn open(dir: &Path) -> Result<Self, KeepError> {
        Ok(Self::at(files::open(dir)?))
    }

    /// Opens it, after making it when it is not there.
    pub fn up(dir: &Path) -> Result<Self, KeepError> {
        Ok(Self::at(files::make(dir)?))
    }

    fn watch(&self, s: Slot, w: Id) -> Watch {
        // What cannot be looked at is there.
        let marked = || self.files.dir().join(mark(s, w)).try_exists().unwrap_or(true);
        if !marked() {
            return Watch::Ended;
        }
        match seen::process(w.pid) {
            Some(p) if p.id() == w => Watch::Running,
            // It takes its mark away and then ends: look again.
            _ if marked() => Watch::Lost,
            _ => Watch::Ended,
        }
    }

    fn notes(&self, s: Slot, w: Id) -> Vec<Id> {
        match std::fs::read(self.files.dir().join(notes(s, w))) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Vec::new(),
            text => {
                text.and_then(|t| serde_json::from_slice(&t).map_err(io::Error::from)).unwrap_or_else(|_| {
                    alive::note_blind();
                    Vec::new()
                })
            }
        }
    }

    /// Processes that everything below belongs to a root: (slot, whether they are members themselves).
    fn tops(&self) -> Tops {
        let mut tops = Tops::new();
        for (slot, p) in self.files.roots() {
            let s = Slot { slot, generation: p.generation };
            for &w in &p.watchers {
                match self.watch(s, w) {
                    Watch::Running => drop(tops.insert(w.pid, Top { start: w.start, slot, itself: false })),
                    Watch::Lost => {
                        let was = self.notes(s, w).into_iter().chain([p.main]);
                        tops.extend(was.map(|id| (id.pid, Top { start: id.start, slot, itself: true })));
                    }
                    Watch::Ended => {}
                }
            }
            for &w in &p.adopters {
                // The adopter itself is nobody's member.
                if self.watch(s, w) != Watch::Ended {
                    let known = self.notes(s, w).into_iter();
                    tops.extend(known.map(|id| (id.pid, Top { start: id.start, slot, itself: true })));
                }
            }
        }
        tops
    }

    fn everybody(&self) -> Everybody {
        let tops = self.tops();
        let seen = if tops.is_empty() { Ok(HashMap::new()) } else { seen::everybody() };
        let whole = seen.is_ok();
        let all = seen.unwrap_or_default();
        let mut slots: HashMap<u32, u32> = HashMap::new();
        for pid in all.keys() {
            if let Some(slot) = climb(*pid, &tops, |p| all.get(&p).map(Up::from)) {
                slots.insert(*pid, slot);
            }
        }
        let mut known = self.known.borrow_mut();
        known.extend(slots.iter().filter_map(|(p, s)| Some((all.get(p)?.id(), *s))));
        Everybody { all, slots, whole }
    }

    fn entry(&self, s: &Seen, slot: u32, p: &RootFile, creator: u64) -> Member {
        seen::entry(s, slot, p.generation, p.flags(s.id()), creator)
    }

    fn watches(&self, slot: u32) -> io::Result<Vec<Watch>> {
        let p = self.files.read(slot)?;
        let s = Slot { slot, generation: p.generation };
        Ok(p.watchers.iter().chain(&p.adopters).map(|&w| self.watch(s, w)).collect())
    }
}
