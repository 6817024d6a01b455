//! The tier `scan`: neither programs nor root. Members are the descendants of a supervisor process, as /proc shows them.
//!
//! The supervisor is a subreaper (`kernel/exit.c:find_new_reaper`): orphans among its descendants become its
//! children, so it has no child left exactly when no descendant is left, and takes its mark away then. Only a
//! process that may enter another PID namespace, or kill the supervisor, slips away. An adopted process, which the
//! supervisor was told of, it can only look at.

mod descent;
mod end;
mod gate;
mod start_line;
mod supervisor;

use std::cell::RefCell;
use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use killer_common::reason;
use killer_common::record::{Member, Pop, R_STARTING, Reasons};

use descent::{Tops, climb};
use end::End;

use super::Place;
use super::files::{self, FileRegistry, Id, OnFiles, RootFile};
use super::seen::{self, Seen};
use super::stopped::Stopped;
use crate::keep::{Changes, InFiles, Keep, KeepError, Sets, Slot, Taken, Whose};
use crate::kernel::tier::Tier;
use crate::sys::launch::{Launch, Spawned};
use crate::sys::pass_on::PassOn;
use crate::sys::{alive, clock, proc, supervise};

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
    format!("alive.{}.{}.{}.{}", s.slot, s.generation, w.0, w.1)
}

fn notes(s: Slot, w: Id) -> String {
    format!("known.{}.{}.{}", s.slot, s.generation, w.0)
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
        match seen::process(w.0) {
            Some(p) if p.start == w.1 => Watch::Running,
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
                    Watch::Running => drop(tops.insert(w.0, (w.1, slot, false))),
                    Watch::Lost => {
                        let was = self.notes(s, w).into_iter().chain([p.main]);
                        tops.extend(was.map(|id| (id.0, (id.1, slot, true))));
                    }
                    Watch::Ended => {}
                }
            }
            for &w in &p.adopters {
                // The adopter itself is nobody's member.
                if self.watch(s, w) != Watch::Ended {
                    tops.extend(self.notes(s, w).into_iter().map(|id| (id.0, (id.1, slot, true))));
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
            if let Some(slot) = climb(*pid, &tops, |p| all.get(&p).map(|s| (s.ppid, s.start))) {
                slots.insert(*pid, slot);
            }
        }
        let mut known = self.known.borrow_mut();
        known.extend(slots.iter().filter_map(|(p, s)| Some(((*p, all.get(p)?.start), *s))));
        Everybody { all, slots, whole }
    }

    fn entry(&self, s: &Seen, slot: u32, p: &RootFile, creator: u64) -> Member {
        seen::entry(s, slot, p.generation, p.flags((s.pid, s.start)), creator)
    }

    fn watches(&self, slot: u32) -> io::Result<Vec<Watch>> {
        let p = self.files.read(slot)?;
        let s = Slot { slot, generation: p.generation };
        Ok(p.watchers.iter().chain(&p.adopters).map(|&w| self.watch(s, w)).collect())
    }
}

impl OnFiles for Scan {
    fn files(&self) -> &FileRegistry {
        &self.files
    }

    fn prepare(&self, _: Slot, _: u32, root: &mut RootFile) -> io::Result<()> {
        root.reasons.insert(super::files::code(reason::BEST_EFFORT).into(), (1, clock::boottime_ns()));
        Ok(())
    }
}

impl Sets for Scan {
    fn count(&self, slot: u32) -> i64 {
        // Nobody knows, so nobody says that it is empty.
        let Ok(watches) = self.watches(slot) else { return 1 };
        let starting = || {
            let p = self.files.root(slot);
            p.state == R_STARTING && p.owner_lives()
        };
        if watches.iter().all(|w| *w == Watch::Ended) {
            return i64::from(watches.is_empty() && starting());
        }
        let l = self.everybody();
        let found = l.slots.iter().filter(|(_, s)| **s == slot).filter_map(|(p, _)| l.all.get(p));
        let tasks = found.map(|s| s.threads - i64::from(s.leader_dead)).sum();
        // A process that could not be looked at is not said to be dead.
        if watches.contains(&Watch::Running) || !l.whole { i64::max(tasks, 1) } else { tasks }
    }

    fn pop(&self, slot: u32) -> Pop {
        let processes = self.listed(&|s| u32::from(s) == slot).len() as u64;
        let ever = self.files.ever(slot, processes);
        Pop { pop: self.count(slot), processes: ever, ..Pop::default() }
    }

    fn member(&self, tgid: u32) -> io::Result<Option<Member>> {
        let Some(s) = seen::member(tgid)? else { return Ok(None) };
        let before = self.known.borrow().get(&(s.pid, s.start)).copied();
        let slot = before.or_else(|| {
            let tops = self.tops();
            let up = |p| seen::process(p).map(|s| (s.ppid, s.start));
            let found = (0..3).find_map(|_| climb(tgid, &tops, up))?;
            self.known.borrow_mut().insert((s.pid, s.start), found);
            Some(found)
        });
        let creator = seen::process(s.ppid).map_or(0, |c| c.start);
        Ok(slot.map(|slot| self.entry(&s, slot, &self.files.root(slot), creator)))
    }

