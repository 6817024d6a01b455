//! The programs of the rules: loaded when somebody asks for rules, into the place of a tracker that is there.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::process::Command;

use bytemuck::Pod;
use killer_common::names::*;
use killer_common::rule::{self, Directory, FileKey, Inside, Known, OTHER_USERS, PathKey, Rule};

use super::attach::Links;
use super::load;
use super::loader::{self, Object};
use super::programs::Programs;
use super::{maps, pins};
use crate::keep::{Hooks, Keep, KeepError, Opened, Rules, Slot, Table, What};
use crate::kernel::btf;
use crate::kernel::tier::Tier;
use crate::sys::bpf::{self, For, Hash};

/// The object of this build.
static OBJECT: &[u8] =
    aya::include_bytes_aligned!(concat!(env!("CARGO_MANIFEST_DIR"), "/prebuilt/rules.bpf.o"));

/// What is done when it fails.
const PUTTING: &str = "putting the rules in force";

/// Hooks of the rules in attach order: what opens before what finds. The copy is for kernels that skip programs.
fn hooks(tier: Tier, can_skip: bool) -> &'static [(&'static str, &'static str)] {
    match tier {
        Tier::Witnessed => &RULE_LSM,
        _ if can_skip => &RULE_HOOKS,
        _ => &RULE_HOOKS[..1],
    }
}

/// Loads and pins the programs, and attaches them, unless they are there. The lock of the pins is held.
fn load(t: &Programs) -> Result<(), KeepError> {
    let v = t.paths().version();
    let progs = v.join("progs");
    if progs.join(P_RULE_CTL).exists() {
        return Ok(());
    }
    let tier = t.tier();
    if !tier.by_btf() {
        return Err(KeepError::Kernel(format!("rules in tier {}: they need the kernel's BTF", tier.name())));
    }
    let offsets = load::layout()?;
    let object = object(&v.join("maps"), &offsets, tier == Tier::Witnessed)?;
    // What a loader that was killed has left is in the way of a new pin.
    for (name, _) in RULE_HOOKS.iter().chain(&RULE_LSM).chain(&[(P_RULE_SEEN, RULE_SEEN_AT)]) {
        for dir in ["links", "progs"] {
            let _ = std::fs::remove_file(v.join(dir).join(name));
        }
    }
    for &(name, at) in hooks(tier, t.can_skip()) {
        let what = match tier {
            Tier::Witnessed => loader::security(&offsets, at)?,
            _ => loader::tracepoint(&offsets, at)?,
        };
        object.put(&progs, name, what)?;
    }
    let mut links = Links::Pins(v.join("links"));
    links.attach_these(&progs, hooks(tier, t.can_skip()))?;
    if tier == Tier::Typed && by_file(&object, &progs, &offsets) {
        // Some kernels take it and attach it nowhere.
        if let Err(e) = links.attach_these(&progs, &[(P_RULE_SEEN, RULE_SEEN_AT)]) {
            log::debug!("{P_RULE_SEEN}: {e}");
            let _ = std::fs::remove_file(progs.join(P_RULE_SEEN));
        }
    }
    // Last: it says that all is there.
    object.put(&progs, P_RULE_CTL, For::Raw)
}

/// The program that sees the file of a script; false where the kernel takes none.
fn by_file(object: &Object, progs: &Path, offsets: &btf::Offsets) -> bool {
    let put = loader::entry(offsets, RULE_SEEN_AT).and_then(|at| object.put(progs, P_RULE_SEEN, at));
    put.inspect_err(|e| log::debug!("{P_RULE_SEEN}: {e}")).is_ok()
}

/// The object with its knobs set, its maps being those of the tracker.
fn object(maps: &Path, offsets: &btf::Offsets, witness: bool) -> Result<Object, KeepError> {
    let rules = offsets.rules.as_ref().map_err(|lacks| KeepError::Kernel(format!("rules: {lacks}")))?;
    let ours = [
        ("HAVE_CURRENT_BTF", u32::from(offsets.current_btf)),
        ("WITNESS", u32::from(witness)),
        ("RULES_TWICE", u32::from(!witness && offsets.skips)),
        ("ANCESTORS_MOST", maps::Limits::read().ancestors_of_one()),
    ];
    let knobs = loader::knobs(offsets.knobs.iter().chain(rules), &ours);
    Object::new("rules.bpf.o", OBJECT, maps, &knobs)
}

