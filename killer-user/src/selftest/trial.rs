//! One trial: a bystander, a victim as the root of a service, its shape, the kill, and the judgement by a pipe that only
//! the victims hold.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use super::stage::{Kept, Said, Stage};
use crate::keep::Slot;
use crate::kill::{Fate, Order, Outcome, SIGKILL, execute};
use crate::lineage::Lineage;
use crate::lookup::{Root, process, registry};
use crate::sys::{interrupt, proc, sched};
use crate::tier::Tracker;

/// How long a shape may take to stand.
const SHAPE: Duration = Duration::from_secs(3);
/// How long a KILL may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between the kernel's "empty" and the last closed descriptor: exits are counted before files are closed
/// (kernel/exit.c: do_exit, the tracepoint comes before exit_files).
const RELEASE: Duration = Duration::from_secs(2);
/// How long counters may take to tell.
const TELL: Duration = Duration::from_secs(3);

/// What is tried with a victim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// KILL to all.
    Kill,
    /// KILL to all, after an outsider has taken the number of a dead member.
    KillAfterReuse,
    /// KILL to all, and the judge must notice a holder of the pipe that is no member, and a bystander that is hit.
    Control,
    /// This signal to all while they fork, exactly once along each line of descent; then KILL.
    Once(i32),
}

/// A trial.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    /// Name of the trial.
    pub name: &'static str,
    /// Name of the victim.
    pub victim: &'static str,
    /// In words.
    pub what: &'static str,
    /// What is tried.
    pub act: Act,
    /// Announcements to wait for.
    pub lines: u32,
    /// Size of a swarm: quick, full.
    pub size: (u32, u32),
}

/// What a trial came to, when it did not pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Not {
    /// Wrong.
    Failed(String),
    /// Somebody got away, or the count was wrong: a failure unless the set was known to be not exact.
    Escaped(String),
    /// Could not be tried here.
    Skipped(String),
    /// The user wants this to end.
    Interrupted,
}

impl From<std::io::Error> for Not {
    fn from(e: std::io::Error) -> Self {
        if interrupt::came().is_some() { Self::Interrupted } else { Self::Failed(e.to_string()) }
    }
}

// What an interrupt has broken off is no failure.
fn failed<T>(why: impl Into<String>) -> Result<T, Not> {
    Err(if interrupt::came().is_some() { Not::Interrupted } else { Not::Failed(why.into()) })
}

fn escaped<T>(why: impl Into<String>) -> Result<T, Not> {
    Err(if interrupt::came().is_some() { Not::Interrupted } else { Not::Escaped(why.into()) })
}

/// What is known of a trial that passed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    /// Processes that were sent KILL, or that told how often a signal came.
    pub processes: usize,
    /// From the order to the last closed descriptor, µs.
    pub ended_us: u64,
    /// Codes of reasons to doubt that were counted against the service.
    pub doubts: Vec<&'static str>,
}

fn send(t: &Tracker, root: Root, signal: i32) -> Result<Outcome, String> {
    let order = Order::to_all(signal, process::ancestors(), PATIENCE);
    let _hurry = order.ends_all().then(sched::Hurry::start);
    execute(&mut Lineage::new(t, root), &order).map_err(|r| r.to_string())
}

/// KILL to all of a root and the end of its record; true when nobody is left.
pub fn end(t: &Tracker, root: Root) -> bool {
    let slot = root.slot;
    let empty = t.count(slot.slot) == 0 || send(t, root, SIGKILL).is_ok_and(|o| o.empty);
    empty && t.forget(slot).is_ok()
}

/// A process that looks like a victim and must live on, unsignalled: TERM and KILL would both end it.
struct Bystander {
    pidfd: OwnedFd,
    kept: Kept,
}

impl Bystander {
    fn untouched(&self) -> Result<(), Not> {
        if proc::pidfd_ended(&self.pidfd) || self.kept.ended_within(Duration::ZERO) {
            return failed("a bystander that is no member was hit");
        }
        Ok(())
    }
}

impl Drop for Bystander {
    fn drop(&mut self) {
        let _ = proc::pidfd_send(&self.pidfd, SIGKILL, None);
    }
}

/// Counts against every service what was noticed since the last call, and repairs what it can, as every verb does first.
pub type Account<'a> = &'a dyn Fn(&Tracker) -> std::io::Result<()>;

