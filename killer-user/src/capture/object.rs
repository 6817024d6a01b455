//! What a link of /proc leads to: looked at, never opened but for a regular file's content.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, Statx, StatxFlags};
use serde::Serialize;

use super::wire::Inode;
use crate::ledger::hex;
use crate::sys::entry::Entry;
use crate::sys::proc_text::shown;

/// A file as it is named in a capture.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Object {
    /// Where the link leads, any byte that is no UTF-8 as `\xff`.
    pub target: String,
    /// The same in hexadecimal digits, where it is no UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_hex: Option<String>,
    /// `file`, `directory`, `fifo`, `socket`, `block-device`, `character-device`, `link`, `other`.
    pub kind: &'static str,
    /// `MAJOR:MINOR` of its filesystem.
    pub filesystem: String,
    /// `MAJOR:MINOR` of a device.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// Its inode.
    pub inode: u64,
    /// Type and permissions, octal.
    pub mode: String,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Bytes.
    pub size: u64,
    /// Names that it has; 0: it is deleted.
    pub links: u32,
    /// ns since 1970.
    pub accessed: i64,
    /// ns since 1970.
    pub modified: i64,
    /// ns since 1970.
    pub changed: i64,
    /// ns since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub born: Option<i64>,
    /// Where its content is in the capture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// What of this could not be had, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

fn kind(mode: u16) -> &'static str {
    match FileType::from_raw_mode(mode.into()) {
        FileType::RegularFile => "file",
        FileType::Directory => "directory",
        FileType::Fifo => "fifo",
        FileType::Socket => "socket",
        FileType::BlockDevice => "block-device",
        FileType::CharacterDevice => "character-device",
        FileType::Symlink => "link",
        FileType::Unknown => "other",
    }
}

/// What is open without being opened: nothing of the file's own is called.
pub fn path_of(e: &Entry, link: &str) -> io::Result<OwnedFd> {
    Ok(rustix::fs::openat(e.dir(), link, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?)
}

/// What is known of it without asking whoever serves its filesystem.
pub fn look(fd: impl AsFd) -> io::Result<Statx> {
    let flags = AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC;
    Ok(rustix::fs::statx(fd, c"", flags, StatxFlags::BASIC_STATS | StatxFlags::BTIME)?)
}

/// Its filesystem and inode.
pub fn inode(s: &Statx) -> Inode {
    (u64::from(s.stx_dev_major) << 32 | u64::from(s.stx_dev_minor), s.stx_ino)
}

/// True for a regular file.
pub fn is_file(s: &Statx) -> bool {
    kind(s.stx_mode) == "file"
}

/// The text of a link.
pub fn target(e: &Entry, link: &str) -> io::Result<Vec<u8>> {
    e.link(link).map(|t| t.as_os_str().as_bytes().to_vec())
}

impl Object {
    /// What a link of a process leads to.
    pub fn of(e: &Entry, link: &str) -> Self {
        let mut o = Self::default();
        match target(e, link) {
            Ok(t) => {
                o.target_hex = str::from_utf8(&t).is_err().then(|| hex(&t));
                o.target = shown(&t);
            }
            Err(e) => o.error = Some(crate::report::message::plain(&e.to_string())),
        }
        match path_of(e, link).and_then(look) {
            Ok(s) => o.looked(&s),
            Err(e) => o.error = Some(crate::report::message::plain(&e.to_string())),
        }
        o
    }

    fn looked(&mut self, s: &Statx) {
        let ns = |t: rustix::fs::StatxTimestamp| t.tv_sec.wrapping_mul(1_000_000_000) + i64::from(t.tv_nsec);
        self.kind = kind(s.stx_mode);
        self.filesystem = format!("{}:{}", s.stx_dev_major, s.stx_dev_minor);
        let device = matches!(self.kind, "block-device" | "character-device");
        self.device = device.then(|| format!("{}:{}", s.stx_rdev_major, s.stx_rdev_minor));
        self.inode = s.stx_ino;
        self.mode = format!("{:06o}", s.stx_mode);
        (self.uid, self.gid, self.size, self.links) = (s.stx_uid, s.stx_gid, s.stx_size, s.stx_nlink);
        self.accessed = ns(s.stx_atime);
        self.modified = ns(s.stx_mtime);
        self.changed = ns(s.stx_ctime);
        self.born = (s.stx_mask & StatxFlags::BTIME.bits() != 0).then(|| ns(s.stx_btime));
    }
}

/// Opens the content of a regular file that was looked at, through this process's own directory: without waiting, and without a
/// change of its time of access where that can be.
pub fn content(path: &OwnedFd) -> io::Result<OwnedFd> {
    let me = Entry::open(std::process::id())?;
    let link = CString::new(format!("fd/{}", path.as_raw_fd()))?;
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let open = |flags| rustix::fs::openat(me.dir(), &*link, flags, Mode::empty());
    match open(flags | OFlags::NOATIME) {
        Err(rustix::io::Errno::PERM) => Ok(open(flags)?),
        r => Ok(r?),
    }
}
