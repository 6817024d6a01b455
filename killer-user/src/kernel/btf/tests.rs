//! BTF of our own, and this kernel's.

use super::*;
use proptest::prelude::*;

const STRINGS: &[u8] = b"\0task_struct\0signal_struct\0cred\0pid\0sigpending\0tgid\0signal\0pids\0flags\0";

/// A blob with our strings and these words as types.
fn blob(types: &[u32], strings: &[u8]) -> Vec<u8> {
    let len = types.len() as u32 * 4;
    let head = [0x0001_eb9f, 24, 0, len, len, strings.len() as u32];
    let words = head.iter().chain(types).flat_map(|w| w.to_ne_bytes());
    words.chain(strings.iter().copied()).collect()
}

/// The same, as it is parsed.
fn of(types: &[u32], strings: &[u8]) -> Constant {
    Constant::Read(blob(types, strings))
}

/// A struct or union of members (name offset, type, bit offset).
fn compound(kind: u32, name: u32, members: &[(u32, u32, u32)]) -> Vec<u32> {
    let head = [name, kind << 24 | members.len() as u32, 0];
    head.into_iter().chain(members.iter().flat_map(|&(n, t, o)| [n, t, o])).collect()
}

#[test]
fn structs_that_hold_themselves_have_an_end() {
    let members = vec![(0, 1, u32::MAX); 0xffff];
    let btf = Btf::parse(of(&compound(KIND_STRUCT, 1, &members), STRINGS)).unwrap();
    let task = (KIND_STRUCT, "task_struct");
    assert_eq!(btf.find(&[task])[&task], 1);
    assert_eq!(btf.member(1, "tgid"), None);
}

#[test]
fn offsets_that_overflow_are_none() {
    let outer: Vec<u32> = (2..=9).flat_map(|t| compound(KIND_STRUCT, 0, &[(0, t, u32::MAX)])).collect();
    let inner = compound(KIND_STRUCT, 0, &[(47, 0, u32::MAX)]);
    let btf = Btf::parse(of(&[outer, inner].concat(), STRINGS)).unwrap();
    assert!(STRINGS[47..].starts_with(b"tgid\0"));
    assert_eq!(btf.member(9, "tgid"), Some(u32::MAX / 8));
    assert_eq!(btf.member(3, "tgid"), Some(u32::MAX / 8 * 7));
    assert_eq!(btf.member(1, "tgid"), None);
}

proptest! {
    #[test]
    fn any_bytes_end_in_an_error_or_an_answer(b in prop::collection::vec(any::<u8>(), 0..512)) {
        let _ = Btf::parse(Constant::Read(b)).map(|b| Offsets::read(&b));
    }

    #[test]
    fn any_types_end_in_an_error_or_an_answer(
        types in prop::collection::vec((1u32..20, 0u32..100, prop::collection::vec((0u32..100, 0u32..40, any::<u32>()), 0..9)), 0..40),
        cut in 0usize..3000,
    ) {
        let words: Vec<u32> = types.iter().flat_map(|(k, n, m)| compound(*k, *n, m)).collect();
        let whole = blob(&words, STRINGS);
        let _ = Btf::parse(Constant::Read(whole[..cut.min(whole.len())].to_vec())).map(|b| Offsets::read(&b));
        let b = Btf::parse(Constant::Read(whole)).unwrap();
        let _ = Offsets::read(&b);
        for id in 0..42 {
            let _ = b.member(id, "tgid");
        }
    }
}

#[test]
fn refuses_what_is_not_btf() {
    assert!(Btf::parse(Constant::Read(vec![1, 2, 3])).is_err());
    assert!(Btf::parse(Constant::Read(vec![0; 64])).is_err());
}

#[test]
fn reads_this_kernel() {
    if !Path::new(VMLINUX).exists() {
        println!("SKIP: reads_this_kernel: no {VMLINUX}");
        return;
    }
    let o = Offsets::read(&Btf::kernel().unwrap()).unwrap();
    let tgid = o.knobs.iter().find(|k| k.0 == "OFF_TASK_TGID").unwrap().1;
    let pid = o.knobs.iter().find(|k| k.0 == "OFF_TASK_PID").unwrap().1;
    assert_eq!(tgid, pid + 4, "pid and tgid are neighbours in every kernel so far");
}

#[test]
fn a_short_name_is_found_and_a_longer_one_is_not_it() {
    // "pid" and "pids" begin alike; the last name ends the strings.
    for (word, at) in [("pid", 32), ("pids", 59), ("cred", 27), ("flags", 64)] {
        assert!(STRINGS[at as usize..].starts_with(&[word.as_bytes(), b"\0"].concat()));
        let btf = Btf::parse(of(&compound(KIND_STRUCT, at, &[(0, 0, 0)]), STRINGS)).unwrap();
        let names: Vec<Named> = ["pid", "pids", "cred", "flags"].map(|w| (KIND_STRUCT, w)).to_vec();
        assert_eq!(btf.find(&names), HashMap::from([((KIND_STRUCT, word), 1)]));
    }
}

#[test]
fn every_hook_is_looked_for() {
    use killer_common::names::*;
    let tracepoints = HOOKS.iter().chain(&SECOND_LOOKS).chain(&RULE_HOOKS).map(|h| h.1);
    for at in tracepoints.chain(["signal_generate"]) {
        assert!(TRACEPOINTS.contains(&&*format!("btf_trace_{at}")), "{at}");
    }
    for (_, at) in WITNESS.iter().chain(&RULE_LSM) {
        assert!(PLACES.contains(&&*format!("bpf_lsm_{at}")), "{at}");
    }
    assert!(PLACES.contains(&RULE_SEEN_AT));
}
