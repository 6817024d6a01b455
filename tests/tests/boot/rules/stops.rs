//! `stop` goes the way of the init that is there, and after a kill the step is said that this init needs.

use super::{members, ruled};
use crate::machine::{Init, SOON};
use killer_tests::{Pidfd, eventually, skip};
use std::time::Duration;

#[test]
fn stop_goes_the_way_of_the_init() {
    let Some(m) = ruled("stop_goes_the_way_of_the_init") else { return };
    let script = m.script("cron");
    let (command, start) = match m.init {
        Init::Openrc => ("rc-service cron stop".into(), "rc-service cron start".into()),
        Init::Sysv | Init::Runit => (format!("{script} stop"), "service cron start".into()),
        Init::Busybox => (format!("{script} stop"), format!("{script} start")),
    };
    let cron = Pidfd::open(m.main("cron")).expect("cron");
    let said = m.json("stop cron");
    assert_eq!(said["command"]["command"], command, "{said}");
    assert_eq!((&said["command"]["official"], &said["empty"]), (&true.into(), &true.into()), "{said}");
    assert!(!cron.alive(), "cron lives on: {said}");
    assert_eq!(m.killer("status -q cron").code, 3, "it is known, and does not run");
    // Its init knows that it was stopped: nothing has to be told to it.
    m.sh(&start).ok();
    assert!(members(&m, "cron").contains(&m.main("cron")), "cron is not in cron");
}

/// OpenRC believes that a service runs which was killed: `zap` is said, and `--zap` does it. Scripts of Debian's are none of
/// OpenRC's own, and `rc-service` executes them whatever it believes; this one is.
#[test]
fn openrc_is_told_of_a_kill() {
    let Some(m) = ruled("openrc_is_told_of_a_kill") else { return };
    if m.init != Init::Openrc {
        return skip("openrc_is_told_of_a_kill", "the init is not OpenRC");
    }
    let text = "#!/sbin/openrc-run\ncommand=/bin/sleep\ncommand_args=4327\ncommand_background=yes\npidfile=/run/native.pid\n";
    std::fs::write("/etc/init.d/native", text).expect("a script");
    m.sh("chmod 755 /etc/init.d/native && rc-service native start").ok();
    let runs = || m.sh("pgrep -x -f '/bin/sleep 4327'").code == 0;
    assert!(runs() && !members(&m, "native").is_empty(), "{}", m.killer("list").text);
    let said = m.killer("-s KILL --who=all --wait native");
    assert!(said.code == 0 && said.text.contains("'rc-service native zap'"), "{said:?}");
    let again = m.sh("rc-service native start");
    assert!(!runs(), "OpenRC has known it: {again:?}");
    m.sh("rc-service native zap && rc-service native start").ok();
    assert!(runs());
    let said = m.killer("-s KILL --who=all --wait --zap native");
    assert!(said.code == 0 && said.text.contains("OpenRC was told"), "{said:?}");
    m.sh("rc-service native start").ok();
    assert!(runs() && !members(&m, "native").is_empty(), "{}", m.killer("list").text);
    let said = m.json("stop native");
    assert_eq!(said["command"]["command"], "rc-service native stop", "{said}");
    assert!(!runs(), "{said}");
}

/// runsv starts its service again after a kill: the receipt says so and names what prevents it, and `stop` prevents it.
#[test]
fn runsv_starts_again_unless_it_is_stopped() {
    let Some(m) = ruled("runsv_starts_again_unless_it_is_stopped") else { return };
    if m.init != Init::Runit {
        return skip("runsv_starts_again_unless_it_is_stopped", "no runsv starts services here");
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
