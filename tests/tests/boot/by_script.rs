//! Where the kernel takes no rules: Debian's init scripts start themselves in services of their names (`50-killer`).

use crate::machine::{DAEMONS, Init, Machine, SOON};
use crate::rules::members;
use killer_tests::{Pidfd, eventually, skip};

/// In the second boot, with a tier that has no rules: `--env KILLER_TIER=raw`.
#[test]
fn daemons_have_their_names_since_boot() {
    let test = "daemons_have_their_names_since_boot";
    let Some(m) = Machine::here(test) else { return };
    if m.json("rule list")["state"] == "in-force" {
        return skip(test, "the kernel takes rules");
    }
    let list = m.json("list");
    let services = list["services"].as_array().expect("services");
    // runit starts its own sshd, by no init script.
    for daemon in DAEMONS.iter().filter(|d| m.init != Init::Runit || d.name != "ssh") {
        let it = services.iter().find(|s| s["name"] == daemon.name);
        let it = it.unwrap_or_else(|| panic!("no {}: {}", daemon.name, m.killer("list").text));
        assert_eq!(it["exactness"]["exact"], true, "{it}");
        let all = members(&m, daemon.name);
        assert!(all.contains(&m.main(daemon.name)) && !all.contains(&1), "{}: {all:?}", daemon.name);
    }
    scripts_start_themselves(&m);
}

/// Cron, however its script is called, is in cron and nowhere else; it ends with what it has started, and `stop` is its script's.
pub fn scripts_start_themselves(m: &Machine) {
    for way in [
        "service cron restart",
        "/etc/init.d/cron stop; /etc/init.d/cron start",
        "ssh root@127.0.0.1 service cron restart",
    ] {
        let before = m.main("cron");
        m.sh(way).ok();
        assert!(eventually(SOON, || m.main_of("cron").is_some_and(|p| p != before)), "{way}: the same cron");
        assert!(
            members(m, "cron").contains(&m.main("cron")),
            "{way}: not in cron: {}",
            m.killer("list").text
        );
        let known = m.killer("status -q ssh").code == 0;
        assert!(!known || !members(m, "ssh").contains(&m.main("cron")), "{way}: cron is in ssh");
    }
    m.killer("exec --name cron -- setsid sleep 4329 </dev/null >/dev/null 2>&1 &").ok();
    let mut job = String::new();
    assert!(eventually(SOON, || {
        job = m.sh("pgrep -x -f 'sleep 4329'").text;
        !job.is_empty()
    }));
    let job = Pidfd::open(job.trim().parse().expect("a number")).expect("the job");
    let (main, ssh) = (Pidfd::open(m.main("cron")).expect("cron"), m.main("ssh"));
    m.killer("-s KILL --who=all --wait cron").ok();
    assert!(!main.alive() && !job.alive(), "{}", m.killer("status cron").text);
    assert_eq!((m.main("ssh"), m.login().code), (ssh, 0));
    m.start_again("cron");
    let main = Pidfd::open(m.main("cron")).expect("cron");
    let said = m.killer("stop cron");
    assert!(said.code == 0 && !main.alive(), "{said:?}");
    m.start_again("cron");
    assert!(members(m, "cron").contains(&m.main("cron")), "{}", m.killer("list").text);
}
