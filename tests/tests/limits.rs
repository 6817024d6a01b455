//! `pid_max` is raised while services are tracked. A test binary of its own: the whole host sees it.

use killer_tests::{Launch, TestEnv, eventually, skip};
use std::sync::Mutex;
use std::time::Duration;

const PID_MAX: &str = "/proc/sys/kernel/pid_max";

/// One test at a time changes it.
static ALONE: Mutex<()> = Mutex::new(());

/// Puts the old value back, whatever happens.
struct Raised(String);

impl Drop for Raised {
    fn drop(&mut self) {
        let _ = std::fs::write(PID_MAX, &self.0);
    }
}

/// A member whose number is beyond what the index was sized for is still found and killed, and the doubt is said.
#[test]
fn pid_max_raised_while_tracking() {
    let _alone = ALONE.lock().unwrap_or_else(|e| e.into_inner());
    let Some(env) = TestEnv::new("pid_max_raised_while_tracking") else { return };
    let old = std::fs::read_to_string(PID_MAX).expect(PID_MAX).trim().to_owned();
    let limit: i32 = old.parse().expect("a number");
    if limit > 2_000_000 {
        skip(&env.test, "pid_max is at its maximum already");
        return;
    }
    env.killer(["up"]).ok();
    let Some(before) = Launch::new("plain").service(&env, "before") else { return };
    let raised = Raised(old);
    if std::fs::write(PID_MAX, (limit * 2).to_string()).is_err() {
        skip(&env.test, "pid_max cannot be raised");
        return;
    }
    // As a fork would once the numbers are used up.
    let high = limit + 5000;
    let Some(after) = Launch::new("far").arg(high.to_string()).service(&env, "after") else { return };
    let list = env.killer(["list", "-o", "json"]).ok().json();
    for service in list["services"].as_array().expect("services") {
        let reasons = service["exactness"]["reasons"].to_string();
        assert!(reasons.contains("\"limits-raised\""), "{list}");
    }
    let after_it = env.killer(["status", "-o", "json", "after"]).json()["exactness"]["reasons"].to_string();
    assert!(after_it.contains("\"index-full\""), "{after_it}");
    env.killer(["-s", "KILL", "--require-exact", "before"]).code(5);
    let kill = env.killer(["-s", "KILL", "after"]);
    assert!(after.live.eof_within(Duration::from_secs(2)), "a member beyond the index lives on: {kill}");
    kill.ok();
    env.killer(["forget", "after"]).ok();
    // Other signals, too.
    let Some(after) = Launch::new("far").arg((high + 500).to_string()).service(&env, "after") else { return };
    env.killer(["-s", "TERM", "after"]).ok();
    after.assert_dead();
    env.killer(["-s", "KILL", "before"]).ok();
    before.assert_dead();
    env.killer(["down"]).ok();
    drop(raised);
    // Sized anew, and nothing to complain about.
    env.killer(["up"]).ok();
    let Some(again) = Launch::new("plain").service(&env, "again") else { return };
    let exact = || env.killer(["list", "-o", "json"]).json()["services"][0]["exactness"]["exact"] == true;
    assert!(eventually(Duration::from_secs(1), exact));
    env.killer(["-s", "KILL", "again"]).ok();
    again.assert_dead();
}

/// Loaded for as many numbers as there can be: members have numbers far apart, and each is found, shown and ended.
#[test]
fn as_many_numbers_as_there_can_be() {
    const MOST: i32 = 4 << 20;
    let _alone = ALONE.lock().unwrap_or_else(|e| e.into_inner());
    let Some(env) = TestEnv::new("as_many_numbers_as_there_can_be") else { return };
    let _raised = Raised(std::fs::read_to_string(PID_MAX).expect(PID_MAX).trim().to_owned());
    if std::fs::write(PID_MAX, MOST.to_string()).is_err() {
        skip(&env.test, "pid_max cannot be raised");
        return;
    }
    env.killer(["up"]).ok();
    for high in [MOST - 40_000, MOST / 2, 40_000] {
        let Some(far) = Launch::new("far").arg(high.to_string()).service(&env, "far") else { return };
        let status = env.killer(["status", "-o", "json", "far"]).ok().json();
        let pids = killer_tests::pids(&status);
        assert!(pids.iter().any(|p| *p >= high) && pids.len() >= 2, "{high}: {status}");
        assert_eq!(status["exactness"]["exact"], true, "{high}: {status}");
        env.killer(["-s", "0", "--require-exact", "far"]).ok();
        env.killer(["tree", "far"]).ok();
        env.killer(["-s", "KILL", "--wait", "--require-exact", "far"]).ok();
        far.assert_dead();
    }
    let Some(many) = Launch::new("double-fork").service(&env, "many") else { return };
    env.killer(["-s", "KILL", "--wait", "--require-exact", "many"]).ok();
    many.assert_dead();
    env.killer(["down"]).ok();
}
