//! Runs the tests: one process for each, so that one that hangs or dies takes nothing else with it.

use crate::plan::{As, Plan};
use crate::say;
use std::collections::VecDeque;
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

const TESTS: &str = "/t/tests";
/// Tests that do not need a tracker of their own.
const SHARE: [&str; 5] = ["adversaries", "signals", "waits", "adopt", "at_once"];
const SHARED_PINS: &str = "/sys/fs/bpf/killer-test-shared";
const NOBODY: u32 = 65534;

/// All tests that the plan wants.
pub fn run(plan: &Plan) {
    facts(plan);
    let mut queue = VecDeque::new();
    for binary in binaries() {
        let listed =
            command(plan, &format!("{TESTS}/{binary}")).args(["--list", "--format", "terse"]).output();
        let text = listed.map(|o| String::from_utf8_lossy(&o.stdout).into_owned()).unwrap_or_default();
        let names = text.lines().filter_map(|l| l.strip_suffix(": test"));
        queue.extend(
            names.filter(|n| plan.wants(&format!("{binary}::{n}"))).map(|n| (binary.clone(), n.to_owned())),
        );
    }
    let queue = Mutex::new(queue);
    let next = || queue.lock().ok()?.pop_front();
    std::thread::scope(|scope| {
        for worker in 0..plan.number("jobs", 1) {
            scope.spawn(move || {
                while let Some((binary, name)) = next() {
                    test(plan, &binary, &name, worker);
                }
            });
        }
    });
}

fn binaries() -> Vec<String> {
    let entries = std::fs::read_dir(TESTS).into_iter().flatten().flatten();
    let mut names: Vec<_> = entries.map(|e| e.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn command(plan: &Plan, program: &str) -> Command {
    let mut command = Command::new(program);
    command.env_clear().envs([
        ("PATH", "/bin:/sbin:/usr/bin:/usr/sbin:/t"),
        ("HOME", "/root"),
        ("TERM", "dumb"),
        ("KILLER_BIN", "/t/killer"),
        ("KILLER_ADVERSARY", "/t/adversary"),
        ("KILLER_GUEST", "1"),
    ]);
    command.envs(plan.env.iter().map(|(k, v)| (k, v))).stdin(Stdio::null());
    if plan.run_as == As::Nobody {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

/// For whoever looks at a console: what is free, and what the kernel itself has taken for good.
fn memory() -> String {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let lines = text.lines().filter(|l| l.starts_with("MemAvailable") || l.starts_with("SUnreclaim"));
    lines.map(|l| l.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>().join(", ")
}

/// What `killer doctor` says here, for the table and for the variant's expectation.
fn facts(plan: &Plan) {
    match command(plan, "/t/killer").args(["doctor", "-o", "json"]).output() {
        Ok(out) => {
            say(&format!("fact doctor {}", String::from_utf8_lossy(&out.stdout).trim()));
            for line in String::from_utf8_lossy(&out.stderr).lines() {
                say(&format!("out doctor: {line}"));
            }
        }
        Err(e) => say(&format!("out cannot start killer: {e}")),
    }
}

/// One test, with its whole output when it is not in order.
fn test(plan: &Plan, binary: &str, name: &str, worker: u64) {
    let full = format!("{binary}::{name}");
    say(&format!("run {full}"));
    let limit = Duration::from_secs(plan.number("limit", 120));
    let log = format!("/run/test-{worker}.log");
    let begun = Instant::now();
    let outcome = attempt(plan, Path::new(TESTS).join(binary).as_path(), name, &log, limit);
    let took = begun.elapsed().as_millis();
    say(&format!("memory {}", memory()));
    let text = std::fs::read(&log).map(|b| String::from_utf8_lossy(&b).into_owned()).unwrap_or_default();
    // The harness may have begun the line.
    for (_, figures) in text.lines().filter_map(|l| l.split_once("FIGURES ")) {
        say(&format!("figures {figures}"));
    }
    let skip = text.split("SKIP: ").nth(1).and_then(|s| s.lines().next());
    let reason = skip.and_then(|s| s.split_once(": ")).map(|(_, reason)| reason);
    match (outcome, reason) {
        (Outcome::Passed, None) => say(&format!("ok {full} {took}")),
        (Outcome::Passed, Some(reason)) => say(&format!("skipped {full} {took} {reason}")),
        (outcome, _) => {
            for line in text.lines() {
                say(&format!("out {name}: {line}"));
            }
            let word = if outcome == Outcome::Failed { "failed" } else { "timeout" };
            say(&format!("{word} {full} {took}"));
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Passed,
    Failed,
    TooLong,
}

fn attempt(plan: &Plan, binary: &Path, name: &str, log: &str, limit: Duration) -> Outcome {
    let Ok(file) = File::create(log) else { return Outcome::Failed };
    let Ok(copy) = file.try_clone() else { return Outcome::Failed };
    let mut command = command(plan, &binary.to_string_lossy());
    command.args(["--exact", name, "--nocapture", "--test-threads", "1"]);
    if plan.number("jobs", 1) == 1 && SHARE.iter().any(|s| binary.ends_with(s)) {
        command.env("KILLER_TESTS_PIN_ROOT", SHARED_PINS);
    }
    let Ok(mut child) = command.stdout(file).stderr(copy).process_group(0).spawn() else {
        return Outcome::Failed;
    };
    let end = Instant::now() + limit;
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return Outcome::Passed,
            Ok(None) if Instant::now() < end => std::thread::sleep(Duration::from_millis(10)),
            Ok(None) => {
                let group = nix::unistd::Pid::from_raw(child.id() as i32);
                let _ = nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGKILL);
                let _ = child.wait();
                return Outcome::TooLong;
            }
            _ => return Outcome::Failed,
        }
    }
}
