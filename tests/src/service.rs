//! Adversaries as services, and bystanders.

use crate::env::{TestEnv, adversary, monotonic_secs};
use crate::pipe::{LivePipe, ReadyPipe, Said};
use crate::process::{Pidfd, eventually, proc_state, start};
use crate::running::Running;
use crate::skip::skip;
use rustix::process::Signal;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The descriptors under which an adversary finds its pipes.
const LIVE: i32 = 200;
const READY: i32 = 201;
/// How long an adversary may live, in seconds; no test needs more.
const LEASE: i64 = 60;

/// How to start an adversary.
#[derive(Debug, Clone)]
pub struct Launch {
    behaviour: String,
    program: Option<PathBuf>,
    script: Option<String>,
    args: Vec<String>,
    run_options: Vec<String>,
    lines: u32,
    lease: i64,
    own_group: bool,
    nanny: bool,
}

impl Launch {
    /// `adversary BEHAVIOUR`.
    pub fn new(behaviour: &str) -> Launch {
        // Two children of io-uring announce themselves.
        let lines = if behaviour == "io-uring" { 2 } else { 1 };
        let (args, run_options) = (Vec::new(), Vec::new());
        let behaviour = behaviour.into();
        Launch {
            behaviour,
            program: None,
            script: None,
            args,
            run_options,
            lines,
            lease: LEASE,
            own_group: false,
            nanny: false,
        }
    }

    /// A shell script; `$1` is where its facts go (`echo ready a=1 > $1`), one line. Whatever it leaves has to end by
    /// itself.
    pub fn shell(script: &str) -> Launch {
        Launch { script: Some(script.into()), ..Launch::new("sh") }
    }

    /// Starts this copy of the adversary program.
    pub fn program(mut self, path: &Path) -> Launch {
        self.program = Some(path.into());
        self
    }

    /// Orphans are reaped at once, by somebody outside.
    pub fn nanny(mut self) -> Launch {
        self.nanny = true;
        self
    }

