//! `list`, `status`, `tree`, `wait`: they look and change nothing.

use std::cell::Cell;
use std::time::{Duration, Instant};

use super::failure::Failure;
use super::found::Service;
use super::host::Host;
use super::main_process;
use super::names::{self, For};
use super::several::{self, Did};
use super::stop_record::StopRecord;
use super::{
    Screen, also, doubt, elsewhere, exact, facts, last, not_exact, order, service, unseen, verdict, waiting,
};
use crate::cli::{Names, Output, Until};
use crate::ending::{self, Ending};
use crate::kernel::tier::Tier;
use crate::kill::Waited;
use crate::lineage::{self, Lineage, Members};
use crate::parse::signal;
use crate::parse::span::Span;
use crate::report::model::{Done, LastKill, SCHEMA_VERSION, Services, Status, Tree, Verb};
use crate::report::{Style, graph, human, message};
use crate::target::{Root, registry};
use crate::tier::Tracker;

/// Every tracked service.
pub fn list(screen: &Screen) -> Result<Ending, Failure> {
    let services = match Host::open()? {
        Some(t) => {
            let (others, unseen) = elsewhere::trackers(&t)?;
            let mut all = Vec::new();
            for t in std::iter::once(&*t).chain(others.iter().map(|o| &**o)) {
                all.extend(registry::all(t).iter().map(|r| Service::count(t, r).line()));
                doubt::sound(t)?;
            }
            all.sort_by(|a, b| a.name.cmp(&b.name));
            for u in &unseen {
                let text = message::render("not every service can be seen", Some(u), None);
                screen.message(&text);
            }
            all
        }
        None => Vec::new(),
    };
    let l = Services { version: SCHEMA_VERSION, kind: "list", services };
    if let Some(f) = unseen::incomplete(&unseen::versions()).or_else(|| unseen::lost().err()) {
        if !l.services.is_empty() || screen.output() != Output::Short {
            screen.data(&l, |s| human::services(&l, s));
        }
        return Err(f);
    }
    screen.data(&l, |s| human::services(&l, s));
    Ok(Ending::Done)
}

/// Services, one by one.
pub fn status(names: &Names, require_exact: bool, screen: &Screen) -> Result<Ending, Failure> {
    let (t, found) = names::find(names, For::Verb)?;
    let one = |t: &Tracker, r: &Root| {
        let s = state(t, r)?;
        let ending = match () {
            () if s.service.state == "ended" => Ending::Dead,
            () if require_exact && !s.service.exactness.exact => {
                screen.fail(&not_exact(&r.name, &s.service.exactness))
            }
            () => Ending::Done,
        };
        Ok(Did { ending, word: "shown", model: s })
    };
    let apart = Apart::default();
    Ok(several::each(&t, &found, screen, false, one, |m, s| apart.next() + &human::status(m, s)))
}

/// An empty line between what is shown of two services.
#[derive(Default)]
struct Apart(Cell<bool>);

impl Apart {
    fn next(&self) -> String {
        if self.0.replace(true) { "\n".into() } else { String::new() }
    }
}

/// No reason to doubt the set: the kernel counts it without the supervisor.
const SUPERVISOR_GONE: &str = "supervisor-gone: the supervisor of --kill-on-exit ended before the service, so nobody ends what \
     is left when the main process ends; the set is as complete as before";

fn state(t: &Tracker, r: &Root) -> Result<Status, Failure> {
    let seen = Service::read(t, r);
    let contains = also::inside(t, r);
    let k = &r.record;
    let supervisor = || match exact::owner_lives(k) {
        true => Some(k.owner_tgid),
        false => StopRecord::watched(t, r.slot),
    };
    let supervised = k.flags & service::SUPERVISED != 0;
    let last_kill = (k.last_at != 0).then(|| LastKill {
        signal: signal::name(k.last_signal as i32),
        uid: k.last_uid,
        at: facts::when(k.last_at),
        age_s: facts::seconds_since(k.last_at),
        exit_code: k.last_outcome,
        reached: last::reached(t, r),
    });
    let unsettled = lineage::unsettled(&Lineage::new(t, r.clone()));
    let mut notes: Vec<String> = unsettled.iter().map(|(m, sig)| order::unknown_outcome(m, *sig)).collect();
    if seen.counts.tasks != 0 && exact::unsupervised(t, r.slot, k) && t.tier() != Tier::Scan {
        notes.push(SUPERVISOR_GONE.into());
    }
    Ok(Status {
        version: SCHEMA_VERSION,
        kind: "status",
        main: seen.main_process(),
        tier: t.tier().name(),
        contains,
        gated: t.gate().is_some_and(|g| g.is_closed(r.slot.slot)),
        supervisor: supervised.then(supervisor).flatten(),
        notes,
        last_kill,
        tree: seen.forest()?,
        service: seen.line(),
        frozen: seen.frozen,
    })
}

