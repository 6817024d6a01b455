//! What one order did → its receipt.

use killer_common::record::Member;

use super::certainty::Doubt;
use super::main_process::Main;
use super::{inner, models, survivors};
use crate::ask::Kill;
use crate::ask::signal;
use crate::ending::Ending;
use crate::kill::{Fate, Outcome};
use crate::lineage::Lineage;
use crate::report::message;
use crate::report::model::{self, Caller, Counts, Moment, Receipt, Signalled, Times};

/// Everything that a receipt is made of.
pub struct Done<'a, 't> {
    /// The service.
    pub family: &'a Lineage<'t>,
    /// What was asked.
    pub k: &'a Kill,
    /// Main process at the beginning.
    pub main: Option<Main>,
    /// How it ended.
    pub ending: Ending,
    /// Why that may not be all of it.
    pub doubt: Option<&'a Doubt>,
    /// What the engine did.
    pub outcome: &'a Outcome,
    /// Before.
    pub before: Counts,
    /// The processes that are still there: entry, code, words.
    pub survivors: Vec<(Member, String, String)>,
    /// Those that have ended and are not reaped, in the same way.
    pub unreaped: Vec<(Member, String, String)>,
    /// What was done about survivors.
    pub unstick: Vec<model::UnstickStep>,
    /// Whether all was released, and after how many µs.
    pub released: (Option<bool>, Option<u64>),
    /// Anything else.
    pub notes: Vec<String>,
    /// When it began.
    pub started: Moment,
    /// This killer and its ancestors, before the first signal.
    pub line: Vec<u32>,
}

/// Makes it.
pub fn receipt(d: &Done<'_, '_>) -> Receipt {
    let (t, k, o) = (d.family.tracker(), d.k, d.outcome);
    let root = d.family.root();
    let mut gates = Vec::new();
    if o.gates.birth {
        gates.extend(t.gate().and_then(|g| g.at_birth()));
    }
    if o.gates.syscalls {
        gates.push("C");
    }
    let targets: Vec<Signalled> = o
        .targets
        .iter()
        .map(|x| Signalled {
            process: models::process(t, &x.member, d.main),
            result: match x.fate {
                Fate::Signalled if k.dry_run => "would-signal",
                Fate::Signalled => "signalled",
                Fate::Gone => "gone",
                Fate::Refused(_) => "refused",
            }
            .into(),
            error: if let Fate::Refused(e) = x.fate { Some(message::errno(e)) } else { None },
        })
        .collect();
    Receipt {
        version: model::SCHEMA_VERSION,
        kind: "receipt",
        service: root.name.clone(),
        signal: k.signal,
        signal_name: signal::name(k.signal),
        value: k.value,
        whom: k.whom.text.clone(),
        dry_run: k.dry_run,
        asked_by: Caller {
            uid: rustix::process::getuid().as_raw(),
            pid: std::process::id(),
            line: d.line.clone(),
        },
        ending: d.ending,
        tier: t.tier().name(),
        gates,
        // Again: what happened during the kill counts, too.
        exactness: models::exactness(t, root),
        main_pid: d.main.map(|m| m.process.pid),
        main_guessed: d.main.is_some_and(|m| m.guessed),
        processes: d.before.processes,
        tasks: d.before.tasks,
        left: survivors::counts(d.family),
        empty: d.doubt.is_none() && (o.empty || crate::kill::empty(d.family)),
        released: d.released.0,
        passes: o.passes,
        cancelled: o.cancelled,
        also_ends: inner::of_targets(k.signal, &root.name, &targets),
        targets,
        survivors: survivors::with_cures(t, (&root.name, k.signal), &d.survivors, d.main),
        unreaped: survivors::with_words(t, &d.unreaped, d.main),
        unstick: d.unstick.clone(),
        times: Times {
            started: d.started,
            signalled_us: o.signalled_after / 1000,
            ended_us: o.ended_after / 1000,
            released_us: d.released.1,
        },
        notes: d.notes.iter().cloned().chain(d.doubt.map(|x| x.why.clone())).collect(),
        outside: None,
        kept: None,
    }
}
