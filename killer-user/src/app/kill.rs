//! The main form: names → roots → engine → receipts → exit code.

use std::time::Duration;

use killer_common::record::Member;

use super::failure::{Failure, code};
use super::names::{self, For};
use super::picks::picks;
use super::receipt::{self, Done};
use super::several::{self, Did};
use super::stop_record::{StopRecord, no_heir};
use super::verdict::{self, counts, exit_code, explain, refused};
use super::{Screen, also, doubt, facts, journal, last, main_process, pidfiles, unseen, waiting};
use crate::cli::Kill;
use crate::kill::{
    Awaited, Fate, Newborns, Order, Outcome, SIGCONT, SIGKILL, SIGSTOP, Target, Waited, execute,
};
use crate::lineage::{self, Family, Lineage, Pick};
use crate::parse::{name, signal};
use crate::report::human;
use crate::report::model::Receipt;
use crate::sys::{interrupt, mem, sched};
use crate::target::{Root, process, registry};
use crate::tier::{BpfError, Paths, Tracker};

/// How long KILL to all goes on before survivors are named.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Does what the main form asks.
pub fn run(k: &Kill, screen: &Screen) -> u8 {
    // To look at a set that is in the way costs a share of the CPU that hundreds of forkers do not leave.
    let hurry = sched::Hurry::start();
    let t = match Tracker::open(&Paths::default()) {
        // What it has mapped and opened goes with this process: cheaper than piece by piece.
        Ok(t) => std::mem::ManuallyDrop::new(t),
        Err(BpfError::NotLoaded) => return screen.fail(&names::none(&k.names, For::Signal)),
        Err(e) => return screen.fail(&e.into()),
    };
    let picks = match picks(&k.whom) {
        Ok(p) => p,
        Err(f) => return screen.fail(&f),
    };
    let _log = screen.relay(&t);
    if let Err(f) = super::exact::account(&t).map_err(Failure::from).and_then(|()| super::freeze::settle(&t))
    {
        return screen.fail(&f);
    }
    drop(hurry);
    let found = match names::resolve(&t, &k.names, For::Signal) {
        Ok(found) => found,
        Err(f) => return screen.fail(&f),
    };
    several::each(
        &t,
        &found,
        screen,
        !k.dry_run,
        |t, root| {
            if !k.dry_run && !k.require_exact {
                let asked = also::Asked { picks: &picks, include_self: k.include_self };
                also::say(t, root, found.of(t), k.signal, asked, screen);
            }
            let Ordered { receipt: r, failure } = order(t, root, k, &picks, screen)?;
            let active = k.signal != 0 && !k.dry_run;
            if active {
                let uid = rustix::process::getuid().as_raw();
                let _ = t.note_kill(root.slot, k.signal, uid, r.exit_code);
                last::remember(t, root, k.signal, r.exit_code, &[&r]);
                if r.empty {
                    pidfiles::ended(t, root);
                    unseen::remember(t);
                }
            }
            let gone = r.main_pid.is_none() && r.tasks > 0 && r.exit_code == 0 && k.whom.names_main();
            if gone {
                let f = main_process::gone(&r.service);
                let all = k.whom.spares_main();
                screen.fail(&if all {
                    f.why(format!("nobody is left out by --whom={}", k.whom.text))
                } else if r.targets.is_empty() {
                    f.why(if k.dry_run { "nobody would be signalled" } else { "nobody was signalled" })
                } else {
                    f
                });
            }
            if let Some(f) = failure {
                if active {
                    journal::judgement(&r.service, &f);
                }
                verdict::complain(&f, &[&r.survivors[..], &r.unreaped].concat(), screen);
                screen.message(&human::refused(&r));
            } else if let Some(f) = verdict::nobody(&r).filter(|_| !gone) {
                screen.fail(&f);
            }
            if r.exit_code != code::TIMEOUT {
                verdict::say_unreaped(&r.service, &r.unreaped, screen);
            }
            Ok(Did { code: r.exit_code, word: became(&r), model: r })
        },
        |r, s| shown(r, k, screen, s),
    )
}

/// In a word what a service is after an order that went well.
fn became(r: &Receipt) -> &'static str {
    match r.signal {
        0 => "there",
        _ if r.empty => "ended",
        _ => "signalled",
    }
}

