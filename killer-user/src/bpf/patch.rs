//! Writes numbers into the code of the second object ([`killer_common::patch`]): before 5.2 there is no global data, and what a
//! helper is called by differs between kernels and tiers.

use killer_common::patch::*;

use super::kfunc::code;

/// What is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Numbers {
    /// Constants, as [`KNOB`] counts them.
    pub knobs: [u32; KNOBS],
    /// What is added to the clock, ns.
    pub ahead: u64,
    /// Offsets of fields in records, as [`FIELD`] counts them.
    pub fields: [i16; FIELDS],
    /// Helpers, as [`CALL`] counts them.
    pub calls: [u32; CALLS],
}

const LD_IMM64: u8 = 0x18;
const MOV_IMM: u8 = 0xb7;
const CALL_HELPER: u8 = 0x85;
/// Loads of 4 and of 8 bytes.
const LOADS: [u8; 2] = [0x61, 0x79];

/// Writes them; answers how many places there were, `None` when the bytes are no ELF object.
pub fn patch(elf: &mut [u8], n: &Numbers) -> Option<usize> {
    let mut places = 0;
    for (at, len) in code(elf)? {
        let text = elf.get_mut(at..at.checked_add(len)?)?;
        let mut insns = text.chunks_exact_mut(8);
        while let Some(insn) = insns.next() {
            let imm = u32::from_le_bytes([insn[4], insn[5], insn[6], insn[7]]);
            let off = i16::from_le_bytes([insn[2], insn[3]]);
            let knob = n.knobs.get(imm.wrapping_sub(KNOB) as usize);
            let call = n.calls.get(imm.wrapping_sub(CALL) as usize);
            let field = n.fields.get(off.wrapping_sub(FIELD) as u16 as usize);
            match (insn[0], knob, call, field) {
                (LD_IMM64, ..) => {
                    // The second half holds the upper bits, and nothing else.
                    let upper = insns.next()?;
                    if imm == AHEAD {
                        insn[4..].copy_from_slice(&(n.ahead as u32).to_le_bytes());
                        upper[4..].copy_from_slice(&((n.ahead >> 32) as u32).to_le_bytes());
                        places += 1;
                    }
                }
                (MOV_IMM, Some(v), ..) | (CALL_HELPER, _, Some(v), _) => {
                    insn[4..].copy_from_slice(&v.to_le_bytes());
                    places += 1;
                }
                (op, _, _, Some(v)) if LOADS.contains(&op) => {
                    insn[2..4].copy_from_slice(&v.to_le_bytes());
                    places += 1;
                }
                _ => {}
            }
        }
    }
    Some(places)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_place_is_left() {
        let mut elf = super::super::second::OBJECT.to_vec();
        let n = Numbers { ahead: u64::MAX, ..Numbers::default() };
        assert!(patch(&mut elf, &n).unwrap() > 20, "the object has places for numbers");
        assert_eq!(patch(&mut elf, &n).unwrap(), 0);
    }

    #[test]
    fn each_number_comes_to_its_place() {
        let insn = |op: u8, off: i16, imm: u32| {
            let (o, i) = (off.to_le_bytes(), imm.to_le_bytes());
            [op, 0x10, o[0], o[1], i[0], i[1], i[2], i[3]]
        };
        let text: Vec<u8> = [
            insn(MOV_IMM, 0, KNOB + 1),
            insn(CALL_HELPER, 0, CALL + 1),
            insn(0x79, FIELD + 1, 0),
            insn(LD_IMM64, 0, AHEAD),
            insn(0, 0, 0),
            insn(LD_IMM64, 0, 5),
            insn(MOV_IMM, 0, KNOB),
            insn(0x07, 0, KNOB),
        ]
        .concat();
        let mut elf = elf_of(&text);
        let n = Numbers { knobs: [1, 2, 3, 4, 5], ahead: 0x1_0000_0002, fields: [7, 8, 9], calls: [5, 6] };
        assert_eq!(patch(&mut elf, &n), Some(4), "neither data nor sums are places");
        let at = elf.windows(8).position(|w| w == insn(MOV_IMM, 0, 2)).expect("a constant");
        let expected: Vec<u8> = [
            insn(CALL_HELPER, 0, 6),
            insn(0x79, 8, 0),
            insn(LD_IMM64, 0, 2),
            insn(0, 0, 1),
            insn(LD_IMM64, 0, 5),
            insn(MOV_IMM, 0, KNOB),
            insn(0x07, 0, KNOB),
        ]
        .concat();
        assert_eq!(elf[at + 8..at + 8 + expected.len()], expected[..]);
    }

    /// An ELF file with one section of code.
    fn elf_of(text: &[u8]) -> Vec<u8> {
        let mut elf = vec![0u8; 64];
        let headers = (64 + text.len()) as u64;
        elf[0x28..0x30].copy_from_slice(&headers.to_le_bytes());
        elf[0x3a..0x3c].copy_from_slice(&64u16.to_le_bytes());
        elf[0x3c..0x3e].copy_from_slice(&1u16.to_le_bytes());
        elf.extend(text);
        let mut header = [0u8; 64];
        header[4..8].copy_from_slice(&1u32.to_le_bytes());
        header[8..16].copy_from_slice(&4u64.to_le_bytes());
        header[24..32].copy_from_slice(&64u64.to_le_bytes());
        header[32..40].copy_from_slice(&(text.len() as u64).to_le_bytes());
        elf.extend(header);
        elf
    }
}
