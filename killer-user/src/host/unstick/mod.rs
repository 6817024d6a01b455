//! Survivors of SIGKILL that can be cured by consent: what holds them is found from the kernel's own objects and shown, and it is
//! let go when somebody has said yes. A stranger is never signalled.

mod freezer;
mod fuse;
mod look;
mod nfs;
mod step;
mod tracer;
mod users;

use std::collections::BTreeSet;
use std::io;
use std::time::{Duration, Instant};

use killer_common::record::Member;

use super::{Tell, journal};
use crate::ask::Unstick;
use crate::lineage::{Lineage, Members};
use crate::report::escape::shell;
use crate::report::model::{Survivor, UnstickStep};
use crate::report::{human, message};
use crate::sys::alive;
use look::Stuck;
use step::{Act, Step};

/// So many survivors are looked at.
const MOST: usize = 4096;
/// They are looked at for so long at most.
const TIME: Duration = Duration::from_secs(5);
/// How long members may take to end after a step, and after one that others follow.
const LAST: Duration = Duration::from_secs(10);
const BETWEEN: Duration = Duration::from_secs(2);

/// What was found, shown and done.
#[derive(Debug, Default)]
pub struct Done {
    /// Each step.
    pub steps: Vec<UnstickStep>,
    /// A step could have been done, and nobody said yes to it.
    pub withheld: bool,
    /// So many could not be looked at.
    pub left_out: usize,
}

/// What holds these members, and what would let them end.
/// Answers also how many could not be looked at.
fn find(family: &Lineage<'_>, of: &[Member]) -> (Vec<Step>, usize) {
    let began = Instant::now();
    let (mut stuck, mut left_out) = (Vec::new(), of.len().saturating_sub(MOST));
    for m in of.iter().take(MOST) {
        match Stuck::of(m).filter(|_| began.elapsed() < TIME) {
            Some(s) => stuck.push(s),
            None if alive::alive(m.tgid, m.leader_start) => left_out += 1,
            None => {}
        }
    }
    let ours: BTreeSet<u32> = family.listed().into_iter().chain(of.iter().map(|m| m.tgid)).collect();
    let mut all = freezer::find(&stuck, &ours);
    all.extend(fuse::find(&stuck, &ours));
    all.extend(nfs::find(&stuck, &ours));
    all.extend(tracer::find(&stuck, &ours));
    (all, left_out)
}

/// The steps, of which none is done: for a dry run.
pub fn shown(family: &Lineage<'_>) -> Done {
    let members = family.members(&family.listed());
    let (steps, left_out) = find(family, &members);
    Done { steps: steps.into_iter().map(|s| s.told).collect(), withheld: false, left_out }
}

/// Shows what holds the survivors, asks, and does what was agreed to. `again`: SIGKILL to all once more, for so long at most; true when
/// the kernel's count is 0.
pub fn cure(
    family: &Lineage<'_>,
    of: &[Member],
    how: Unstick,
    tell: &dyn Tell,
    again: &mut dyn FnMut(Duration) -> bool,
) -> Done {
    let (mut all, left_out) = find(family, of);
    let mut done = Done { left_out, ..Done::default() };
    let service = &family.root().name;
    if all.is_empty() {
        tell.message(&message::render(
            &format!("'{service}': nothing is known that lets the survivors end"),
            None,
            None,
        ));
        return done;
    }
    let told: Vec<UnstickStep> = all.iter().map(|s| s.told.clone()).collect();
    tell.message(&message::render(
        &format!("'{service}': what holds the survivors, and what lets them end:"),
        None,
        None,
    ));
    tell.message(&human::steps(&told));
    for s in &mut all {
        s.agree(how, tell, &mut done.withheld);
    }
    let mut over = false;
    let mut left = all.iter().filter(|s| s.told.result == "agreed").count();
    for s in &mut all {
        if s.told.result != "agreed" {
            continue;
        }
        left -= 1;
        over = s.carry_out() && again(if left == 0 { LAST } else { BETWEEN });
        if over {
            break;
        }
    }
    for s in &mut all {
        if s.told.result == "agreed" {
            s.told.result = "not-needed".into();
        }
        s.undo(over);
    }
    done.steps = all.into_iter().map(|s| s.told).collect();
    tell.message(&human::results(&done.steps));
    journal::unstuck(service, &done.steps);
    done
}

