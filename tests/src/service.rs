//! Adversaries as services, and bystanders.

use crate::env::{TestEnv, adversary, monotonic_secs};
use crate::pipe::{LivePipe, ReadyPipe, Said};
use crate::process::{Pidfd, eventually, proc_state};
use crate::skip::skip;
use rustix::process::Signal;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The descriptors under which an adversary finds its pipes.
const LIVE: i32 = 200;
const READY: i32 = 201;
/// How long an adversary may live, in seconds; no test needs more.
const LEASE: i64 = 40;

/// How to start an adversary.
#[derive(Debug)]
pub struct Launch {
    behaviour: String,
    args: Vec<String>,
    run_options: Vec<String>,
    lines: u32,
    lease: i64,
}

impl Launch {
    /// `adversary BEHAVIOUR`.
    pub fn new(behaviour: &str) -> Launch {
        // Two children of io-uring announce themselves.
        let lines = if behaviour == "io-uring" { 2 } else { 1 };
        let (args, run_options) = (Vec::new(), Vec::new());
        Launch { behaviour: behaviour.into(), args, run_options, lines, lease: LEASE }
    }

    /// Adds an argument for the behaviour.
    pub fn arg(mut self, arg: impl Into<String>) -> Launch {
        self.args.push(arg.into());
        self
    }

    /// Adds an option for `killer run`.
    pub fn run_option(mut self, option: &str) -> Launch {
        self.run_options.push(option.into());
        self
    }

    /// Ends by itself after this many seconds.
    pub fn lease(mut self, seconds: i64) -> Launch {
        self.lease = seconds;
        self
    }

    fn words(&self) -> Vec<String> {
        let deadline = (monotonic_secs() + self.lease).to_string();
        let mut words = vec![self.behaviour.clone(), LIVE.to_string(), READY.to_string(), deadline];
        words.extend(self.args.iter().cloned());
        words
    }

    /// Starts it outside of any service: `None` after a skip.
    pub fn direct(&self, test: &str) -> Option<Bystander> {
        let mut command = Command::new(adversary());
        command.args(self.words()).stdin(Stdio::null()).stdout(Stdio::null());
        let (live, live_write) = LivePipe::new();
        let (mut ready, ready_write) = ReadyPipe::new();
        hand_over(&mut command, &live_write, &ready_write);
        let child = command.spawn().expect("start of an adversary");
        drop((live_write, ready_write));
        let mut it = Bystander { child, members: Vec::new(), live, facts: Vec::new() };
        it.facts = collect(test, self, &mut ready)?;
        let mut pids = vec![it.child.id() as i32];
        pids.extend(it.facts.iter().flat_map(|f| numbers(f, "child=").chain(numbers(f, "pid="))));
        pids.sort_unstable();
        pids.dedup();
        it.members = pids.into_iter().filter_map(Pidfd::open).collect();
        Some(it)
    }

    /// Starts it as the service `name`: `None` after a skip.
    #[track_caller]
    pub fn service(&self, env: &TestEnv, name: &str) -> Option<Service> {
        let mut command = env.command();
        command.args(["run", "--name", name, "--detach"]).args(&self.run_options).arg("--");
        command.arg(adversary()).args(self.words());
        let (live, live_write) = LivePipe::new();
        let (mut ready, ready_write) = ReadyPipe::new();
        hand_over(&mut command, &live_write, &ready_write);
        let running = env.spawn(command);
        drop((live_write, ready_write));
        running.finish(Duration::from_secs(20)).ok();
        let facts = collect(&env.test, self, &mut ready)?;
        Some(Service { name: name.into(), live, ready, facts })
    }
}

