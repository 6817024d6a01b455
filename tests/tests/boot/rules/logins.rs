//! What is started from a login belongs to itself, and not to the sshd that let the login in.

use super::{members, ruled};
use crate::machine::{Init, Machine, SOON};
use killer_tests::eventually;

/// Check 3.
#[test]
fn restarts_over_ssh_are_not_sshd() {
    let Some(m) = ruled("restarts_over_ssh_are_not_sshd") else { return };
    let mut ways = vec![
        "service cron restart",
        "invoke-rc.d cron restart",
        "/etc/init.d/cron restart",
        "cd /etc && init.d/cron restart",
    ];
    match m.init {
        Init::Openrc => ways.push("rc-service cron restart"),
        Init::Sysv | Init::Runit | Init::Busybox => {
            ways.push("/etc/init.d/cron stop; /etc/rc2.d/S*cron start")
        }
    }
    for way in ways {
        let before = m.main("cron");
        m.sh(&format!("ssh root@127.0.0.1 '{way}'")).ok();
        assert!(eventually(SOON, || m.main_of("cron").is_some_and(|p| p != before)), "{way}: the same cron");
        let cron = m.main("cron");
        assert!(members(&m, "cron").contains(&cron), "{way}: cron is not in cron");
        assert!(!members(&m, "ssh").contains(&cron), "{way}: cron is in ssh");
    }
    if m.init == Init::Runit {
        // The session would end with its daemon; it is restarted from beside.
        let before = m.main("ssh");
        m.sh("sv restart ssh").ok();
        assert!(eventually(SOON, || m.main_of("ssh").is_some_and(|p| p != before)), "the same sshd");
        assert!(members(&m, "ssh").contains(&m.main("ssh")), "sshd is not in ssh");
    }
}

/// logrotate calls the init script, which opens an instance that ends at once.
#[test]
fn logrotate_reloads_and_leaves_nothing() {
    let Some(m) = ruled("logrotate_reloads_and_leaves_nothing") else { return };
    let main = m.main("rsyslog");
    let live = |m: &Machine| {
        let now = &m.json("rule list")["in_force"];
        now["opened"].as_u64().zip(now["given_back"].as_u64()).map(|(opened, back)| opened - back)
    };
    let (before, opened) = (live(&m), m.json("rule list")["in_force"]["opened"].as_u64());
    m.sh("logger before && ssh root@127.0.0.1 'logrotate -f /etc/logrotate.d/rsyslog'").ok();
    let anew =
        || m.sh("logger after; grep -q after /var/log/syslog && ! grep -q before /var/log/syslog").code == 0;
    assert!(eventually(SOON, anew), "no new file: {}", m.sh("ls -l /var/log").text);
    assert_eq!(m.main("rsyslog"), main, "rsyslog is another");
    assert!(m.json("rule list")["in_force"]["opened"].as_u64() > opened, "the script has opened nothing");
    assert!(eventually(SOON, || live(&m) == before), "{before:?}, then {:?}", live(&m));
    assert!(!members(&m, "ssh").contains(&main), "rsyslog is in ssh");
    assert!(!m.killer("status rsyslog").text.contains("eft-over"), "{}", m.killer("status rsyslog").text);
}