impl Programs {
    /// Loads the programs of the rules when they are not there. The registry is locked.
    fn rules_up(&self) -> Result<(), KeepError> {
        // Theirs are attached behind those that keep the sets.
        Hooks::attach(self)?;
        pins::in_host_mounts(self.paths(), || load(self))
    }

    /// True when every hook of the rules is held by its pin: one can go at any moment.
    fn rules_attached(&self) -> bool {
        let links = self.paths().version().join("links");
        let there = |(name, _): &(&str, &str)| links.join(name).try_exists().unwrap_or(true);
        pins::in_host_mounts(self.paths(), || Ok(hooks(self.tier(), self.can_skip()).iter().all(there)))
            .unwrap_or(true)
    }

    /// Runs that the kernel has skipped, and how many execs were missed by that at most.
    fn missed(&self) -> (u64, u64) {
        let of = |name| {
            let info = self.pin("progs", name).ok().and_then(|p| bpf::prog_info(p).ok());
            info.map_or(0, |i| i.recursion_misses())
        };
        // Each copy opens what the other has not: only an exec whose run was skipped for all of them has been missed.
        let copies: Vec<u64> = hooks(self.tier(), self.can_skip()).iter().map(|(name, _)| of(name)).collect();
        // Not seen by its file, an exec is judged by what was typed, which may be no path that a rule knows.
        let unseen = of(P_RULE_SEEN);
        match self.tier() {
            // They are two stages of one way, and the kernel skips neither (F20).
            Tier::Witnessed => (copies.iter().sum(), copies.iter().sum()),
            _ => (copies.iter().sum::<u64>() + unseen, copies.iter().min().unwrap_or(&0) + unseen),
        }
    }

    fn pin(&self, dir: &str, name: &str) -> Result<OwnedFd, KeepError> {
        let at = self.paths().version().join(dir).join(name);
        pins::in_host_mounts(self.paths(), || bpf::obj_get(&at).what(format!("opening {dir}/{name}")))
    }

    fn table<K: Pod, V: Pod>(&self, name: &str) -> Result<Hash<K, V>, KeepError> {
        let fd = self.pin("maps", name)?;
        maps::check(&fd, name)?;
        Hash::new(fd).what(format!("opening map {name}"))
    }

    fn ask<const N: usize>(&self, ctl: &OwnedFd, words: [u64; N]) -> io::Result<()> {
        let mut args = [0; 12];
        args[..N].copy_from_slice(&words);
        match bpf::prog_run(ctl, &args)? {
            r if r >= 0 => Ok(()),
            r => Err(io::Error::from_raw_os_error(-r)),
        }
    }
}

impl Rules for Programs {
    fn directory(&self, path: &Path) -> Result<(u64, u64), KeepError> {
        self.rules_up()?;
        let ctl = self.pin("progs", P_RULE_CTL)?;
        let what = || format!("asking the kernel for {}", path.display());
        let dir = std::fs::File::open(path).what(format!("opening {}", path.display()))?;
        let asked = from_within(&dir, || self.ask(&ctl, [rule::WHERE]));
        let by = match asked {
            Err(e) if e.raw_os_error() == Some(libc::ENOSYS) => by_exec(&dir),
            r => r,
        };
        let by = by.what(what())?;
        let g = self.global();
        if g.asked_by != u64::from(by) {
            return Err(io::Error::from(io::ErrorKind::Interrupted)).what(what());
        }
        Ok((g.asked_dev, g.asked_ino))
    }

    fn put(&self, table: &Table) -> Result<(), KeepError> {
        self.rules_up()?;
        let set = if self.global().rules == 1 { 2 } else { 1 };
        let files: Hash<FileKey, Rule> = self.table(RULES)?;
        let paths: Hash<PathKey, Directory> = self.table(PATHS)?;
        clear(&files, |k| k.set == set).what("emptying a set of rules")?;
        clear(&paths, |k| k.set == set).what("emptying a set of rules")?;
        let known: Hash<Known, u32> = self.table(KNOWN)?;
        clear(&known, |k| k.set == u64::from(set)).what("emptying a set of rules")?;
        for (k, r) in &table.files {
            files.put(&FileKey { set, ..*k }, r).what("writing a rule")?;
            let dir = Known { dev: k.dev, ino: k.ino, set: u64::from(set) };
            known.put(&dir, &1).what("writing the directory of a rule")?;
        }
        for (k, d) in &table.paths {
            paths.put(&PathKey { set, ..*k }, d).what("writing the path of a rule")?;
        }
        let ctl = self.pin("progs", P_RULE_CTL)?;
        let flags = if table.other_users { OTHER_USERS } else { 0 };
        let (dirs, paths) = marks(table);
        self.ask(&ctl, [rule::PUT, u64::from(set), u64::from(flags), dirs, paths]).what(PUTTING)
    }

