//! Files that somebody made, changed, or cut.

use proptest::prelude::*;

use super::*;
use crate::capture::archive::{Archive, header};
use tar::EntryType;

/// A small capture: what is in it, and where its entries begin.
fn sample() -> Vec<u8> {
    let mut a = Archive::new(Vec::new(), 7);
    a.part(HEAD, br#"{"service":"svc"}"#).expect("write");
    for n in 0..5 {
        a.part(&format!("members/1-2/{n}"), &vec![n; 700 * usize::from(n)]).expect("write");
        if n == 2 {
            a.record().expect("write");
        }
    }
    let map = sparse::map(&[(0, 4)], 1 << 30);
    a.begin("contents/0-1-2", map.len() as u64 + 4, Some(1 << 30)).expect("write");
    a.data(&map).and_then(|()| a.data(b"data")).expect("write");
    assert_eq!(a.end().expect("write"), 0);
    sealed(a)
}

fn sealed(a: Archive<Vec<u8>>) -> Vec<u8> {
    let manifest = |a: &Archive<Vec<u8>>| {
        let last = &a.last_record;
        let (parts, bytes, records) = (a.parts, a.bytes, a.records);
        let text = serde_json::json!({
            "version": 1, "kind": "capture", "service": "svc", "parts": parts, "bytes": bytes, "records": records,
            "last_record": last, "left_out": [{"what": "a", "why": "b"}], "left_out_more": 2,
        });
        text.to_string().into_bytes()
    };
    a.seal(manifest).expect("write").0
}

fn state(file: &[u8]) -> CaptureState {
    check(file, "x").state
}

#[test]
fn whole() {
    let file = sample();
    let c = check(&file[..], "x");
    assert_eq!((c.state, c.parts, c.unvouched, c.left_out), (CaptureState::Whole, 7, 0, 3), "{c:?}");
    assert_eq!(c.service.as_deref(), Some("svc"));
    assert_eq!(c.sha256, Some(hex(&Sha256::digest(&file))));
}

/// No cut and no changed byte goes unnoticed.
#[test]
fn every_cut_and_every_byte() {
    let file = sample();
    for n in 0..file.len() {
        let c = check(&file[..n], "x");
        // Its first entry is a header and 17 bytes.
        let want = if n < 529 { CaptureState::None } else { CaptureState::Incomplete };
        assert_eq!(c.state, want, "{n}: {c:?}");
    }
    let mut changed = file.clone();
    for n in 0..file.len() {
        changed[n] ^= 0x20;
        let state = state(&changed);
        assert_ne!(state, CaptureState::Whole, "byte {n}");
        changed[n] = file[n];
    }
    assert_ne!(state(&[&file[..], b"x"].concat()), CaptureState::Whole);
    assert_ne!(state(&[&file[..], &[0; 512]].concat()), CaptureState::Whole);
}

#[test]
fn parts_that_are_others() {
    // Twice the same name; a part without a record; one that claims more than there is.
    let mut a = Archive::new(Vec::new(), 7);
    a.part(HEAD, br#"{"service":"svc"}"#).expect("write");
    a.part("a", b"1").and_then(|()| a.part("a", b"2")).expect("write");
    let c = check(&sealed(a)[..], "x");
    assert!(c.state == CaptureState::Changed && c.why.expect("why").contains("twice"));
    let huge = header("members/1-1/x", i64::MAX as u64, EntryType::Regular, 7).expect("a header");
    let file = sample();
    let at = 1024;
    let c = check(&[&file[..at], huge.as_bytes(), &file[at..]].concat()[..], "x");
    assert_eq!(c.state, CaptureState::Incomplete, "{c:?}");
    for path in ["../x", "/x", "a//b", "a/./b", "a/../b", ".x", "a b", "a\n"] {
        let mut h = header("members/1-1/x", 0, EntryType::Regular, 7).expect("a header");
        h.as_mut_bytes()[..100].fill(0);
        h.as_mut_bytes()[..path.len()].copy_from_slice(path.as_bytes());
        h.set_cksum();
        let c = check(&[&file[..at], h.as_bytes(), &file[at..]].concat()[..], "x");
        assert_eq!(c.state, CaptureState::Changed, "{path:?}: {c:?}");
    }
    for kind in
        [EntryType::Symlink, EntryType::Link, EntryType::GNULongName, EntryType::Char, EntryType::Directory]
    {
        let h = header("x", 0, kind, 7).expect("a header");
        let c = check(&[&file[..at], h.as_bytes(), &file[at..]].concat()[..], "x");
        assert_eq!(c.state, CaptureState::Changed, "{kind:?}: {c:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever bytes: an answer, and never "whole".
    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..4096)) {
        prop_assert_ne!(state(&bytes), CaptureState::Whole);
    }

    /// Pieces of captures in any order, headers of any kind and size, bytes anywhere.
    #[test]
    fn any_pieces(
        pieces in prop::collection::vec((0usize..24, 1usize..6, any::<u64>(), any::<u8>()), 1..12),
        noise in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    ) {
        let file = sample();
        let blocks: Vec<&[u8]> = file.chunks(512).collect();
        let mut made = file[..1024].to_vec();
        for (at, n, size, kind) in pieces {
            if kind.is_multiple_of(3) {
                let h = header("members/9-9/x", size, EntryType::new(kind), 7);
                made.extend_from_slice(h.expect("a header").as_bytes());
            }
            let at = at.min(blocks.len() - 1);
            made.extend(blocks[at..(at + n).min(blocks.len())].concat());
        }
        for (at, byte) in noise {
            let n = at.index(made.len());
            made[n] = byte;
        }
        let c = check(&made[..], "x");
        prop_assert!(c.state != CaptureState::Whole || made == file, "{:?}", c);
    }
}
