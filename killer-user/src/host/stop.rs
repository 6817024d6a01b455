//! `stop`: the stop command, then systemd's escalation; verified empty.

mod ask;
mod finish;
mod late;
mod outlived;
mod size;
mod spared;

use std::time::Duration;

use super::deed::Outlived;
use super::failure::Failure;
use super::official::{self, Way};
use super::{Silent, Tell, asked, behind, inner, kept, main_process, models, order, stop_words, thaw, wait};
use crate::ask::fuse::Fuse;
use crate::ask::receipts::Receipts;
use crate::ask::schedule::Step;
use crate::ask::whom::Pick;
use crate::ask::whom::{self, Whom};
use crate::ask::{Kill, Mode, Names, Newborns, Stop, Word};
use crate::ending::Ending;
use crate::kill::{Awaited, SIGCONT, SIGKILL, Waited};
use crate::lineage::{Lineage, Members};
use crate::lookup::{Root, registry};
use crate::report::model::{self, Process};
use crate::sys::alive::Identity;
use crate::sys::{clock, interrupt};
use crate::tier::Tracker;

const SIGHUP: i32 = 1;

/// SIGKILL to all is given so long at least, however short the wait after it is: a bomb is a matter of seconds.
const KILL_TIME: Duration = Duration::from_secs(5);

/// One stop under way.
struct Run<'a> {
    t: &'a Tracker,
    root: Root,
    /// All that were named.
    named: &'a [Root],
    s: &'a Stop,
    /// Which processes it is for: of a mixed one whose main process is gone, all.
    mode: Mode,
    tell: &'a dyn Tell,
    awaited: Awaited,
    /// The last signal that was asked for, without what goes along with it.
    asked: Option<i32>,
    /// The processes that were sent SIGKILL because nothing else had ended them.
    forced: Vec<Process>,
    /// What they did with the signals before that.
    outlived: Vec<Outlived>,
    /// What lets survivors end was shown, and nobody has said yes to it.
    withheld: bool,
    /// Whose it is by the host's files.
    way: Way,
    /// The control process that has called this killer to stop its own service: it and what it has forked are spared.
    spared: Option<Identity>,
    report: model::Stop,
}

/// Ends one of those that were `named`; what did not go well has been said.
pub fn end(
    t: &Tracker,
    root: &Root,
    named: &[Root],
    s: &Stop,
    tell: &dyn Tell,
) -> Result<model::Stop, Failure> {
    let began = clock::monotonic_ns();
    kept::ready(t, &s.receipts)?;
    let mut run = Run::new(t, root, named, s, tell);
    let ended = run.all()?;
    run.report.took_us = (clock::monotonic_ns() - began) / 1000;
    Ok(run.finish(ended))
}

/// Refuses a stop of these, before anything is done to one of them, when it is for more processes than is allowed.
pub fn check<'a>(each: impl Iterator<Item = (&'a Tracker, &'a Root)>, s: &Stop) -> Result<(), Failure> {
    if s.fuse.is_off() {
        return Ok(());
    }
    let all: Vec<Run<'_>> = each.map(|(t, root)| Run::new(t, root, &[], s, &Silent)).collect();
    Run::judge(all.iter(), s.fuse)
}

/// How many processes it has sent a signal.
pub fn reached(r: &model::Stop) -> u64 {
    let mut who: Vec<(u32, u64)> =
        r.steps.iter().flat_map(stop_words::signalled).map(|p| (p.pid, p.start)).collect();
    who.sort_unstable();
    who.dedup();
    who.len() as u64
}

fn report(s: &Stop, name: &str) -> model::Stop {
    model::Stop {
        version: model::SCHEMA_VERSION,
        kind: "stop",
        service: name.to_owned(),
        mode: s.mode.word(),
        ending: Ending::Nothing,
        command: None,
        steps: Vec::new(),
        also_ends: Vec::new(),
        empty: false,
        released: false,
        survivors: Vec::new(),
        unreaped: Vec::new(),
        took_us: 0,
        exactness: model::Exactness::default(),
        notes: Vec::new(),
        kept: None,
    }
}

impl<'a> Run<'a> {
    fn new(t: &'a Tracker, root: &Root, named: &'a [Root], s: &'a Stop, tell: &'a dyn Tell) -> Self {
        let report = report(s, &root.name);
        let (awaited, forced, outlived) = (Awaited::default(), Vec::new(), Vec::new());
        let way = official::of(t, root);
        let (root, spared) = (root.clone(), spared::caller(t, root, &way));
        let (mode, asked, withheld) = (s.mode, None, false);
        Run { t, root, named, s, mode, tell, awaited, asked, forced, outlived, withheld, way, spared, report }
    }
}

