//! Check 11: a package is installed anew, a rule file is wrong, an `up` is killed, rules are loaded while services start.

use super::{members, ruled};
use crate::machine::Machine;
use killer_tests::killer;
use std::fs;

/// A start after what was done is still known by its name.
#[track_caller]
fn known(m: &Machine, what: &str) {
    m.sh("service cron restart").ok();
    assert!(members(m, "cron").contains(&m.main("cron")), "{what}: cron is not in cron");
}

#[test]
fn rules_outlive_an_upgrade() {
    let Some(m) = ruled("rules_outlive_an_upgrade") else { return };
    let inode = || {
        fs::metadata("/etc/init.d/cron").map(|m| std::os::unix::fs::MetadataExt::ino(&m)).expect("a script")
    };
    let before = (m.main("cron"), inode());
    // The very package that the disk was made from; it is told to replace its script, which is a file of its configuration.
    fs::remove_file("/etc/init.d/cron").expect("the script");
    m.sh("DEBIAN_FRONTEND=noninteractive dpkg --force-confmiss -i /var/cache/apt/archives/cron_*.deb").ok();
    assert_ne!(before, (m.main("cron"), inode()), "nothing was installed");
    assert!(members(&m, "cron").contains(&m.main("cron")), "its own start of cron is not in cron");
    known(&m, "another inode");
}

#[test]
fn rules_outlive_mistakes() {
    let Some(m) = ruled("rules_outlive_mistakes") else { return };
    fs::create_dir_all("/etc/killer/rules.d").expect("a directory");
    let wrong = "/etc/killer/rules.d/wrong.toml";
    fs::write(wrong, "# a rule\n[[rule]]\nscripst = \"/etc/init.d\"\n").expect("a file");
    let said = m.killer("rule load");
    let up = m.killer("up --rules");
    let _ = fs::remove_file(wrong);
    for said in [said, up] {
        assert!(said.code == 1 && said.text.contains("wrong.toml:3:"), "{said:?}");
    }
    known(&m, "a wrong file");
}

#[test]
fn rules_may_be_loaded_at_any_time() {
    let Some(m) = ruled("rules_may_be_loaded_at_any_time") else { return };
    let killer = killer();
    let killer = killer.display();
    let load = format!(
        "(for i in 1 2 3 4 5; do {killer} rule load; done) & for i in 1 2 3; do service atd restart; done; wait"
    );
    m.sh(&load).ok();
    assert!(members(&m, "atd").contains(&m.main("atd")), "atd is not in atd");
    for delay in ["0.02", "0.1", "0.3", "0.6"] {
        m.sh(&format!("{killer} up --rules >/dev/null 2>&1 & sleep {delay}; kill -9 $!; wait"));
        known(&m, &format!("an up that was killed after {delay} s"));
    }
    m.killer("up --rules").ok();
    known(&m, "an up after those that were killed");
}
