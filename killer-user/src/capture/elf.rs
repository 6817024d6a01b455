//! An ELF core: headers and notes as the kernel writes them (`fs/binfmt_elf.c`), for 64 bit.

/// `NT_PRSTATUS`
const PRSTATUS: u32 = 1;
/// `NT_PRPSINFO`
const PRPSINFO: u32 = 3;
/// `NT_AUXV`
const AUXV: u32 = 6;
/// `NT_FILE`
const FILE: u32 = 0x4649_4c45;
/// Where general registers begin in `struct elf_prstatus`.
const REGISTERS: usize = 112;
/// Sizes of the headers.
const EHDR: u64 = 64;
const PHDR: u64 = 56;
const SHDR: u64 = 64;
/// `PN_XNUM`: the number of program headers is in the first section header.
const XNUM: usize = 0xffff;

/// A piece of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Its address.
    pub start: u64,
    /// The one after its last.
    pub end: u64,
    /// Bytes of it that are in the file: all or none.
    pub stored: bool,
    /// `PF_X` 1, `PF_W` 2, `PF_R` 4.
    pub flags: u32,
}

/// A thread.
#[derive(Clone, Debug, Default)]
pub struct ThreadNote {
    /// Its number.
    pub tid: u32,
    /// General registers, as the machine has them.
    pub registers: Vec<u8>,
    /// Others: type of the note, and its bytes.
    pub others: Vec<(u32, Vec<u8>)>,
}

/// A process.
#[derive(Clone, Debug, Default)]
pub struct ProcessNote {
    /// Its number.
    pub pid: u32,
    /// Its parent's.
    pub ppid: u32,
    /// Its process group.
    pub pgrp: u32,
    /// Its session.
    pub session: u32,
    /// Real user and group.
    pub ids: (u32, u32),
    /// Its name.
    pub comm: Vec<u8>,
    /// Its arguments.
    pub arguments: Vec<u8>,
    /// Its auxiliary vector.
    pub auxv: Vec<u8>,
    /// `EM_*`
    pub machine: u16,
}

/// A mapping of a file: its range, page offset and name.
pub type Mapped<'a> = (u64, u64, u64, &'a [u8]);

fn note(out: &mut Vec<u8>, owner: &[u8], kind: u32, bytes: &[u8]) {
    out.extend_from_slice(&(owner.len() as u32 + 1).to_le_bytes());
    out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    out.extend_from_slice(&kind.to_le_bytes());
    for part in [&[owner, &[0]].concat()[..], bytes] {
        out.extend_from_slice(part);
        out.resize(out.len().next_multiple_of(4), 0);
    }
}

fn put(to: &mut [u8], at: usize, bytes: &[u8]) {
    let n = bytes.len().min(to.len().saturating_sub(at));
    to[at..at + n].copy_from_slice(&bytes[..n]);
}

/// `struct elf_prstatus`
fn status(p: &ProcessNote, t: &ThreadNote) -> Vec<u8> {
    let mut b = vec![0; REGISTERS + t.registers.len() + 8];
    for (n, word) in [t.tid, p.ppid, p.pgrp, p.session].iter().enumerate() {
        put(&mut b, 32 + 4 * n, &word.to_le_bytes());
    }
    put(&mut b, REGISTERS, &t.registers);
    let valid = u32::from(!t.others.is_empty());
    put(&mut b, REGISTERS + t.registers.len(), &valid.to_le_bytes());
    b
}

/// `struct elf_prpsinfo`
fn info(p: &ProcessNote) -> Vec<u8> {
    let mut b = vec![0; 136];
    (b[0], b[1]) = (4, b'T');
    put(&mut b, 16, &p.ids.0.to_le_bytes());
    put(&mut b, 20, &p.ids.1.to_le_bytes());
    for (n, word) in [p.pid, p.ppid, p.pgrp, p.session].iter().enumerate() {
        put(&mut b, 24 + 4 * n, &word.to_le_bytes());
    }
    put(&mut b, 40, &p.comm[..p.comm.len().min(15)]);
    let words: Vec<u8> = p.arguments.iter().map(|c| if *c == 0 { b' ' } else { *c }).collect();
    put(&mut b, 56, &words[..words.len().min(79)]);
    b
}

