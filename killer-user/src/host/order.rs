//! One order to one root: guard, engine, wait, doubt, and the one judgement of all of them.

use std::time::Duration;

use killer_common::record::Member;

use super::certainty;
use super::cured::{self, Cured};
use super::failure::Failure;
use super::main_process::{self, Main};
use super::receipt::{self, Done};
use super::record::no_heir;
use super::survivors::{self, counts, explain};
use super::{Tell, asked, fuse, journal, models, wait};
use crate::ask::signal;
use crate::ask::{Kill, Newborns};
use crate::ending::{Case, Ending, Wait};
use crate::kill::{Awaited, Fate, Order, Outcome, SIGCONT, SIGKILL, SIGSTOP, Target, Waited, execute};
use crate::lineage::{self, Lineage};
use crate::lookup::{Root, registry};
use crate::report::human;
use crate::report::model::{Moment, Receipt};
use crate::sys::{clock, interrupt, sched};
use crate::tier::Tracker;

/// What came of an order: nobody has been told yet.
pub struct Ordered {
    /// Everything that was done.
    pub receipt: Receipt,
    /// What did not go well.
    pub failure: Option<Failure>,
}

/// The processes that are left, each with its reason: entry, code, words.
type Left = Vec<(Member, String, String)>;

/// One order to one root. Its signals are in the journal; the rest is the caller's to tell.
pub fn order(t: &Tracker, root: &Root, k: &Kill, tell: &dyn Tell) -> Result<Ordered, Failure> {
    let hurry = sched::Hurry::start();
    let exactness = models::exactness(t, root);
    if k.require_exact && !exactness.exact {
        return Err(super::unknown::not_exact(&root.name, &exactness));
    }
    main_process::settle(t, root);
    let main = models::main_of(t, root);
    let limit = if k.signal == 0 { None } else { fuse::Limit::of(k.fuse)? };
    let order = asked::order(t, root, k, main, limit.map(|l| l.rest()));
    let active = !k.dry_run && k.signal != 0;
    let mut family = Lineage::new(t, root.clone());
    let mut notes = begin(t, &family, k)?;
    let (mut began, began_at) = (clock::monotonic_ns(), clock::boottime_ns());
    let mut before = counts(&family);
    interrupt::catch();
    let (stray, remembered) = lineage::strays(&family, &k.whom.sets);
    let mut outcome = execute(&mut family, &order).map_err(|r| fuse::words(limit.as_ref(), root, r))?;
    drop(hurry);
    let mut cured = cured::survivors(&family, k, &order, &mut outcome, tell);
    began += cured.took;
    before.tasks = outcome.tasks_before;
    if active {
        settle(t, root, main, &order, &outcome);
    }
    notes.extend(cured.done.note().into_iter().chain(remarks(t, k, &outcome, stray, began_at)));
    let mut case = case(k, &order, &outcome);
    // Without programs nobody remembers ancestors, which is said of these tiers.
    case.unsure |= stray > 0 && remembered;
    let mut w = Waiting::none(&outcome);
    case.interrupted = interrupt::came().filter(|_| !outcome.empty);
    if let Some(sig) = case.interrupted {
        notes.push(format!("interrupted by {}", signal::name(sig)));
        w.left.clear();
    }
    if let (Some(limit), true) = (k.wait.map(|w| w.span.limit()), case.may_wait()) {
        w = wait_and_cure(&family, k, &outcome, (began, limit), &mut cured, tell);
    }
    case.wait = w.how;
    if let Some(Wait::Interrupted(sig)) = w.how {
        notes.push(format!("interrupted by {} while waiting", signal::name(sig)));
    }
    if active {
        super::exact::second_look(t, root.slot);
    }
    let proven = outcome.empty || crate::kill::empty(&family);
    let doubt = if active { certainty::after(t, root, proven) } else { None };
    case.doubtful = doubt.is_some();
    case.withheld = cured.done.withheld;
    let r = receipt::receipt(&Done {
        family: &family,
        k,
        main,
        ending: case.judge(),
        doubt: doubt.as_ref(),
        outcome: &outcome,
        before,
        survivors: w.left,
        unreaped: w.unreaped,
        unstick: cured.done.steps,
        released: w.released,
        notes,
        started: Moment(began_at),
        line: order.caller,
    });
    if active {
        journal::signals(&r);
    }
    Ok(Ordered { failure: survivors::failure(&r, doubt), receipt: r })
}

