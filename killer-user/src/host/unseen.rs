//! Services that this killer cannot see: those of another version's tracker, and those of a tracker whose pins were lost.

use super::failure::Failure;
use crate::ending::Ending;
use crate::lookup::registry;
use crate::report::escape;
use crate::sys::alive;
use crate::tier::{Kept, Other, Paths, Tracker, memory};

/// So many names are shown.
const SHOWN: usize = 200;

/// Notes what the programs keep now, for the day on which their pins are gone.
pub fn remember(t: &Tracker) {
    if t.tier().is_without_programs() {
        return;
    }
    let kept = || {
        let live = registry::all(t).into_iter().filter(|r| t.count(r.slot.slot) != 0);
        live.map(|r| Kept { name: r.name, main: r.record.main_tgid, start: r.record.main_start }).collect()
    };
    if let Err(e) = memory::remember(&Paths::default(), kept) {
        log::info!("what is tracked cannot be noted beside the pins: {e}");
    }
}

/// The error when a tracker of this boot was lost with what it kept.
pub fn lost() -> Result<(), Failure> {
    let paths = Paths::default();
    let kept = memory::lost(&paths);
    if kept.is_empty() || Tracker::is_forced() {
        return Ok(());
    }
    let one = |k: &Kept| match k.main {
        0 => k.name.clone(),
        pid if alive::alive(pid, k.start) => format!("{} (main process {pid} lives)", k.name),
        _ => format!("{} (main process ended)", k.name),
    };
    let names: Vec<String> = kept.iter().map(one).collect();
    let names = escape::cut(&names.join(", "), SHOWN);
    Err(Failure::new(
        Ending::Failed,
        format!("the tracker was lost: its pins at {} are gone", paths.root.display()),
    )
    .why(format!("what it kept is no longer known; when it was last heard of: {names}"))
    .next("look after these processes; then 'killer down --force' makes a new start possible"))
}

/// Trackers of other versions that may keep live services.
pub fn versions() -> Vec<Other> {
    Paths::default().trackers().into_iter().filter(Other::holds).collect()
}

/// In words what they keep.
fn kept(others: &[Other]) -> String {
    let one = |o: &Other| match &o.live {
        Some(names) => format!("{} ({})", names.join(", "), o.version),
        None => format!("what cannot be read ({})", o.version),
    };
    escape::cut(&others.iter().map(one).collect::<Vec<_>>().join("; "), SHOWN)
}

const NEXT: &str = "that version's killer ends them, and its 'down' takes its tracker away";

/// The failure of a verb for all services: other versions keep some, which are not shown.
pub fn incomplete(others: &[Other]) -> Option<Failure> {
    let what = "services of another version of killer are tracked, which this one does not show";
    (!others.is_empty())
        .then(|| Failure::new(Ending::Failed, what).why(format!("alive: {}", kept(others))).next(NEXT))
}

/// The failure of a verb for a service that is not known here, when another version keeps it, or may.
pub fn elsewhere(word: &str) -> Option<Failure> {
    let others = versions();
    let may = |o: &&Other| o.live.as_ref().is_none_or(|l| l.iter().any(|n| n == word));
    let it = others.iter().find(may)?;
    let what = match it.live {
        Some(_) => format!("service '{word}' is tracked by another version of killer ({})", it.version),
        None => format!("whether '{word}' is tracked is not known: another version's tracker cannot be read"),
    };
    Some(Failure::new(Ending::Failed, what).why(format!("alive there: {}", kept(&others))).next(NEXT))
}

/// Refuses a new service whose name may be alive in another version's tracker.
pub fn refuse(name: &str) -> Result<(), Failure> {
    elsewhere(name).map_or(Ok(()), Err)
}