impl Run<'_> {
    fn family(&self) -> Lineage<'_> {
        Lineage::new(self.t, self.root.clone())
    }

    /// The whole set is meant, not only the main process.
    fn whole(&self) -> bool {
        self.mode != Mode::Process
    }

    /// The sets that a signal is for: of the whole service, or of its main process.
    fn sets(&self, narrow: bool) -> Vec<String> {
        match (narrow, self.spared) {
            (false, None) => vec!["all".into()],
            (false, Some(p)) => vec![format!("!subtree:{}", p.pid)],
            (true, None) => vec!["main".into(), "control".into()],
            (true, Some(_)) => vec!["main".into()],
        }
    }

    fn order(&self, signal: i32, whom: &str, dry_run: bool) -> Kill {
        Kill {
            names: Names::one(&self.root.name),
            signal,
            whom: whom::parse(whom).unwrap_or_else(|_| Whom::default()),
            value: None,
            wait: None,
            dry_run,
            require_exact: false,
            include_self: self.s.include_self,
            zap: false,
            unstick: None,
            newborns: Newborns::Signal,
            patience: None,
            // Judged once, before anything is done.
            fuse: Fuse::default(),
            // One for all of its signals, at the end.
            receipts: Receipts::default(),
        }
    }

    /// `wait`: how long SIGKILL may take when it is for all; it is part of the wait that follows.
    fn send(&mut self, signal: i32, whom: &str, wait: Option<Duration>) -> Result<(), Failure> {
        let mut k = self.order(signal, whom, false);
        // A schedule can have SIGKILL more than once.
        let asked_before = self.report.steps.iter().any(|s| !s.unstick.is_empty());
        if signal == SIGKILL {
            k.patience = wait.map(|w| w.clamp(KILL_TIME, asked::PATIENCE));
            k.unstick = self.s.unstick.filter(|_| whom == "all" && !asked_before);
        }
        let r = order::order(self.t, &self.root, &k, self.tell)?;
        // Judged once, at the end.
        self.withheld |= r.receipt.ending == Ending::Withheld;
        self.report.steps.push(r.receipt);
        Ok(())
    }

    fn all(&mut self) -> Result<Waited, Failure> {
        if self.family().census().tasks == 0 {
            // Its last ones may hold something still.
            interrupt::catch();
            return Ok(self.wait_for(true, self.s.timeout.limit()));
        }
        // Refused before anything is touched.
        for word in &self.sets(!self.whole()) {
            order::order(self.t, &self.root, &self.order(15, word, true), self.tell)?;
        }
        Run::judge(std::iter::once(&*self), self.s.fuse)?;
        self.report.notes.extend(behind::say(self.t, &self.root, self.tell));
        if self.whole() {
            let asked = inner::Asked { picks: &[Pick::All], include_self: self.s.include_self };
            self.report.also_ends = inner::say(self.t, &self.root, self.named, SIGKILL, asked, self.tell);
        }
        interrupt::catch();
        if registry::frozen(self.t, self.root.slot.slot) == Some(self.root.slot.slot) {
            let lock = self.t.lock()?;
            thaw::release(self.t, &self.root)?;
            drop(lock);
            self.report.notes.push("it was frozen, and thawed to be stopped".into());
        }
        self.seek_main();
        self.hold(self.mode != Mode::ControlGroup);
        // Also when it has ended the main process of a mixed one: the others are still there.
        let mut last = self.ask()?;
        // What a signal has used up of the wait after it.
        let mut used = Duration::ZERO;
        let mut steps = self.s.schedule.walk().peekable();
        while let (Waited::TimedOut, Some(step)) = (last, steps.next()) {
            last = match step {
                Step::Signal(sig) => {
                    let wait = match steps.peek() {
                        Some(Step::Wait(span)) => span.limit(),
                        _ => Some(Duration::ZERO),
                    };
                    used = since(self.signal(sig, wait)?);
                    self.wait(Some(Duration::ZERO))
                }
                Step::Wait(span) => {
                    let used = std::mem::take(&mut used);
                    self.wait(span.limit().map(|l| self.allowed(l).saturating_sub(used)))
                }
            };
            if let Some(sig) = interrupt::came() {
                last = Waited::Interrupted(sig);
            }
        }
        if self.mode == Mode::Mixed && last == Waited::Done && !crate::kill::empty(&self.family()) {
            self.hold(false);
            self.asked = Some(SIGKILL);
            let (limit, began) = (self.s.timeout.limit(), clock::monotonic_ns());
            for set in &self.sets(false) {
                self.send(SIGKILL, set, limit)?;
            }
            last = self
                .wait_for(self.spared.is_none(), limit.map(|l| self.allowed(l).saturating_sub(since(began))));
        }
        Ok(last)
    }

    /// How long a wait takes at most: after SIGKILL to all no less than that may take, so that a process that ends
    /// late in it still has time to let go of what it holds.
    fn allowed(&self, limit: Duration) -> Duration {
        if self.asked == Some(SIGKILL) && self.whole() { limit.max(KILL_TIME) } else { limit }
    }

    /// A caller that asks for the main process is told when there is none.
    fn seek_main(&mut self) {
        let asks = self.mode != Mode::ControlGroup || self.kept().is_some();
        if !asks || models::main_of(self.t, &self.root).is_some() {
            return;
        }
        main_process::say_why(self.t, &self.root, self.tell);
        let f = main_process::gone(self.t, &self.root);
        let f = match self.mode {
            Mode::ControlGroup => f.why("the stop command gets an empty MAINPID"),
            Mode::Process => f.why("--mode=process is for nobody else"),
            Mode::Mixed => {
                self.mode = Mode::ControlGroup;
                f.why(
                    "the first signal goes to the whole service, and SIGKILL to what is left after the wait",
                )
            }
        };
        self.report.notes.push(f.why.as_ref().map_or(f.what.clone(), |w| format!("{}: {w}", f.what)));
        self.tell.fail(&f);
    }

    /// The processes that are there, so that "released" can be waited for.
    fn hold(&mut self, narrow: bool) {
        let family = Lineage::new(self.t, self.root.clone());
        let main = models::main_of(self.t, &self.root);
        let members = family.members(&family.listed());
        let spared = spared::below(&members, self.spared);
        for m in members {
            if (!narrow || main.is_some_and(|x| x.is(&m))) && !spared.contains(&Identity::of(&m)) {
                self.awaited.add(m);
            }
        }
    }

    /// A signal to the processes that the mode names, with SIGCONT and perhaps SIGHUP. Answers when the wait for it
    /// began (CLOCK_MONOTONIC ns): SIGKILL's own is part of it, and what goes along with another signal.
    fn signal(&mut self, sig: i32, wait: Option<Duration>) -> Result<u64, Failure> {
        let narrow = match self.mode {
            Mode::ControlGroup => false,
            Mode::Mixed => sig != SIGKILL,
            Mode::Process => true,
        };
        self.hold(narrow);
        if sig == SIGKILL {
            self.outlived = outlived::by(&self.report.steps);
        }
        self.asked = Some(sig);
        let sets = self.sets(narrow);
        let began = clock::monotonic_ns();
        for set in &sets {
            self.send(sig, set, wait)?;
        }
        if sig == SIGKILL {
            let hit = self.report.steps.iter().rev().take(sets.len()).flat_map(stop_words::signalled);
            self.forced.extend(hit);
            return Ok(began);
        }
        let began = clock::monotonic_ns();
        for set in &sets {
            // A stopped process would not hear it. Never in one broadcast with SIGSTOP: they flush each other.
            if sig != SIGCONT {
                self.send(SIGCONT, set, None)?;
            }
            if self.s.sighup && sig != SIGHUP {
                self.send(SIGHUP, set, None)?;
            }
        }
        Ok(began)
    }

    fn wait(&mut self, limit: Option<Duration>) -> Waited {
        self.wait_for(self.mode == Mode::ControlGroup && self.spared.is_none(), limit)
    }

    /// Until nobody is left (`whole`), or the main process is gone, and all that was held is released.
    fn wait_for(&mut self, whole: bool, limit: Option<Duration>) -> Waited {
        let family = Lineage::new(self.t, self.root.clone());
        wait::wait_released(&family, whole, &mut self.awaited, limit, self.tell)
    }
}

/// Since a CLOCK_MONOTONIC ns.
fn since(began: u64) -> Duration {
    Duration::from_nanos(clock::monotonic_ns().saturating_sub(began))
}
