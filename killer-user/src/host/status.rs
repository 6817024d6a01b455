//! What is shown of services: `list`, `status`, `tree`. It looks and changes nothing.

use super::failure::Failure;
use super::models::Forest;
use super::open::Host;
use super::record::StopRecord;
use super::service::Service;
use super::{
    Tell, certainty, elsewhere, exact, inner, instances, last_signal, models, order, promised, start,
    unnamed, unseen,
};
use crate::ask::signal;
use crate::kernel::tier::Tier;
use crate::kill;
use crate::lineage::{self, Lineage};
use crate::lookup::{Root, registry};
use crate::report::message;
use crate::report::model::{self, LastKill, SCHEMA_VERSION, Services, Status, Tree};
use crate::tier::Tracker;

/// Every tracked service, and, where some cannot be shown, the failure that says so.
pub fn list(tell: &dyn Tell) -> Result<(Services, Option<Failure>), Failure> {
    let (services, host_reasons) = match Host::open()? {
        Some(t) => {
            let unnamed = unnamed::reasons(&t);
            let (others, unseen) = elsewhere::trackers(&t)?;
            let mut all = Vec::new();
            for t in std::iter::once(&*t).chain(others.iter().map(|o| &**o)) {
                all.extend(registry::all(t).iter().map(|r| Service::count(t, r).line()));
                certainty::sound(t)?;
            }
            all.sort_by(|a, b| a.name.cmp(&b.name));
            for u in &unseen {
                tell.message(&message::render("not every service can be seen", Some(u), None));
            }
            (all, unnamed)
        }
        None => (Vec::new(), Vec::new()),
    };
    let incomplete = unseen::incomplete(&unseen::versions()).or_else(|| unseen::lost().err());
    Ok((Services { version: SCHEMA_VERSION, kind: "list", services, host_reasons }, incomplete))
}

/// No reason to doubt the set: the kernel counts it without the supervisor.
const SUPERVISOR_GONE: &str = "supervisor-gone: the supervisor of --kill-on-exit ended before the service, so nobody ends what \
     is left when the main process ends; the set is as complete as before";

/// Launcher and supervisor of --kill-on-exit have gone: what that means for the set.
fn unsupervised(t: &Tracker, r: &Root, lives: bool) -> Option<String> {
    if !exact::unsupervised(t, r.slot, &r.record) {
        return None;
    }
    match t.promises().and_then(|p| p.kept_since(r.slot)) {
        Some(since) => Some(format!(
            "ended-by-kernel: the launcher and the supervisor of --kill-on-exit ended before the service; from {} on the kernel \
             sent SIGKILL to every process it found{}",
            models::when(since),
            if lives { "; what is left has not died yet, and 'killer -s KILL' names why" } else { "" }
        )),
        _ => (lives && t.tier() != Tier::Scan).then(|| SUPERVISOR_GONE.into()),
    }
}

/// A service as it is now, with so many of its processes.
pub fn status(t: &Tracker, r: &Root, most: Option<usize>) -> Result<Status, Failure> {
    promised::look(t, std::slice::from_ref(r));
    let seen = Service::read(t, r);
    let contains = inner::inside(t, r);
    let k = &r.record;
    let supervisor = || match exact::owner_lives(k) {
        true => Some(k.owner_tgid),
        false => StopRecord::watched(t, r.slot),
    };
    let supervised = k.flags & start::SUPERVISED != 0;
    let last_kill = (k.last_at != 0).then(|| LastKill {
        signal: signal::name(k.last_signal as i32),
        uid: k.last_uid,
        at: models::when(k.last_at),
        age_s: models::seconds_since(k.last_at),
        exit_code: k.last_outcome,
        reached: last_signal::reached(t, r),
    });
    let unsettled = lineage::half_sent(&Lineage::new(t, r.clone()));
    let mut notes: Vec<String> = unsettled.iter().map(|(m, sig)| order::unknown_outcome(m, *sig)).collect();
    notes.extend(instances::words(&seen.left_over()));
    let stayed = match t.rules().filter(|_| k.stayed != 0) {
        Some(rules) => rules.inside(r.slot)?,
        None => Vec::new(),
    };
    notes.extend(unsupervised(t, r, seen.counts.tasks != 0));
    let Forest { tree, more } = seen.forest(most)?;
    Ok(Status {
        version: SCHEMA_VERSION,
        kind: "status",
        main: seen.main_process(),
        tier: t.tier().name(),
        contains,
        instances: instances::shown(t, r),
        stayed: stayed.into_iter().map(|(name, times)| model::Stayed { name, times }).collect(),
        gated: t.gate().is_some_and(|g| g.is_closed(r.slot.slot)),
        supervisor: supervised.then(supervisor).flatten(),
        notes,
        last_kill,
        more,
        tree,
        service: seen.line(),
        frozen: seen.frozen,
    })
}

/// The lineage of a service, of so many of its processes; `last`: of those that its last signal was for.
pub fn tree(t: &Tracker, r: &Root, last: bool, most: Option<usize>) -> Result<Tree, Failure> {
    let model = if last {
        last_signal::tree(t, r)
    } else {
        let Forest { tree, more } = Service::read(t, r).forest(most)?;
        Tree {
            version: SCHEMA_VERSION,
            kind: "tree",
            service: r.name.clone(),
            last_kill: None,
            note: None,
            more,
            tree,
        }
    };
    certainty::sound(t)?;
    Ok(model)
}

/// How sure the set of a service is.
pub fn exactness(t: &Tracker, r: &Root) -> model::Exactness {
    models::exactness(t, r)
}

/// True when nobody is left of a service, by the kernel's count.
pub fn is_empty(t: &Tracker, r: &Root) -> bool {
    kill::empty(&Lineage::new(t, r.clone()))
}
