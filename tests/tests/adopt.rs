//! `adopt`: a running process and its present descendants, and what is said of exactness.

use killer_tests::{Bystander, Journal, Launch, TestEnv, find, names_pid};
use std::time::Duration;

/// Adopted: the present descendants are in, bystanders are not, and nobody calls it exact.
#[track_caller]
fn check_adopted(env: &TestEnv, name: &str, whole: Bystander) {
    let status = env.killer(["status", "-o", "json", name]);
    let json = status.ok().json();
    for key in ["pid", "child"] {
        let pid = fact(&whole, key);
        assert!(names_pid(&json.to_string(), pid), "{key} {pid} is no member: {status}");
    }
    let reasons = find(&json, &["reasons"]).map(ToString::to_string).unwrap_or_default();
    assert!(reasons.contains("\"adopted-late\""), "an adopted service without a reason: {status}");
    let out = env.killer(["--require-exact", "-KILL", name]);
    out.error(5, &["exact"]);
    whole.assert_untouched();
    env.killer(["-KILL", name]).ok();
    assert!(whole.live.eof_within(Duration::from_secs(10)), "an adopted service has survivors");
}

fn fact(it: &Bystander, key: &str) -> i32 {
    let words = it.facts.iter().flat_map(|f| f.split_whitespace());
    let found = words.filter_map(|w| w.strip_prefix(key)?.strip_prefix('=')).find_map(|v| v.parse().ok());
    found.unwrap_or_else(|| panic!("no {key} in {:?}", it.facts))
}

#[test]
fn adopt_by_pid() {
    let Some(env) = TestEnv::reusing("adopt_by_pid") else { return };
    let neighbour = Bystander::new(&env.test);
    let whole = Bystander::new(&env.test);
    let out = env.killer(["adopt", "svc", "--pid", &whole.pid().to_string()]);
    out.ok();
    assert!(out.stderr.contains("exact") || out.stdout.contains("exact"), "says nothing of exactness: {out}");
    check_adopted(&env, "svc", whole);
    neighbour.assert_untouched();
    env.killer(["forget", "svc"]).ok();
}

#[test]
fn adopt_by_pidfile() {
    let Some(env) = TestEnv::reusing("adopt_by_pidfile") else { return };
    let whole = Bystander::new(&env.test);
    let file = env.path("svc.pid");
    std::fs::write(&file, format!("{}\n", whole.pid())).expect("pidfile");
    env.killer(["adopt", "svc", &format!("--pidfile={}", file.display())]).ok();
    check_adopted(&env, "svc", whole);
}

#[test]
fn adopt_by_pid_and_inode() {
    let Some(env) = TestEnv::reusing("adopt_by_pid_and_inode") else { return };
    let whole = Bystander::new(&env.test);
    let handle = rustix::process::pidfd_open(
        rustix::process::Pid::from_raw(whole.pid()).expect("not 0"),
        rustix::process::PidfdFlags::empty(),
    );
    let inode = rustix::fs::fstat(handle.expect("pidfd")).expect("fstat").st_ino;
    let wrong = format!("{}:{}", whole.pid(), inode + 1);
    env.killer(["adopt", "svc", "--pid", &wrong]).error(1, &[]);
    env.killer(["status", "svc"]).code(4);
    let right = format!("{}:{inode}", whole.pid());
    env.killer(["adopt", "svc", "--pid", &right]).ok();
    check_adopted(&env, "svc", whole);
}

/// Children that come after the adoption are tracked like any other's.
#[test]
fn adopted_and_forking() {
    let Some(env) = TestEnv::reusing("adopted_and_forking") else { return };
    let path = env.path("journal");
    let launch = Launch::new("fork-beat").arg(path.to_string_lossy());
    let Some(whole) = launch.direct(&env.test) else { return };
    env.killer(["adopt", "svc", "--pid", &whole.pid().to_string()]).ok();
    std::thread::sleep(Duration::from_millis(100));
    env.killer(["-KILL", "svc"]).ok();
    assert!(whole.live.eof_within(Duration::from_secs(10)));
    let lines = Journal::new(path).next(1);
    assert!(lines.iter().all(|l| l == "ok"), "{lines:?}");
}

#[test]
fn a_member_is_not_adopted_twice() {
    let Some(env) = TestEnv::reusing("a_member_is_not_adopted_twice") else { return };
    let Some(service) = Launch::new("plain").service(&env, "owner") else { return };
    let pid = service.fact("child").to_string();
    env.killer(["adopt", "thief", "--pid", &pid]).error(1, &["owner"]);
    env.killer(["status", "thief"]).code(4);
    env.killer(["adopt", "owner", "--pid", &std::process::id().to_string()]).error(1, &["owner"]);
    env.killer(["-KILL", "--wait", "owner"]).ok().silent();
    service.assert_dead();
}

/// Where kernel memory cannot be read by address (lockdown=confidentiality) the program that logs orphans is refused: that costs
/// an adoption its certainty, which is told, and nothing else.
#[test]
fn adopt_without_the_log_of_orphans() {
    let env = TestEnv::new("adopt_without_the_log_of_orphans").map(TestEnv::alone);
    let Some(mut env) = env else { return };
    env.vars.push(("KILLER_LACK", "kernel-memory"));
    // Nor is one tried that is known to be refused.
    let up = env.killer(["-vvv", "up"]).ok().stderr.clone();
    assert!(!up.contains("bpf_probe_read_kernel"), "{up}");
    let whole = Bystander::new(&env.test);
    env.killer(["adopt", "svc", "--pid", &whole.pid().to_string()]).ok();
    let json = env.killer(["status", "-o", "json", "svc"]).ok().json();
    assert!(json.to_string().contains("\"adopt-unsure\""), "nothing is said of it: {json}");
    check_adopted(&env, "svc", whole);
}