/// Does one trial. Whatever comes of it, its service and its bystanders are ended.
pub fn run(stage: &Stage, spec: &Spec, size: u32, account: Account<'_>) -> Result<Passed, Not> {
    let t = &stage.tracker;
    let slot = t.free_slot().ok_or_else(|| Not::Failed("no free place for a service".into()))?;
    if let Some(hooks) = t.hooks() {
        hooks.attach().map_err(|e| Not::Failed(e.to_string()))?;
    }
    let slot = t.create(slot, 0, 0, spec.name)?;
    let done = on(stage, spec, size, slot, account);
    let doubts = doubts(t, slot);
    if let Some(root) = registry::in_slot(t, slot.slot) {
        end(t, root);
    }
    match done {
        Ok(p) => Ok(Passed { doubts, ..p }),
        Err(Not::Escaped(why)) if doubts.is_empty() => Err(Not::Failed(why)),
        // "Not exact" is what every verb would have said of this set.
        Err(Not::Escaped(why)) => Err(Not::Skipped(format!(
            "not promised here, the set is not exact ({}): {why}",
            doubts.join(", ")
        ))),
        Err(e) => Err(e),
    }
}

fn on(stage: &Stage, spec: &Spec, size: u32, slot: Slot, account: Account<'_>) -> Result<Passed, Not> {
    let t = &stage.tracker;
    let mut bystanders = vec![bystander(stage, None)?];
    let signal = match spec.act {
        Act::Once(signal) => signal,
        _ => 0,
    };
    let props = stage.props(size, 60_000, signal)?;
    let accomplice = match spec.act {
        Act::Control => Some(stage.accomplice(&props, "accomplice")?),
        _ => None,
    };
    let mut kept = stage.member(slot, props, spec.victim)?;
    let more = stands(t, &mut kept, spec, slot)?;
    if spec.act == Act::KillAfterReuse {
        let pid = more.parse().map_err(|_| Not::Failed("the victim named no number".into()))?;
        bystanders.push(bystander(stage, Some(pid))?);
    }
    if kept.ended_within(Duration::ZERO) {
        return failed("the victim ended by itself");
    }
    account(t)?;
    if let Some(accomplice) = accomplice {
        return control(t, slot, &kept, &accomplice, &bystanders[0]);
    }
    let told = match spec.act {
        Act::Once(signal) => once(t, slot, &mut kept, signal)?,
        _ => 0,
    };
    let passed = killed(t, slot, &kept, RELEASE)?;
    bystanders.iter().try_for_each(Bystander::untouched)?;
    Ok(Passed { processes: passed.processes.max(told), ..passed })
}

/// The judge itself: it must say no twice.
fn control(
    t: &Tracker,
    slot: Slot,
    kept: &Kept,
    accomplice: &OwnedFd,
    bystander: &Bystander,
) -> Result<Passed, Not> {
    let judged = killed(t, slot, kept, Duration::from_millis(50));
    let lived = !proc::pidfd_ended(accomplice);
    let _ = proc::pidfd_send(accomplice, SIGKILL, None);
    if !lived {
        return failed("a process that is no member was killed");
    }
    match judged {
        Err(Not::Escaped(why)) if why == HELD => {}
        Err(e) => return Err(e),
        Ok(_) => return failed("the judge did not notice a process that still held the pipe"),
    }
    bystander.untouched()?;
    let _ = proc::pidfd_send(&bystander.pidfd, libc::SIGTERM, None);
    proc::pidfd_wait(&bystander.pidfd, RELEASE);
    match bystander.untouched() {
        Err(Not::Failed(_)) => Ok(Passed { processes: 1, ..Passed::default() }),
        Err(e) => Err(e),
        Ok(()) => failed("the judge did not notice that a bystander was hit"),
    }
}

/// Waits for the shape, and compares the kernel's count with what the victim says of itself.
fn stands(t: &Tracker, kept: &mut Kept, spec: &Spec, slot: Slot) -> Result<String, Not> {
    let mut words = String::new();
    for _ in 0..spec.lines {
        match kept.said(SHAPE) {
            Some(Said::Ready(tasks, more)) => {
                let count = t.count(slot.slot);
                if tasks.is_some_and(|n| n != count) {
                    return escaped(format!(
                        "the kernel counts {count} tasks, there are {}",
                        tasks.unwrap_or(0)
                    ));
                }
                words = more;
            }
            Some(Said::Skip(why)) => return Err(Not::Skipped(why)),
            Some(Said::Fail(why)) => return failed(format!("the victim could not take its shape: {why}")),
            Some(Said::Count(_)) | None => return failed("the victim did not take its shape"),
        }
    }
    Ok(words)
}

