//! The self-test: the adversaries on the user's own kernel, each as a service that is killed by name, judged by a pipe
//! that only the victims hold. Bounded in number, time and users; with a tracker of its own; a janitor cleans up.

mod bounds;
mod ctx;
mod ground;
mod janitor;
mod shapes;
mod stage;
mod swarm;
mod trial;
mod victim;

use std::time::{Duration, Instant};

use crate::keep::KeepError;
use crate::sys::interrupt;
use stage::Stage;
use trial::{Account, Act, Not, Spec};

pub use victim::act;

const fn shape(name: &'static str, what: &'static str) -> Spec {
    Spec { name, victim: name, what, act: Act::Kill, lines: 1, size: (0, 0) }
}

const fn swarm(name: &'static str, what: &'static str, size: (u32, u32)) -> Spec {
    Spec { size, ..shape(name, what) }
}

const fn once(name: &'static str, what: &'static str, signal: i32) -> Spec {
    Spec { name, victim: "counters", what, act: Act::Once(signal), lines: 1, size: (4, 8) }
}

/// First real-time signal but one: it queues and never coalesces.
const RTMIN_1: i32 = crate::ask::signal::RTMIN + 1;

/// Every trial, in the order in which they are done.
const TRIALS: &[Spec] = &[
    Spec {
        victim: "hold",
        act: Act::Control,
        ..shape("judge", "the judge notices a survivor and a bystander that is hit")
    },
    shape("plain", "a parent and a child"),
    shape("daemon", "double fork and setsid"),
    shape("root_exits", "the main process ends first, what it left forks on"),
    shape("clone_parent", "children that are siblings (CLONE_PARENT)"),
    shape("masked", "another name, session, process group and user, an empty environment"),
    shape("leader_exits", "the leader thread ends first, another forks"),
    shape("exec_from_thread", "exec from a thread that is not the leader"),
    shape("vfork", "a parent in the uninterruptible wait of vfork"),
    shape("signals_ignored", "every signal ignored and held back"),
    shape("stopped", "stopped by SIGSTOP"),
    shape("pid_namespace", "an init and a daemon in a PID namespace of their own"),
    shape("failing_forks", "forks that fail under RLIMIT_NPROC are not counted"),
    Spec { lines: 2, ..shape("io_uring", "kernel-made threads of io_uring") },
    Spec {
        act: Act::KillAfterReuse,
        ..shape("pid_reuse", "an outsider takes the number of a dead member and lives")
    },
    swarm("thread_storm", "threads that make threads and fork", (4, 8)),
    shape("revivers", "a pair that revives each other"),
    swarm("chains", "chains of processes that fork and end at once", (8, 32)),
    swarm("bomb", "a bounded fork bomb", (48, 256)),
    once("term_once", "TERM exactly once along every line of descent while all fork", libc::SIGTERM),
    once("queued_once", "a queued real-time signal exactly once while all fork", RTMIN_1),
];

/// Names of all trials.
pub fn names() -> impl Iterator<Item = &'static str> {
    TRIALS.iter().map(|s| s.name)
}

/// How thorough.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Each trial once and small, 8 s at most; else swarms larger and in rounds, 2 minutes at most.
    pub quick: bool,
    /// Only trials with one of these in their name; none: all.
    pub only: Vec<String>,
    /// Rounds of each trial.
    pub rounds: Option<u32>,
}

impl Options {
    fn wants(&self, s: &Spec) -> bool {
        self.only.is_empty() || self.only.iter().any(|o| s.name.contains(o.as_str()))
    }

    /// The first of `only` that is in no trial's name.
    pub fn unknown(&self) -> Option<&str> {
        self.only
            .iter()
            .map(String::as_str)
            .find(|o| o.is_empty() || !TRIALS.iter().any(|s| s.name.contains(o)))
    }

    fn most(&self) -> Duration {
        Duration::from_secs(if self.quick { 8 } else { 120 })
    }

    /// What is a race is tried more often.
    fn rounds(&self, s: &Spec) -> u32 {
        if let Some(rounds) = self.rounds {
            return rounds;
        }
        if self.quick || (s.size.1 == 0 && s.name != "revivers") { 1 } else { 10 }
    }
}

/// How a trial ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Result {
    /// As it must.
    Pass,
    /// Wrong.
    Fail,
    /// Not tried.
    Skip,
}

