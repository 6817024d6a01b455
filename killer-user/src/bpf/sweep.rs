//! The kernel sweep: its program, which is loaded by hand, because no section of an object stands for its type.

use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::path::Path;

use killer_common::names::{BIRTHS, P_SWEEP};
use killer_common::patch::{FIELD, MAP, TASK_FIELDS};
use killer_common::record::Member;
use killer_common::sweep::{Aim, MOST, Run};

use super::kfunc;
use super::programs::Programs;
use crate::keep::{Fate, Sweeps};
use crate::kernel::btf::Offsets;
use crate::sys::bpf;
use crate::sys::lack::Lack;

/// The eBPF object of this build.
static OBJECT: &[u8] =
    aya::include_bytes_aligned!(concat!(env!("CARGO_MANIFEST_DIR"), "/prebuilt/sweep.bpf.o"));

const LD_IMM64: u8 = 0x18;
const PSEUDO_MAP_FD: u8 = 1;
/// Loads of 4 and of 8 bytes.
const LOADS: [u8; 2] = [0x61, 0x79];

/// Loads the program and pins it in `tmp`, where the kernel has what it needs. That it is lacking costs speed and nothing else.
pub(super) fn load(tmp: &Path, offsets: &Offsets) {
    if let Err(e) = try_load(tmp, offsets) {
        log::debug!("{P_SWEEP}: {e}");
    }
}

fn try_load(tmp: &Path, offsets: &Offsets) -> io::Result<()> {
    Lack::Sweep.check()?;
    let ids = offsets.sweep.ok_or(io::ErrorKind::Unsupported)?;
    let births = bpf::obj_get(&tmp.join("maps").join(BIRTHS))?;
    let fields = fields(offsets).ok_or(io::ErrorKind::Unsupported)?;
    let code = code(OBJECT, &births, &ids.map(Some), &fields)
        .ok_or_else(|| io::Error::other("sweep.bpf.o is no object of this build"))?;
    bpf::obj_pin(bpf::load_syscall(P_SWEEP, &code)?, &tmp.join("progs").join(P_SWEEP))
}

/// Where the fields of a task lie here.
fn fields(offsets: &Offsets) -> Option<Vec<i16>> {
    let at = |name: &&str| offsets.knobs.iter().find(|k| k.0 == *name).and_then(|k| i16::try_from(k.1).ok());
    TASK_FIELDS.iter().map(at).collect()
}

/// The program's instructions, for this kernel and this map; `None`: the object is another one.
fn code(elf: &[u8], map: impl AsFd, ids: &[Option<u32>], fields: &[i16]) -> Option<Vec<u8>> {
    let sections = kfunc::code(elf)?;
    let [(at, len)] = sections[..] else { return None };
    let mut code = elf.get(at..at.checked_add(len)?)?.to_vec();
    let mut insns = code.chunks_exact_mut(8);
    while let Some(insn) = insns.next() {
        let off = i16::from_le_bytes([insn[2], insn[3]]);
        if insn[0] == LD_IMM64 {
            // The second half holds the upper bits.
            let upper = insns.next()?;
            if [&insn[4..], &upper[4..]].concat() == MAP.to_le_bytes() {
                insn[1] = insn[1] & 0xf | PSEUDO_MAP_FD << 4;
                insn[4..].copy_from_slice(&map.as_fd().as_raw_fd().to_le_bytes());
                upper[4..].fill(0);
            }
        } else if LOADS.contains(&insn[0])
            && let Some(to) = fields.get(off.wrapping_sub(FIELD) as u16 as usize)
        {
            insn[2..4].copy_from_slice(&to.to_le_bytes());
        } else {
            let _ = kfunc::call(insn, ids);
        }
    }
    Some(code)
}

impl Programs {
    /// The program, where it is and is wanted.
    pub(super) fn has_sweep(&self) -> bool {
        // KILLER_SWEEP=pidfd is for tests, and for hosts whose audit has to see each signal: a word that is mistyped asks for that, too.
        let asked = std::env::var_os("KILLER_SWEEP").filter(|s| !s.is_empty());
        self.has_program(P_SWEEP) && asked.is_none_or(|s| s == "kernel")
    }
}

impl Sweeps for Programs {
    fn sweep(&self, members: &[Member], signal: i32, near: u32) -> io::Result<Vec<Fate>> {
        let program = self.program(P_SWEEP)?;
        let mut swept = Vec::with_capacity(members.len());
        for some in members.chunks(MOST) {
            let aims: Vec<Aim> = some.iter().map(aim).collect();
            let mut run = Run {
                aims: aims.as_ptr() as u64,
                count: aims.len() as u32,
                signal: signal as u32,
                near,
                ..Run::default()
            };
            bpf::run_syscall(&program, &mut run)?;
            swept.extend((0..aims.len()).map(|n| match () {
                () if run.sent >> n & 1 == 1 => Fate::Signalled,
                () if run.refused >> n & 1 == 1 => Fate::Refused(run.errno as i32),
                () => Fate::Gone,
            }));
        }
        Ok(swept)
    }
}

fn aim(m: &Member) -> Aim {
    Aim { tgid: m.tgid, root: m.root, generation: m.generation, pad: 0, start: m.leader_start }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use killer_common::patch::{KFUNC, KFUNCS};

    use super::*;

    #[test]
    fn nothing_is_left_to_write() {
        let zero = std::fs::File::open("/dev/zero").expect("a descriptor");
        let ids: Vec<Option<u32>> = (1..=KFUNCS.len() as u32).map(Some).collect();
        let code = code(OBJECT, &zero, &ids, &[8; TASK_FIELDS.len()]).expect("the object of this build");
        let imm = |i: &[u8]| u32::from_le_bytes([i[4], i[5], i[6], i[7]]);
        let is_kfunc = |i: &&[u8]| i[0] == 0x85 && i[1] == 0x20;
        let called: HashSet<u32> = code.chunks_exact(8).filter(is_kfunc).map(imm).collect();
        assert_eq!(called.len(), KFUNCS.len(), "each function is called");
        let maps = code.chunks_exact(8).filter(|i| i[0] == LD_IMM64 && i[1] >> 4 == PSEUDO_MAP_FD).count();
        assert!(maps > 0, "the map is looked at");
        for i in code.chunks_exact(8) {
            let off = i16::from_le_bytes([i[2], i[3]]);
            assert!(!(FIELD..=FIELD + 64).contains(&off), "a field is left: {i:02x?}");
            assert!(imm(i) & 0xffff_ff00 != KFUNC & 0xffff_ff00, "a function is left: {i:02x?}");
        }
    }
}