fn bystander(stage: &Stage, at: Option<i32>) -> Result<Bystander, Not> {
    let deadline = Instant::now() + Duration::from_secs(1);
    loop {
        let props = stage.props(1, 0, 0)?;
        let (pidfd, mut kept) = match at {
            None => stage.outsider(props, "hold")?,
            Some(pid) => match stage.outsider_at(pid, props, "hold") {
                Ok(o) => o,
                // Not free before the kernel has let go of the dead task.
                Err(e) if e.raw_os_error() == Some(libc::EEXIST) && Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(2));
                    continue;
                }
                Err(e) => {
                    return Err(Not::Skipped(format!("the number cannot be taken (clone3, set_tid): {e}")));
                }
            },
        };
        return match kept.said(SHAPE) {
            Some(Said::Ready(..)) => Ok(Bystander { pidfd, kept }),
            _ => failed("a bystander could not be started"),
        };
    }
}

/// The worst that can be.
const HELD: &str = "the kernel said empty, and a process still held the pipe";

/// KILL to all, and the judgement.
fn killed(t: &Tracker, slot: Slot, kept: &Kept, release: Duration) -> Result<Passed, Not> {
    let Some(root) = registry::in_slot(t, slot.slot) else { return failed("the service was forgotten") };
    let began = Instant::now();
    let outcome = match send(t, root, SIGKILL) {
        Ok(o) => o,
        Err(why) => return failed(format!("refused: {why}")),
    };
    if let Some(s) = outcome.survivors.first() {
        return escaped(format!(
            "{} survive, the first: {}: {}",
            outcome.survivors.len(),
            s.member.tgid,
            s.text
        ));
    }
    if !outcome.empty {
        return escaped(format!("the kernel still counts {} tasks", outcome.tasks_after));
    }
    if !kept.ended_within(release) {
        return escaped(HELD);
    }
    let ended_us = began.elapsed().as_micros() as u64;
    if t.count(slot.slot) != 0 {
        return escaped(format!("the count rose again, to {}", t.count(slot.slot)));
    }
    let processes = outcome.targets.iter().filter(|t| t.fate == Fate::Signalled).count();
    Ok(Passed { processes, ended_us, doubts: Vec::new() })
}

/// A signal to all while they fork, and what came along each line of descent; answers how many told.
fn once(t: &Tracker, slot: Slot, kept: &mut Kept, signal: i32) -> Result<usize, Not> {
    let Some(root) = registry::in_slot(t, slot.slot) else { return failed("the service was forgotten") };
    let outcome = match send(t, root, signal) {
        Ok(o) => o,
        Err(why) => return failed(format!("refused: {why}")),
    };
    // Where the engine cannot know, it says so.
    let promised = t.broadcasts().is_some_and(|b| b.sends_at_birth()) && !outcome.unsure;
    std::thread::sleep(Duration::from_millis(30));
    kept.stop();
    let mut counts: BTreeMap<u32, u32> = BTreeMap::new();
    let end = Instant::now() + TELL;
    while let Some(left) = end.checked_duration_since(Instant::now()) {
        match kept.said(left) {
            Some(Said::Count(n)) => *counts.entry(n).or_default() += 1,
            Some(_) => return failed("a counter said something else"),
            None => break,
        }
    }
    let told: u32 = counts.values().sum();
    let missed = counts.get(&0).copied().unwrap_or(0);
    let double: u32 = counts.range(2..).map(|(_, n)| n).sum();
    match (told, missed, double) {
        (0, ..) => failed("no process told how often the signal came"),
        (_, 0, 0) => Ok(told as usize),
        (_, m, d) if promised => {
            escaped(format!("of {told} that told, {m} had missed the signal, {d} had it twice"))
        }
        (_, m, d) => Err(Not::Skipped(format!(
            "exactly once needs newborns that are decided at birth (programs, and Linux 6.13+): of {told}, {m} had missed the signal, {d} had it twice"
        ))),
    }
}

/// Codes of the reasons that were counted against a root.
fn doubts(t: &Tracker, slot: Slot) -> Vec<&'static str> {
    let Some(r) = t.reasons(slot.slot) else { return Vec::new() };
    let all = killer_common::reason::ALL.iter();
    all.filter(|(i, ..)| r.count[*i as usize] != 0).map(|(_, code, _)| *code).collect()
}
