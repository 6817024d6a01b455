//! Services that have their names from boot on: the checks of rules that a booted host can answer.

mod logins;
mod places;
mod stays;
mod stops;
mod unseen;
mod upgrades;
mod without;

use crate::machine::Machine;
use killer_tests::{kernel_number, pids, skip};
use std::collections::BTreeSet;
use std::fs;

/// From this kernel on rules have to be in force.
const SINCE: (u32, u32) = (5, 10);

/// Why a test is skipped on kernels before that.
pub const OLD: &str = "no rules are in force on this kernel";

/// Are rules in force? Where they have to be, yes.
#[track_caller]
pub fn in_force(m: &Machine) -> bool {
    let list = m.json("rule list");
    let are = list["state"] == "in-force";
    assert!(are || kernel_number() < SINCE, "no rules are in force: {}", m.killer("up --rules").text);
    are
}

/// The guest, when rules were loaded at boot.
#[track_caller]
pub fn ruled(test: &str) -> Option<Machine> {
    let m = Machine::here(test)?;
    if in_force(&m) {
        return Some(m);
    }
    skip(test, OLD);
    None
}

/// Everybody whom a signal to all of the service would get.
#[track_caller]
pub fn members(m: &Machine, name: &str) -> BTreeSet<i32> {
    pids(&m.json(&format!("-n -s KILL --who=all {name}")))
}

/// An init script whose daemon is a `sleep`, with these words in its `stop`.
fn script(m: &Machine, name: &str, seconds: u32, stop: &str) {
    let text = format!(
        "#!/bin/sh\n### BEGIN INIT INFO\n# Provides: {name}\n# Required-Start: $remote_fs\n# Required-Stop: $remote_fs\n\
         # Default-Start: 2 3 4 5\n# Default-Stop: 0 1 6\n# Short-Description: of a test\n### END INIT INFO\n\
         case $1 in\nstart) setsid sleep {seconds} </dev/null >/dev/null 2>&1 & ;;\nstop) {stop} ;;\nonce) : ;;\n\
         restart) $0 stop; $0 start ;;\nesac\n"
    );
    fs::write(format!("/etc/init.d/{name}"), text).expect("a script");
    m.sh(&format!("chmod 755 /etc/init.d/{name}")).ok();
}