    fn withdraw(&self) -> Result<u32, KeepError> {
        let set = self.global().rules;
        if set != 0 {
            self.ask(&self.pin("progs", P_RULE_CTL)?, [rule::PUT, 0]).what("withdrawing the rules")?;
        }
        Ok(set)
    }

    fn resume(&self, set: u32) -> Result<(), KeepError> {
        if set == 0 {
            return Ok(());
        }
        let ctl = self.pin("progs", P_RULE_CTL)?;
        let g = self.global();
        let words = [rule::PUT, u64::from(set), u64::from(g.rules_flags), g.rules_dirs, g.rules_paths];
        self.ask(&ctl, words).what(PUTTING)
    }

    fn opened(&self) -> Opened {
        let g = self.global();
        let (skipped, missed) = self.missed();
        Opened {
            in_force: g.rules != 0,
            attached: self.rules_attached(),
            opened: g.opened,
            given_back: g.given_back,
            no_slots: g.rule_slots,
            skipped,
            missed,
        }
    }

    fn by_file(&self) -> bool {
        self.tier() == Tier::Witnessed || self.pin("progs", P_RULE_SEEN).is_ok()
    }

    fn inside(&self, root: Slot) -> Result<Vec<(String, u64)>, KeepError> {
        let all = self.table::<Inside, u64>(STAYED)?.all(256).what("reading which services are inside")?;
        let its = all.into_iter().filter(|(k, _)| (k.slot, k.generation) == (root.slot, root.generation));
        let text = |k: &Inside| {
            let bytes: Vec<u8> =
                k.name.iter().flat_map(|w| w.to_le_bytes()).take_while(|b| *b != 0).collect();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        let mut v: Vec<(String, u64)> = its.map(|(k, n)| (text(&k), n)).collect();
        v.sort();
        Ok(v)
    }
}

/// By what most execs are told apart from those that a rule may be for: the marks of directories, and of how paths begin.
fn marks(table: &Table) -> (u64, u64) {
    let dirs = table.files.iter().fold(0, |m, (k, _)| m | rule::mark(k.ino));
    let paths = table.paths.iter().fold(0, |m, (k, d)| match d.len {
        // The name of the file is among the first eight bytes, too.
        0..8 => u64::MAX,
        _ => m | rule::mark(k.path[0]),
    });
    (dirs, paths)
}

/// Does something with this as the working directory of one thread, whose id is answered: this process stays where it is.
fn from_within(dir: &std::fs::File, what: impl FnOnce() -> io::Result<()> + Send) -> io::Result<u32> {
    let there = || {
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_FS)?;
        nix::unistd::fchdir(dir)?;
        what()?;
        Ok(rustix::thread::gettid().as_raw_nonzero().get() as u32)
    };
    let done = std::thread::scope(|s| s.spawn(there).join());
    done.unwrap_or_else(|_| Err(io::Error::other("the thread that asked ended")))
}

/// Has a child answer by its exec, in this working directory; this process's number.
fn by_exec(dir: &std::fs::File) -> io::Result<u32> {
    let at = format!("/proc/self/fd/{}", dir.as_raw_fd());
    let dir = std::fs::read_link(at)?;
    let out = Command::new("/proc/self/exe").arg("--version").current_dir(dir).output()?;
    match out.status.success() {
        true => Ok(std::process::id()),
        false => Err(io::Error::other("this program could not be executed")),
    }
}

/// Takes the keys out for which this is so.
fn clear<K: Pod, V: Pod>(map: &Hash<K, V>, is: impl Fn(&K) -> bool) -> io::Result<()> {
    for k in map.keys()?.iter().filter(|k| is(k)) {
        map.delete(k)?;
    }
    Ok(())
}
