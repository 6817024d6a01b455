//! What a process has open that others may have, too, as /proc shows it.

use std::collections::BTreeSet;
use std::io;
use std::os::unix::ffi::OsStrExt;

use crate::report::model::Stranger;
use crate::sys::entry::Entry;
use crate::sys::proc_text;

/// Descriptors of one process that are looked at.
const DESCRIPTORS: usize = 16 * 1024;

/// One process.
#[derive(Debug, Default)]
pub struct Seen {
    /// Its number.
    pub pid: u32,
    /// Its name.
    pub comm: String,
    /// The process that traces it; 0: none.
    pub tracer: u32,
    /// Inodes of pipes.
    pub pipes: BTreeSet<u64>,
    /// Inodes of sockets.
    pub sockets: BTreeSet<u64>,
    /// It serves a file system in user space.
    pub fuse: bool,
    /// Its mount namespace, and its network namespace.
    pub places: (Option<u64>, Option<u64>),
}

impl Seen {
    /// For people.
    pub fn stranger(&self) -> Stranger {
        Stranger { pid: self.pid, comm: self.comm.clone() }
    }
}

/// The number in `pipe:[17]`.
fn inode(link: &[u8], kind: &str) -> Option<u64> {
    let digits = link.strip_prefix(kind.as_bytes())?.strip_prefix(b":[")?.strip_suffix(b"]")?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Looks at a process by its directory. A kernel thread has nothing open.
///
/// # Errors
/// The kernel's: it has ended, or is not for this caller.
pub fn look(pid: u32, e: &Entry) -> io::Result<Seen> {
    let status = e.record("status")?;
    let line = |name: &str| {
        let found = status.split(|b| *b == b'\n').find_map(|l| l.strip_prefix(name.as_bytes()));
        found.unwrap_or_default().trim_ascii()
    };
    let mut seen = Seen { pid, comm: proc_text::shown(line("Name:")), ..Seen::default() };
    seen.tracer = std::str::from_utf8(line("TracerPid:")).ok().and_then(|n| n.parse().ok()).unwrap_or(0);
    for link in e.open_links(DESCRIPTORS)? {
        let link = link.as_os_str().as_bytes();
        seen.pipes.extend(inode(link, "pipe"));
        seen.sockets.extend(inode(link, "socket"));
        seen.fuse |= link == b"/dev/fuse";
    }
    if let Ok(links) = e.links(c"ns") {
        seen.places = (links.number(c"mnt").ok(), links.number(c"net").ok());
    }
    Ok(seen)
}
