//! What makes a type a verb.

use std::fmt::Debug;

use clap::{ArgMatches, Args};

use super::screen::Screen;
use crate::cli::{Asked, Entry, Wrong};
use crate::ending::Ending;
use crate::host::Failure;

/// One verb. Its fields are its arguments; the options of every verb come by themselves.
pub trait Verb: Args + Debug + 'static {
    /// As it is typed.
    const NAME: &'static str;
    /// What stands behind it, in the list of all verbs.
    const USAGE: &'static str = "";
    /// What it does, in a line.
    const ABOUT: &'static str;
    /// True when names of services stand behind it.
    const TAKES_NAMES: bool = true;

    /// Checks what clap cannot.
    fn check(&self) -> Result<(), Wrong> {
        Ok(())
    }

    /// Why it has no JSON document, and what has one.
    fn no_document(&self) -> Option<(&'static str, &'static str)> {
        None
    }

    /// Does it.
    fn perform(&self, screen: &Screen) -> Result<Ending, Failure>;
}

/// A verb with its arguments, whichever it is.
pub trait Act: Debug {
    /// [`Verb::check`].
    fn check(&self) -> Result<(), Wrong>;
    /// [`Verb::no_document`].
    fn no_document(&self) -> Option<(&'static str, &'static str)>;
    /// [`Verb::perform`].
    fn perform(&self, screen: &Screen) -> Result<Ending, Failure>;
}

impl<V: Verb> Act for V {
    fn check(&self) -> Result<(), Wrong> {
        Verb::check(self)
    }

    fn no_document(&self) -> Option<(&'static str, &'static str)> {
        Verb::no_document(self)
    }

    fn perform(&self, screen: &Screen) -> Result<Ending, Failure> {
        Verb::perform(self, screen)
    }
}

/// One of the verbs, with its arguments.
#[derive(Debug)]
pub struct Any(pub Box<dyn Act>);

impl Asked for Any {
    fn check(&self) -> Result<(), Wrong> {
        self.0.check()
    }

    fn no_document(&self) -> Option<(&'static str, &'static str)> {
        self.0.no_document()
    }
}

fn read<V: Verb>(m: &ArgMatches) -> Result<Any, clap::Error> {
    Ok(Any(Box::new(V::from_arg_matches(m)?)))
}

/// Its row in the table of all verbs.
pub const fn entry<V: Verb>() -> Entry<Any> {
    Entry {
        name: V::NAME,
        usage: V::USAGE,
        about: V::ABOUT,
        takes_names: V::TAKES_NAMES,
        arguments: V::augment_args,
        read: read::<V>,
    }
}

/// A usage error that was seen late.
impl From<Wrong> for Failure {
    fn from(w: Wrong) -> Self {
        Self::new(Ending::Usage, w.what).next(w.next)
    }
}
