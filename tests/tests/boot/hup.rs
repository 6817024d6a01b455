//! A reload: HUP for the main process of a real daemon.

use crate::machine::{Machine, SOON, children};
use killer_tests::{Pidfd, eventually};
use std::time::Duration;

/// Sends it, and gives back the main process: the same one as before, at work again (some take their pidfile away meanwhile).
#[track_caller]
fn hup(m: &Machine, name: &str) -> i32 {
    m.known(name);
    let main = m.main(name);
    let process = Pidfd::open(main).expect("the main process");
    m.killer(&format!("-s HUP --whom=main {name}")).ok();
    assert!(!process.ends_within(Duration::from_millis(900)), "{name} has ended");
    assert_eq!(m.main(name), main, "{name} is another");
    main
}

#[test]
fn rsyslog_opens_its_file_again() {
    let Some(m) = Machine::here("rsyslog_opens_its_file_again") else { return };
    let wrote = |text: &str, file: &str| {
        m.sh(&format!("logger '{text}'")).ok();
        eventually(SOON, || m.sh(&format!("grep -q '{text}' {file}")).code == 0)
    };
    assert!(wrote("first words", "/var/log/syslog"));
    m.sh("mv /var/log/syslog /var/log/syslog.moved").ok();
    hup(&m, "rsyslog");
    assert!(eventually(SOON, || m.sh("test -e /var/log/syslog").code == 0), "no new file");
    assert!(wrote("words after the reload", "/var/log/syslog"));
}

#[test]
fn apache2_keeps_its_main_process_and_has_new_workers() {
    let Some(m) = Machine::here("apache2_keeps_its_main_process_and_has_new_workers") else { return };
    let workers = children(m.main("apache2"));
    assert!(!workers.is_empty());
    let main = hup(&m, "apache2");
    let renewed = || {
        let now = children(main);
        !now.is_empty() && now.iter().all(|w| !workers.contains(w))
    };
    assert!(eventually(SOON, renewed), "workers {workers:?}, then {:?}", children(main));
    assert_eq!(m.sh("curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:8080/").ok(), "200");
}

#[test]
fn cron_lives_on() {
    let Some(m) = Machine::here("cron_lives_on") else { return };
    hup(&m, "cron");
}

/// It executes itself anew, as the same process.
#[test]
fn sshd_lives_on_and_lets_people_in() {
    let Some(m) = Machine::here("sshd_lives_on_and_lets_people_in") else { return };
    hup(&m, "ssh");
    assert!(eventually(SOON, || m.login().code == 0), "{:?}", m.login());
}