/// The lineages.
pub fn tree(names: &Names, last: bool, screen: &Screen) -> Result<Ending, Failure> {
    let (t, found) = names::find(names, For::Verb)?;
    if screen.output() == Output::Mermaid && found.each(&t).count() > 1 {
        return Err(Failure::new(Ending::Usage, "one Mermaid chart is for one service")
            .next("name one service, or use -o dot, which may hold several graphs"));
    }
    let one = |t: &Tracker, r: &Root| {
        let model = match last {
            true => last::tree(t, r),
            false => Tree {
                version: SCHEMA_VERSION,
                kind: "tree",
                service: r.name.clone(),
                last_kill: None,
                note: None,
                tree: Service::read(t, r).forest()?,
            },
        };
        doubt::sound(t)?;
        Ok(Did { ending: Ending::Done, word: "shown", model })
    };
    let show = |m: &Tree, s: &Style| match screen.output() {
        Output::Dot => graph::dot(m),
        Output::Mermaid => graph::mermaid(m),
        _ => human::tree(m, s),
    };
    Ok(several::each(&t, &found, screen, false, one, show))
}

/// Waits on kernel events, for one service after the other: all have to be so far within the limit.
pub fn wait(names: &Names, what: Until, limit: Option<Span>, screen: &Screen) -> Result<Ending, Failure> {
    let (t, found) = names::find(names, For::Verb)?;
    let (what, good) = match what {
        Until::Empty => (waiting::For::Empty, Ending::Empty),
        Until::MainGone => (waiting::For::MainGone((0, 0)), Ending::MainGone),
        Until::Size(n) => (waiting::For::Size(n), Ending::Size),
    };
    let limit = limit.and_then(Span::limit);
    let began = Instant::now();
    let one = |t: &Tracker, root: &Root| {
        let rest = limit.map(|l| l.saturating_sub(began.elapsed()));
        let f = Lineage::new(t, root.clone());
        let mut model = Done::new(Verb::Wait, Some(&root.name), wait_one(&f, what, good, rest, screen));
        model.counts = Some(verdict::counts(&f));
        Ok(Did { ending: model.ending, word: good.word(), model })
    };
    Ok(several::each(&t, &found, screen, true, one, |_, _| String::new()))
}

/// Waits for one; `good`: what it ends with when it went well. What did not is told.
fn wait_one(
    f: &Lineage<'_>,
    what: waiting::For,
    good: Ending,
    rest: Option<Duration>,
    screen: &Screen,
) -> Ending {
    let (t, root) = (f.tracker(), f.root());
    let name = &root.name;
    let what = match what {
        waiting::For::MainGone(_) => {
            let main = facts::main_of(t, root);
            if main.is_none() && f.census().tasks > 0 {
                screen.fail(&main_process::gone(name));
            }
            waiting::For::MainGone(main.map_or((0, 0), |m| m.key()))
        }
        what => what,
    };
    match waiting::wait(f, what, rest, screen.quiet) {
        Waited::Done if good == Ending::MainGone => good,
        Waited::Done => match doubt::after(t, root, crate::kill::empty(f)) {
            Some(doubt) => screen.fail(&doubt.failure(name)),
            None => good,
        },
        Waited::TimedOut => {
            let facts = ending::Facts { service: name, left: f.listed().len(), ..Default::default() };
            let f = Failure::new(Ending::Timeout, Ending::Timeout.sentence(&facts));
            screen.fail(&f.next(format!("'killer status {name}' shows them")))
        }
        Waited::Interrupted(sig) => Ending::Interrupted(sig),
    }
}
