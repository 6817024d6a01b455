//! Mappings of a process, from its `smaps`.

/// One.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// First address.
    pub start: u64,
    /// The one after the last.
    pub end: u64,
    /// As ELF has them: 1 execute, 2 write, 4 read.
    pub flags: u32,
    /// Nobody else has its changes.
    pub private: bool,
    /// Offset in the file.
    pub offset: u64,
    /// Its file's inode; 0: it has none.
    pub inode: u64,
    /// Its file, or what the kernel calls it.
    pub name: Vec<u8>,
    /// Its memory is a device's: to read that may do something.
    pub device: bool,
}

impl Mapping {
    /// The first line of one.
    fn of(line: &[u8]) -> Option<Self> {
        let mut rest = line;
        let mut word = || {
            let from = rest.iter().position(|b| *b != b' ')?;
            let to = rest[from..].iter().position(|b| *b == b' ').map_or(rest.len(), |n| from + n);
            let (word, after) = (&rest[from..to], &rest[to..]);
            rest = after;
            str::from_utf8(word).ok()
        };
        let (start, end) = word()?.split_once('-')?;
        let hex = |s: &str| u64::from_str_radix(s, 16).ok();
        let (start, end) = (hex(start)?, hex(end)?);
        let rights = word()?.as_bytes().to_vec();
        let (offset, _, inode) = (hex(word()?)?, word()?, word()?.parse().ok()?);
        let name: Vec<u8> = rest.iter().copied().skip_while(|b| *b == b' ').collect();
        let right = |n: usize, c: u8, flag: u32| if rights.get(n) == Some(&c) { flag } else { 0 };
        let flags = right(0, b'r', 4) | right(1, b'w', 2) | right(2, b'x', 1);
        let private = rights.get(3) == Some(&b'p');
        (start < end).then_some(Self { start, end, flags, private, offset, inode, name, device: false })
    }
}

/// All of them, in order. What the kernel says of each (`VmFlags`) follows its first line; a name cannot look like one, because
/// newlines in names are escaped (`fs/proc/task_mmu.c`).
pub fn read(smaps: &[u8]) -> Vec<Mapping> {
    let mut all: Vec<Mapping> = Vec::new();
    for line in smaps.split(|b| *b == b'\n') {
        if let Some(flags) = line.strip_prefix(b"VmFlags:") {
            let device = flags.split(|b| *b == b' ').any(|f| f == b"io" || f == b"pf");
            all.last_mut().into_iter().for_each(|m| m.device = device);
        } else if line.first().is_some_and(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(b)) {
            all.extend(Mapping::of(line));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows() {
        let text = b"00400000-00401000 r-xp 00001000 fd:01 77                    /a b\\012\xff (deleted)\n\
            Rss: 4 kB\nVmFlags: rd ex mr mw me\n\
            7f0000000000-7f0000001000 rw-s 00000000 00:05 9 /dev/x\nVmFlags: rd wr sh io pf dd\n\
            ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]\n";
        let all = read(text);
        assert_eq!(all.len(), 3);
        assert_eq!((all[0].flags, all[0].private, all[0].offset, all[0].inode), (5, true, 0x1000, 77));
        assert_eq!(all[0].name, b"/a b\\012\xff (deleted)");
        assert!(all[1].device && !all[1].private && !all[0].device);
        assert_eq!(all[2].flags, 1);
        assert!(read(b"x\n1-\n1-0 rwxp 0 0 0\n-").is_empty());
    }
}