/// What has to be so before anybody is signalled; notes about it.
fn begin(t: &Tracker, family: &Lineage<'_>, k: &Kill) -> Result<Vec<String>, Failure> {
    let mut notes = Vec::new();
    if k.dry_run || k.signal == 0 {
        return Ok(notes);
    }
    let root = family.root();
    if k.include_self && leave(t, family)? {
        notes.push("this killer was a member and left the service first".to_owned());
    }
    notes.extend(family.tell_unknown().iter().map(|(m, sig)| unknown_outcome(m, *sig)));
    if registry::frozen(t, root.slot.slot).is_some() && !matches!(k.signal, SIGKILL | SIGSTOP) {
        notes.push(frozen_note(root, k.signal));
    }
    if k.newborns == Newborns::Kill && t.gate().and_then(|g| g.at_birth()).is_none() {
        return Err(Failure::new(Ending::Failed, "this tier cannot end newborns")
            .why("the kernel has no hook in which a child could be ended before it runs")
            .next("leave --newborns=kill out, or use -s KILL"));
    }
    Ok(notes)
}

/// What an order changes in the registry.
fn settle(t: &Tracker, root: &Root, main: Option<Main>, order: &Order, o: &Outcome) {
    let told = |m: Main| {
        let hit = |x: &Target| x.fate == Fate::Signalled && m.is(&x.member);
        o.targets.iter().any(hit)
    };
    if !o.empty && signal::may_end(order.signal) && main.is_some_and(told) {
        // What is left of a service whose main process was told to end is not its main process.
        no_heir(t, root.slot);
    }
    if order.ends_all() && o.empty && registry::frozen(t, root.slot.slot) == Some(root.slot.slot) {
        // Nobody is left to be held.
        let _ = t.freezer().map(|f| f.freeze(root.slot, 0));
    }
}

/// What the engine has done, as the judgement has it.
fn case(k: &Kill, order: &Order, o: &Outcome) -> Case {
    Case {
        dry_run: k.dry_run,
        probe: k.signal == 0,
        fail: k.whom.fail,
        ends_all: order.ends_all(),
        alive: o.tasks_before != 0,
        aimed: !o.targets.is_empty(),
        hit: o.targets.iter().any(|t| t.fate == Fate::Signalled),
        refused: o.targets.iter().find_map(|t| if let Fate::Refused(e) = t.fate { Some(e) } else { None }),
        empty: o.empty,
        unsure: o.unsure,
        ..Case::default()
    }
}

/// How a wait went.
struct Waiting {
    /// `None`: nothing was waited for.
    how: Option<Wait>,
    left: Left,
    unreaped: Left,
    /// Whether all is released, and after how many µs.
    released: (Option<bool>, Option<u64>),
}

impl Waiting {
    fn none(o: &Outcome) -> Self {
        let left = o.survivors.iter().map(|s| (s.member, s.code.to_owned(), s.text.clone())).collect();
        Self { how: None, left, unreaped: Vec::new(), released: (None, None) }
    }
}

/// Waits for what was asked to be waited for; `since`: CLOCK_MONOTONIC ns of the beginning, and the limit from there on.
fn wait(
    family: &Lineage<'_>,
    k: &Kill,
    o: &Outcome,
    since: (u64, Option<Duration>),
    tell: &dyn Tell,
) -> Waiting {
    let gone = || Duration::from_nanos(clock::monotonic_ns() - since.0);
    let rest = || since.1.map(|l| l.saturating_sub(gone()));
    let mut awaited = Awaited::default();
    // A process that had ended when it was to be signalled may still hold something.
    o.targets.iter().for_each(|t| awaited.add(t.member));
    let whole = k.whom.is_systemd();
    let how = wait::wait_released(family, whole, &mut awaited, rest(), tell);
    let released = (Some(how == Waited::Done), Some(gone().as_micros() as u64));
    let how = match how {
        Waited::Done => Wait::Over,
        Waited::TimedOut => Wait::TimedOut,
        Waited::Interrupted(sig) => Wait::Interrupted(sig),
    };
    if how != Wait::Over {
        let left = explain(family, whole, &awaited.left());
        return Waiting { how: Some(how), left, unreaped: Vec::new(), released };
    }
    let reaped = k.wait.is_some_and(|w| w.reaped);
    let mut of = if whole { wait::mains(family.tracker(), family.root()) } else { Vec::new() };
    of.extend(awaited.all().iter().filter(|_| reaped));
    let (how, unreaped) = wait::wait_reaped(&of, reaped, rest());
    let how = match how {
        Waited::Done => Wait::Over,
        Waited::TimedOut => Wait::Unreaped,
        Waited::Interrupted(sig) => Wait::Interrupted(sig),
    };
    let unreaped = survivors::named(family, &unreaped);
    Waiting { how: Some(how), left: Vec::new(), unreaped, released }
}

