//! A guest with nothing but this program as PID 1 and `/killer`: no libc, no /etc, no /dev, no bpffs, as in other
//! people's test machines. /proc and /sys are mounted, as every such init does.

use crate::say;
use rustix::io::{FdFlags, fcntl_setfd};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Where the host put it.
pub const KILLER: &str = "/killer";

/// The whole life of a service, each step a test to the host.
pub fn run() {
    let (live, write) = killer_tests::LivePipe::new();
    let bystander = Command::new("/init").arg("leaf").spawn();
    fcntl_setfd(&write, FdFlags::empty()).expect("a descriptor for the members");
    step("run", 0, &["run", "--name", "alone", "--detach", "--keep-fds", "--", "/init", "tree"]);
    drop(write);
    std::thread::sleep(Duration::from_millis(500));
    check("the_service_lives", live.alive(), "the live pipe is at its end before anything was killed");
    step("status", 0, &["status", "alone"]);
    step("kill", 0, &["-s", "KILL", "--who=all", "--wait", "alone"]);
    check("nobody_lives_on", live.eof_within(Duration::from_secs(5)), "somebody still holds the live pipe");
    let lives = bystander.is_ok_and(|mut b| matches!(b.try_wait(), Ok(None)));
    check("a_bystander_lives_on", lives, "a process that was no member is gone");
    step("status_of_the_dead", 3, &["status", "alone"]);
    step("forget", 0, &["forget", "alone"]);
    step("down", 0, &["down"]);
}

/// `killer ARGS` and the exit code that it has to have.
fn step(name: &str, wanted: i32, args: &[&str]) {
    let begun = Instant::now();
    say(&format!("run alone::{name}"));
    let out = to_files(args);
    let took = begun.elapsed().as_millis();
    match out {
        Ok(out) if out.status.code() == Some(wanted) => say(&format!("ok alone::{name} {took}")),
        Ok(out) => {
            say(&format!("out {name}: {}, not {wanted}", out.status));
            tell(name, &out);
            say(&format!("failed alone::{name} {took}"));
        }
        Err(e) => {
            say(&format!("out {name}: cannot start {KILLER}: {e}"));
            say(&format!("failed alone::{name} {took}"));
        }
    }
}

/// Output goes to files: a detached service would hold a pipe open for as long as it lives.
fn to_files(args: &[&str]) -> std::io::Result<Output> {
    let files = ["/stdout", "/stderr"];
    let [out, err] = files.map(std::fs::File::create);
    let status =
        Command::new(KILLER).args(args).stdin(Stdio::inherit()).stdout(out?).stderr(err?).status()?;
    let [stdout, stderr] = files.map(|f| std::fs::read(f).unwrap_or_default());
    Ok(Output { status, stdout, stderr })
}

fn tell(name: &str, out: &Output) {
    for stream in [&out.stdout, &out.stderr] {
        for line in String::from_utf8_lossy(stream).lines() {
            say(&format!("out {name}: {line}"));
        }
    }
}

fn check(name: &str, right: bool, else_say: &str) {
    if !right {
        say(&format!("out {name}: {else_say}"));
    }
    say(&format!("{} alone::{name} 0", if right { "ok" } else { "failed" }));
}

/// The service: its first process is soon gone, the rest is a session of its own that forks all the time.
pub fn tree() {
    let _ = Command::new("/init").arg("branch").spawn();
}

/// See [`tree`].
pub fn branch() {
    let _ = nix::unistd::setsid();
    let end = Instant::now() + Duration::from_secs(600);
    let mut leaves = Vec::new();
    while Instant::now() < end {
        if leaves.len() < 4 {
            leaves.extend(Command::new("/init").arg("leaf").spawn());
        }
        if let Ok(mut short) = Command::new("/init").arg("nothing").spawn() {
            let _ = short.wait();
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Lives for a while.
pub fn leaf() {
    std::thread::sleep(Duration::from_secs(600));
}
