//! Left-overs, scripts that end their own service, other users, and services that `killer run` has started.

use super::{members, ruled, script};
use crate::machine::{Machine, SOON};
use killer_tests::{eventually, killer};

/// The daemon of a script that was made by [`script`], which may not have executed its `sleep` when the script has ended:
/// its number, a line for each when there are several.
fn daemon(m: &Machine, seconds: u32) -> String {
    let mut found = String::new();
    eventually(SOON, || {
        found = m.sh(&format!("pgrep -x -f 'sleep {seconds}'")).text;
        !found.is_empty()
    });
    found
}

/// Check 4: what a CGI program has left behind lives on through a stop, is shown, and is ended alone.
#[test]
fn left_overs_are_shown_and_ended_alone() {
    let Some(m) = ruled("left_overs_are_shown_and_ended_alone") else { return };
    let left = m.cgi_leaves(4322);
    m.sh("service apache2 stop").ok();
    assert!(left.alive(), "its own stop reaches no left-over");
    assert!(m.killer("status apache2").text.contains("left-over"), "{}", m.killer("status apache2").text);
    m.sh("service apache2 start").ok();
    let main = m.main("apache2");
    m.killer("-s KILL --whom=leftover apache2").ok();
    assert!(left.ends_within(SOON), "the left-over lives on");
    assert_eq!(m.main("apache2"), main, "apache2 is another");
    m.answers();
}

/// Check 5: a script that ends its service by `killer` is not ended with it.
#[test]
fn a_script_may_stop_its_own_service() {
    let Some(m) = ruled("a_script_may_stop_its_own_service") else { return };
    script(&m, "own", 4325, &format!("{} stop --no-command own", killer().display()));
    m.sh("/etc/init.d/own start").ok();
    let mut before = String::new();
    for n in 0..10 {
        let said = m.sh("/etc/init.d/own restart").ok();
        let now = daemon(&m, 4325);
        let all = || m.sh("ps -ef").text + &m.killer("status own").text;
        assert!(
            now.lines().count() == 1 && now != before,
            "{n}: {before:?}, then {now:?}: {said}\n{}",
            all()
        );
        before = now;
    }
    m.killer("-s KILL --who=all --wait own").ok();
    assert_eq!(m.sh("pgrep -x -f 'sleep 4325'").text, "");
}

/// Check 6: a user without privileges opens nothing, and `rule test` says why.
#[test]
fn others_than_root_open_nothing() {
    let Some(m) = ruled("others_than_root_open_nothing") else { return };
    script(&m, "others", 4326, ":");
    let test = format!("{} rule test /etc/init.d/others start", killer().display());
    for (by, why) in [("", "root"), ("unshare -Ur ", "user namespace")] {
        let alice = |line: &str| m.sh(&format!("su alice -c '{by}{line}'"));
        let said = alice("/etc/init.d/others start");
        let pid = daemon(&m, 4326);
        m.sh("pkill -KILL -x -f 'sleep 4326'");
        assert_ne!(pid, "", "{by}: {}", said.text);
        assert_ne!(m.killer("status -q others").code, 0, "{by}: it has opened an instance");
        let said = alice(&test);
        assert!(said.code == 1 && said.text.contains(why), "{by}: {said:?}");
    }
    m.sh(&test).ok();
    let said = m.killer("rule test /etc/init.d/others stop");
    assert!(said.code == 1 && said.text.contains("stop"), "{said:?}");
}

/// Check 7: a plain `run` keeps all of its descendants, one with `--service` lets them be services.
#[test]
fn a_plain_run_keeps_what_it_starts() {
    let Some(m) = ruled("a_plain_run_keeps_what_it_starts") else { return };
    let before = m.main("cron");
    m.killer("run --name ci --detach -- /etc/init.d/cron restart").ok();
    assert!(eventually(SOON, || m.main_of("cron").is_some_and(|p| p != before)), "the same cron");
    let cron = m.main("cron");
    assert!(eventually(SOON, || members(&m, "ci").contains(&cron)), "cron is not in ci");
    let said = m.killer("status ci").text;
    assert!(said.contains("cron"), "it does not say that cron runs inside: {said}");
    m.killer("-s KILL --who=all --wait ci").ok();
    m.killer("forget ci").ok();
    m.start_again("cron");
    let before = m.main("cron");
    m.killer("run --service --name ci2 --detach -- /etc/init.d/cron restart").ok();
    assert!(eventually(SOON, || m.main_of("cron").is_some_and(|p| p != before)), "the same cron");
    assert!(eventually(SOON, || members(&m, "cron").contains(&m.main("cron"))), "cron is not in cron");
    m.killer("-q -s KILL --who=all --wait ci2");
    m.killer("forget ci2").ok();
}