/// The same; where it is over in vain, ends under way that are held are let go by consent, unless somebody was asked before.
fn wait_and_cure(
    family: &Lineage<'_>,
    k: &Kill,
    o: &Outcome,
    since: (u64, Option<Duration>),
    cured: &mut Cured,
    tell: &dyn Tell,
) -> Waiting {
    let mut w = wait(family, k, o, since, tell);
    if w.how == Some(Wait::TimedOut) && cured.done.steps.is_empty() {
        let left: Vec<Member> = w.left.iter().map(|l| l.0).collect();
        let done = cured::late(family, k, &left, tell, &mut |most| {
            w = wait(family, k, o, (clock::monotonic_ns(), Some(most)), tell);
            w.how == Some(Wait::Over)
        });
        cured.done = done.unwrap_or_default();
    }
    w
}

/// Notes about what the engine has met.
fn remarks(t: &Tracker, k: &Kill, o: &Outcome, stray: usize, began: u64) -> Vec<String> {
    let mut notes = Vec::new();
    if k.value.is_some() && t.broadcasts().is_some_and(|b| b.sends_at_birth()) {
        notes.extend(queued(o, began));
    }
    if o.behind > 0 && k.signal < signal::RTMIN {
        notes.push(format!(
            "{} had the same signal from before still waiting: they take both as one",
            human::count(o.behind as u64, "process", "processes")
        ));
    }
    // What an unsure ending is explained by comes last.
    if o.unsure {
        notes.push(UNSURE.to_owned());
    }
    if stray > 0 {
        let who = human::count(stray as u64, "member has", "members have");
        notes.push(format!(
            "{who} ancestors that are no longer known: nobody can tell whether '{}' means them",
            k.whom.text
        ));
    }
    notes
}

const UNSURE: &str = "processes were born unseen or faster than they could be listed, did not come to take it, or were forked \
     when nothing told whether it had been taken: some may have been signalled twice or not at all";

/// What a queued value means for processes that were born meanwhile.
fn queued(o: &Outcome, began: u64) -> Vec<String> {
    let mut notes = Vec::new();
    let late = |x: &&Target| x.fate == Fate::Signalled && x.member.born > began;
    let late = o.targets.iter().filter(late).count() as u64;
    if late > 0 {
        notes.push(format!(
            "{} born meanwhile and sent the value after their first instructions: the kernel cannot queue it at birth",
            human::count(late, "process was", "processes were")
        ));
    }
    if o.unlike {
        notes.push(
            "somebody has not taken it yet: children that he forks from now on are sent it at birth, as the kernel's own signal \
             (SI_KERNEL), whose value a signalfd does not show"
                .into(),
        );
    }
    notes
}

/// What `status` and the next receipt say of a claim whose sweeper died.
pub fn unknown_outcome(m: &Member, signal: i32) -> String {
    format!(
        "{} to process {} has an unknown outcome: the killer that sent it died in that moment. It was sent at most once and \
         is not sent again",
        signal::name(signal),
        m.tgid
    )
}

fn frozen_note(root: &Root, signal: i32) -> String {
    let waits = format!("'{}' is frozen", root.name);
    if signal == SIGCONT {
        return format!("{waits}: SIGCONT does not let it go on, 'killer thaw {}' does", root.name);
    }
    format!("{waits}: the signal waits until 'killer thaw {}'", root.name)
}

/// Leaves the family when this process is in it; to be done while it has one thread.
pub fn leave(t: &Tracker, family: &Lineage<'_>) -> Result<bool, Failure> {
    let mine = t.whose()?;
    if !mine.is_some_and(|s| family.slots().contains(&s)) {
        // What ends our ancestors may end our session, too.
        sched::ignore_hangup();
        return Ok(false);
    }
    sched::ignore_hangup();
    t.leave().map_err(|e| {
        let f = Failure::new(Ending::Failed, "this killer cannot leave the service");
        match e.raw_os_error() {
            Some(libc::EBUSY) => f
                .why("before Linux 5.11 the kernel does not tell the programs whether it has one thread")
                .next("run it from outside of the service"),
            _ => f.why(e.to_string()),
        }
    })
}
