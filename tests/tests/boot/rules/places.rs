//! Places of the pool: each start has one, and gives it back.

use super::{members, ruled, script};
use crate::machine::{Machine, SOON};
use killer_tests::{eventually, skip};

/// What the rules have done: opened, given back, found no place, runs that the kernel skipped.
fn figures(m: &Machine) -> [u64; 4] {
    let now = m.json("rule list");
    ["opened", "given_back", "no_slots", "skipped"]
        .map(|key| now["in_force"][key].as_u64().expect("a number"))
}

/// Checks 8 and 10: a `status` opens nothing, each of 3000 starts does, nothing stays open.
#[test]
fn each_start_has_a_place_and_gives_it_back() {
    let test = "each_start_has_a_place_and_gives_it_back";
    let Some(m) = ruled(test) else { return };
    script(&m, "once", 1, ":");
    let names = || -> Vec<String> {
        let list = m.json("list");
        let services = list["services"].as_array().cloned().unwrap_or_default();
        services.iter().filter_map(|s| s["name"].as_str().map(str::to_owned)).collect()
    };
    let (named, before) = (names(), figures(&m));
    m.sh("i=0; while [ $i -lt 300 ]; do /etc/init.d/once status; i=$((i + 1)); done").ok();
    assert_eq!(figures(&m)[0], before[0], "a 'status' has opened something");
    m.sh("i=0; while [ $i -lt 3000 ]; do /etc/init.d/once once; i=$((i + 1)); done").ok();
    let live = |f: [u64; 4]| f[0] - f[1];
    assert!(eventually(SOON, || live(figures(&m)) == live(before)), "{before:?}, then {:?}", figures(&m));
    let after = figures(&m);
    println!("FIGURES opened {{\"before\":{before:?},\"after\":{after:?}}}");
    assert_eq!(names(), named);
    assert_eq!(after[2], before[2], "no place was left");
    m.sh("/etc/init.d/cron restart").ok();
    assert!(members(&m, "cron").contains(&m.main("cron")), "no place is left for cron");
    // The witness is never skipped; without it each start that nobody saw has to be told.
    let missed = 3000 - (after[0] - before[0]);
    if m.json("status cron")["tier"] == "witnessed" {
        assert_eq!(missed, 0, "{before:?}, then {after:?}");
    } else if missed > after[3] - before[3] {
        panic!("{missed} starts were not seen, and that is not told: {before:?}, then {after:?}");
    } else {
        skip(test, "there is no witness here: that no start is missed cannot be shown");
    }
}