/// `NT_FILE`
fn files(mapped: &[Mapped<'_>], page: u64) -> Vec<u8> {
    let mut b = Vec::new();
    b.extend_from_slice(&(mapped.len() as u64).to_le_bytes());
    b.extend_from_slice(&page.to_le_bytes());
    for (start, end, offset, _) in mapped {
        [start, end, offset].iter().for_each(|n| b.extend_from_slice(&n.to_le_bytes()));
    }
    for (.., name) in mapped {
        b.extend_from_slice(name);
        b.push(0);
    }
    b
}

/// All notes.
pub fn notes(p: &ProcessNote, threads: &[ThreadNote], mapped: &[Mapped<'_>], page: u64) -> Vec<u8> {
    let mut out = Vec::new();
    for (n, t) in threads.iter().enumerate() {
        note(&mut out, b"CORE", PRSTATUS, &status(p, t));
        if n == 0 {
            note(&mut out, b"CORE", PRPSINFO, &info(p));
            note(&mut out, b"CORE", AUXV, &p.auxv);
            note(&mut out, b"CORE", FILE, &files(mapped, page));
        }
        for (kind, bytes) in &t.others {
            let owner: &[u8] = if *kind == 2 { b"CORE" } else { b"LINUX" };
            note(&mut out, owner, *kind, bytes);
        }
    }
    out
}

/// Everything before the memory itself, which follows segment by segment.
pub fn head(machine: u16, segments: &[Segment], notes: &[u8], page: u64) -> Vec<u8> {
    let count = segments.len() + 1;
    let extended = count >= XNUM;
    let shdr = if extended { SHDR } else { 0 };
    let notes_at = EHDR + count as u64 * PHDR + shdr;
    let mut at = (notes_at + notes.len() as u64).next_multiple_of(page);
    let mut b = Vec::with_capacity(at as usize);
    b.extend_from_slice(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
    b.extend_from_slice(&4u16.to_le_bytes());
    b.extend_from_slice(&machine.to_le_bytes());
    b.extend_from_slice(&1u32.to_le_bytes());
    let shoff = if extended { notes_at - SHDR } else { 0 };
    [0, EHDR, shoff].iter().for_each(|n: &u64| b.extend_from_slice(&n.to_le_bytes()));
    b.extend_from_slice(&0u32.to_le_bytes());
    let phnum = if extended { XNUM as u16 } else { count as u16 };
    let shnum = u16::from(extended);
    [EHDR as u16, PHDR as u16, phnum, SHDR as u16, shnum, 0]
        .iter()
        .for_each(|n| b.extend_from_slice(&n.to_le_bytes()));
    let mut phdr = |kind: u32, flags: u32, words: [u64; 6]| {
        b.extend_from_slice(&kind.to_le_bytes());
        b.extend_from_slice(&flags.to_le_bytes());
        words.iter().for_each(|w| b.extend_from_slice(&w.to_le_bytes()));
    };
    phdr(4, 0, [notes_at, 0, 0, notes.len() as u64, 0, 4]);
    for s in segments {
        let size = s.end - s.start;
        let stored = if s.stored { size } else { 0 };
        phdr(1, s.flags, [at, s.start, 0, stored, size, page]);
        at += stored;
    }
    if extended {
        let mut shdr = [0; SHDR as usize];
        put(&mut shdr, 44, &(count as u32).to_le_bytes());
        b.extend_from_slice(&shdr);
    }
    b.extend_from_slice(notes);
    b.resize(b.len().next_multiple_of(page as usize), 0);
    b
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(b: &[u8], at: usize) -> u64 {
        u64::from_le_bytes(b[at..at + 8].try_into().expect("eight bytes"))
    }

    #[test]
    fn offsets_are_where_memory_is() {
        let seg = |start, stored| Segment { start, end: start + 8192, stored, flags: 6 };
        let segments = [seg(0x1000, true), seg(0x10000, false), seg(0x20000, true)];
        let b = head(62, &segments, &[1; 100], 4096);
        assert_eq!(b.len(), 4096);
        assert_eq!(u16::from_le_bytes([b[56], b[57]]), 4);
        let phdr = |n: usize| (word(&b, 64 + n * 56 + 8), word(&b, 64 + n * 56 + 32));
        assert_eq!(phdr(0), (64 + 4 * 56, 100));
        assert_eq!([phdr(1), phdr(2), phdr(3)], [(4096, 8192), (12288, 0), (12288, 8192)]);
    }

    #[test]
    fn more_segments_than_a_header_counts() {
        let segments = vec![Segment { start: 0, end: 4096, stored: false, flags: 4 }; 70_000];
        let b = head(62, &segments, &[], 4096);
        assert_eq!(u16::from_le_bytes([b[56], b[57]]), 0xffff);
        let shoff = word(&b, 40) as usize;
        assert_eq!(u32::from_le_bytes(b[shoff + 44..shoff + 48].try_into().expect("four")), 70_001);
    }

    #[test]
    fn notes_are_aligned() {
        let t = ThreadNote {
            tid: 7,
            registers: vec![9; 216],
            others: vec![(2, vec![1; 512]), (0x202, vec![2; 13])],
        };
        let p = ProcessNote { comm: b"a name that is too long".to_vec(), ..ProcessNote::default() };
        let b = notes(&p, &[t.clone(), t], &[(1, 2, 3, b"/a\n\xff")], 4096);
        assert_eq!(b.len() % 4, 0);
        assert_eq!(status(&p, &ThreadNote { registers: vec![0; 216], ..ThreadNote::default() }).len(), 336);
        assert_eq!(info(&p).len(), 136);
    }
}
