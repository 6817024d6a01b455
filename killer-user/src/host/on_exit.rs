//! `run --kill-on-exit`: the set ends with its main process, and with its launcher, however that ends.

use std::cell::Cell;
use std::os::fd::OwnedFd;
use std::time::Duration;

use killer_common::record::Member;

use super::failure::Failure;
use super::record::StopRecord;
use super::sent::Sent;
use super::{Silent, Tell, certainty, journal, open, pidfiles, place, survivors, thaw, wait};
use crate::ask::span::Span;
use crate::ending::Ending;
use crate::keep::Slot;
use crate::kill::{Awaited, Order, SIGCONT, SIGKILL, Waited, empty, execute};
use crate::lineage::{Lineage, Members};
use crate::lookup::{Root, process, registry};
use crate::report::{escape, human, message};
use crate::sys::alive::Identity;
use crate::sys::clock::TICK;
use crate::sys::daemon::Report;
use crate::sys::watch::{Watch, Watched};
use crate::sys::{alive, interrupt, proc, sched};
use crate::tier::Tracker;

/// How long one order goes on before it is given up.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long files, ports and memory may take after SIGKILL.
const RELEASE: Duration = Duration::from_secs(30);
/// So often it is said that a supervisor was lost.
const SAID: u32 = 20;
const SIGTERM: i32 = 15;

/// A launcher's promise, and what keeps it when the launcher is killed.
pub struct OnExit<'a> {
    t: &'a Tracker,
    name: &'a str,
    span: Span,
    /// In the background: nobody reads what is printed.
    detached: bool,
    /// The set ends with it, too.
    owner: Option<OwnedFd>,
    watch: Watch,
    lost: u32,
    /// What the kernel was told of.
    told: Cell<Option<Slot>>,
}

impl Drop for OnExit<'_> {
    fn drop(&mut self) {
        if let Some(slot) = self.told.get() {
            withdraw(self.t, slot);
        }
    }
}

/// Opens the process that a service is to end with.
pub fn owner((pid, inode): (u32, Option<u64>)) -> Result<OwnedFd, Failure> {
    let lost = |why: String| {
        Failure::new(Ending::NotStarted, "the owner cannot be watched")
            .why(why)
            .next("'ps -e' shows the processes")
    };
    let fd = proc::pidfd_open(pid);
    process::open(pid, inode).map_err(|e| lost(e.to_string()))?;
    let fd = fd.map_err(|e| lost(e.to_string()))?;
    // While it lives nobody else has its number, so that the looks before were at the same process.
    match proc::pidfd_ended(&fd) {
        true => Err(lost(format!("process {pid} has ended"))),
        false => Ok(fd),
    }
}

impl<'a> OnExit<'a> {
    /// Starts the supervisor, before CMD is there and before anything is held that it must not have. `report`: the
    /// launcher is in the background, and has to report. This process has one thread.
    pub fn begin(
        t: &'a Tracker,
        name: &'a str,
        span: Span,
        owner: Option<OwnedFd>,
        report: Option<&Report>,
    ) -> Result<Self, Failure> {
        let detached = report.is_some();
        let watch =
            Watch::start(report, |w| live(t, name, span, owner.as_ref(), detached, w)).map_err(|e| {
                Failure::new(Ending::NotStarted, "the supervisor of --kill-on-exit cannot be started")
                    .why(e.to_string())
            })?;
        Ok(Self { t, name, span, detached, owner, watch, lost: 0, told: Cell::default() })
    }

    /// The supervisor, for a call that looks for it later.
    pub fn who(&self) -> Option<Identity> {
        who(&self.watch)
    }

    /// CMD is there, and has run nothing yet.
    pub fn met(&self, slot: Slot, pid: i32) -> std::io::Result<()> {
        self.watch.tell([u64::from(slot.slot), u64::from(slot.generation), pid as u64])?;
        self.promise(slot);
        Ok(())
    }

