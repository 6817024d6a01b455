//! Mounts as a process sees them.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::sys::entry::{self, Entry};

/// All namespaces are looked at for so long at most.
const TIME: Duration = Duration::from_secs(1);

/// One line of mountinfo.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mount {
    /// Its number.
    pub id: u64,
    /// The file system: major and minor number.
    pub dev: (u32, u32),
    /// Where it is.
    pub at: Vec<u8>,
    /// Kind of the file system.
    pub kind: String,
    /// What it was made from: whoever mounts chooses these words.
    pub source: Vec<u8>,
}

impl Mount {
    /// FUSE, of any kind, and not its control file system.
    pub fn is_fuse(&self) -> bool {
        ["fuse", "fuseblk", "virtiofs"].contains(&&*self.kind)
            || self.kind.starts_with("fuse.")
            || self.kind.starts_with("fuseblk.")
    }

    /// NFS, of any version.
    pub fn is_nfs(&self) -> bool {
        ["nfs", "nfs4"].contains(&&*self.kind)
    }

    /// The number of the FUSE connection that serves it (`fs/fuse/control.c`: the device as the kernel has it).
    pub fn connection(&self) -> u64 {
        u64::from(self.dev.0) << 20 | u64::from(self.dev.1)
    }
}

/// `\040` → a blank.
fn plain(word: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(word.len());
    let mut rest = word;
    while let Some((&b, after)) = rest.split_first() {
        let digits = after.get(..3).filter(|d| b == b'\\' && d.iter().all(|d| (b'0'..=b'7').contains(d)));
        match digits {
            Some(d) => {
                out.push(d.iter().fold(0u8, |n, d| n.wrapping_mul(8).wrapping_add(d - b'0')));
                rest = &after[3..];
            }
            None => {
                out.push(b);
                rest = after;
            }
        }
    }
    out
}

/// The text of mountinfo.
pub fn parsed(text: &[u8]) -> Vec<Mount> {
    let one = |line: &[u8]| {
        let words: Vec<&[u8]> = line.split(|b| *b == b' ').collect();
        let dash = words.iter().position(|w| *w == b"-")?;
        let text = |i: usize| std::str::from_utf8(words.get(i)?).ok();
        let (major, minor) = text(2)?.split_once(':')?;
        Some(Mount {
            id: text(0)?.parse().ok()?,
            dev: (major.parse().ok()?, minor.parse().ok()?),
            at: plain(words.get(4)?),
            kind: text(dash + 1)?.to_owned(),
            source: plain(words.get(dash + 2)?),
        })
    };
    text.split(|b| *b == b'\n').filter_map(one).collect()
}

/// Those that a process sees.
pub fn of(e: &Entry) -> Vec<Mount> {
    parsed(&e.read("mountinfo").unwrap_or_default())
}

/// Those of all mount namespaces that somebody is in, as far as there is time.
pub fn everywhere() -> Vec<Mount> {
    let (began, mut seen, mut all) = (Instant::now(), BTreeSet::new(), Vec::new());
    for pid in entry::everybody().unwrap_or_default() {
        let Ok(e) = Entry::open(pid) else { continue };
        let ns = e.links(c"ns").and_then(|l| l.number(c"mnt"));
        if began.elapsed() < TIME && ns.is_ok_and(|ns| seen.insert(ns)) {
            all.extend(of(&e));
        }
    }
    all
}

/// The mount that one of its descriptors is on, by the kernel's word: the file itself is not touched, which could wait for ever.
pub fn of_descriptor(e: &Entry, fd: u64) -> Option<u64> {
    let text = e.text(&format!("fdinfo/{fd}")).ok()?;
    text.lines().find_map(|l| l.strip_prefix("mnt_id:"))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &[u8] = b"29 1 8:1 / / rw - ext4 /dev/sda1 rw\n\
        57 29 0:52 / /mnt/a\\040b rw shared:3 master:1 - fuse.sshfs me@host: rw,user_id=0\n\
        58 29 0:53 / /mnt/x rw - fusectl none rw\n59 29 8:17 /sub /media/ntfs rw - fuseblk /dev/sdb1 rw\n\
        60 29 0:60 / /data rw - nfs4 10.0.0.1:/x rw\nnot a line\n61 29 0:x / /y rw - fuse z rw\n";

    #[test]
    fn lines() {
        let all = parsed(TEXT);
        assert_eq!(all.len(), 5);
        assert_eq!((all[1].id, &*all[1].at, all[1].connection()), (57, &b"/mnt/a b"[..], 52));
        assert_eq!(all.iter().filter(|m| m.is_fuse()).count(), 2);
        assert_eq!(all[3].connection(), 8 << 20 | 17);
        assert!(all[4].is_nfs() && !all[0].is_nfs() && !all[2].is_fuse());
        assert_eq!(plain(b"a\\134\\x\\04"), b"a\\\\x\\04");
    }
}
