//! The main form, without a verb: a signal to services.

use super::screen::Screen;
use super::several::{Did, each};
use super::verb::Any;
use crate::ask::Kill;
use crate::cli::{Entry, foreign};
use crate::ending::Ending;
use crate::host::names::{self, For, Meant};
use crate::host::{Brief, Failure, Host, Tell, fuse, signal};
use crate::report::model::Receipt;
use crate::report::{Style, human};
use crate::sys::sched;

/// Sends it.
pub fn kill(k: &Kill, verbs: &[Entry<Any>], screen: &Screen) -> Result<Ending, Failure> {
    // To look at a set that is in the way costs a share of the CPU that hundreds of forkers do not leave.
    let hurry = sched::Hurry::start();
    let t = match Host::open()? {
        Some(t) => Brief::of(t),
        None => {
            return Err(names::none(&k.names, For::Signal(&|w, rest, alike| guess(verbs, w, rest, alike))));
        }
    };
    let _log = screen.relay(&t);
    drop(hurry);
    let found = names::resolve(&t, &k.names, For::Signal(&|w, rest, alike| guess(verbs, w, rest, alike)))?;
    let (acts, dry_run) = (!k.dry_run, k.dry_run);
    let shown = |r: &Receipt, s: &Style| match dry_run || screen.verbose() > 0 {
        true => human::receipt(r, s),
        false => String::new(),
    };
    fuse::check(found.each(&t), k)?;
    let mut k = k.clone();
    let one = |t: &_, root: &_| {
        let (model, word) = signal::one(t, root, found.of(t), &k, screen)?;
        k.fuse.used += model.targets.len() as u64;
        Ok(Did { ending: model.ending, word, model })
    };
    Ok(each(&t, &found, screen, acts, one, shown))
}

/// What a word that is no service may have been meant for: a verb, or a signal or a span in the wrong place.
fn guess(verbs: &[Entry<Any>], word: &str, rest: &[&str], alike: Option<&str>) -> Option<Meant> {
    if let (Some(how), None) = (foreign::instead(word, rest), alike) {
        return Some(Meant::Foreign(how));
    }
    Some(Meant::Other(match (foreign::meant(verbs, word, rest), alike) {
        (Some(c), Some(s)) => format!("did you mean the service '{s}', or '{c}'?"),
        (Some(c), None) => format!("'{c}' is probably meant"),
        (None, Some(_)) => return None,
        (None, None) => foreign::misplaced(word, rest)?,
    }))
}
