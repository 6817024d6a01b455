//! Services that have their names from boot on: the checks of rules that a booted host can answer.

use crate::machine::{DAEMONS, Init, Machine, SOON, children};
use killer_tests::{Pidfd, eventually, pids, skip};
use std::collections::BTreeSet;
use std::fs;

/// The guest, when its `killer` has rules and they were loaded at boot.
fn ruled(test: &str) -> Option<Machine> {
    let m = Machine::here(test)?;
    if m.killer("up --help").text.contains("--rules") {
        return Some(m);
    }
    skip(test, "this killer cannot load rules at boot yet");
    None
}

/// Everybody whom a signal to all of the service would get.
#[track_caller]
fn members(m: &Machine, name: &str) -> BTreeSet<i32> {
    pids(&m.json(&format!("-n -s KILL --who=all {name}")))
}

/// Check 1.
#[test]
fn a1_daemons_have_their_names_since_boot() {
    let Some(m) = ruled("a1_daemons_have_their_names_since_boot") else { return };
    let list = m.json("list");
    let services = list["services"].as_array().expect("services");
    let mut all = BTreeSet::new();
    for daemon in DAEMONS {
        let it = services.iter().find(|s| s["name"] == daemon.name);
        let it = it.unwrap_or_else(|| panic!("no {}: {}", daemon.name, m.killer("list").text));
        assert_eq!(it["exactness"]["exact"], true, "{it}");
        let status = m.json(&format!("status {}", daemon.name));
        assert_eq!(status["main_pid"], m.main(daemon.name), "{status}");
    }
    for name in services.iter().filter_map(|s| s["name"].as_str()) {
        all.extend(members(&m, name));
    }
    assert!(!all.contains(&1), "PID 1 is a member: {}", m.killer("list").text);
    if m.init != Init::Runit {
        let getty = m.sh("pgrep -x getty").text;
        let getty = getty.lines().filter_map(|l| l.parse().ok()).find(|p: &i32| all.contains(p));
        assert_eq!(getty, None, "a getty is a member: {}", m.killer("list").text);
    }
}

