//! Pidfiles below /run, two levels deep: which of them name a process that is asked about. Only what root wrote is
//! believed, in directories where nobody else can put a file.

use std::ffi::{OsStr, OsString};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Dir, FileType, Mode, OFlags};

use super::pidfile::{self, Named};
use crate::sys::writers;

/// The directory for what runs since the boot.
pub const RUN: &str = "/run";

/// So many names are looked at: a directory that somebody fills ends no call.
const NAMES: usize = 20_000;
/// So many files are read.
const FILES: usize = 2_000;

const DIR: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC)
    .union(OFlags::NONBLOCK);

/// One search.
struct Search<'a> {
    /// Whether a file is about the process that is looked for.
    wanted: &'a dyn Fn(&Named) -> Result<(), String>,
    dev: u64,
    names: usize,
    files: usize,
    found: Found,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Found {
    /// Files that name a wanted process, with its number, in the order of their paths.
    pub files: Vec<(PathBuf, u32)>,
    /// What is not believed, and why, in words.
    pub refused: Vec<String>,
}

/// Searches; `wanted` answers in words why a file is not believed, and nothing in words when the number is a
/// stranger's.
pub fn naming(run: &Path, wanted: &dyn Fn(&Named) -> Result<(), String>) -> Found {
    let mut s = Search { wanted, dev: 0, names: 0, files: 0, found: Found::default() };
    // /run itself may be a link (`/var/run`).
    let top = rustix::fs::open(run, DIR & !OFlags::NOFOLLOW, Mode::empty());
    match top.map_err(|e| e.to_string()).and_then(|d| s.trusted(d)) {
        Ok(top) => s.below(&top, run, true),
        Err(why) => s.no_directory(run, &why),
    }
    if s.names >= NAMES || s.files >= FILES {
        s.found.refused.push(format!("{} has too many files: not all were looked at", run.display()));
    }
    s.found.files.sort();
    s.found
}

impl Search<'_> {
    /// A directory that is root's, and only root can put files in it.
    fn trusted(&mut self, dir: OwnedFd) -> Result<OwnedFd, String> {
        let s = rustix::fs::fstat(&dir).map_err(|e| e.to_string())?;
        if self.dev == 0 {
            self.dev = s.st_dev;
        }
        match () {
            () if s.st_dev != self.dev => Err("another file system is mounted there".into()),
            () if s.st_uid != 0 => Err(format!("it belongs to uid {}", s.st_uid)),
            () if writers::besides_owner(&dir, s.st_mode, s.st_gid).is_some() => {
                Err("others may write to it".into())
            }
            () => Ok(dir),
        }
    }

    fn below(&mut self, dir: &OwnedFd, path: &Path, deeper: bool) {
        let Ok(entries) = Dir::read_from(dir) else { return };
        let mut names: Vec<(OsString, FileType)> = Vec::new();
        for e in entries {
            let Ok(e) = e else { break };
            self.names += 1;
            if self.names >= NAMES {
                break;
            }
            names.push((OsString::from_vec(e.file_name().to_bytes().to_vec()), e.file_type()));
        }
        names.sort_by(|a, b| a.0.cmp(&b.0));
        for (name, kind) in names {
            let at = path.join(&name);
            match kind {
                _ if name == "." || name == ".." => {}
                FileType::Directory if deeper => match rustix::fs::openat(dir, &name, DIR, Mode::empty()) {
                    Ok(d) => match self.trusted(d) {
                        Ok(d) => self.below(&d, &at, false),
                        Err(why) => self.no_directory(&at, &why),
                    },
                    Err(e) => self.no_directory(&at, &e.to_string()),
                },
                FileType::Directory => {}
                _ if !is_pidfile(&name) => {}
                FileType::RegularFile | FileType::Unknown => self.look(dir, &name, at),
                _ => self.refuse(&at, "it is no regular file"),
            }
        }
    }

    fn no_directory(&mut self, at: &Path, why: &str) {
        self.found.refused.push(format!("no pidfile in {} is believed: {why}", at.display()));
    }

    fn refuse(&mut self, at: &Path, why: &str) {
        self.found.refused.push(format!("pidfile {} is not believed: {why}", at.display()));
    }

    fn look(&mut self, dir: &OwnedFd, name: &OsStr, at: PathBuf) {
        self.files += 1;
        if self.files >= FILES {
            return;
        }
        let judged = match pidfile::named_at(dir, name, &[0]) {
            Ok(n) => (self.wanted)(&n).map(|()| n.pid),
            Err(e) => Err(e.to_string()),
        };
        match judged {
            Ok(pid) => self.found.files.push((at, pid)),
            Err(why) if why.is_empty() => {}
            Err(why) => self.refuse(&at, &why),
        }
    }
}

