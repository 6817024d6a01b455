//! Holds the second object to the kernels that it is for, of which none can be had: its bytes are read.
//!
//! Before 5.3 the verifier takes no loop (`kernel/bpf/verifier.c:check_cfg`, 5.2: "back-edge"), before 5.2 no program of more than
//! 4096 instructions (`BPF_MAXINSNS`) and no global data, before 5.1 no 32 bit jump, before 5.0 no BTF, before 4.16 no call between
//! functions; 32 bit arithmetic it takes always, but LLVM makes none for cpu v2, so that one is a sign of another cpu.

use std::collections::HashMap;

use super::patch::{Numbers, patch};
use super::second::OBJECT;

/// The most instructions before 5.2.
const MOST: usize = 4096;

/// Helpers by number: the first kernel that has it, for programs at tracepoints (`include/uapi/linux/bpf.h` of each release).
const HELPERS: [(u32, (u32, u32)); 12] = [
    (1, (4, 1)),   // map_lookup_elem
    (2, (4, 1)),   // map_update_elem
    (3, (4, 1)),   // map_delete_elem
    (4, (4, 1)),   // probe_read
    (5, (4, 1)),   // ktime_get_ns
    (14, (4, 2)),  // get_current_pid_tgid
    (15, (4, 2)),  // get_current_uid_gid
    (16, (4, 2)),  // get_current_comm
    (35, (4, 8)),  // get_current_task
    (109, (5, 3)), // send_signal
    (113, (5, 5)), // probe_read_kernel
    (125, (5, 8)), // ktime_get_boot_ns
];

/// The first kernel that a program is loaded on.
fn floor(program: &str) -> (u32, u32) {
    match program {
        // They are run on demand.
        "on_ctl" | "on_peek" => (5, 10),
        p if p.ends_with("sys_enter") || p.ends_with("sys_exit") => (5, 3),
        p if p.starts_with("c_") => (4, 7),
        _ => (4, 17),
    }
}

#[derive(Clone, Copy, Debug)]
struct Insn {
    op: u8,
    src: u8,
    off: i16,
    imm: i32,
}

fn number<const N: usize>(elf: &[u8], at: usize) -> u64 {
    let mut b = [0; 8];
    b[..N].copy_from_slice(&elf[at..at + N]);
    u64::from_le_bytes(b)
}

/// A section: name, kind, flags, where it is, its length, and the section that it links to and is about.
struct Section {
    name: String,
    kind: u32,
    flags: u64,
    at: usize,
    len: usize,
    link: usize,
    about: usize,
}

fn text(elf: &[u8], at: usize) -> String {
    let end = elf[at..].iter().position(|b| *b == 0).expect("a name has an end");
    String::from_utf8_lossy(&elf[at..at + end]).into_owned()
}

fn sections(elf: &[u8]) -> Vec<Section> {
    let head = |i: usize| number::<8>(elf, 0x28) as usize + i * 64;
    let names = number::<8>(elf, head(number::<2>(elf, 0x3e) as usize) + 24) as usize;
    (0..number::<2>(elf, 0x3c) as usize)
        .map(|i| {
            let h = head(i);
            Section {
                name: text(elf, names + number::<4>(elf, h) as usize),
                kind: number::<4>(elf, h + 4) as u32,
                flags: number::<8>(elf, h + 8),
                at: number::<8>(elf, h + 24) as usize,
                len: number::<8>(elf, h + 32) as usize,
                link: number::<4>(elf, h + 40) as usize,
                about: number::<4>(elf, h + 44) as usize,
            }
        })
        .collect()
}

/// Names with their section, place and length: (name, is a function, section, at, length).
fn symbols(elf: &[u8], all: &[Section]) -> Vec<(String, bool, usize, usize, usize)> {
    const SHT_SYMTAB: u32 = 2;
    let table = all.iter().find(|s| s.kind == SHT_SYMTAB).expect("symbols");
    (table.at..table.at + table.len)
        .step_by(24)
        .map(|s| {
            let name = text(elf, all[table.link].at + number::<4>(elf, s) as usize);
            let at = |o| number::<8>(elf, s + o) as usize;
            (name, elf[s + 4] & 15 == 2, number::<2>(elf, s + 6) as usize, at(8), at(16))
        })
        .collect()
}

/// The programs, as a loader leaves them on a kernel that is as old as can be: (name, instructions, functions that it calls).
fn programs(elf: &[u8]) -> Vec<(String, Vec<Insn>, Vec<String>)> {
    const SHT_REL: u32 = 9;
    let all = sections(elf);
    let names = symbols(elf, &all);
    let mut moved = HashMap::new();
    for r in all.iter().filter(|s| s.kind == SHT_REL) {
        for at in (r.at..r.at + r.len).step_by(16) {
            moved.insert((r.about, number::<8>(elf, at) as usize), number::<4>(elf, at + 12) as usize);
        }
    }
    let code = |s: usize| s < all.len() && all[s].flags & 4 != 0 && all[s].name != ".text";
    names
        .iter()
        .filter(|(_, function, section, ..)| *function && code(*section))
        .map(|(name, _, section, at, len)| {
            let begin = all[*section].at + at;
            let insns: Vec<Insn> = elf[begin..begin + len]
                .chunks_exact(8)
                .map(|b| Insn {
                    op: b[0],
                    src: b[1] >> 4,
                    off: i16::from_le_bytes([b[2], b[3]]),
                    imm: i32::from_le_bytes([b[4], b[5], b[6], b[7]]),
                })
                .collect();
            let called = |i: usize| {
                let to = moved.get(&(*section, at + 8 * i)).map(|s| names[*s].0.clone());
                to.or_else(|| (insns[i].src != 0).then(|| "a function".into()))
            };
            let calls = (0..insns.len()).filter(|i| insns[*i].op == 0x85).filter_map(called).collect();
            (name.clone(), insns, calls)
        })
        .collect()
}

