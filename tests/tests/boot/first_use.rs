//! `killer` for the first time on such a host: nothing is prepared for it.

use crate::machine::Machine;

#[test]
fn doctor_promises_the_tier_that_comes() {
    let test = "doctor_promises_the_tier_that_comes";
    let Some(m) = Machine::here(test) else { return };
    let promised = m.json("doctor")["tier"].as_str().unwrap_or("?").to_owned();
    m.killer("up").ok();
    m.killer("run --name probe --detach -- /bin/sleep 4000").ok();
    let tier = m.json("status probe")["tier"].as_str().unwrap_or("?").to_owned();
    m.killer("-s KILL --who=all --wait probe").ok();
    m.killer("forget probe").ok();
    assert_eq!(promised, tier);
    // Debian's kernels have `bpf` among their LSMs from 6.1 on.
    assert_eq!(tier, "witnessed");
}

#[test]
fn the_selftest_is_green() {
    let Some(m) = Machine::here("the_selftest_is_green") else { return };
    m.killer("selftest --quick").ok();
}
