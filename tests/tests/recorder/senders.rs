//! Who has sent the signal that ended a process, in `why`, `ledger` and receipts.

use super::{LONG, recording};
use killer_tests::{Launch, Pidfd, TestEnv, eventually};
use rustix::process::Signal;
use serde_json::Value;

/// The end of a process of a service, by the ledger.
fn end(env: &TestEnv, pid: i32) -> Value {
    let ledger = env.killer(["ledger", "-o", "json", "svc"]).ok().json();
    let all = ledger["ended"].as_array().cloned().unwrap_or_default();
    all.into_iter().find(|e| e["pid"] == pid).unwrap_or_default()
}

/// The one by which it is known in a receipt.
fn of_receipt(env: &TestEnv, pid: i32) -> Value {
    let list = env.killer(["receipts", "-o", "json"]).ok().json();
    let id = list["receipts"].as_array().and_then(|l| l.last()).expect("a receipt")["id"].clone();
    let kept = env.killer(["receipts", "-o", "json", id.as_str().expect("an id")]).ok().json();
    let all = killer_tests::find(&kept, &["receipt", "processes"]).expect("processes").clone();
    let all = all.as_array().cloned().expect("a list");
    all.into_iter().find(|p| p["pid"] == pid).unwrap_or_default()["end"].clone()
}

/// Of another process, of the process itself, of the kernel for the time that it has used, of `killer`, and of one that ignores TERM.
const FIVE: &str = "sleep 300 & a=$!; sh -c 'ulimit -c 0; kill -ABRT $$' & b=$!; sh -c 'ulimit -c 0; ulimit -St 1; while :; do :; done' & c=$!; sleep 301 & d=$!; \
                    sh -c 'trap \"\" TERM; exec sleep 302' & e=$!; wait $b; wait $c; echo ready a=$a b=$b c=$c d=$d e=$e > $1; exec sleep 303";

#[test]
fn who_sent_it() {
    for of in ["all", "services"] {
        let Some(env) = recording(&format!("who_sent_it_{of}"), of) else { return };
        let Some(service) = Launch::shell(FIVE).service(&env, "svc") else { return };
        let [a, b, c, d, e] = ["a", "b", "c", "d", "e"].map(|f| service.fact(f));
        let sent = |pid, signal| Pidfd::open(pid).expect("it lives").signal(signal);
        // What is ignored ends nobody, and what comes after it does.
        sent(e, Signal::TERM);
        sent(e, Signal::KILL);
        sent(a, Signal::USR1);
        assert!(eventually(LONG, || !end(&env, a).is_null() && !end(&env, e).is_null()), "{a} or {e} lives");
        let own = std::process::id();
        for (pid, signal) in [(a, "SIGUSR1"), (e, "SIGKILL")] {
            let it = end(&env, pid);
            // A busybox runs itself.
            assert!(
                it["end"]["exit_signal"] == signal && (it["comm"] == "sleep" || it["comm"] == "exe"),
                "{it}"
            );
            let by = &it["end"]["sender"];
            assert_eq!((&by["kind"], &by["pid"]), (&"process".into(), &own.into()), "{it}");
            assert!(by["comm"].is_string() && by["uid"] == 0, "{it}");
        }
        let itself = &end(&env, b)["end"];
        assert_eq!((&itself["sender"]["kind"], &itself["sender"]["pid"]), (&"itself".into(), &b.into()));
        // It has used up its time.
        let kernel = &end(&env, c)["end"];
        assert_eq!(
            (&kernel["exit_signal"], &kernel["sender"]["kind"]),
            (&"SIGXCPU".into(), &"kernel".into())
        );
        assert!(kernel["sender"]["pid"].is_null(), "{kernel}");
        let why = env.killer(["why", &a.to_string()]).ok().stdout.clone();
        assert!(why.contains(&format!("SIGUSR1 from {own} (")) && why.contains("of service svc"), "{why}");
        env.killer(["-s", "KILL", "svc"]).ok();
        service.assert_dead();
        // By this order, which needs no other name; and the others, whom it met no more.
        let ours = of_receipt(&env, d);
        assert!(ours["by_order"] == true && ours["sender"].is_null(), "{ours}");
        let by = end(&env, d)["end"]["sender"].clone();
        assert!(["program", "process"].iter().any(|k| by["kind"] == *k) && by["comm"] == "killer", "{by}");
    }
}

/// Somebody else is faster than the order: the receipt says who.
#[test]
fn somebody_else_was_faster() {
    let Some(env) = recording("somebody_else_was_faster", "all") else { return };
    // Their parent ends them when it is sent TERM, as a supervisor does.
    let script = "trap 'kill -KILL $a; trap - TERM; kill -TERM $$' TERM; sh -c 'trap \"\" TERM; while :; do sleep 300; done' & a=$!; \
                  sleep 0.3; echo ready a=$a s=$$ > $1; while :; do wait; done";
    let Some(service) = Launch::shell(script).service(&env, "svc") else { return };
    let (child, shell) = (service.fact("a"), service.fact("s"));
    env.killer(["stop", "--timeout", "10", "svc"]).exit();
    service.assert_dead();
    let it = of_receipt(&env, child);
    assert_eq!(it["exit_signal"], "SIGKILL", "{it}");
    assert!(it["sender"]["pid"] == shell || it["by_order"] == true, "{it}");
}