impl Step {
    /// Asks for this one; what is only likely is not done by `--yes`.
    fn agree(&mut self, how: Unstick, tell: &dyn Tell, withheld: &mut bool) {
        let sure = match &self.act {
            Act::ByHand => return,
            // Who uses it by path just now is not counted, so that none are counted makes it no better.
            Act::Abort { certain, .. } => *certain,
            _ => true,
        };
        let why = match how {
            Unstick::Yes if sure => None,
            Unstick::Yes => Some("--yes does only what is certain: say yes at a terminal"),
            Unstick::Ask => {
                let target = crate::report::escape::text(&self.told.target);
                match tell.agrees(&format!("{} {target}?", self.told.kind)) {
                    Some(true) => None,
                    Some(false) => Some("the answer was no"),
                    None => Some("there is no terminal to ask at, and --yes was not given"),
                }
            }
        };
        *withheld |= why.is_some();
        self.told.result = if why.is_some() { "refused" } else { "agreed" }.into();
        self.told.why = why.map(Into::into);
    }

    /// Does it; true: it was done.
    fn carry_out(&mut self) -> bool {
        let done = match &self.act {
            _ if !self.of.iter().any(Stuck::lives) => Ok(false),
            Act::Thaw(dir) => freezer::thaw(dir).map(|again| {
                self.otherwise = again;
                self.otherwise.is_some()
            }),
            Act::Abort { dir, .. } => fuse::abort(dir, &self.of),
            Act::Unmount(id, at) => nfs::unmount(*id, at, &self.of),
            Act::ByHand => Ok(false),
        };
        self.told.done = matches!(done, Ok(true));
        self.note(done);
        self.told.done
    }

    fn note(&mut self, done: io::Result<bool>) {
        self.told.result = match done {
            Ok(true) => "done",
            Ok(false) => "not-needed",
            Err(e) => {
                self.told.why = Some(message::plain(&e.to_string()));
                "failed"
            }
        }
        .into();
    }

    /// Undoes it where that can be, when others are held by it as well. `over`: by the kernel's count no member is left; /proc shows
    /// those whose end is under way a moment longer.
    fn undo(&mut self, over: bool) {
        let (Act::Thaw(dir), true) = (&self.act, self.told.done) else { return };
        match freezer::freeze_again(dir, &self.of, over) {
            Ok(undone) => self.told.undone = undone,
            Err(e) => self.told.why = Some(format!("not frozen again: {}", message::plain(&e.to_string()))),
        }
    }
}

/// Puts behind each reason the command that helps, where one is known.
pub fn with_cures(service: &str, of: &[(Member, String, String)], left: &mut [Survivor]) {
    let began = Instant::now();
    let own = format!("killer -s KILL --wait=10s --unstick -- {}", shell(service.as_bytes()));
    for ((m, ..), s) in of.iter().zip(left) {
        let look = || Stuck::of(m).filter(|_| began.elapsed() < TIME);
        s.cure = match &*s.code {
            "frozen" => Some(own.clone()),
            "uninterruptible" => {
                let waits = look().is_some_and(|s| s.threads.iter().any(|t| t.in_fuse() || t.in_nfs()));
                waits.then(|| own.clone())
            }
            "traced" => {
                let found = look().map(|s| tracer::find(&[s], &BTreeSet::from([m.tgid])));
                found.and_then(|f| f.into_iter().next()).map(|s| s.told.command)
            }
            _ => None,
        };
    }
}

impl Done {
    /// What could not be looked at.
    pub fn note(&self) -> Option<String> {
        let n = human::count(self.left_out as u64, "process", "processes");
        (self.left_out > 0).then(|| format!("{n} could not be looked at for what holds them"))
    }
}
