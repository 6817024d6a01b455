//! The second boot, before anything was restarted: the services that the init has started have their names.

use crate::machine::DAEMONS;
use crate::rules::{members, ruled};
use std::collections::BTreeSet;
use std::fs;

/// Processes that are no service: those that look after services, their logs and terminals. Each by its `comm`.
const NOBODYS: [&str; 6] = ["init", "runit", "runsvdir", "runsv", "svlogd", "getty"];

/// Check 1.
#[test]
fn daemons_have_their_names_since_boot() {
    let Some(m) = ruled("daemons_have_their_names_since_boot") else { return };
    let list = m.json("list");
    let services = list["services"].as_array().expect("services");
    for daemon in DAEMONS {
        let it = services.iter().find(|s| s["name"] == daemon.name);
        let it = it.unwrap_or_else(|| panic!("no {}: {}", daemon.name, m.killer("list").text));
        assert_eq!(it["exactness"]["exact"], true, "{it}");
        let status = m.json(&format!("status {}", daemon.name));
        assert_eq!(status["main_pid"], m.main(daemon.name), "{status}");
    }
    let names = services.iter().filter_map(|s| s["name"].as_str());
    let all: BTreeSet<i32> = names.flat_map(|name| members(&m, name)).collect();
    assert!(!all.contains(&1), "PID 1 is a member: {}", m.killer("list").text);
    let left: Vec<String> = strangers(&all).into_iter().map(|p| format!("{p} ({})", comm(p))).collect();
    assert!(left.is_empty(), "in no service: {left:?}: {}", m.sh("ps -ef").text);
}

fn comm(pid: i32) -> String {
    fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim().to_owned()
}

fn parent(pid: i32) -> i32 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let rest = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    rest.split(' ').nth(1).and_then(|p| p.parse().ok()).unwrap_or(0)
}

/// Processes in none of the services that should be in one: no thread of the kernel's, nobody's, and not on the way from
/// init to this test.
fn strangers(all: &BTreeSet<i32>) -> Vec<i32> {
    let own: Vec<i32> =
        std::iter::successors(Some(std::process::id() as i32), |p| Some(parent(*p)).filter(|p| *p > 0))
            .collect();
    let entries = fs::read_dir("/proc").expect("proc").flatten();
    let pids = entries.filter_map(|e| e.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|p| !all.contains(p) && !own.contains(p))
        .filter(|p| *p != 2 && parent(*p) != 2 && parent(*p) != 0)
        .filter(|p| !NOBODYS.iter().any(|n| comm(*p).ends_with(n)))
        .collect()
}