/// Where control can go from an instruction.
fn next(insns: &[Insn], i: usize) -> Vec<usize> {
    let jump = || (i as i64 + 1 + i64::from(insns[i].off)) as usize;
    match insns[i].op {
        0x18 => vec![i + 2],
        0x95 => vec![],
        0x05 => vec![jump()],
        0x85 => vec![i + 1],
        op if op & 7 == 5 => vec![i + 1, jump()],
        _ => vec![i + 1],
    }
}

/// The first edge back, as a depth-first search finds it.
fn loops(insns: &[Insn]) -> Option<(usize, usize)> {
    let mut state = vec![0u8; insns.len()];
    let mut path = vec![(0, next(insns, 0))];
    state[0] = 1;
    while let Some((at, ways)) = path.last_mut() {
        let at = *at;
        match ways.pop() {
            Some(to) if state[to] == 1 => return Some((at, to)),
            Some(to) if state[to] == 0 => {
                state[to] = 1;
                path.push((to, next(insns, to)));
            }
            Some(_) => {}
            None => {
                state[at] = 2;
                path.pop();
            }
        }
    }
    None
}

/// What no kernel before 5.3 knows, or what comes of another cpu than v2.
fn newer(i: &Insn) -> Option<&'static str> {
    let (class, kind) = (i.op & 7, i.op & 0xf0);
    match class {
        6 => Some("a 32 bit jump (v3)"),
        4 if kind != 0xd0 => Some("32 bit arithmetic (v3)"),
        7 if kind == 0xd0 => Some("an unconditional swap (v4)"),
        7 if i.off != 0 => Some("a signed division or move (v4)"),
        1 if i.op & 0xe0 == 0x80 => Some("a signed load (v4)"),
        3 if i.op & 0xe0 == 0xc0 && i.imm != 0 => Some("an atomic operation other than a plain sum (5.12)"),
        _ => None,
    }
}

fn patched(tier: u32) -> Vec<u8> {
    let mut elf = OBJECT.to_vec();
    let current = if tier == 1 { 35 } else { 14 };
    let n = Numbers { knobs: [tier, 0, 1, 0, 0], calls: [5, current], ..Numbers::default() };
    assert!(patch(&mut elf, &n).is_some_and(|n| n > 20));
    elf
}

#[test]
fn no_sections_that_an_old_kernel_refuses() {
    for s in sections(OBJECT) {
        // Kernels before 5.0 refuse every program that comes with BTF.
        assert!(!s.name.starts_with(".BTF"), "{}: BTF", s.name);
        let data = [".rodata", ".data", ".bss", ".maps", ".kconfig", ".ksyms"];
        assert!(!data.iter().any(|d| s.name.starts_with(d)), "{}: global data is 5.2+", s.name);
    }
    assert!(sections(OBJECT).iter().any(|s| s.name == "maps"), "its maps need BTF");
}

#[test]
fn every_program_is_one_that_its_first_kernel_takes() {
    for (tier, own) in [(1, "on_"), (2, "c_")] {
        let elf = patched(tier);
        let mut seen = 0;
        for (name, insns, calls) in programs(&elf) {
            if !name.starts_with(own) {
                continue;
            }
            seen += 1;
            assert!(insns.len() <= MOST, "{name}: {} instructions", insns.len());
            assert_eq!(calls, Vec::<String>::new(), "{name}: calls of functions are 4.16+");
            assert_eq!(loops(&insns), None, "{name}: loops are 5.3+");
            let mut at = 0;
            while at < insns.len() {
                let i = insns[at];
                assert_eq!(newer(&i), None, "{name}: instruction {at}: {i:?}");
                if i.op == 0x85 {
                    let since = HELPERS.iter().find(|h| h.0 == i.imm as u32).map(|h| h.1);
                    let since =
                        since.unwrap_or_else(|| panic!("{name}: helper {} is not in the table", i.imm));
                    assert!(since <= floor(&name), "{name}: helper {} is {since:?}", i.imm);
                }
                at += if i.op == 0x18 { 2 } else { 1 };
            }
        }
        assert_eq!(seen, if tier == 1 { 10 } else { 6 }, "programs of tier {tier}");
    }
}

#[test]
fn the_checks_see_what_they_are_for() {
    let insn = |op, src, off, imm| Insn { op, src, off, imm };
    let end = insn(0x95, 0, 0, 0);
    assert_eq!(loops(&[insn(0xb7, 0, 0, 0), insn(0x15, 0, -2, 0), end]), Some((1, 0)));
    // Backwards, and no loop: 0 → 2 → 1 → 3.
    let back = [insn(0x05, 0, 1, 0), insn(0x05, 0, 1, 0), insn(0x05, 0, -2, 0), end];
    assert_eq!(loops(&back), None);
    for i in [insn(0x16, 0, 0, 0), insn(0x04, 0, 0, 1), insn(0xdb, 0, 0, 1), insn(0x37, 0, 1, 2)] {
        assert!(newer(&i).is_some(), "{i:?}");
    }
    for i in [insn(0xdb, 0, 8, 0), insn(0xdc, 0, 0, 64), insn(0x61, 0, 4, 0), insn(0x7b, 0, -8, 0)] {
        assert_eq!(newer(&i), None, "{i:?}");
    }
}
