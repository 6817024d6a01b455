//! Each reason for which a set is not exact, provoked, and its word read.

use killer_common::reason;
use killer_tests::stepper::{Act, traced};
use killer_tests::{Bystander, Launch, TestEnv, eventually, find, skip};
use std::path::Path;
use std::time::Duration;

/// A new process twenty times a second.
const FORKS: &str = r#"echo ready >"$1"; while :; do sleep 0.05; done"#;
/// Where the word of each reason is read that no test here reads.
const ELSEWHERE: [(&str, &str); 11] = [
    ("adopted-late", "adopt.rs"),
    ("best-effort", "user_tiers/main.rs"),
    ("forks-unheard", "user_tiers/adopter.rs"),
    ("index-full", "limits.rs"),
    ("limits-raised", "limits.rs"),
    ("map-full", "losses.rs"),
    ("missed-exit", "losses.rs"),
    ("rule-slots", "opened.rs"),
    ("supervisor-gone", "kill_on_exit.rs"),
    ("tracker-gap", "losses.rs"),
    ("witness-differs", "user_tiers/cross_check.rs"),
];

/// A new reason has a test.
#[test]
fn each_one_has_a_test() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    if !tests.is_dir() {
        return skip("each_one_has_a_test", "the sources of the tests are not here");
    }
    for (_, code, _) in reason::ALL {
        let file = ELSEWHERE.iter().find(|(c, _)| c == code).map_or("reasons.rs", |(_, file)| file);
        let text = std::fs::read_to_string(tests.join(file)).unwrap_or_default();
        assert!(text.contains(code), "no test in {file} reads the reason '{code}'");
    }
}

fn codes(env: &TestEnv, name: &str) -> Vec<String> {
    let json = env.killer(["status", "-o", "json", name]).json();
    let list = find(&json, &["reasons"]).and_then(|r| r.as_array()).cloned().unwrap_or_default();
    list.iter().filter_map(|r| r["code"].as_str().map(String::from)).collect()
}

fn unpin(env: &TestEnv, links: &[&str]) {
    for link in links {
        let _ = std::fs::remove_file(env.pin_root.join("v1/links").join(link));
    }
}

fn end(env: &TestEnv, name: &str) {
    let _ = env.killer(["-s", "KILL", name]);
    let _ = env.killer(["down", "--force"]);
}

/// The hook that comes first is gone: the one that comes second puts each birth right.
#[test]
fn only_the_second_hook_sees_births() {
    let Some(mut env) = TestEnv::new("only_the_second_hook_sees_births") else { return };
    // It is there where the kernel can skip the first.
    env.vars.push(("KILLER_LACK", "every-run"));
    let Some(_service) = Launch::shell(FORKS).lease(20).service(&env, "svc") else { return };
    let witnessed = env.killer(["status", "-o", "json", "svc"]).json()["tier"] == "witnessed";
    let (link, code) = match witnessed {
        true => ("on_task_alloc", "witness-silent"),
        false => ("on_newtask", "late-birth"),
    };
    assert_eq!(codes(&env, "svc"), Vec::<String>::new());
    unpin(&env, &[link]);
    let said = eventually(Duration::from_secs(5), || codes(&env, "svc").iter().any(|c| c == code));
    assert!(said, "{code}: {:?}", codes(&env, "svc"));
    end(&env, "svc");
}

/// Runs of hooks that the kernel skipped are a reason; the walk that they lead to finds threads of members that were born unseen.
#[test]
fn skipped_hooks_and_who_was_born_unseen() {
    let Some(env) = TestEnv::new("skipped_hooks_and_who_was_born_unseen") else { return };
    if killer_tests::kernel_number() < (5, 12) {
        return skip(&env.test, "nothing is skipped before 5.12, nor counted");
    }
    let Some(service) = Launch::new("thread-storm").lease(30).service(&env, "svc") else { return };
    if env.killer(["status", "-o", "json", "svc"]).json()["tier"] == "witnessed" {
        return skip(&env.test, "nothing is missed under a witness");
    }
    // As if each had been skipped; the figure that says so is a tracer's.
    unpin(&env, &["on_newtask", "on_fork", "on_fork_again"]);
    // A walk meets who is there in that moment: some threads end at once.
    let found = eventually(Duration::from_secs(15), || {
        let mut command = env.command();
        command.args(["list"]);
        traced(&env, command, Duration::from_secs(30), |_| Act::Skipped(&["on_exit"], 3)).out.ok();
        codes(&env, "svc").iter().any(|c| c == "repaired-walk")
    });
    let said = codes(&env, "svc");
    assert!(found, "{said:?}");
    for code in ["missed-hook", "repaired-walk", "tracker-gap"] {
        assert!(said.iter().any(|c| c == code), "{code}: {said:?}");
    }
    let _ = env.killer(["-s", "KILL", "svc"]);
    assert!(service.live.eof_within(Duration::from_secs(5)), "found, and not ended");
    end(&env, "svc");
}

/// Whoever takes a process in dies meanwhile.
#[test]
fn an_adoption_that_is_cut_short() {
    let Some(env) = TestEnv::new("an_adoption_that_is_cut_short") else { return };
    env.killer(["up"]).ok();
    // A process of its own each time: one that was given up is only given its name back.
    let adopt =
        |name: &str, until: u64| {
            let it = Bystander::new(&env.test);
            let mut command = env.command();
            command.args(["adopt", name, "--pid", &it.pid().to_string()]);
            let traced = traced(&env, command, Duration::from_secs(60), |call| {
                if call.n == until { Act::Kill } else { Act::Go }
            });
            (traced, it)
        };
    // The first one of a tracker makes more calls.
    let [_, whole] = ["first", "second"].map(|name| {
        let (whole, _it) = adopt(name, u64::MAX);
        whole.out.ok();
        whole.calls
    });
    // To the first step at which it has made the root, and from there on to one at which it holds it.
    let mut tries = 0;
    let mut cut = |until: u64| {
        tries += 1;
        let name = format!("cut{tries}");
        let (cut, it) = adopt(&name, until);
        let there = env.killer(["-s", "0", &name]).exit() != 4;
        let said = there && codes(&env, &name).iter().any(|c| c == "adopt-unsure");
        it.assert_untouched();
        (there, cut.killed && said)
    };
    let (mut low, mut high) = (1, whole);
    while low < high {
        let middle = low.midpoint(high);
        if cut(middle).0 { high = middle } else { low = middle + 1 }
    }
    let unsure = (0..60).any(|n| cut(low + n * 3).1);
    assert!(unsure, "cut short in 180 of {whole} calls from {low} on, and nobody says so");
}

/// Classic tracepoints lose events since 5.11, and nobody counts them.
#[test]
fn hooks_that_lose_events() {
    let Some(mut env) = TestEnv::new("hooks_that_lose_events") else { return };
    if killer_tests::kernel_number() < (5, 11) {
        return skip(&env.test, "classic tracepoints lose nothing before 5.11");
    }
    env.vars.push(("KILLER_TIER", "legacy"));
    let Some(service) = Launch::new("plain").service(&env, "svc") else { return };
    assert!(codes(&env, "svc").iter().any(|c| c == "classic-hooks"), "{:?}", codes(&env, "svc"));
    let _ = env.killer(["-s", "KILL", "svc"]);
    service.assert_dead();
    end(&env, "svc");
}