/// `x.pid`, or `pid` (apache2 and others in a directory of their own).
fn is_pidfile(name: &OsStr) -> bool {
    let bytes = name.as_bytes();
    bytes == b"pid" || bytes.len() > 4 && bytes.ends_with(b".pid")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, chown, symlink};

    fn found(run: &Path) -> Vec<(String, u32)> {
        let some = naming(run, &|n| if n.pid < 1000 { Ok(()) } else { Err(String::new()) });
        let short = |p: PathBuf| p.strip_prefix(run).unwrap().display().to_string();
        some.files.into_iter().map(|(p, pid)| (short(p), pid)).collect()
    }

    #[test]
    fn two_levels_of_files_of_roots() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let at = |p: &str| dir.path().join(p);
        for d in ["web/deeper", "others", "open"] {
            std::fs::create_dir_all(at(d)).unwrap();
        }
        let all = [
            "a.pid",
            "web/pid",
            "web/b.pid",
            "web/deeper/c.pid",
            "others/d.pid",
            "open/e.pid",
            "f.PID",
            ".pid",
        ];
        for (i, f) in all.iter().enumerate() {
            std::fs::write(at(f), format!("{}\n", 10 + i)).unwrap();
        }
        std::fs::write(at("stranger.pid"), "5000\n").unwrap();
        std::fs::write(at("empty.pid"), "").unwrap();
        std::fs::write(at("huge.pid"), vec![b'1'; 1 << 20]).unwrap();
        std::fs::write(at("theirs.pid"), "20\n").unwrap();
        chown(at("theirs.pid"), Some(4321), None).unwrap();
        chown(at("others"), Some(4321), None).unwrap();
        std::fs::set_permissions(at("open"), std::fs::Permissions::from_mode(0o1777)).unwrap();
        symlink(at("a.pid"), at("link.pid")).unwrap();
        symlink(at("web"), at("weblink")).unwrap();
        nix::unistd::mkfifo(&at("fifo.pid"), nix::sys::stat::Mode::from_bits_truncate(0o644)).unwrap();
        std::fs::create_dir(at("dir.pid")).unwrap();
        let expected = [("a.pid", 10), ("web/b.pid", 12), ("web/pid", 11)];
        assert_eq!(found(dir.path()), expected.map(|(p, n)| (p.to_owned(), n)));
        let refused = naming(dir.path(), &|_| Err(String::new())).refused.join("\n");
        let words = [
            "empty.pid is not believed: pidfile is empty",
            "huge.pid",
            "theirs.pid",
            "uid 4321",
            "in others",
            "in open is",
            "link.pid is not believed: it is no regular file",
            "fifo.pid",
        ];
        let refused = refused.replace(&format!("{}/", dir.path().display()), "");
        assert!(words.iter().all(|w| refused.contains(w)), "{refused}");
        assert!(!refused.contains("stranger"), "{refused}");
        assert_eq!(found(&at("none")), []);
        chown(dir.path(), Some(4321), None).unwrap();
        assert_eq!(found(dir.path()), [], "a /run of another user's");
        chown(dir.path(), Some(0), None).unwrap();
    }
}