fn shown(r: &Receipt, k: &Kill, screen: &Screen, s: &crate::report::Style) -> String {
    if k.dry_run || screen.verbose > 0 { human::receipt(r, s) } else { String::new() }
}

/// What came of an order: nobody has been told yet.
pub struct Ordered {
    /// Everything that was done.
    pub receipt: Receipt,
    /// What did not go well.
    pub failure: Option<Failure>,
}

/// One order to one root. Its signals are in the journal; the rest is the caller's to tell.
pub fn order(
    t: &Tracker,
    root: &Root,
    k: &Kill,
    picks: &[Pick],
    screen: &Screen,
) -> Result<Ordered, Failure> {
    let hurry = sched::Hurry::start();
    let exactness = facts::exactness(t, root.slot.slot);
    if k.require_exact && !exactness.exact {
        return Err(super::not_exact(&root.name, &exactness));
    }
    main_process::settle(t, root);
    let main = facts::main_of(t, root);
    let limit = k.wait.map(|w| w.span.limit());
    let caller = process::ancestors();
    let order = Order {
        signal: k.signal,
        value: k.value,
        picks: picks.to_vec(),
        main: main.map(|m| m.key()),
        home: StopRecord::of(t, root.slot).home,
        glob: name::matches,
        dry_run: k.dry_run,
        near: process::near(&caller),
        caller,
        include_self: k.include_self,
        patience: k.patience.or(limit.flatten()).map_or(PATIENCE, |l| l.min(PATIENCE)),
        newborns: k.newborns,
    };
    let mut notes = Vec::new();
    let mut family = Lineage::new(t, root.clone());
    if k.include_self && !k.dry_run && k.signal != 0 && leave(t, &family)? {
        notes.push("this killer was a member and left the service first".to_owned());
    }
    let active = !k.dry_run && k.signal != 0;
    if active {
        notes.extend(family.unknown().iter().map(|(m, sig)| unknown_outcome(m, *sig)));
        if registry::frozen(t, root.slot.slot).is_some() && !matches!(k.signal, SIGKILL | SIGSTOP) {
            notes.push(frozen_note(root, k.signal));
        }
    }
    if k.newborns == Newborns::Kill && active && t.birth_gate().is_none() {
        return Err(Failure::new(code::FAILURE, "this tier cannot end newborns")
            .why("the kernel has no hook in which a child could be ended before it runs")
            .next("leave --newborns=kill out, or use -s KILL"));
    }
    let began = mem::monotonic_ns();
    let began_at = mem::boottime_ns();
    let started = facts::when(began_at);
    let mut before = counts(&family);
    interrupt::catch();
    let (stray, remembered) = lineage::strays(&family, picks);
    let outcome = execute(&mut family, &order).map_err(|r| refused(root, r))?;
    drop(hurry);
    before.tasks = outcome.tasks_before;
    let told = |m: main_process::Main| {
        let hit = |x: &Target| x.fate == Fate::Signalled && (x.member.tgid, x.member.leader_start) == m.key();
        outcome.targets.iter().any(hit)
    };
    if active && !outcome.empty && signal::may_end(k.signal) && main.is_some_and(told) {
        // Who is left of a service whose main process was told to end is not its main process.
        no_heir(t, root.slot);
    }

    let mut exit = exit_code(&outcome, &order, k.whom.fail);
    if k.signal == 0 && !k.dry_run && exit == 0 && outcome.targets.is_empty() {
        // A probe asks whether somebody is there.
        exit = if before.tasks == 0 { code::DEAD } else { code::FAILURE };
    }
    if outcome.unsure {
        notes.push(UNSURE.to_owned());
        exit = if exit == 0 { code::PARTIAL } else { exit };
    }
    if stray > 0 {
        let who = human::count(stray as u64, "member has", "members have");
        notes.push(format!(
            "{who} ancestors that are no longer known: whether '{}' means them nobody can tell",
            k.whom.text
        ));
        // Without programs nobody remembers them, which is said of these tiers.
        exit = if exit == 0 && remembered { code::PARTIAL } else { exit };
    }
    if k.value.is_some() && t.decides_newborns() {
        notes.extend(queued(&outcome, began_at));
    }
    if outcome.behind > 0 && k.signal < signal::RTMIN {
        notes.push(format!(
            "{} had the same signal from before still waiting: they take both as one",
            human::count(outcome.behind as u64, "process", "processes")
        ));
    }
    if order.ends_all() && outcome.empty && registry::frozen(t, root.slot.slot) == Some(root.slot.slot) {
        // Nobody is left to be held.
        let _ = t.freeze(root.slot, 0);
    }
    let mut survivors: Vec<(Member, String, String)> =
        outcome.survivors.iter().map(|s| (s.member, s.code.to_owned(), s.text.clone())).collect();
    let mut released = None;
    let mut released_us = None;
    let (mut unreaped, mut word) = (Vec::new(), None);
    if let (Some(sig), false) = (interrupt::came(), outcome.empty) {
        notes.push(format!("interrupted by {}", signal::name(sig)));
        survivors.clear();
        exit = 128 + sig as u8;
    }
    let waits = !k.dry_run && k.signal != 0 && matches!(exit, 0 | code::PARTIAL | code::TIMEOUT);
    if let (Some(limit), true) = (limit, waits) {
        let gone = Duration::from_nanos(mem::monotonic_ns() - began);
        let rest = limit.map(|l| l.saturating_sub(gone));
        let mut awaited = Awaited::default();
        // Who had ended when it was to be signalled may hold something still.
        outcome.targets.iter().for_each(|t| awaited.add(t.member));
        let whole = k.whom.is_systemd();
        let w = waiting::wait_released(&family, whole, &mut awaited, rest, screen.quiet);
        released = Some(w == Waited::Done);
        released_us = Some((mem::monotonic_ns() - began) / 1000);
        survivors = match w {
            Waited::Done => Vec::new(),
            _ => explain(&family, whole, &awaited.left()),
        };
        exit = match (w, exit) {
            (Waited::Done, code::TIMEOUT) => 0,
            (Waited::Done, e) => e,
            (Waited::TimedOut, _) => code::TIMEOUT,
            (Waited::Interrupted(sig), _) => {
                notes.push(format!("interrupted by {} while waiting", signal::name(sig)));
                128 + sig as u8
            }
        };
        if w == Waited::Done {
            let asked = k.wait.is_some_and(|w| w.reaped);
            let gone = Duration::from_nanos(mem::monotonic_ns() - began);
            let mut of = if whole { waiting::mains(t, root) } else { Vec::new() };
            of.extend(awaited.all().iter().filter(|_| asked));
            let (w, left) = waiting::wait_reaped(&of, asked, limit.map(|l| l.saturating_sub(gone)));
            unreaped = verdict::named(&family, &left);
            match w {
                Waited::Done => {}
                Waited::TimedOut => (exit, word) = (code::TIMEOUT, Some("unreaped")),
                Waited::Interrupted(sig) => {
                    notes.push(format!("interrupted by {} while waiting", signal::name(sig)));
                    exit = 128 + sig as u8;
                }
            }
        }
    }
    if active {
        super::exact::second_look(t, root.slot);
    }
    let mut r = receipt::receipt(&Done {
        family: &family,
        k,
        main,
        exit,
        outcome: &outcome,
        before,
        survivors,
        unreaped,
        released: (released, released_us),
        notes,
        started,
        word,
    });
    // The last judgement comes before anybody is told.
    let doubt = if active { doubt::judge(t, root, &mut r) } else { None };
    if active {
        journal::signals(&r);
    }
    Ok(Ordered { failure: doubt.or_else(|| verdict::failure(&r)), receipt: r })
}

const UNSURE: &str = "processes were born unseen or faster than they could be listed, or did not come to take it: some may have \
     been signalled twice or not at all";

/// What a queued value means for who was born meanwhile.
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
        let f = Failure::new(code::FAILURE, "this killer cannot leave the service");
        match e.raw_os_error() {
            Some(libc::EBUSY) => f
                .why("before Linux 5.11 the kernel does not tell the programs whether it has one thread")
                .next("run it from outside of the service"),
            _ => f.why(e.to_string()),
        }
    })
}
