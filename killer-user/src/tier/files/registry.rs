//! The directory of a registry in files: a file a root, each replaced whole, in a directory that is
//! the owner's alone.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use killer_common::record::{R_FREE, R_LIVE, R_STARTING, Reasons};
use killer_common::{MAX_DEPTH, MAX_ROOTS, reason};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::record::{RootFile, code};
use crate::keep::{KeepError, Slot};
use crate::sys::{alive, clock, entry};
use crate::tier::seen::{self, Id};

/// A directory with a file for each root.
#[derive(Clone, Debug)]
pub struct FileRegistry {
    dir: PathBuf,
}

/// An exclusive lock on a registry.
#[derive(Debug)]
pub struct FileLock(File);

impl Drop for FileLock {
    fn drop(&mut self) {
        // By hand: a child that is being launched holds the same open file until its exec.
        let _ = rustix::fs::flock(&self.0, rustix::fs::FlockOperation::Unlock);
    }
}

/// What is written there would be believed: it must be a directory, this user's, and nobody else's.
pub fn is_ours(dir: &Path) -> io::Result<()> {
    let m = std::fs::symlink_metadata(dir)?;
    let why = match m.uid() {
        _ if m.file_type().is_symlink() => "it is a symbolic link".to_owned(),
        _ if !m.is_dir() => "it is no directory".to_owned(),
        uid if uid != rustix::process::geteuid().as_raw() => format!("it belongs to user {uid}"),
        _ if m.mode() & 0o077 != 0 => format!("it is open to others (mode {:o})", m.mode() & 0o7777),
        _ => return Ok(()),
    };
    Err(io::Error::new(io::ErrorKind::PermissionDenied, why))
}

/// As [`is_ours`], of a directory that is made when it is not there.
pub fn make_ours(dir: &Path) -> io::Result<()> {
    match is_ours(dir) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
            is_ours(dir)
        }
        r => r,
    }
}

/// One word for this boot: what is written in another one says nothing.
pub fn boot() -> io::Result<String> {
    static BOOT: OnceLock<String> = OnceLock::new();
    if let Some(boot) = BOOT.get() {
        return Ok(boot.clone());
    }
    let text = entry::record("sys/kernel/random/boot_id")?;
    Ok(BOOT.get_or_init(|| String::from_utf8_lossy(&text).trim().to_owned()).clone())
}

