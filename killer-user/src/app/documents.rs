//! The documents of verbs that have nothing else to show: what is so now that they are done.

use super::host::Host;
use super::{Screen, facts, find, verdict};
use crate::cli::Action;
use crate::ending::Ending;
use crate::lineage::Lineage;
use crate::report::model::{Done, Verb};

/// Prints the document of a verb that went well, where it is one of these.
pub fn after(action: &Action, screen: &Screen) {
    let done = match action {
        Action::Adopt(name, _) => of(Verb::Adopt, name, Ending::Adopted),
        Action::SetMain(name, _) => of(Verb::SetMain, name, Ending::MainSet),
        Action::Rename(old, new) => Done { was: Some(old.clone()), ..of(Verb::Rename, new, Ending::Renamed) },
        Action::Up(_) => {
            let tier = Host::open().ok().flatten().map(|t| t.tier().name());
            Done { tier, ..Done::new(Verb::Up, None, Ending::Up) }
        }
        Action::Down(_) => Done::new(Verb::Down, None, Ending::Down),
        _ => return,
    };
    screen.data(&done, |_| String::new());
}

/// Prints that of a detached start.
pub fn started(name: &str, screen: &Screen) {
    if screen.is_json() {
        screen.data(&of(Verb::Run, name, Ending::Started), |_| String::new());
    }
}

/// With what is known of the service now; what cannot be looked up any more is left out.
fn of(kind: Verb, name: &str, ending: Ending) -> Done {
    let mut done = Done::new(kind, Some(name), ending);
    if let Ok((t, root)) = find(name) {
        done.main_pid = facts::main_of(&t, &root).map(|m| m.pid);
        done.tier = Some(t.tier().name());
        done.counts = Some(verdict::counts(&Lineage::new(&t, root.clone())));
        done.exactness = Some(facts::exactness(&t, root.slot.slot));
    }
    done
}
