//! Rule files of this host: read, checked against what is there, changed, put in force; and what an exec would do by them.

mod change;
mod check;
mod find;
mod late;
mod list;
mod load;
mod place;
mod scan;
mod source;
mod test;

pub use change::{add, remove};
pub use check::check;
pub use find::Known;
pub use list::{built_in, list};
pub use load::{load, up};
pub use test::test;

use super::failure::Failure;
use crate::rules::Called;

/// Which service that a rule knows a word means, by name or alias; with what is known of it.
///
/// # Errors
/// Rule files that cannot be read, or are wrong.
pub fn known(word: &str) -> Result<Option<Known>, Failure> {
    let top = place::top()?;
    let sources = source::read(&top, None).map_err(|w| check::failed(&w))?;
    let all = find::find(&top, &sources, &find::by_stat).map_err(check::trouble)?.services();
    let of = |k: &Known| (k.name.clone(), k.aliases.clone(), k.provides.clone());
    let names: Vec<_> = all.iter().map(of).collect();
    let found = Called::among(word, names.iter().map(|n| (&*n.0, &n.1[..], &n.2[..])));
    Ok(match found {
        Called::Service(name) => all.into_iter().find(|k| k.name == name),
        Called::Several(_) | Called::Nobody => None,
    })
}