impl FileRegistry {
    /// A directory that is there, for single files.
    pub fn at(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// Opens a registry that is there.
    pub fn open(dir: &Path) -> io::Result<Option<Self>> {
        match is_ours(dir) {
            Ok(()) => {}
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e),
        }
        let files = Self { dir: dir.to_owned() };
        let written = match std::fs::read_to_string(dir.join("boot")) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            text => text?,
        };
        Ok((written == boot()?).then_some(files))
    }

    /// Opens it, after making it when it is not there, or not of this boot.
    pub fn make(dir: &Path) -> io::Result<Self> {
        if let Some(b) = Self::open(dir)? {
            return Ok(b);
        }
        make_ours(dir)?;
        let files = Self { dir: dir.to_owned() };
        let _lock = files.lock()?;
        if Self::open(dir)?.is_none() {
            files.tear()?;
            files.put("boot", boot()?.as_bytes())?;
        }
        Ok(files)
    }

    /// Where it is.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Waits for the lock.
    pub fn lock(&self) -> io::Result<FileLock> {
        // Not by the standard library: under musl that is two calls.
        let f = File::from(rustix::fs::open(&self.dir, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?);
        rustix::fs::flock(&f, rustix::fs::FlockOperation::LockExclusive)?;
        Ok(FileLock(f))
    }

    /// Removes every file.
    fn tear(&self) -> io::Result<()> {
        for e in std::fs::read_dir(&self.dir)?.flatten() {
            if e.file_type().is_ok_and(|t| t.is_file()) {
                std::fs::remove_file(e.path())?;
            }
        }
        Ok(())
    }

    /// Removes the file of every root; the registry is there as if it had just been made.
    pub fn clear(&self) -> Result<(), KeepError> {
        let done = self.tear().and_then(|()| self.put("boot", boot()?.as_bytes()));
        done.map_err(|source| KeepError::Io { what: "clearing the registry".into(), source })
    }

    /// Removes it whole.
    pub fn remove(&self) -> Result<(), KeepError> {
        let done = self.tear().and_then(|()| std::fs::remove_dir(&self.dir));
        done.map_err(|source| KeepError::Io { what: "removing the registry".into(), source })
    }

    /// Replaces a file whole.
    pub fn put(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let tmp = self.dir.join(format!(".{name}.{}", std::process::id()));
        let made = || {
            let new = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
            rustix::fs::open(&tmp, new, Mode::RUSR | Mode::WUSR)
        };
        let mut f = File::from(match made() {
            // Of one that was killed while it wrote, and had this number.
            Err(Errno::EXIST) => std::fs::remove_file(&tmp).and_then(|()| Ok(made()?)),
            r => r.map_err(io::Error::from),
        }?);
        f.write_all(bytes)?;
        drop(f);
        std::fs::rename(&tmp, self.dir.join(name))
    }

    /// The file of any slot, also a free one.
    pub fn root(&self, slot: u32) -> RootFile {
        self.read(slot).unwrap_or_default()
    }

    /// The same; one that is there and cannot be read is no free slot.
    pub fn read(&self, slot: u32) -> io::Result<RootFile> {
        let root = match std::fs::read(self.dir.join(format!("{slot}.json"))) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(RootFile::default()),
            text => text.and_then(|t| serde_json::from_slice(&t).map_err(io::Error::from)),
        };
        root.inspect_err(|_| alive::note_blind())
    }

    /// Every root in use.
    pub fn roots(&self) -> Vec<(u32, RootFile)> {
        let names = std::fs::read_dir(&self.dir).inspect_err(|_| alive::note_blind());
        let names = names.into_iter().flatten();
        let names = names.filter_map(|e| e.inspect_err(|_| alive::note_blind()).ok());
        let mut v: Vec<(u32, RootFile)> = names
            .filter_map(|e| e.file_name().to_str()?.strip_suffix(".json")?.parse().ok())
            .map(|slot| (slot, self.root(slot)))
            .filter(|(slot, p)| *slot != 0 && *slot < MAX_ROOTS && p.state != R_FREE)
            .collect();
        v.sort_by_key(|(s, _)| *s);
        v
    }

    /// A root and the roots inside it.
    pub fn family(&self, s: Slot) -> Vec<Slot> {
        let roots: Vec<_> = self
            .roots()
            .into_iter()
            .map(|(slot, p)| (Slot { slot, generation: p.generation }, p.parent))
            .collect();
        let mut v: Vec<Slot> = roots.iter().map(|(root, _)| *root).filter(|root| *root == s).collect();
        let mut i = 0;
        while i < v.len() {
            let outer = (v[i].slot, v[i].generation);
            v.extend(roots.iter().filter(|(_, parent)| *parent == outer).map(|(root, _)| *root));
            i += 1;
        }
        v
    }

    /// Held for the moment of one change only: a call that notes a signal or a reason does not have the lock of the
    /// registry, and must not write an old record over a new one.
    fn one_change(&self) -> io::Result<FileLock> {
        let f = std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(self.dir.join("lock"))?;
        rustix::fs::flock(&f, rustix::fs::FlockOperation::LockExclusive)?;
        Ok(FileLock(f))
    }

    /// Changes a root; the generation must be the slot's.
    pub fn change(&self, s: Slot, f: impl FnOnce(&mut RootFile)) -> io::Result<()> {
        let _lock = self.one_change()?;
        let mut p = self.read(s.slot)?;
        if p.generation != s.generation || p.state == R_FREE {
            return Err(io::Error::from_raw_os_error(libc::ESTALE));
        }
        f(&mut p);
        self.write(s.slot, &p)
    }

    fn write(&self, slot: u32, p: &RootFile) -> io::Result<()> {
        self.put(&format!("{slot}.json"), &serde_json::to_vec(p)?)
    }

    /// The first free slot.
    pub fn free_slot(&self) -> Option<Slot> {
        (1..MAX_ROOTS).find_map(|slot| {
            let p = self.read(slot).ok()?;
            (p.state == R_FREE).then_some(Slot { slot, generation: p.generation })
        })
    }

    /// Makes a slot a new root in state STARTING; `prepare` makes what must be there before its file is.
    pub fn create(
        &self,
        old: Slot,
        parent: u32,
        flags: u64,
        name: &str,
        prepare: impl FnOnce(&mut RootFile) -> io::Result<()>,
    ) -> io::Result<Slot> {
        let before = self.read(old.slot)?;
        if before.generation != old.generation {
            return Err(io::Error::from_raw_os_error(libc::ESTALE));
        }
        let outer = (parent != 0).then(|| self.root(parent));
        let depth = outer.as_ref().map_or(0, |p| p.depth + 1);
        if depth >= MAX_DEPTH {
            return Err(io::Error::from_raw_os_error(libc::ELOOP));
        }
        let mut root = RootFile {
            generation: old.generation + 1,
            state: R_STARTING,
            parent: outer.map_or((0, 0), |p| (parent, p.generation)),
            depth,
            born: clock::boottime_ns(),
            owner: seen::me(),
            name: name.to_owned(),
            flags,
            ..RootFile::default()
        };
        prepare(&mut root)?;
        let _lock = self.one_change()?;
        self.write(old.slot, &root)?;
        Ok(Slot { slot: old.slot, generation: root.generation })
    }

    /// Processes that were ever in it, as far as they were seen.
    pub fn ever(&self, slot: u32, now: u64) -> u64 {
        let p = self.root(slot);
        if now > p.ever {
            // What cannot be noted is seen now at least.
            let _ = self.change(Slot { slot, generation: p.generation }, |p| p.ever = p.ever.max(now));
        }
        p.ever.max(now)
    }

    /// STARTING → LIVE.
    pub fn go_live(&self, s: Slot) -> io::Result<()> {
        self.change(s, |p| p.state = R_LIVE)
    }

    /// A process was started in a root: the main process, with which it is live, or a control process.
    pub fn started(&self, s: Slot, main: bool, id: Id) -> io::Result<()> {
        self.change(s, |p| {
            p.ever += 1;
            if main {
                (p.state, p.main, p.first) = (R_LIVE, id, id);
                return;
            }
            p.control.retain(|c| c.lives());
            p.control.push(id);
        })
    }

    /// Frees a slot.
    pub fn forget(&self, s: Slot) -> io::Result<()> {
        self.change(s, |p| *p = RootFile { generation: p.generation, ..RootFile::default() })
    }

    /// Notes the last signal and its sender.
    pub fn note_kill(&self, s: Slot, signal: i32, uid: u32, outcome: u8) -> io::Result<()> {
        self.change(s, |p| p.last = (signal as u32, clock::boottime_ns(), uid, u32::from(outcome)))
    }

    /// Counts a reason.
    pub fn reason(&self, s: Slot, reason: u32) -> io::Result<()> {
        self.change(s, |p| {
            let r = p.reasons.entry(code(reason).to_owned()).or_insert((0, clock::boottime_ns()));
            r.0 += 1;
        })
    }

    /// Reasons against a root.
    pub fn reasons(&self, slot: u32) -> Reasons {
        let mut r = Reasons { count: [0; reason::COUNT], first: [0; reason::COUNT] };
        for (code, (count, first)) in self.root(slot).reasons {
            if let Some((i, ..)) = reason::ALL.iter().find(|x| x.1 == code) {
                (r.count[*i as usize], r.first[*i as usize]) = (count, first);
            }
        }
        r
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn registry(name: &str) -> FileRegistry {
        let dir = std::env::temp_dir().join(format!("killer-registry-{}-{name}", std::process::id()));
        let files = FileRegistry::make(&dir).unwrap();
        files.tear().unwrap();
        files.put("boot", boot().unwrap().as_bytes()).unwrap();
        files
    }

    fn gone(b: &FileRegistry) {
        let _ = std::fs::remove_dir_all(b.dir());
    }

    #[test]
    fn the_life_of_a_root() {
        let b = registry("life");
        let free = b.free_slot().unwrap();
        let s = b.create(free, 0, 0, "a\n\u{1b}", |_| Ok(())).unwrap();
        assert_eq!((s.slot, s.generation, b.root(1).state), (1, 1, R_STARTING));
        assert!(b.create(free, 0, 0, "b", |_| Ok(())).is_err(), "an old generation");
        b.started(s, true, (7, 8).into()).unwrap();
        b.reason(s, reason::ADOPTED).unwrap();
        b.reason(s, reason::ADOPTED).unwrap();
        assert_eq!(b.reasons(1).count[reason::ADOPTED as usize], 2);
        assert_eq!((b.root(1).main, b.ever(1, 3), b.ever(1, 2)), ((7, 8).into(), 3, 3));
        assert_eq!(b.roots().len(), 1);
        b.forget(s).unwrap();
        assert!(b.change(s, |_| {}).is_err() && b.roots().is_empty());
        assert_eq!(b.free_slot().unwrap().generation, 1, "a slot is never used twice with one generation");
        gone(&b);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn any_bytes_are_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let b = registry("bytes");
            b.put("1.json", &bytes).unwrap();
            let p = b.root(1);
            let _ = (p.record(), b.roots(), b.reasons(1));
            gone(&b);
        }

        #[test]
        fn a_page_comes_back(name in ".{0,64}", n in any::<(u32, u64, u64)>(), place in ".{0,20}") {
            let b = registry("root");
            let p = RootFile { name, main: (n.0, n.1).into(), born: n.2, place, state: R_LIVE, ..RootFile::default() };
            b.write(9, &p).unwrap();
            prop_assert_eq!(b.root(9), p);
            gone(&b);
        }
    }
}
