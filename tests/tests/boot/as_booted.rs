//! Before `killer` has done anything: the guest is what it is said to be.

use crate::machine::{DAEMONS, Init, Machine};
use std::fs;
use std::path::Path;

#[test]
fn pid_1_is_that_init() {
    let Some(m) = Machine::here("pid_1_is_that_init") else { return };
    let program = fs::read_link("/proc/1/exe").expect("PID 1");
    let wanted: &[&str] = match m.init {
        Init::Sysv | Init::Openrc => &["/usr/sbin/init"],
        Init::Busybox => &["/usr/bin/busybox"],
        Init::Runit => &["/usr/sbin/runit", "/usr/lib/runit/runit", "/usr/bin/runit"],
    };
    assert!(wanted.iter().any(|w| Path::new(w) == program), "{program:?}");
    let openrc = Path::new("/run/openrc/started/cron").exists();
    assert_eq!(openrc, m.init == Init::Openrc, "services are started by OpenRC");
    assert_eq!(m.sh("pgrep -x runsvdir").code == 0, m.init == Init::Runit, "a runsvdir runs");
}

#[test]
fn seven_daemons_run() {
    let Some(m) = Machine::here("seven_daemons_run") else { return };
    for daemon in DAEMONS {
        m.main(daemon.name);
    }
    assert_eq!(m.sh("curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1/").ok(), "200", "nginx");
    assert_eq!(m.sh("curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:8080/").ok(), "200", "apache2");
    assert_eq!(m.login().ok(), "logged in\n");
}

/// What `killer` needs it has to bring itself.
#[test]
fn nothing_is_mounted_for_killer() {
    let Some(m) = Machine::here("nothing_is_mounted_for_killer") else { return };
    let mounts = fs::read_to_string("/proc/mounts").expect("mounts");
    let has = |kind: &str| mounts.lines().any(|l| l.split(' ').nth(2) == Some(kind));
    assert!(!has("tracefs") && !has("debugfs"), "{mounts}");
    assert_eq!(has("cgroup2"), m.init == Init::Openrc, "{mounts}");
    if m.sh("test -e /run/killer -o -e /sys/fs/bpf/killer").code != 0 {
        assert!(!has("bpf"), "{mounts}");
    }
}
