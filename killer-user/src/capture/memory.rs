//! Memory as an ELF core that gdb opens: pages that are there. A page that is not is never asked for, since that would make it, or ask
//! whoever serves it; a device's memory is never read.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use procfs::process::{Stat, Status};

use super::elf::{self, ProcessNote, Segment, ThreadNote};
use super::mappings::{self, Mapping};
use super::reader::{Reader, words};
use super::wire::Begins;
use crate::ask::capture::Memory;
use crate::sys::pagemap::{Pagemap, Pages};
use crate::sys::proc_text::shown;
use crate::sys::trace::{self, NT_PRSTATUS};

/// Pieces of one core.
const SEGMENTS: usize = 200_000;
/// What is read at once.
const PIECE: usize = 1 << 20;
/// General registers of a 64-bit process.
#[cfg(target_arch = "x86_64")]
const MACHINE: (u16, usize) = (62, 27 * 8);
#[cfg(target_arch = "aarch64")]
const MACHINE: (u16, usize) = (183, 34 * 8);
#[cfg(target_arch = "riscv64")]
const MACHINE: (u16, usize) = (243, 32 * 8);
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64")))]
const MACHINE: (u16, usize) = (0, 0);

/// `core`
pub fn memory(r: &mut Reader<'_>) -> io::Result<()> {
    let path = format!("{}/core", r.place);
    let mine = r.limits.ranges.iter().any(|x| x.pid == r.pid);
    let wanted = r.limits.memory != Memory::None && (mine || r.limits.ranges.is_empty());
    if !wanted || r.has(&path) {
        return Ok(());
    }
    let Some(smaps) = r.text(0, "smaps")? else { return Ok(()) };
    let maps = mappings::read(&smaps);
    if maps.is_empty() || !r.looks(1, &format!("{}/pagemap", r.place))? {
        return Ok(());
    }
    let opened = r.entry.open_file("pagemap").and_then(|p| Ok((Pagemap::new(p), r.entry.open_file("mem")?)));
    let (pages, mem) = match opened {
        Ok((p, m)) => (p, File::from(m)),
        Err(e) => return r.left_out("core", &words(&e)),
    };
    let segments = segments(r, &maps, &pages)?;
    let Some((process, threads)) = notes(r)? else { return Ok(()) };
    let mapped: Vec<elf::Mapped<'_>> = maps
        .iter()
        .filter(|m| m.inode != 0)
        .map(|m| (m.start, m.end, m.offset / pages.page(), &m.name[..]))
        .collect();
    let notes = elf::notes(&process, &threads, &mapped, pages.page());
    let head = elf::head(process.machine, &segments, &notes, pages.page());
    let stored: u64 = segments.iter().filter(|s| s.stored).map(|s| s.end - s.start).sum();
    let size = head.len() as u64 + stored;
    if size > r.room() {
        return r.left_out("core", &format!("its {size} bytes are more than --most allows"));
    }
    r.begins(&Begins { path, size, sparse: None, content: None })?;
    r.data(&head)?;
    let Some(lacks) = copy(r, &mem, &segments, pages.page())? else { return r.cut() };
    r.ends()?;
    if lacks > 0 {
        r.left_out("core", &format!("{lacks} bytes of it could not be read, and are zeros"))?;
    }
    Ok(())
}

/// The pieces of memory that are there and wanted, and the holes between them.
fn segments(r: &mut Reader<'_>, maps: &[Mapping], pages: &Pagemap) -> io::Result<Vec<Segment>> {
    let mut all: Vec<Segment> = Vec::new();
    let mut over = 0u64;
    for m in maps {
        let name = format!("{:x}-{:x} {}", m.start, m.end, shown(&m.name));
        // The kernel's own clock pages, which every process has.
        if m.name.starts_with(b"[vvar") {
            continue;
        }
        if m.device {
            r.left_out("core", &format!("a device's memory is not read: {name}"))?;
            continue;
        }
        let mut found: Vec<(u64, u64)> = Vec::new();
        let (memory, ranges) = (r.limits.memory, &r.limits.ranges);
        let room = SEGMENTS.saturating_sub(all.len());
        let scanned = pages.scan(m.start, m.end, &mut |p| {
            for (start, end) in wanted(m, p, memory, pages.page()) {
                if ranges.is_empty() {
                    over += add(&mut found, room, start, end);
                }
                for x in ranges.iter().filter(|x| x.pid == r.pid) {
                    let page = pages.page();
                    let from = start.max(x.start / page * page);
                    let to = end.min(x.end.next_multiple_of(page));
                    if from < to {
                        over += add(&mut found, room, from, to);
                    }
                }
            }
            true
        });
        if let Err(e) = scanned {
            // The kernel shows no pages of what is at its own addresses.
            if m.start >> 63 == 0 {
                r.left_out("core", &format!("{name}: {}", words(&e)))?;
            }
            continue;
        }
        with_holes(&mut all, m, &found);
    }
    if over > 0 {
        r.left_out("core", &format!("{over} bytes: its memory is in more pieces than are kept"))?;
    }
    Ok(all)
}

/// Adds a piece, where there is room for one: the bytes for which there is none.
fn add(found: &mut Vec<(u64, u64)>, room: usize, start: u64, end: u64) -> u64 {
    let n = found.len();
    match found.last_mut() {
        Some(last) if last.1 == start => last.1 = end,
        _ if n >= room => return end - start,
        _ => found.push((start, end)),
    }
    0
}

