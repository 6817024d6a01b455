//! Check 13: nothing is left of it; and a host where no rule can be in force. The last tests: no service has its name of boot
//! afterwards.

use super::ruled;
use crate::by_script::scripts_start_themselves;
use crate::machine::{DAEMONS, Machine, SOON};
use killer_tests::{Objects, eventually, killer};
use std::fs;
use std::path::Path;

/// Where its pins are.
const PINS: &str = "/sys/fs/bpf/killer";

#[test]
fn nothing_is_left() {
    let Some(m) = ruled("nothing_is_left") else { return };
    let mains: Vec<i32> = DAEMONS.iter().map(|d| m.main(d.name)).collect();
    let pins = Objects::new(Path::new(PINS)).pins();
    assert!(!pins.ids.programs.is_empty() && !pins.ids.links.is_empty(), "{pins:?}");
    m.killer("install-boot --remove").ok();
    let said = m.killer("down");
    assert!(said.code == 1 && said.text.contains("cron"), "services are tracked: {said:?}");
    m.killer("down --force").ok();
    // The administrator's own, and what is kept of kills, which a purge takes away, too.
    for dir in ["/etc/killer", "/var/lib/killer"] {
        let _ = fs::remove_dir_all(dir);
    }
    let places = "/etc /lib/lsb /usr/lib/lsb /lib/runit /usr/lib/runit /run /sys/fs/bpf /var/lib";
    let find = format!(
        "find {places} \\( -name '*killer*' -o -lname '*killer*' \\) ! -name 'killer-test-*' 2>/dev/null"
    );
    assert_eq!(m.sh(&find).text, "");
    let lines = m.sh("grep -rl 'killer' /etc/inittab /etc/runit /etc/init.d /etc/rc.local 2>/dev/null | grep -v '/init.d/own'").text;
    assert_eq!(lines, "");
    assert!(
        eventually(SOON, || pins.ids.left().is_empty()),
        "it is in the kernel still: {:?}",
        pins.ids.left()
    );
    assert_eq!(m.json("rule list")["state"], "not-in-force");
    m.sh(&m.restart("cron")).ok();
    m.main("cron");
    assert_eq!(m.killer("status -q cron").code, 3, "{}", m.killer("status cron").text);
    for (daemon, main) in DAEMONS.iter().zip(mains).filter(|(d, _)| d.name != "cron") {
        assert_eq!(m.main(daemon.name), main, "{} is another", daemon.name);
    }
}

/// A tier without rules: init scripts start themselves, until it is given up.
#[test]
fn scripts_start_themselves_without_rules() {
    let Some(m) = Machine::here("scripts_start_themselves_without_rules") else { return };
    m.killer("down --force").ok();
    m.killer("install-boot").ok();
    let said = m.sh(&format!("KILLER_TIER=raw {} up --rules", killer().display()));
    assert!(said.code == 1 && said.text.contains("init-functions.d"), "{said:?}");
    m.sh("service cron restart").ok();
    scripts_start_themselves(&m);
    m.killer("install-boot --remove").ok();
    m.killer("down --force").ok();
    m.sh("service cron restart").ok();
    m.main("cron");
    assert_eq!(m.killer("status -q cron").code, 3, "{}", m.killer("status cron").text);
}