    fn all_members(&self) -> io::Result<Vec<Member>> {
        let l = self.everybody();
        let roots: HashMap<u32, RootFile> = self.files.roots().into_iter().collect();
        let found = l.slots.iter().filter_map(|(pid, slot)| {
            let s = l.all.get(pid)?;
            let creator = l.all.get(&s.ppid).map_or(0, |c| c.start);
            Some(self.entry(s, *slot, roots.get(slot)?, creator))
        });
        Ok(found.collect())
    }

    fn listed(&self, set: &dyn Fn(u16) -> bool) -> Vec<u32> {
        let l = self.everybody();
        let mut v: Vec<u32> = l.slots.iter().filter(|(_, s)| set(**s as u16)).map(|(p, _)| *p).collect();
        v.sort_unstable();
        v
    }

    fn whose(&self) -> io::Result<Option<u32>> {
        Ok(self.member(std::process::id())?.map(|m| m.root))
    }

    fn sound(&self) -> io::Result<()> {
        alive::sound()
    }

    fn reason(&self, s: Slot, reason: u32) -> io::Result<()> {
        self.files.reason(s, reason)
    }

    fn reasons(&self, slot: u32) -> Option<Reasons> {
        let mut r = self.files.reasons(slot);
        if self.watches(slot).is_ok_and(|w| w.contains(&Watch::Lost)) {
            r.count[reason::SUPERVISOR as usize] += 1;
            r.first[reason::SUPERVISOR as usize] = clock::boottime_ns();
        }
        Some(r)
    }

    fn cannot_miss(&self) -> bool {
        false
    }
}

impl Changes for Scan {
    fn spawn(
        &self,
        s: Slot,
        flags: u32,
        l: &Launch,
        ready: &mut dyn FnMut(i32) -> io::Result<()>,
    ) -> io::Result<Spawned> {
        let (from, to) = supervise::pipe()?;
        let Some(supervisor) = supervise::fork_for_good()? else {
            drop(from);
            self.supervise(to.into(), s, flags, l, ready)
        };
        drop(to);
        let mut from = std::fs::File::from(from);
        let spawned = start_line::line(&mut from).and_then(|line| start_line::decode(&line));
        match &spawned {
            Ok(Ok(pid)) => drop(self.ends.borrow_mut().insert(*pid, End::new(from, supervisor))),
            _ => End::new(from, supervisor).reap(),
        }
        spawned
    }

    fn adopt(&self, s: Slot, whose: Whose) -> io::Result<Taken> {
        self.reason(s, reason::ADOPTED)?;
        let (from, to) = supervise::pipe()?;
        let Some(adopter) = supervise::fork_for_good()? else {
            drop(from);
            self.adopter(to.into(), s, (whose.0, whose.1))
        };
        drop(to);
        let mut from = std::fs::File::from(from);
        let told =
            start_line::line(&mut from).and_then(|line| start_line::decode(&line)?.map_err(|(_, e)| e));
        let passes = told.inspect_err(|_| End::new(from, adopter).reap())?;
        Ok(Taken { passes: passes as u32, quiet: passes < ADOPT_PASSES })
    }

    fn forget(&self, s: Slot) -> io::Result<()> {
        if self.count(s.slot) != 0 {
            return Err(io::Error::from_raw_os_error(libc::EBUSY));
        }
        let p = self.files.root(s.slot);
        for w in p.watchers.iter().chain(&p.adopters) {
            self.end_watch(s, *w);
        }
        self.files.forget(s)
    }
}

impl Keep for Scan {
    fn tier(&self) -> Tier {
        Tier::Scan
    }

    fn leave(&self) -> io::Result<bool> {
        Err(io::Error::new(
            ErrorKind::Unsupported,
            "without the kernel's help descent is for life (tier scan); run it from outside of the service",
        ))
    }

    fn descent_is_for_life(&self) -> bool {
        true
    }

    fn close_gate(&self, slot: u32, _: u64) {
        self.stop(slot);
    }

    fn open_gate(&self, _: u32, _: u64) {
        self.stopped.go_on();
    }

    /// There are none: a supervisor forks what it starts below itself.
    fn cancel_marks(&self, _: u32) -> usize {
        0
    }

    fn attend(&self, pid: i32, pass: &mut PassOn, ended: &mut dyn FnMut()) -> io::Result<i32> {
        let Some(end) = self.ends.borrow_mut().remove(&pid) else { return Err(ErrorKind::NotFound.into()) };
        // It may have ended, been reaped, and left its number to another, long before.
        let fd = proc::pidfd_open(pid as u32).ok();
        let is_member = matches!(self.member(pid as u32), Ok(Some(_)));
        let fd = fd.filter(|fd| is_member && !proc::pidfd_ended(fd));
        pass.attend_until(pid, fd, end.as_fd(), ended)?;
        end.status()
    }

    fn await_end(&self, pid: i32, most: Duration) -> io::Result<Option<i32>> {
        let Some(end) = self.ends.borrow_mut().remove(&pid) else { return Err(ErrorKind::NotFound.into()) };
        if proc::readable(&end, most) {
            return end.status().map(Some);
        }
        self.ends.borrow_mut().insert(pid, end);
        Ok(None)
    }

    fn in_files(&self) -> Option<&dyn InFiles> {
        Some(self)
    }
}

impl InFiles for Scan {
    fn dir(&self) -> &Path {
        self.files.dir()
    }

    fn tear_down(&self) -> Result<(), KeepError> {
        self.files.remove()
    }
}