    /// Where the kernel can, it keeps the promise when both processes are gone.
    fn promise(&self, slot: Slot) {
        let Some(promises) = self.t.promises() else { return };
        let this = Identity {
            pid: std::process::id(),
            start: alive::start_of(std::process::id()).unwrap_or(0) * TICK,
        };
        if let Err(e) = promises.promise(slot, [this, self.who().unwrap_or_default()]) {
            log::debug!("the kernel does not keep the promise of --kill-on-exit: {e}");
        }
        self.told.set(Some(slot));
    }

    /// When a child of the launcher may have ended: nobody ends the supervisor unseen. Another one goes on at once.
    pub fn look(&mut self, slot: Slot, tell: &dyn Tell) {
        if !self.watch.ended() {
            return;
        }
        let old = self.watch.pid();
        let what = format!("the supervisor of '{}' (process {old}) was ended or held by somebody", self.name);
        let (t, name, span, detached) = (self.t, self.name, self.span, self.detached);
        let owner = self.owner.as_ref();
        let fresh = Watch::start(None, |w| live(t, name, span, owner, detached, w)).and_then(|w| {
            // Of CMD it is not told: a process that watches over the launcher needs no more.
            w.tell([u64::from(slot.slot), u64::from(slot.generation), 0])?;
            Ok(w)
        });
        let f = match fresh {
            Ok(watch) => {
                self.watch = watch;
                self.note(slot);
                Failure::new(Ending::Done, what).why(format!("process {} took its place", self.watch.pid()))
            }
            Err(e) => Failure::new(Ending::Done, what)
                .why(format!("no other one can be started: {e}"))
                .next("if this killer is killed now, the service lives on"),
        };
        self.lost += 1;
        if self.lost <= SAID {
            self.say(&f, tell);
        }
    }

    /// CMD has ended, or nobody knows what became of it: ends what is left. What did not go well is said.
    pub fn end(self, slot: Slot, tell: &dyn Tell) {
        self.watch.begun();
        if let Some(f) = end(self.t, slot, self.span, if self.detached { &Silent } else { tell }) {
            self.say(&f, tell);
        }
    }

    /// Another supervisor is there.
    fn note(&self, slot: Slot) {
        let Ok(_lock) = self.t.lock() else { return };
        if let Err(e) = StopRecord::change(self.t, slot, |r| r.watch = self.who()) {
            log::warn!("the supervisor of the service cannot be noted: {e}");
        }
        self.promise(slot);
    }

    fn say(&self, f: &Failure, tell: &dyn Tell) {
        journal::judgement(self.name, f);
        if !self.detached {
            tell.message(&message::render(&f.what, f.why.as_deref(), f.next.as_deref()));
        }
    }
}

fn who(w: &Watch) -> Option<Identity> {
    Some(Identity { pid: w.pid(), start: alive::start_of(w.pid())? * TICK })
}

/// The promise is kept when nobody is left, as the kernel counts; else it stays with the kernel.
fn withdraw(t: &Tracker, slot: Slot) {
    let Some(promises) = t.promises() else { return };
    let Ok(_lock) = t.lock() else { return };
    let is_there = registry::in_slot(t, slot.slot).is_some_and(|n| n.slot == slot);
    if is_there && t.count(slot.slot) != 0 {
        return;
    }
    if let Err(e) = promises.withdraw(slot) {
        log::debug!("the promise of --kill-on-exit cannot be withdrawn: {e}");
    }
}

/// The supervisor's life.
fn live(t: &Tracker, name: &str, span: Span, owner: Option<&OwnedFd>, detached: bool, w: &Watched) {
    let Some([slot, generation, pid]) = w.hear() else { return };
    let slot = Slot { slot: slot as u32, generation: generation as u32 };
    // CMD waits until this was heard: nobody else has its number.
    let cmd = (pid != 0).then(|| proc::pidfd_open(pid as u32).ok()).flatten();
    if detached {
        place::step_out(t, slot);
    }
    w.heard();
    w.wait(cmd, owner);
    if let Some(f) = end(t, slot, span, &Silent) {
        journal::judgement(name, &f);
    }
    withdraw(t, slot);
}

