//! How each process ended: in the receipt, and in `why`.

use killer_tests::{Launch, TestEnv, everywhere, skip};
use serde_json::Value;

use super::all;

/// One that catches TERM and ends with 3, one that TERM ends, one that ignores it, and one that has ended before.
const SCRIPT: &str = "sh -c 'trap \"exit 3\" TERM; echo > $0; while :; do sleep 0.05; done' \"$2\" &
    sleep 61 &
    until [ -e \"$2\" ]; do sleep 0.05; done
    trap '' TERM
    echo ready a=1 > $1; while :; do sleep 0.1; done";

/// The programs see how a process ends where they know what a task looks like.
fn knows(env: &TestEnv) -> bool {
    let status = env.killer(["status", "-o", "json", "svc"]).ok().json();
    !["raw", "legacy"].iter().any(|tier| status["tier"] == *tier)
}

fn end(kept: &Value, which: impl Fn(&Value) -> bool) -> Vec<&Value> {
    let all = kept["processes"].as_array().expect("processes");
    all.iter().filter(|p| which(p)).map(|p| &p["end"]).collect()
}

#[test]
fn how_each_ended() {
    let Some(env) = TestEnv::reusing("how_each_ended") else { return };
    let path = env.path("there").to_string_lossy().into_owned();
    let Some(service) = Launch::shell(SCRIPT).arg(path).service(&env, "svc") else { return };
    let known = knows(&env);
    env.killer(["stop", "--timeout=2s", "svc"]).ok();
    service.assert_dead();
    let kept = all(&env).pop().expect("a receipt");
    // Not by its name: a busybox runs itself.
    let sleeper = end(&kept, |p| p["main"] != true && p["end"]["exit_signal"] == "SIGTERM");
    let main = end(&kept, |p| p["main"] == true);
    let coded: Vec<_> = end(&kept, |_| true).into_iter().filter(|e| e["exit_code"] == 3).collect();
    assert!(kept["processes"].as_array().is_some_and(|p| p.len() >= 3), "{kept}");
    assert!(end(&kept, |_| true).iter().all(|e| e["state"] == "ended"), "{kept}");
    if !known {
        // Of those who were waited for by then the kernel tells (6.15+).
        let right = |e: &Value| e.is_null() || e == "SIGTERM" || e == "SIGKILL";
        return assert!(end(&kept, |_| true).iter().all(|e| right(&e["exit_signal"])), "{kept}");
    }
    assert!(!sleeper.is_empty(), "{kept}");
    assert_eq!(main.first().map(|e| &e["exit_signal"]), Some(&"SIGKILL".into()), "{kept}");
    assert_eq!(coded.len(), 1, "{kept}");
    // Who ended by this order, and how long after its beginning.
    let after = |e: &Value| e["after_us"].as_u64().unwrap_or_else(|| panic!("no time: {kept}"));
    assert!(sleeper.iter().all(|e| e["by_order"] == true && after(e) < 2_000_000), "{kept}");
    assert!(main.iter().all(|e| e["by_order"] == true && after(e) >= 2_000_000), "{kept}");
    assert!(coded.iter().all(|e| e["by_order"].is_null() && after(e) < 2_000_000), "{kept}");
    // And what was done with TERM until SIGKILL followed.
    let outlived = |p: &Value| p["got"][0]["outlived"].clone();
    let all = kept["processes"].as_array().expect("processes");
    assert!(
        all.iter().all(|p| outlived(p) == if p["main"] == true { "ignored".into() } else { Value::Null }),
        "{kept}"
    );
    let shown = env.killer(["receipts", kept["id"].as_str().expect("an id")]).ok().stdout.clone();
    for words in ["ended by SIGKILL", "ended by SIGTERM", "ended with code 3"] {
        assert!(shown.contains(words), "{shown}");
    }
}

/// Where no program sees it, the kernel tells it by a pidfd, of who was waited for (6.15+).
#[test]
fn by_pidfds() {
    if killer_tests::kernel_number() < (6, 15) {
        return skip("by_pidfds", "this kernel has no PIDFD_INFO_EXIT (6.15+)");
    }
    for tier in ["named", "scan"] {
        let Some(env) = TestEnv::without_programs(&format!("by_pidfds_{tier}"), tier, None) else { return };
        let up = env.killer(["up"]);
        if up.exit() != 0 {
            skip(&env.test, up.stderr.trim());
            continue;
        }
        let script = "sleep 61 & trap 'exit 3' TERM; echo ready a=$! > $1; wait";
        let Some(service) = Launch::shell(script).service(&env, "svc") else { continue };
        let sleeper = service.fact("a");
        env.killer(["stop", "--timeout=5s", "--wait=reaped:20s", "svc"]).ok();
        service.assert_dead();
        let kept = all(&env).pop().expect("a receipt");
        let main = end(&kept, |p| p["main"] == true);
        assert_eq!(main.first().map(|e| &e["exit_code"]), Some(&3.into()), "{kept}");
        let its = end(&kept, |p| p["pid"] == sleeper);
        assert_eq!(its.first().map(|e| &e["exit_signal"]), Some(&"SIGTERM".into()), "{kept}");
        // When it was is not known, and so not whose doing.
        assert!(its.iter().all(|e| e["by_order"].is_null() && e["after_us"].is_null()), "{kept}");
    }
}

/// The kernel chooses one when memory runs out: that is no order's doing, and is said.
#[test]
fn memory_ran_out() {
    let Some(env) = TestEnv::reusing("memory_ran_out") else { return };
    let Some(limited) = Limited::new() else {
        return skip(&env.test, "no memory controller of cgroups here");
    };
    let script =
        "sh -c 'echo $$ > $0; exec tail /dev/zero' \"$2\" & wait $!; echo ready a=$! > $1; exec sleep 60";
    let procs = limited.0.join("cgroup.procs").to_string_lossy().into_owned();
    let Some(service) = Launch::shell(script).arg(procs).service(&env, "svc") else { return };
    let known = knows(&env);
    let hog = service.fact("a");
    let ledger = env.killer(["ledger", "-o", "json", "svc"]).ok().json();
    let it = ledger["ended"].as_array().expect("the ended").iter().find(|e| e["pid"] == hog).cloned();
    let shown = env.killer(["ledger", "svc"]).ok().stdout.clone();
    env.killer(["-s", "KILL", "svc"]).ok();
    service.assert_dead();
    if known {
        let end = it.map(|e| e["end"].clone()).expect("it has ended");
        assert_eq!((&end["exit_signal"], &end["no_memory"]), (&"SIGKILL".into(), &true.into()), "{ledger}");
        assert!(shown.contains("when memory ran out"), "{shown}");
    }
    let kept = all(&env).pop().expect("a receipt");
    assert!(end(&kept, |_| true).iter().all(|e| e["no_memory"].is_null()), "{kept}");
}

/// A control group with 16 MiB, of whichever version has the controller.
struct Limited(std::path::PathBuf);

impl Limited {
    fn new() -> Option<Limited> {
        let base = std::path::Path::new("/sys/fs/cgroup");
        let name = format!("killer-test-{}", std::process::id());
        [("memory", "memory.limit_in_bytes"), ("", "memory.max")].iter().find_map(|(of, limit)| {
            let dir = base.join(of).join(&name);
            std::fs::create_dir(&dir).ok()?;
            let made = Limited(dir.clone());
            std::fs::write(dir.join(limit), "16777216").ok()?;
            Some(made)
        })
    }
}

impl Drop for Limited {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(&self.0);
    }
}

