//! What an order, or a stop, has done → what the ledger keeps of it.

use std::collections::HashMap;

use super::{asker, ended, senders};
use crate::report::model::{
    Counts, Deed, End, Exactness, Got, KeptProcess, Process, Receipt, Stop, Survivor,
};
use crate::sys::alive::Identity;
use crate::sys::{clock, proc_text};
use crate::tier::Tracker;

/// So many processes are named in a line.
const MOST: usize = 4096;

/// Everything that is there and what it got, in the order in which it was met.
#[derive(Debug, Default)]
pub struct Processes {
    all: Vec<KeptProcess>,
    at: HashMap<(u32, u64), usize>,
}

/// A signal that a process outlived.
#[derive(Clone, Debug)]
pub struct Outlived {
    /// The process.
    pub pid: u32,
    /// Its start.
    pub start: u64,
    /// The signal's name.
    pub signal: String,
    /// `ignored`, `blocked`, `caught`, `default`.
    pub how: &'static str,
}

/// What is known of the ends.
pub struct Ends<'a> {
    /// Nobody is left, by the kernel's count, or all that were met have let go of everything.
    pub over: bool,
    /// Those that live on.
    pub survivors: &'a [Survivor],
    /// Who knows how they ended, and by whom.
    pub tracker: &'a Tracker,
}

impl Processes {
    fn of(&mut self, p: &Process) -> &mut KeptProcess {
        let all = &mut self.all;
        let at = *self.at.entry((p.pid, p.start)).or_insert_with(|| {
            all.push(KeptProcess {
                pid: p.pid,
                start: p.start,
                inode: p.inode,
                comm: p.comm.clone(),
                uid: p.uid,
                creator: p.creator,
                main: p.main,
                control: p.control,
                service: p.service.clone(),
                got: Vec::new(),
                end: ended::of(None, "unknown"),
            });
            all.len() - 1
        });
        &mut self.all[at]
    }

    /// A signal to one of them.
    pub fn got(&mut self, p: &Process, signal: &str, result: &str, error: Option<&str>) {
        let error = error.map(Into::into);
        let got = Got { signal: signal.into(), result: result.into(), error, outlived: None };
        self.of(p).got.push(got);
    }

    /// One that got nothing.
    pub fn was_there(&mut self, p: &Process) {
        self.of(p);
    }

    /// What processes did with the signals that they outlived.
    fn outlived(&mut self, all: &[Outlived]) {
        for o in all {
            let its = self.at.get(&(o.pid, o.start)).map(|at| &mut self.all[*at].got);
            for got in its.into_iter().flatten().filter(|g| g.signal == o.signal) {
                got.outlived = Some(o.how.into());
            }
        }
    }

    /// The signals of an order.
    fn add(&mut self, r: &Receipt) {
        for t in &r.targets {
            self.got(&t.process, &r.signal_name, &t.result, t.error.as_deref());
        }
    }

    /// All of them with their ends, and how many more there are.
    fn done(mut self, began: u64, ends: &Ends<'_>) -> (Vec<KeptProcess>, u64) {
        for p in &mut self.all {
            let over = ends.over || p.got.iter().any(|g| g.result == "gone");
            // Also of one that nobody waited for.
            let it = Identity { pid: p.pid, start: p.start };
            let how = ends.tracker.how_ended(it);
            if over || how.is_some() {
                p.end = ended::of(how, "ended");
                p.end.after_us =
                    how.filter(|h| h.at != 0).and_then(|h| h.at.checked_sub(began)).map(|ns| ns / 1000);
                let sent = |g: &Got| g.result == "signalled" && Some(&g.signal) == p.end.exit_signal.as_ref();
                p.end.by_order = p.end.after_us.is_some() && !p.end.no_memory && p.got.iter().any(sent);
                let other = how.filter(|_| !p.end.by_order);
                p.end.sender = other.and_then(|how| senders::of(ends.tracker.records(), it, how));
            }
        }
        for s in ends.survivors {
            self.of(&s.process).end = End { why: Some(s.text.clone()), ..ended::of(None, "lives") };
        }
        let left_out = self.all.len().saturating_sub(MOST) as u64;
        if left_out > 0 {
            // Who lives on is named before all others.
            self.all.sort_by_key(|p| p.end.state != "lives");
        }
        self.all.truncate(MOST);
        (self.all, left_out)
    }
}