/// Check 3: what is started from a login belongs to itself.
#[test]
fn a3_restarts_over_ssh_are_not_sshd() {
    let Some(m) = ruled("a3_restarts_over_ssh_are_not_sshd") else { return };
    let ways: &[&str] = match m.init {
        Init::Sysv => &[
            "service cron restart",
            "invoke-rc.d cron restart",
            "/etc/init.d/cron restart",
            "cd /etc && init.d/cron restart",
            "/etc/init.d/cron stop; /etc/rc2.d/S*cron start",
        ],
        Init::Openrc => &["rc-service cron restart", "/etc/init.d/cron restart"],
        Init::Runit => &["service cron restart", "/etc/init.d/cron restart"],
    };
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

/// Check 4: what a CGI program has left behind lives on through a stop, is shown, and is ended alone.
#[test]
fn a4_left_overs_are_shown_and_ended_alone() {
    let Some(m) = ruled("a4_left_overs_are_shown_and_ended_alone") else { return };
    let cgi = "/usr/lib/cgi-bin/leave";
    fs::write(cgi, "#!/bin/sh\nsetsid sleep 4322 </dev/null >/dev/null 2>&1 &\nprintf 'Content-Type: text/plain\\n\\nleft\\n'\n")
        .expect("a CGI program");
    m.sh(&format!("chmod 755 {cgi}")).ok();
    assert_eq!(m.sh("curl -s http://127.0.0.1:8080/cgi-bin/leave").ok(), "left\n");
    let left = m.sh("pgrep -x -f 'sleep 4322'").ok().trim().parse().expect("a number");
    let left = Pidfd::open(left).expect("the left-over");
    m.sh("service apache2 stop").ok();
    assert!(left.alive(), "its own stop reaches no left-over");
    assert!(m.killer("status apache2").text.contains("left-over"), "{}", m.killer("status apache2").text);
    m.sh("service apache2 start").ok();
    let main = m.main("apache2");
    m.killer("-s KILL --whom=leftover apache2").ok();
    assert!(left.ends_within(SOON), "the left-over lives on");
    assert_eq!(m.main("apache2"), main, "apache2 is another");
    assert_eq!(m.sh("curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:8080/").ok(), "200");
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

/// Check 5: a script that ends its service by `killer` is not ended with it.
#[test]
fn a5_a_script_may_stop_its_own_service() {
    let Some(m) = ruled("a5_a_script_may_stop_its_own_service") else { return };
    let killer = killer_tests::killer();
    script(&m, "own", 4325, &format!("{} stop --no-command own", killer.display()));
    m.sh("/etc/init.d/own start").ok();
    let mut before = String::new();
    for n in 0..10 {
        m.sh("/etc/init.d/own restart").ok();
        let now = m.sh("pgrep -x -f 'sleep 4325'").ok();
        assert!(now.lines().count() == 1 && now != before, "{n}: {before:?}, then {now:?}");
        before = now;
    }
    m.killer("-s KILL --who=all --wait own").ok();
    assert_eq!(m.sh("pgrep -x -f 'sleep 4325'").text, "");
}

/// Check 6: a user without privileges opens nothing, and `rule test` says why.
#[test]
fn a6_others_than_root_open_nothing() {
    let Some(m) = ruled("a6_others_than_root_open_nothing") else { return };
    script(&m, "others", 4326, ":");
    for way in
        ["su alice -c '/etc/init.d/others start'", "su alice -c 'unshare -Ur /etc/init.d/others start'"]
    {
        let said = m.sh(way);
        let pid = m.sh("pgrep -x -f 'sleep 4326'");
        m.sh("pkill -KILL -x -f 'sleep 4326'");
        assert_eq!(pid.code, 0, "{way}: {}", said.text);
        assert_ne!(m.killer("status -q others").code, 0, "{way} has opened an instance");
    }
    m.killer("rule test /etc/init.d/others start").ok();
    let said = m.killer("rule test /etc/init.d/others stop");
    assert!(said.code != 0 && said.text.contains("stop"), "{said:?}");
}

/// Check 7: a plain `run` keeps all of its descendants, one with `--service` lets them be services.
#[test]
fn a7_a_plain_run_keeps_what_it_starts() {
    let Some(m) = ruled("a7_a_plain_run_keeps_what_it_starts") else { return };
    m.killer("run --name ci --detach -- /etc/init.d/cron restart").ok();
    assert!(eventually(SOON, || members(&m, "ci").contains(&m.main("cron"))), "cron is not in ci");
    m.killer("-s KILL --who=all --wait ci").ok();
    m.start_again("cron");
    if !m.killer("run --help").text.contains("--service") {
        return skip("a7_a_plain_run_keeps_what_it_starts", "this killer has no run --service yet");
    }
    m.killer("run --service --name ci2 --detach -- /etc/init.d/cron restart").ok();
    assert!(eventually(SOON, || members(&m, "cron").contains(&m.main("cron"))), "cron is not in cron");
}

/// Check 8: what has ended gives its place back.
#[test]
fn a8_places_are_given_back() {
    let Some(m) = ruled("a8_places_are_given_back") else { return };
    script(&m, "once", 1, ":");
    let names = || -> Vec<String> {
        let list = m.json("list");
        let services = list["services"].as_array().cloned().unwrap_or_default();
        services.iter().filter_map(|s| s["name"].as_str().map(str::to_owned)).collect()
    };
    let before = names();
    m.sh("i=0; while [ $i -lt 100 ]; do /etc/init.d/once status; i=$((i + 1)); done").ok();
    // More than there are slots, so that one that is lost each time is missed.
    m.sh("i=0; while [ $i -lt 1500 ]; do /etc/init.d/once once; i=$((i + 1)); done").ok();
    m.sh("/etc/init.d/cron restart").ok();
    assert!(members(&m, "cron").contains(&m.main("cron")), "no place is left for cron");
    assert_eq!(names(), before);
}

/// Check 11: a package is installed anew; a rule file is wrong; rules are loaded while services start.
#[test]
fn b1_rules_outlive_upgrades_and_mistakes() {
    let Some(m) = ruled("b1_rules_outlive_upgrades_and_mistakes") else { return };
    let known = |what: &str| {
        m.sh("service cron restart").ok();
        assert!(members(&m, "cron").contains(&m.main("cron")), "{what}: cron is not in cron");
    };
    for file in ["/etc/init.d/cron", "/usr/sbin/cron"] {
        m.sh(&format!("cp -p {file} {file}.new && mv {file}.new {file}")).ok();
    }
    known("another inode");
    fs::create_dir_all("/etc/killer/rules.d").expect("a directory");
    let wrong = "/etc/killer/rules.d/wrong.toml";
    fs::write(wrong, "# a rule\n[[rule]]\nscripst = \"/etc/init.d\"\n").expect("a file");
    let said = m.killer("rule load");
    let _ = fs::remove_file(wrong);
    assert!(said.code != 0 && said.text.contains("wrong.toml") && said.text.contains('3'), "{said:?}");
    known("a wrong file");
    let killer = killer_tests::killer();
    let killer = killer.display();
    m.sh(&format!("(for i in 1 2 3 4 5; do {killer} rule load; done) & for i in 1 2 3; do service atd restart; done; wait")).ok();
    assert!(members(&m, "atd").contains(&m.main("atd")), "atd is not in atd");
    m.sh(&format!("{killer} up --rules & sleep 0.1; kill -9 $!; wait; {killer} up --rules")).ok();
    known("an up that was killed");
}

/// Check 13: nothing is left of it.
#[test]
fn z_nothing_is_left() {
    let Some(m) = ruled("z_nothing_is_left") else { return };
    m.killer("install-boot --remove").ok();
    let files = m.sh("find /etc /lib/runit /usr/lib/runit -xdev \\( -name '*killer*' -o -lname '*killer*' \\) ! -path '/etc/killer*'").ok();
    assert_eq!(files, "");
    assert!(children(1).len() > 5);
}