/// `why` says it of the dead.
#[test]
fn how_an_ancestor_ended() {
    let Some(env) = TestEnv::reusing("how_an_ancestor_ended") else { return };
    let script = "sh -c 'sleep 62 & echo $! > $0; exit 7' $2 & wait $!
        read orphan < $2; echo ready a=$orphan > $1; exec sleep 63";
    let path = env.path("orphan").to_string_lossy().into_owned();
    let Some(service) = Launch::shell(script).arg(path).service(&env, "svc") else { return };
    let orphan = service.fact("a").to_string();
    let why = env.killer(["why", "-o", "json", &orphan]).ok().json();
    let line = why["chain"].as_array().expect("a line");
    let dead = line.iter().find(|l| l["alive"] == false).expect("the dead one");
    if knows(&env) {
        assert_eq!(dead["end"]["exit_code"], 7, "{why}");
        let shown = env.killer(["why", &orphan]).ok().stdout.clone();
        assert!(shown.contains("ended with code 7 after"), "{shown}");
    } else {
        assert!(dead["end"].is_null(), "{why}");
    }
    env.killer(["-s", "KILL", "svc"]).ok();
    service.assert_dead();
}

/// What has been is shown while the service lives and when it has ended.
#[test]
fn the_ledger_of_a_service() {
    everywhere("the_ledger_of_a_service", |env| {
        let script = "sh -c 'exit 7'; sh -c '(exit 5); exit 6'; echo ready a=1 > $1; exec sleep 63";
        let Some(service) = Launch::shell(script).service(env, "svc") else { return };
        let before = env.killer(["ledger", "-o", "json", "svc"]).ok().json();
        assert_eq!(
            (&before["kind"], &before["receipts"]),
            (&"ledger".into(), &Value::Array(vec![])),
            "{before}"
        );
        let known = env.tier().is_none() && knows(env);
        env.killer(["-s", "KILL", "svc"]).ok();
        service.assert_dead();
        let after = env.killer(["ledger", "-o", "json", "svc"]).ok().json();
        assert_eq!(after["receipts"].as_array().map(Vec::len), Some(1), "{after}");
        assert_eq!(after["now"]["processes"], 0, "{after}");
        let codes = |key: &str| {
            let all = after["ended"].as_array().expect("ends").iter();
            all.filter_map(|e| e["end"].get(key).cloned()).collect::<Vec<_>>()
        };
        if known {
            assert_eq!(codes("exit_code"), [7, 6, 5], "{after}");
            assert_eq!(codes("exit_signal"), ["SIGKILL"], "{after}");
            let text = env.killer(["ledger", "svc"]).ok().stdout.clone();
            assert!(text.contains("ended with code 7") && text.contains("ended by SIGKILL"), "{text}");
        }
        env.killer(["ledger", "nobody"]).error(4, &["no such service"]);
    });
}