/// What the orders of one call have in common.
pub struct Frame<'a> {
    /// `signal`, `stop`, `kill-on-exit`.
    pub form: &'static str,
    /// Service.
    pub service: &'a str,
    /// Which processes it was for.
    pub whom: &'a str,
    /// The caller's ancestors before the first signal.
    pub line: &'a [u32],
    /// Word and exit code.
    pub ending: (&'static str, u8),
    /// Tier.
    pub tier: &'static str,
    /// How sure the set was.
    pub exactness: &'a Exactness,
    /// Before and after.
    pub counts: (Counts, Counts),
    /// By the kernel's count.
    pub empty: bool,
    /// When it began, `CLOCK_BOOTTIME` ns.
    pub began: u64,
}

impl Frame<'_> {
    /// With the processes, the signals, and what there is to know of the ends.
    pub fn deed(&self, signals: Vec<String>, all: Processes, ends: &Ends<'_>) -> Deed {
        let (processes, left_out) = all.done(self.began, ends);
        Deed {
            at: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string(),
            boottime_ns: clock::boottime_ns(),
            boot_id: proc_text::text("/proc/sys/kernel/random/boot_id").trim().to_owned(),
            program: asker::program(),
            asked_by: asker::asked_by(self.line),
            form: self.form.into(),
            service: self.service.into(),
            signals,
            whom: self.whom.into(),
            outcome: self.ending.0.into(),
            exit_code: self.ending.1,
            tier: self.tier.into(),
            exactness: self.exactness.clone(),
            before: self.counts.0,
            left: self.counts.1,
            empty: self.empty,
            released: None,
            also_ends: Vec::new(),
            took_us: 0,
            processes,
            left_out,
            unstick: Vec::new(),
            notes: Vec::new(),
        }
    }
}

/// Of one order.
pub fn of_order(t: &Tracker, r: &Receipt) -> Deed {
    let mut all = Processes::default();
    all.add(r);
    let frame = Frame {
        form: "signal",
        service: &r.service,
        whom: &r.whom,
        line: &r.asked_by.line,
        ending: (r.ending.word(), r.ending.code()),
        tier: r.tier,
        exactness: &r.exactness,
        counts: (Counts { processes: r.processes, tasks: r.tasks }, r.left),
        empty: r.empty,
        began: r.times.started.0,
    };
    let ends = Ends { over: r.empty || r.released == Some(true), survivors: &r.survivors, tracker: t };
    Deed {
        released: r.released,
        also_ends: r.also_ends.clone(),
        unstick: r.unstick.clone(),
        took_us: r.times.released_us.unwrap_or(r.times.ended_us),
        notes: r.notes.clone(),
        ..frame.deed(vec![r.signal_name.clone()], all, &ends)
    }
}

/// Of a stop, whichever signals it came to.
pub fn of_stop(t: &Tracker, r: &Stop, outlived: &[Outlived], left: Counts) -> Deed {
    let mut all = Processes::default();
    r.steps.iter().for_each(|s| all.add(s));
    all.outlived(outlived);
    let first = r.steps.first();
    let before = first.map_or(left, |s| Counts { processes: s.processes, tasks: s.tasks });
    let frame = Frame {
        form: "stop",
        service: &r.service,
        whom: r.mode,
        line: first.map_or(&[], |s| &s.asked_by.line),
        ending: (r.ending.word(), r.ending.code()),
        tier: t.tier().name(),
        exactness: &r.exactness,
        counts: (before, left),
        empty: r.empty,
        began: first.map_or(u64::MAX, |s| s.times.started.0),
    };
    let ends = Ends { over: r.empty || r.released, survivors: &r.survivors, tracker: t };
    let command = r.command.iter().map(|c| format!("stop command '{}'", c.command));
    Deed {
        released: Some(r.released),
        also_ends: r.also_ends.clone(),
        unstick: r.steps.iter().flat_map(|s| s.unstick.iter().cloned()).collect(),
        took_us: r.took_us,
        notes: command.chain(r.notes.iter().cloned()).collect(),
        ..frame.deed(r.steps.iter().map(|s| s.signal_name.clone()).collect(), all, &ends)
    }
}
