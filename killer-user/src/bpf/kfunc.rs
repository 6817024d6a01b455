//! kfunc calls from Rust: the object calls a magic number, which becomes a helper call with that id; here each
//! one is rewritten into a call of the kernel's function, or into `r0 = -ENOSYS` where the kernel has none.

use killer_common::patch::KFUNC;

const BPF_CALL: u8 = 0x85;
const PSEUDO_KFUNC: u8 = 2;
const ENOSYS: i32 = 38;

/// Section headers of a little-endian ELF64: (offset, size) of those that hold instructions.
pub(super) fn code(elf: &[u8]) -> Option<Vec<(usize, usize)>> {
    // Offsets below are within the file, so that sums with a few bytes cannot overflow.
    let u64at = |o: usize| Some(u64::from_le_bytes(elf.get(o..o + 8)?.try_into().ok()?) as usize);
    let u16at = |o: usize| Some(u16::from_le_bytes(elf.get(o..o + 2)?.try_into().ok()?) as usize);
    let u32at = |o: usize| Some(u32::from_le_bytes(elf.get(o..o + 4)?.try_into().ok()?));
    let (shoff, size, n) = (u64at(0x28)?, u16at(0x3a)?, u16at(0x3c)?);
    let mut v = Vec::new();
    for i in 0..n {
        let h = shoff.checked_add(i * size).filter(|&h| h < elf.len())?;
        const SHT_PROGBITS: u32 = 1;
        const SHF_EXECINSTR: usize = 4;
        if u32at(h + 4)? == SHT_PROGBITS && u64at(h + 8)? & SHF_EXECINSTR != 0 {
            v.push((u64at(h + 24)?, u64at(h + 32)?));
        }
    }
    Some(v)
}

/// Rewrites the magic calls of `bpf_send_signal_task`; answers how many there were, `None` when the bytes are no ELF object.
pub fn patch(elf: &mut [u8], send_signal_task: Option<u32>) -> Option<usize> {
    let sections = code(elf)?;
    let mut n = 0;
    for (off, len) in sections {
        let text = elf.get_mut(off..off.checked_add(len)?)?;
        n += text.chunks_exact_mut(8).filter_map(|insn| call(insn, &[send_signal_task])).count();
    }
    Some(n)
}

/// Rewrites an instruction that is a call of kernel function `n` into one of the function with the id `ids[n]`, or into
/// `r0 = -ENOSYS`. `None`: it is none of those.
pub(super) fn call(insn: &mut [u8], ids: &[Option<u32>]) -> Option<()> {
    let imm = u32::from_le_bytes(insn.get(4..8)?.try_into().ok()?);
    let id = ids.get(imm.wrapping_sub(KFUNC) as usize).filter(|_| insn[0] == BPF_CALL)?;
    match id {
        Some(id) => {
            insn[1] = PSEUDO_KFUNC << 4;
            insn[4..8].copy_from_slice(&id.to_le_bytes());
        }
        None => insn.copy_from_slice(&mov_r0(-ENOSYS)),
    }
    Some(())
}

/// `r0 = imm`
fn mov_r0(imm: i32) -> [u8; 8] {
    let mut i = [0xb7, 0, 0, 0, 0, 0, 0, 0];
    i[4..].copy_from_slice(&imm.to_le_bytes());
    i
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_bytes_are_patched_or_refused(head in any::<[u8; 32]>(), shoff in 0u64..600, tail in prop::collection::vec(0u8..8, 64..512)) {
            let mut elf = [&head[..], &[0; 8], &shoff.to_le_bytes(), &tail].concat();
            let _ = patch(&mut elf, Some(7));
            elf[0x28..0x30].copy_from_slice(&u64::MAX.to_le_bytes());
            prop_assert_eq!(patch(&mut elf, None).unwrap_or(0), 0);
        }
    }

    #[test]
    fn no_magic_is_left() {
        for id in [None, Some(1234)] {
            let mut elf = super::super::modern::OBJECT.to_vec();
            assert!(patch(&mut elf, id).unwrap() > 0, "the object calls the kfunc");
            assert_eq!(patch(&mut elf, id).unwrap(), 0);
        }
    }
}