/// Ends what is left of a root: SIGTERM first where there is time for it, then SIGKILL; returns when every process
/// that was a member has let go of files, ports and memory, or says which has not.
fn end(t: &Tracker, slot: Slot, span: Span, tell: &dyn Tell) -> Option<Failure> {
    // Hooks that were skipped may have left somebody out of the list.
    let _ = open::put_right(t);
    // Forgotten: nobody was left.
    let root = registry::in_slot(t, slot.slot).filter(|n| n.slot == slot)?;
    let family = Lineage::new(t, root.clone());
    let mut sent = Sent::new(t, &family);
    let mut awaited = Awaited::default();
    family.members(&family.listed()).into_iter().for_each(|m| awaited.add(m));
    let mut done = Waited::TimedOut;
    if span != Span::Finite(Duration::ZERO) && !empty(&family) {
        ask(t, &root, &mut sent);
        done = wait::wait_released(&family, true, &mut awaited, span.limit(), tell);
    }
    // A caller that does not want to wait so long has said so; what follows is short.
    interrupt::hold();
    let mut refused = None;
    if done != Waited::Done {
        match order(t, &root, SIGKILL, &mut awaited, &mut sent) {
            Ok(()) => done = wait::wait_released(&family, true, &mut awaited, Some(RELEASE), tell),
            Err(f) => refused = Some(f),
        }
    }
    let survivors =
        if done == Waited::Done { Vec::new() } else { survivors::explain(&family, true, &awaited.left()) };
    sent.keep(t, &family, done, &survivors, tell);
    match (refused, done) {
        (Some(f), _) => Some(f),
        (None, Waited::Done) => {
            pidfiles::ended(t, &root);
            certainty::after(t, &root, true).map(|d| d.failure(&root.name))
        }
        _ => Some(left(&root.name, &survivors)),
    }
}

/// SIGTERM to all, and SIGCONT, which a stopped process needs to hear it.
fn ask(t: &Tracker, root: &Root, sent: &mut Sent) {
    if registry::frozen(t, root.slot.slot) == Some(root.slot.slot)
        && let Ok(_lock) = t.lock()
        && let Err(f) = thaw::release(t, root)
    {
        log::warn!("{}", f.what);
    }
    let mut any = Awaited::default();
    for signal in [SIGTERM, SIGCONT] {
        if let Err(f) = order(t, root, signal, &mut any, sent) {
            log::warn!("{}", f.what);
        }
    }
}

fn order(
    t: &Tracker,
    root: &Root,
    signal: i32,
    awaited: &mut Awaited,
    sent: &mut Sent,
) -> Result<(), Failure> {
    let _hurry = sched::Hurry::start();
    let mut family = Lineage::new(t, root.clone());
    let order = Order::to_all(signal, process::ancestors(), PATIENCE);
    let outcome = execute(&mut family, &order).map_err(|r| survivors::refused(root, r))?;
    outcome.targets.iter().for_each(|t| awaited.add(t.member));
    sent.add(t, signal, &outcome);
    Ok(())
}

fn left(name: &str, left: &[(Member, String, String)]) -> Failure {
    let each = left.iter().map(|(m, _, why)| format!("process {}: {why}", m.tgid));
    let text = escape::cut(&each.collect::<Vec<_>>().join("; "), 400);
    let n = human::count(left.len() as u64, "process has", "processes have");
    Failure::new(
        Ending::Survivors,
        format!("'{name}': {n} not let go of everything {} s after SIGKILL", RELEASE.as_secs()),
    )
    .why(text)
    .next(format!("'killer status {name}' shows the live processes"))
}