/// Gives the child the write ends under their fixed numbers; whatever else is close-on-exec.
fn hand_over(command: &mut Command, live: &OwnedFd, ready: &OwnedFd) {
    let (live, ready) = (live.as_raw_fd(), ready.as_raw_fd());
    assert!(live < LIVE && ready < LIVE, "too many descriptors for the fixed numbers");
    // SAFETY: dup2 is async-signal-safe; both descriptors are open until the caller drops them after the spawn.
    unsafe {
        command.pre_exec(move || {
            if libc::dup2(live, LIVE) == -1 || libc::dup2(ready, READY) == -1 {
                return Err(std::io::Error::last_os_error());
            }
            Ok(())
        });
    }
}

#[track_caller]
fn collect(test: &str, launch: &Launch, ready: &mut ReadyPipe) -> Option<Vec<String>> {
    let mut facts = Vec::new();
    for _ in 0..launch.lines {
        match ready.next(Duration::from_secs(15)) {
            Some(Said::Ready(f)) => facts.push(f),
            Some(Said::Skip(reason)) => {
                skip(test, &reason);
                return None;
            }
            Some(Said::Fail(why)) => panic!("adversary {}: {why}", launch.behaviour),
            None => panic!("adversary {} never got ready", launch.behaviour),
        }
    }
    Some(facts)
}

fn numbers<'a>(facts: &'a str, key: &'a str) -> impl Iterator<Item = i32> + 'a {
    facts.split_whitespace().filter_map(move |w| w.strip_prefix(key)?.parse().ok())
}

/// A running adversary under `killer run --detach`.
#[derive(Debug)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// The oracle.
    pub live: LivePipe,
    /// For what it says later.
    pub ready: ReadyPipe,
    /// What it said of its shape.
    pub facts: Vec<String>,
}

impl Service {
    /// The number behind `key=` in the facts.
    #[track_caller]
    pub fn fact(&self, key: &str) -> i32 {
        let key = format!("{key}=");
        match self.facts.iter().flat_map(|f| numbers(f, &key)).next() {
            Some(n) => n,
            None => panic!("no {key} in {:?}", self.facts),
        }
    }

    /// Asserts that the last member dies within 10 s.
    #[track_caller]
    pub fn assert_dead(&self) {
        if !self.live.eof_within(Duration::from_secs(10)) {
            panic!("'{}' has survivors: {}", self.name, holders(&self.facts));
        }
    }

    /// Asserts that at least one member lives.
    #[track_caller]
    pub fn assert_alive(&self) {
        assert!(self.live.alive(), "'{}' is dead", self.name);
    }
}

/// For messages: who still runs the adversary program, other services of the same test run included.
fn holders(facts: &[String]) -> String {
    let mut lines = vec![format!("facts {facts:?}")];
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<i32>() else { continue };
        let command = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        if command.windows(9).any(|w| w == b"adversary") && lines.len() < 20 {
            let command = String::from_utf8_lossy(&command).replace('\0', " ");
            lines.push(format!("{pid} {:?} {command}", proc_state(pid)));
        }
    }
    lines.join("\n")
}

/// An adversary that belongs to no service.
#[derive(Debug)]
pub struct Bystander {
    child: Child,
    members: Vec<Pidfd>,
    /// The oracle of its own.
    pub live: LivePipe,
    /// What it said of its shape.
    pub facts: Vec<String>,
}

impl Bystander {
    /// A pair that looks like any service here: same program, same user, same session and process group as `killer`.
    pub fn new(test: &str) -> Bystander {
        Launch::new("plain").direct(test).expect("'plain' never skips")
    }

    /// Asserts that every one of its processes lives and runs.
    #[track_caller]
    pub fn assert_untouched(&self) {
        assert!(self.members.len() >= 2, "a bystander with too few processes: {:?}", self.facts);
        for member in &self.members {
            assert!(member.alive(), "bystander {} was killed", member.pid);
            let runs = || matches!(proc_state(member.pid), Some('S' | 'R' | 'D'));
            assert!(eventually(Duration::from_secs(1), runs), "bystander {} does not run", member.pid);
        }
    }
}

impl Drop for Bystander {
    fn drop(&mut self) {
        for member in &self.members {
            member.signal(Signal::KILL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
