//! Check 10, each tier on a tracker of its own: the witness sees every start, and without it what was not seen is told.

use super::ruled;
use killer_tests::{RuledHost, eventually};
use std::process::{Command, Stdio};
use std::time::Duration;

const STARTS: u64 = 1000;

/// Starts a service that ends at once, often: those starts that opened nothing, and the runs of hooks that `rule list` says
/// were skipped.
fn missed(test: &str, tier: &'static str) -> Option<(u64, u64)> {
    ruled(test)?;
    let h = RuledHost::ruled(test, &[("KILLER_TIER", tier)])?;
    let once = h.script("once", "exit 0");
    let told = || h.killer(&["rule", "list", "-o", "json"]).ok().json()["in_force"]["skipped"].as_u64();
    let before = told().expect("rules are in force");
    for _ in 0..STARTS {
        let done = Command::new(&once).arg("start").stdin(Stdio::null()).status();
        assert!(done.is_ok_and(|s| s.success()));
    }
    assert!(eventually(Duration::from_secs(10), || h.figures().0 == h.figures().1), "{:?}", h.figures());
    let (missed, told) = (STARTS - h.figures().0, told().expect("rules are in force") - before);
    println!("FIGURES missed {{\"tier\":\"{tier}\",\"of\":{STARTS},\"missed\":{missed},\"told\":{told}}}");
    Some((missed, told))
}

#[test]
fn a_witness_misses_no_start() {
    let Some((missed, _)) = missed("a_witness_misses_no_start", "witnessed") else { return };
    assert_eq!(missed, 0);
}

#[test]
fn starts_that_were_not_seen_are_told() {
    let Some((missed, told)) = missed("starts_that_were_not_seen_are_told", "typed") else { return };
    assert!(missed <= told, "{missed} of {STARTS} were missed, and {told} are told");
}