    /// Announces nothing.
    pub fn quiet(mut self) -> Launch {
        self.lines = 0;
        self
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

    /// Leads a process group of its own when it is started directly.
    pub fn own_group(mut self) -> Launch {
        self.own_group = true;
        self
    }

    /// The whole command.
    pub fn words(&self) -> Vec<String> {
        if let Some(script) = &self.script {
            let ready = format!("/proc/self/fd/{READY}");
            let mut words = vec!["/bin/sh".into(), "-c".into(), script.clone(), "sh".into(), ready];
            words.extend(self.args.iter().cloned());
            return words;
        }
        let program = self.program.clone().unwrap_or_else(adversary).to_string_lossy().into_owned();
        let lease = crate::process::scaled(Duration::from_secs(self.lease.unsigned_abs()));
        let deadline = (monotonic_secs() + lease.as_secs() as i64).to_string();
        let mut words = vec![program, self.behaviour.clone(), LIVE.to_string(), READY.to_string(), deadline];
        words.extend(self.args.iter().cloned());
        words
    }

    /// Starts it outside of any service: `None` after a skip.
    #[track_caller]
    pub fn direct(&self, test: &str) -> Option<Bystander> {
        let words = self.words();
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]);
        let mut command = self.nannied(command);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        if self.own_group {
            command.process_group(0);
        }
        let (live, live_write) = LivePipe::new();
        let (mut ready, ready_write) = ReadyPipe::new();
        hand_over(&mut command, &live_write, &ready_write);
        let child = start(&mut command).expect("start of an adversary");
        drop((live_write, ready_write));
        let mut it = Bystander { child, members: Vec::new(), live, facts: Vec::new() };
        it.facts = collect(test, self, &mut ready, String::new)?;
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
        command.args(["run", "--name", name, "--detach", "--keep-fds"]).args(&self.run_options).arg("--");
        let (running, mut service) = self.begin(env, command, name);
        // The first one loads the tracker. Beside another test's bomb the kernel's verifier alone took 20 s.
        running.finish(Duration::from_secs(90)).ok();
        service.facts = collect(&env.test, self, &mut service.ready, String::new)?;
        Some(service)
    }

    /// Starts it as the service `name` with `killer run` in the foreground: `None` after a skip.
    #[track_caller]
    pub fn foreground(&self, env: &TestEnv, name: &str) -> Option<(Running, Service)> {
        let mut command = env.command();
        command.args(["run", "--name", name]).args(&self.run_options).arg("--");
        self.under(env, command, name)
    }

    /// Starts it with `command`, a prepared `killer` that wants a CMD at its end: `None` after a skip.
    #[track_caller]
    pub fn under(&self, env: &TestEnv, command: Command, name: &str) -> Option<(Running, Service)> {
        let (running, mut service) = self.begin(env, command, name);
        service.facts = collect(&env.test, self, &mut service.ready, || running.so_far())?;
        Some((running, service))
    }

    /// Behaviours that make orphans by the thousand have somebody to reap them, who is no member of anything.
    fn nannied(&self, command: Command) -> Command {
        let many = ["chains", "evasive", "tick", "fork-count", "fork-threads"];
        if !self.nanny && !many.contains(&self.behaviour.as_str()) {
            return command;
        }
        let mut nanny = Command::new(adversary());
        nanny.arg("nanny").arg(command.get_program()).args(command.get_args()).stdin(Stdio::null());
        for (key, value) in command.get_envs() {
            match value {
                Some(value) => nanny.env(key, value),
                None => nanny.env_remove(key),
            };
        }
        nanny
    }

    /// Lets `run` start the prepared `command`, with this behaviour as its CMD and both pipes in its hands.
    pub fn around(&self, mut command: Command, name: &str, run: impl FnOnce(Command)) -> Service {
        command.args(self.words());
        let mut command = self.nannied(command);
        let (live, live_write) = LivePipe::new();
        let (ready, ready_write) = ReadyPipe::new();
        hand_over(&mut command, &live_write, &ready_write);
        run(command);
        Service { name: name.into(), live, ready, facts: Vec::new() }
    }

    /// As [`Launch::under`], without waiting for what it says.
    #[track_caller]
    pub fn begin(&self, env: &TestEnv, mut command: Command, name: &str) -> (Running, Service) {
        let has = |option: &str| command.get_args().any(|a| a == option);
        assert!(!has("--detach") || has("--keep-fds"), "without --keep-fds it never gets its pipes");
        command.args(self.words());
        let mut command = self.nannied(command);
        env.identity(&mut command);
        let (live, live_write) = LivePipe::new();
        let (ready, ready_write) = ReadyPipe::new();
        hand_over(&mut command, &live_write, &ready_write);
        let running = env.spawn(command);
        (running, Service { name: name.into(), live, ready, facts: Vec::new() })
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
fn collect(
    test: &str,
    launch: &Launch,
    ready: &mut ReadyPipe,
    starter: impl Fn() -> String,
) -> Option<Vec<String>> {
    let mut facts = Vec::new();
    for _ in 0..launch.lines {
        match ready.next(Duration::from_secs(15)) {
            Some(Said::Ready(f)) => facts.push(f),
            Some(Said::Skip(reason)) => {
                skip(test, &reason);
                return None;
            }
            Some(Said::Fail(why)) => panic!("adversary {}: {why}", launch.behaviour),
            None => panic!("adversary {} never got ready\n{}", launch.behaviour, starter()),
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

    /// The numbers behind `pids=`.
    #[track_caller]
    pub fn pids(&self) -> Vec<i32> {
        let list = self.facts.iter().flat_map(|f| f.split_whitespace()).find_map(|w| w.strip_prefix("pids="));
        let Some(list) = list else { panic!("no pids in {:?}", self.facts) };
        list.split(',').map(|p| p.parse().expect("a PID")).collect()
    }

    /// Asserts that the last member dies within 10 s.
    #[track_caller]
    pub fn assert_dead(&self) {
        if !self.live.eof_within(Duration::from_secs(10)) {
            panic!("'{}' has survivors: {}", self.name, holders(&self.facts));
        }
    }

    /// Kills it whole and checks all that has to hold afterwards.
    #[track_caller]
    pub fn kill_whole(&self, env: &TestEnv, bystander: &Bystander) {
        self.assert_alive();
        bystander.assert_untouched();
        env.killer(["-s", "KILL", "--who=all", &self.name]).ok().silent();
        self.assert_dead();
        bystander.assert_untouched();
        env.killer(["status", &self.name]).code(3);
        env.killer(["--fail", "-s", "KILL", &self.name]).code(1);
        env.killer(["forget", &self.name]).ok();
        env.killer(["status", &self.name]).code(4);
    }

    /// Asserts that at least one member lives.
    #[track_caller]
    pub fn assert_alive(&self) {
        assert!(self.live.alive(), "'{}' is dead", self.name);
    }
}

/// For messages: who still runs the adversary or `killer`, other services of the same test run included, and where in the
/// kernel they are.
fn holders(facts: &[String]) -> String {
    let mut lines = vec![format!("facts {facts:?}")];
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<i32>() else { continue };
        let command = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let named = |word: &[u8]| command.windows(word.len()).any(|w| w == word);
        if (named(b"adversary") || named(b"/killer")) && lines.len() < 20 {
            let command = String::from_utf8_lossy(&command).replace('\0', " ");
            let stack = std::fs::read_to_string(entry.path().join("stack")).unwrap_or_default();
            let stack: Vec<_> = stack.lines().filter_map(|l| l.split_whitespace().nth(1)).take(4).collect();
            lines.push(format!("{pid} {:?} {command} {}", proc_state(pid), stack.join(" < ")));
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
        // It has to outlive the longest test, else its own end would be taken for a stranger's death.
        Launch::new("plain").lease(300).direct(test).expect("'plain' never skips")
    }

    /// The first process.
    pub fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    /// Waits for the end of the first process.
    pub fn wait(&mut self) {
        let _ = self.child.wait();
    }

    /// Asserts that the first process lives.
    #[track_caller]
    pub fn assert_untouched_pid(&self) {
        let first = Pidfd::open(self.pid()).expect("our own child is there until we wait");
        assert!(first.alive(), "{} was killed", self.pid());
    }

    /// Whether every one of its processes lives and runs.
    pub fn untouched(&self) -> bool {
        self.members.iter().all(|member| {
            let runs = || matches!(proc_state(member.pid), Some('S' | 'R' | 'D'));
            member.alive() && eventually(Duration::from_secs(1), runs)
        })
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
