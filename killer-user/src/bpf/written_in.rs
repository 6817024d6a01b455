//! Objects without relocations: what their instructions are to hold on this kernel is written into them (killer-common `patch`).

use std::os::fd::{AsRawFd, BorrowedFd};

use killer_common::patch::{FIELD, MAP, TASK_FIELDS};

use super::kfunc;
use crate::kernel::btf::Offsets;

const LD_IMM64: u8 = 0x18;
const PSEUDO_MAP_FD: u8 = 1;
/// Loads of 4 and of 8 bytes.
const LOADS: [u8; 2] = [0x61, 0x79];

/// Where the fields of a task lie here.
pub(super) fn fields(offsets: &Offsets) -> Option<Vec<i16>> {
    let at = |name: &&str| offsets.knobs.iter().find(|k| k.0 == *name).and_then(|k| i16::try_from(k.1).ok());
    TASK_FIELDS.iter().map(at).collect()
}

/// The program's instructions, for this kernel and these maps; `None`: the object is another one.
pub(super) fn code(
    elf: &[u8],
    maps: &[BorrowedFd<'_>],
    ids: &[Option<u32>],
    fields: &[i16],
) -> Option<Vec<u8>> {
    let sections = kfunc::code(elf)?;
    let [(at, len)] = sections[..] else { return None };
    let mut code = elf.get(at..at.checked_add(len)?)?.to_vec();
    let mut insns = code.chunks_exact_mut(8);
    while let Some(insn) = insns.next() {
        let off = i16::from_le_bytes([insn[2], insn[3]]);
        if insn[0] == LD_IMM64 {
            // The second half holds the upper bits.
            let upper = insns.next()?;
            let value = u64::from(u32_of(insn)) | u64::from(u32_of(upper)) << 32;
            if let Some(map) = usize::try_from(value.wrapping_sub(MAP)).ok().and_then(|n| maps.get(n)) {
                insn[1] = insn[1] & 0xf | PSEUDO_MAP_FD << 4;
                insn[4..].copy_from_slice(&map.as_raw_fd().to_le_bytes());
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

/// The immediate of an instruction.
fn u32_of(insn: &[u8]) -> u32 {
    u32::from_le_bytes([insn[4], insn[5], insn[6], insn[7]])
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::os::fd::AsFd;

    use killer_common::patch::{KFUNC, KFUNCS};
    use killer_common::promise;

    use super::*;

    /// What is left in an object after everything was written, and how many functions and maps it uses.
    fn used(object: &[u8], maps: usize) -> (usize, usize) {
        let zero = std::fs::File::open("/dev/zero").expect("a descriptor");
        let ids: Vec<Option<u32>> = (1..=KFUNCS.len() as u32).map(Some).collect();
        let code = code(object, &vec![zero.as_fd(); maps], &ids, &[8; TASK_FIELDS.len()])
            .expect("the object of this build");
        let is_kfunc = |i: &&[u8]| i[0] == 0x85 && i[1] == 0x20;
        let called: HashSet<u32> = code.chunks_exact(8).filter(is_kfunc).map(u32_of).collect();
        let mut insns = code.chunks_exact(8);
        let mut mapped = 0;
        while let Some(i) = insns.next() {
            let off = i16::from_le_bytes([i[2], i[3]]);
            assert!(!(FIELD..=FIELD + 64).contains(&off), "a field is left: {i:02x?}");
            assert!(u32_of(i) & 0xffff_ff00 != KFUNC & 0xffff_ff00, "a function is left: {i:02x?}");
            if i[0] == LD_IMM64 {
                let upper = insns.next().expect("two halves");
                mapped += usize::from(i[1] >> 4 == PSEUDO_MAP_FD);
                assert!(i[1] >> 4 == PSEUDO_MAP_FD || u32_of(i) | u32_of(upper) != 0, "an address is left");
                assert!(u32_of(upper) != (MAP >> 32) as u32, "a map is left: {i:02x?}");
            }
        }
        (called.len(), mapped)
    }

    #[test]
    fn nothing_is_left_to_write() {
        let (functions, maps) = used(crate::bpf::sweep::OBJECT, 1);
        assert!(functions == KFUNCS.len() && maps > 0, "{functions} functions, {maps} looks at maps");
        let (functions, maps) = used(crate::bpf::states::OBJECT, 1);
        assert!(functions == 0 && maps > 0, "{functions} functions, {maps} looks at maps");
        let (functions, maps) = used(crate::bpf::promise::OBJECT, promise::MAPS.len());
        assert!(functions >= 6 && maps >= promise::MAPS.len(), "{functions} functions, {maps} looks at maps");
    }
}
