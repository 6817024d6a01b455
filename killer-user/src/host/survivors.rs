//! What came of an order, for people: what is left and why, what is said on stderr.

use killer_common::record::Member;

use super::certainty::Doubt;
use super::failure::Failure;
use super::main_process::Main;
use super::{Tell, models, unstick};
use crate::ending::{Ending, Facts};
use crate::kill::{Refusal, SIGKILL};
use crate::lineage::{self, Lineage, Members};
use crate::lookup::{Root, process};
use crate::report::human;
use crate::report::model::{Counts, Receipt, Survivor};
use crate::sys::alive::Identity;
use crate::tier::Tracker;

/// Processes and tasks now.
pub fn counts(f: &Lineage<'_>) -> Counts {
    Counts { processes: f.listed().len() as u64, tasks: f.census().tasks }
}

/// A refusal in words.
pub fn refused(root: &Root, r: Refusal) -> Failure {
    let f = Failure::new(Ending::Failed, format!("refused for '{}': {r}", root.name));
    match r {
        Refusal::Init => f.why("process 1 must not be ended"),
        Refusal::Caller(p) | Refusal::Ancestor(p) => f
            .why(format!("process {p} is {}; nothing was signalled", process::comm(p)))
            .next("run it from elsewhere, or give --include-self: killer then leaves the set first"),
        Refusal::Many(_) => f.why("nothing was signalled"),
        Refusal::Behind(p, _) => f
            .why(format!("process {p} is {}, and older than this killer's own; nothing was signalled", process::comm(p)))
            .next("run it where /proc hides nobody (hidepid=), or from elsewhere; --include-self signals it all the same"),
    }
}

/// The processes that are still there, and why: all of them (`whole`), and those that are waited for.
pub fn explain(f: &Lineage<'_>, whole: bool, left: &[Member]) -> Vec<(Member, String, String)> {
    let members = f.members(&f.listed());
    let mut all: Vec<Member> = if whole { members.clone() } else { Vec::new() };
    for m in left {
        if !all.iter().any(|a| Identity::of(a) == Identity::of(m)) {
            all.push(*m);
        }
    }
    all.sort_by_key(|m| m.tgid);
    named(f, &all)
}

/// Each with its reason: entry, code, words.
pub fn named(f: &Lineage<'_>, left: &[Member]) -> Vec<(Member, String, String)> {
    let with_reason = |m: Member| {
        let (code, text) = f.explain(&m);
        (m, code.to_owned(), text)
    };
    left.iter().copied().map(lineage::named).map(with_reason).collect()
}

/// The same as the documents have it.
pub fn with_words(t: &Tracker, left: &[(Member, String, String)], main: Option<Main>) -> Vec<Survivor> {
    let one = |(m, code, text): &(Member, String, String)| Survivor {
        process: models::process(t, m, main),
        code: code.clone(),
        text: text.clone(),
        cure: None,
    };
    left.iter().map(one).collect()
}

/// The same, each with the command that helps against SIGKILL's survivors, where one is known.
pub fn with_cures(
    t: &Tracker,
    (service, signal): (&str, i32),
    left: &[(Member, String, String)],
    main: Option<Main>,
) -> Vec<Survivor> {
    let mut all = with_words(t, left, main);
    if signal == SIGKILL {
        unstick::with_cures(service, left, &mut all);
    }
    all
}

/// What the sentence of a receipt's ending counts and names.
fn told(r: &Receipt) -> Facts<'_> {
    Facts {
        service: &r.service,
        whom: &r.whom,
        tasks_before: r.tasks,
        tasks: r.left.tasks,
        left: r.survivors.len(),
        unreaped: r.unreaped.len(),
        refused: r.targets.iter().filter(|p| p.error.is_some()).count(),
        had_ended: !r.targets.is_empty(),
        note: r.notes.iter().rfind(|n| n.starts_with("interrupted")).map_or("interrupted", |n| n),
    }
}

/// Nobody was there for the signal. `None` when there was somebody, or when that is what was wanted: SIGKILL to all
/// of a service that has ended.
pub fn nobody(r: &Receipt) -> Option<Failure> {
    let wanted = r.ending == Ending::Nothing && r.signal == SIGKILL && r.whom == "all" && r.empty;
    if r.ending.is_good() && !r.targets.is_empty() || wanted {
        return None;
    }
    let f = Failure::new(r.ending, r.ending.sentence(&told(r)));
    let f = match r.tasks {
        0 => f,
        _ => f.next(format!("'killer tree {}' shows its processes", r.service)),
    };
    Some(match (r.signal, r.dry_run) {
        (0, _) => f,
        (_, true) => f.why("nobody would be signalled"),
        _ => f.why("nobody was signalled"),
    })
}

/// What did not go well, in the words of stderr and of the journal; survivors are listed beside it.
pub fn failure(r: &Receipt, doubt: Option<Doubt>) -> Option<Failure> {
    let f = Failure::new(r.ending, r.ending.sentence(&told(r)));
    let refusal = || r.targets.iter().filter_map(|p| p.error.clone()).next_back();
    Some(match r.ending {
        e if e.is_good() => return None,
        Ending::Doubtful => return doubt.map(|d| d.failure(&r.service)),
        Ending::Nobody | Ending::WouldMissAll | Ending::Dead => return nobody(r),
        Ending::Unreaped => number_taken(f),
        Ending::Interrupted(_) => {
            f.why("nothing is gated or stopped; the processes that were signalled stay signalled")
        }
        // What makes it so is the last of its notes.
        Ending::Unsure => f.why(r.notes.last().cloned().unwrap_or_default()).next(format!(
            "'killer tree {}' shows its processes; send the signal again if a second one does no harm",
            r.service
        )),
        _ => Failure { why: refusal(), ..f },
    })
}

/// Everything is released, and numbers are taken still.
pub fn number_taken(f: Failure) -> Failure {
    f.why("its number is taken until it is reaped: a start that looks for a process of this number finds one")
        .next("its parent has to wait for it: look after that process")
}

/// Says so of main processes where it was not waited for.
pub fn say_unreaped(service: &str, who: &[Survivor], tell: &dyn Tell) {
    for p in who {
        let what = format!("'{service}': main process {} ({}): {}", p.process.pid, p.process.comm, p.text);
        let why = "its number is taken until it is reaped: a start that looks for a process of this number finds one";
        let next = "'--wait=reaped' waits for that";
        tell.message(&crate::report::message::render(&what, Some(why), Some(next)));
    }
}

/// Says a failure on stderr, and which processes are left.
pub fn complain(f: &Failure, left: &[Survivor], tell: &dyn Tell) {
    let text = crate::report::message::render(&f.what, f.why.as_deref(), f.next.as_deref());
    let left = if f.ending.lists_who() { human::left(left) } else { String::new() };
    tell.message(&format!("{text}{left}"));
}
