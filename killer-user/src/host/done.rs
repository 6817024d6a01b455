//! The documents of verbs that have nothing else to show: what is so now that they are done.

use super::names::find_one;
use super::open::Host;
use super::run::TakenIn;
use super::{models, survivors};
use crate::ending::Ending;
use crate::lineage::Lineage;
use crate::report::model::{Done, Verb};

/// A service was adopted.
pub fn adopted(name: &str, t: &TakenIn) -> Done {
    Done { notes: t.notes.clone(), ..of(Verb::Adopt, name, t.ending) }
}

/// A service has another main process.
pub fn main_set(name: &str) -> Done {
    of(Verb::SetMain, name, Ending::MainSet)
}

/// A service has another name.
pub fn renamed(old: &str, new: &str) -> Done {
    Done { was: Some(old.to_owned()), ..of(Verb::Rename, new, Ending::Renamed) }
}

/// A service was started, and goes on in the background.
pub fn started(name: &str) -> Done {
    of(Verb::Run, name, Ending::Started)
}

/// The tracker is there.
pub fn up(notes: Vec<String>) -> Done {
    let tier = Host::open().ok().flatten().map(|t| t.tier().name());
    Done { tier, notes, ..Done::new(Verb::Up, None, Ending::Up) }
}

/// A rule was added, or taken away, or all were put in force.
pub fn rules(kind: Verb, notes: Vec<String>) -> Done {
    let tier = Host::open().ok().flatten().map(|t| t.tier().name());
    Done { tier, notes, ..Done::new(kind, None, Ending::Done) }
}

/// The tracker is gone.
pub fn down() -> Done {
    Done::new(Verb::Down, None, Ending::Down)
}

/// A service was forgotten, or given up.
pub fn forgotten(name: &str, ending: Ending) -> Done {
    Done::new(Verb::Forget, Some(name), ending)
}

/// With what is known of the service now; what cannot be looked up any more is left out.
fn of(kind: Verb, name: &str, ending: Ending) -> Done {
    let mut done = Done::new(kind, Some(name), ending);
    if let Ok((t, root)) = find_one(name) {
        done.main_pid = models::main_of(&t, &root).map(|m| m.process.pid);
        done.tier = Some(t.tier().name());
        done.counts = Some(survivors::counts(&Lineage::new(&t, root.clone())));
        done.exactness = Some(models::exactness(&t, &root));
    }
    done
}