/// A trial that was done.
#[derive(Clone, Debug)]
pub struct Trial {
    /// Name.
    pub name: &'static str,
    /// In words.
    pub what: &'static str,
    /// How it ended.
    pub result: Result,
    /// Why it did not pass.
    pub why: Option<String>,
    /// Rounds that passed.
    pub rounds: u32,
    /// Processes that were sent KILL, or that told how often a signal came, all rounds.
    pub processes: usize,
    /// Longest time from the order to the last closed descriptor, µs.
    pub ended_us: u64,
    /// Why its swarm was smaller than elsewhere.
    pub smaller: Option<String>,
    /// Codes of reasons to doubt.
    pub doubts: Vec<&'static str>,
}

/// What is known before the first trial.
#[derive(Clone, Debug)]
pub struct Begun {
    /// How many there are.
    pub trials: usize,
    /// What keeps the sets.
    pub tier: &'static str,
    /// Gate at birth, where there is one.
    pub gate: Option<&'static str>,
}

/// What is known after the last.
#[derive(Clone, Debug)]
pub struct Ended {
    /// Everything that was made is gone.
    pub clean: bool,
    /// The signal that ended it early.
    pub interrupted: Option<i32>,
    /// How long it took.
    pub took: Duration,
}

/// Does every trial, after executing the program again unless it is at a place of its own already. `begun` and `each` are told as it goes; `account` is what every verb does before it trusts the sets.
pub fn run(
    options: &Options,
    account: Account<'_>,
    begun: impl FnOnce(&Begun),
    mut each: impl FnMut(&Trial),
) -> std::result::Result<Ended, KeepError> {
    let start = Instant::now();
    let io = |source| KeepError::Io { what: "executing killer again, at a place of its own".into(), source };
    ground::lay()?;
    janitor::apart().map_err(io)?;
    interrupt::catch();
    let trials: Vec<&Spec> = TRIALS.iter().filter(|s| options.wants(s)).collect();
    let stage = match Stage::set() {
        Err(e @ (KeepError::NoBpffs { .. } | KeepError::Kernel(_))) => {
            janitor::fall().map_err(io)?;
            return Err(e);
        }
        s => s?,
    };
    let t = &stage.tracker;
    begun(&Begun { trials: trials.len(), tier: t.tier().name(), gate: t.gate().and_then(|g| g.at_birth()) });
    for spec in trials {
        match one(&stage, spec, options, account, start + options.most()) {
            Some(trial) => each(&trial),
            None => break,
        }
    }
    let clean = stage.strike();
    Ok(Ended { clean, interrupted: interrupt::came(), took: start.elapsed() })
}

/// All rounds of one; `None` on an interrupt.
fn one(
    stage: &Stage,
    spec: &Spec,
    options: &Options,
    account: Account<'_>,
    deadline: Instant,
) -> Option<Trial> {
    let wanted = if options.quick { spec.size.0 } else { spec.size.1 };
    let (room, why) = bounds::room();
    let size = bounds::fit(spec.victim, wanted, room);
    let smaller = (size < wanted).then(|| format!("size {size} instead of {wanted}: {why}"));
    let mut trial = Trial {
        name: spec.name,
        what: spec.what,
        result: Result::Pass,
        why: None,
        rounds: 0,
        processes: 0,
        ended_us: 0,
        smaller,
        doubts: Vec::new(),
    };
    for round in 0..options.rounds(spec) {
        if Instant::now() >= deadline {
            if round == 0 {
                (trial.result, trial.why) = (Result::Skip, Some("no time was left".into()));
            }
            break;
        }
        match trial::run(stage, spec, size, account) {
            Ok(p) => {
                trial.rounds += 1;
                trial.processes += p.processes;
                trial.ended_us = trial.ended_us.max(p.ended_us);
                trial.doubts.extend(p.doubts);
            }
            Err(Not::Interrupted) => return None,
            Err(Not::Skipped(why)) => {
                (trial.result, trial.why) = (Result::Skip, Some(why));
                break;
            }
            Err(Not::Failed(why) | Not::Escaped(why)) => {
                (trial.result, trial.why) = (Result::Fail, Some(why));
                break;
            }
        }
    }
    trial.doubts.sort_unstable();
    trial.doubts.dedup();
    interrupt::came().is_none().then_some(trial)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_trial_has_a_victim_and_a_name_that_ktap_can_say() {
        for t in TRIALS {
            assert!(shapes::ALL.iter().chain(swarm::ALL).any(|(n, _)| *n == t.victim), "{}", t.name);
            assert!(t.name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{}", t.name);
            assert!(!t.what.contains('#'));
        }
    }
}
