//! Gate and claim words for many values. Few enough steps for an interpreter: `cargo xtask miri` runs it, too.

use killer_common::{claim, gate, names, reason, record};

/// xorshift64: the same values in every run.
fn values() -> impl Iterator<Item = u64> {
    let edges =
        [0, 1, 15, 16, 17, u64::MAX, u64::MAX - 15, 1 << 63, claim::EPOCH_MASK, claim::EPOCH_MASK + 1];
    let mut x = 0x9e37_79b9_7f4a_7c15u64;
    edges.into_iter().chain(std::iter::from_fn(move || {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        Some(x)
    }))
}

#[test]
fn a_gate_holds_until_its_deadline_and_not_longer() {
    for until in values().take(300) {
        let w = gate::word(gate::KILL, until);
        let end = gate::deadline(w);
        assert!(end <= until && until - end < 16);
        if end > 0 {
            assert_eq!(gate::kind_at(w, end - 1), gate::KILL);
        }
        assert_eq!(gate::kind_at(w, end), gate::OPEN);
        assert_eq!(gate::kind_at(w, u64::MAX), gate::OPEN);
        assert_eq!(gate::kind_at(gate::OPEN, until), gate::OPEN);
    }
}

#[test]
fn a_claim_is_its_parts() {
    let states = [claim::NONE, claim::CLAIMED, claim::SENT];
    for (i, epoch) in values().take(300).enumerate() {
        let epoch = epoch & claim::EPOCH_MASK;
        let signal = i as u32 % 64 + 1;
        for state in states {
            let w = claim::word(epoch, signal, state);
            assert_eq!((claim::epoch_of(w), claim::signal_of(w)), (epoch, signal));
            assert_eq!(claim::state(w, epoch), state);
            assert_eq!(claim::state(w, epoch ^ 1), claim::NONE, "another epoch");
        }
    }
}

#[test]
fn names_and_reasons_are_distinct() {
    let mut maps = names::MAPS.to_vec();
    maps.sort_unstable();
    maps.dedup();
    assert_eq!(maps.len(), names::MAPS.len());
    // BPF_OBJ_NAME_LEN is 16 with the NUL (include/uapi/linux/bpf.h).
    assert!(names::MAPS.iter().chain(names::HOOKS.iter().map(|h| &h.0)).all(|n| n.len() < 16));
    let mut bits: Vec<u32> = reason::ALL.iter().map(|r| r.0).collect();
    bits.sort_unstable();
    bits.dedup();
    assert_eq!(bits.len(), reason::ALL.len());
    assert!(bits.iter().all(|&b| (b as usize) < reason::COUNT));
    let mut codes: Vec<&str> = reason::ALL.iter().map(|r| r.1).collect();
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), bits.len());
}

/// The programs write their records as bytes: there is no padding that could be uninitialised.
#[test]
fn records_have_no_padding() {
    assert_eq!(size_of::<record::Birth>(), 4 * 4 + 2 * 8);
    assert_eq!(size_of::<record::Pop>(), 8 * 8);
    assert_eq!(size_of::<record::Control>(), 3 * 8 + 2 * 4 + 5 * 8 + 7 * 8);
    assert_eq!(size_of::<record::TaskKey>(), 2 * 4 + 8);
    assert_eq!(size_of::<record::Member>(), size_of::<record::Birth>() + 2 * 8 + 2 * 4 + 8 + 16 + 6 * 4 + 8);
    assert_eq!(size_of::<record::Dead>(), size_of::<record::Member>() + 8);
    assert_eq!(size_of::<record::Edge>(), size_of::<record::TaskKey>() + 2 * 8);
    assert_eq!(size_of::<record::Reasons>(), 2 * 8 * reason::COUNT);
}