/// Which of these pages are wanted: of private memory those that are no file's, and the first one of a file, which says what that is.
fn wanted(m: &Mapping, p: Pages, memory: Memory, page: u64) -> Vec<(u64, u64)> {
    match memory {
        Memory::None => Vec::new(),
        Memory::All => vec![(p.start, p.end)],
        Memory::Private if m.private && !p.shared => vec![(p.start, p.end)],
        Memory::Private if m.inode != 0 && m.offset == 0 && p.start == m.start => {
            vec![(p.start, p.start + page)]
        }
        Memory::Private => Vec::new(),
    }
}

fn with_holes(all: &mut Vec<Segment>, m: &Mapping, found: &[(u64, u64)]) {
    let mut at = m.start;
    for &(start, end) in found.iter().chain(&[(m.end, m.end)]) {
        if at < start {
            all.push(Segment { start: at, end: start, stored: false, flags: m.flags });
        }
        if start < end {
            all.push(Segment { start, end, stored: true, flags: m.flags });
        }
        at = end;
    }
}

/// Who it is, and its threads with their registers, the leader first.
fn notes(r: &mut Reader<'_>) -> io::Result<Option<(ProcessNote, Vec<ThreadNote>)>> {
    let seen: io::Result<(Stat, Status)> = r.whole.stat().and_then(|s| Ok((s, r.whole.status()?)));
    let (stat, status) = match seen {
        Ok(seen) => seen,
        Err(e) => return r.left_out("core", &words(&e)).map(|()| None),
    };
    let process = ProcessNote {
        pid: r.pid,
        ppid: stat.ppid as u32,
        pgrp: stat.pgrp as u32,
        session: stat.session as u32,
        ids: (status.ruid, status.rgid),
        comm: r.text(2, "comm")?.unwrap_or_default().trim_ascii_end().to_vec(),
        arguments: r.text(3, "cmdline")?.unwrap_or_default(),
        auxv: r.text(4, "auxv")?.unwrap_or_default(),
        machine: MACHINE.0,
    };
    let mut tids = r.whole.threads().unwrap_or_default();
    tids.sort_unstable_by_key(|t| (*t != r.pid, *t));
    let mut threads = Vec::new();
    for tid in tids {
        if !r.looks(u64::from(tid) << 8, &format!("{}/task/{tid}", r.place))? {
            continue;
        }
        let note = r.whole.thread(tid).and_then(|e| trace::registers(&e, tid)).map(|all| {
            let (general, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|(k, _)| *k == NT_PRSTATUS);
            let registers = general.into_iter().next().map(|(_, b)| b).unwrap_or_default();
            ThreadNote { tid, registers, others }
        });
        match note {
            Ok(n) if n.registers.len() == MACHINE.1 => threads.push(n),
            r2 => {
                let why = r2.map_or_else(|e| words(&e), |_| "it does not run as 64 bit".into());
                r.left_out("core", &format!("registers of thread {tid} are zeros in it: {why}"))?;
                threads.push(ThreadNote { tid, registers: vec![0; MACHINE.1], others: Vec::new() });
            }
        }
    }
    Ok(Some((process, threads)))
}

/// The memory itself; answers how many bytes could not be read. `None`: the process has ended, and its memory with it.
fn copy(r: &mut Reader<'_>, mem: &File, segments: &[Segment], page: u64) -> io::Result<Option<u64>> {
    let mut piece = vec![0; PIECE];
    let mut lacks = 0;
    for s in segments.iter().filter(|s| s.stored) {
        let mut at = s.start;
        while at < s.end {
            let want = (s.end - at).min(PIECE as u64) as usize;
            let got = match mem.read_at(&mut piece[..want], at) {
                // Nobody has this memory any more (`fs/proc/base.c:mem_rw`).
                Ok(0) => return Ok(None),
                Ok(n) => n,
                // A page that cannot be read is zeros, and what is behind it is read again.
                Err(_) => {
                    let n = want.min(page as usize);
                    piece[..n].fill(0);
                    lacks += n as u64;
                    n
                }
            };
            r.data(&piece[..got])?;
            at += got as u64;
        }
    }
    Ok(Some(lacks))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_are_between() {
        let m = mappings::read(b"1000-9000 rw-p 00000000 00:00 0\n").remove(0);
        let mut all = Vec::new();
        with_holes(&mut all, &m, &[(0x2000, 0x4000), (0x8000, 0x9000)]);
        let short: Vec<_> = all.iter().map(|s| (s.start, s.end, s.stored)).collect();
        let want = [
            (0x1000, 0x2000, false),
            (0x2000, 0x4000, true),
            (0x4000, 0x8000, false),
            (0x8000, 0x9000, true),
        ];
        assert_eq!(short, want);
        let file = Pages { start: 0x1000, end: 0x9000, shared: true };
        assert!(wanted(&m, file, Memory::Private, 4096).is_empty());
        assert_eq!(wanted(&m, file, Memory::All, 4096), [(0x1000, 0x9000)]);
        let elf = Mapping { inode: 5, ..m };
        assert_eq!(wanted(&elf, file, Memory::Private, 4096), [(0x1000, 0x2000)]);
    }
}
