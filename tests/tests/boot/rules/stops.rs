//! `stop` goes the way of the init that is there, and after a kill the step is said that this init needs.

use super::{members, ruled};
use crate::machine::{Init, SOON};
use killer_tests::{Pidfd, eventually};
use std::time::Duration;

#[test]
fn stop_goes_the_way_of_the_init() {
    let Some(m) = ruled("stop_goes_the_way_of_the_init") else { return };
    let (command, start) = match m.init {
        Init::Openrc => ("rc-service cron stop", "rc-service cron start"),
        Init::Sysv | Init::Runit => ("/etc/init.d/cron stop", "service cron start"),
    };
    let cron = Pidfd::open(m.main("cron")).expect("cron");
    let said = m.json("stop cron");
    assert_eq!(said["command"]["command"], command, "{said}");
    assert_eq!((&said["command"]["official"], &said["empty"]), (&true.into(), &true.into()), "{said}");
    assert!(!cron.alive(), "cron lives on: {said}");
    assert_eq!(m.killer("status -q cron").code, 3, "it is known, and does not run");
    // Its init knows that it was stopped: nothing has to be told to it.
    m.sh(start).ok();
    assert!(members(&m, "cron").contains(&m.main("cron")), "cron is not in cron");
}

/// OpenRC believes that a service runs which was killed: `zap` is said, and `--zap` does it.
#[test]
fn openrc_is_told_of_a_kill() {
    let Some(m) = ruled("openrc_is_told_of_a_kill") else { return };
    if m.init != Init::Openrc {
        return;
    }
    let said = m.killer("-s KILL --who=all --wait cron");
    assert!(said.code == 0 && said.text.contains("rc-service cron zap"), "{said:?}");
    assert!(m.sh("rc-service cron start").code == 0 && m.main_of("cron").is_none(), "OpenRC knew it");
    m.sh("rc-service cron zap && rc-service cron start").ok();
    m.main("cron");
    let said = m.killer("-s KILL --who=all --wait --zap cron");
    assert!(said.code == 0 && said.text.contains("OpenRC was told"), "{said:?}");
    m.sh("rc-service cron start").ok();
    assert!(members(&m, "cron").contains(&m.main("cron")), "cron is not in cron");
}

/// runsv starts its service again after a kill: the receipt says so and names what prevents it, and `stop` prevents it.
#[test]
fn runsv_starts_again_unless_it_is_stopped() {
    let Some(m) = ruled("runsv_starts_again_unless_it_is_stopped") else { return };
    if m.init != Init::Runit {
        return;
    }
    let before = m.main("ssh");
    let said = m.killer("-s KILL --who=all ssh");
    assert!(said.code == 0 && said.text.contains("runsv starts it again: 'sv down "), "{said:?}");
    assert!(
        eventually(SOON, || m.main_of("ssh").is_some_and(|p| p != before)),
        "runsv has not started it again"
    );
    let (main, said) = (Pidfd::open(m.main("ssh")).expect("sshd"), m.json("stop ssh"));
    let words = said["command"]["command"].as_str().unwrap_or_default().to_owned();
    assert!(words.starts_with("sv down /") && words.ends_with("/ssh"), "{said}");
    assert!(!main.alive(), "sshd lives on: {said}");
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(m.sh("pgrep -x sshd").text, "", "it was started again");
    m.sh("sv up ssh").ok();
    assert!(members(&m, "ssh").contains(&m.main("ssh")), "sshd is not in ssh");
    assert!(eventually(SOON, || m.login().code == 0), "{:?}", m.login());
}
