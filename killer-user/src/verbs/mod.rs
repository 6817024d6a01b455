//! The verbs: one file each, with what may stand behind it and what it does. What is done to services is done below, in `host`;
//! here it is asked for, and shown.

mod kill;
mod screen;
mod several;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::fmt::Debug;

use clap::{ArgMatches, Args};

use crate::cli::{self, Asked, Common, Entry, Exit, What, Wrong};
use crate::ending::Ending;
use crate::host::{Failure, Tell};
use crate::sys::limits;
use screen::Screen;

/// One verb. Its fields are its arguments; the options of every verb come by themselves.
trait Verb: Args + Debug + 'static {
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
trait Act: Debug {
    fn check(&self) -> Result<(), Wrong>;
    fn no_document(&self) -> Option<(&'static str, &'static str)>;
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
struct Any(Box<dyn Act>);

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

const fn entry<V: Verb>() -> Entry<Any> {
    Entry {
        name: V::NAME,
        usage: V::USAGE,
        about: V::ABOUT,
        takes_names: V::TAKES_NAMES,
        arguments: V::augment_args,
        read: read::<V>,
    }
}

macro_rules! verbs {
    ($($file:ident :: $verb:ident)*) => {
        $(mod $file;)*
        /// Every verb, in the order in which help shows them.
        static ALL: &[Entry<Any>] = &[$(entry::<$file::$verb>()),*];
    };
}

// A verb is declared here, and nowhere else.
verbs! {
    run::Run
    exec::Exec
    adopt::Adopt
    stop::Stop
    freeze::Freeze
    thaw::Thaw
    list::List
    status::Status
    tree::Tree
    wait::Wait
    verify::Verify
    set_main::SetMain
    forget::Forget
    rename::Rename
    up::Up
    down::Down
    serve::Serve
    doctor::Doctor
    selftest::Selftest
    generate::Generate
}

/// The whole program: a command line, program name first → the exit code. `ready` is called with how much is to be said (`-v`,
/// counted), before anything is done.
pub fn main(args: impl Iterator<Item = OsString>, ready: impl FnOnce(u8)) -> u8 {
    let request = match cli::parse(args, ALL) {
        Ok(r) => r,
        Err(e) => return say(&e),
    };
    ready(request.common.verbose);
    limits::make_room();
    let screen = Screen::new(&request.common);
    let done = match &request.what {
        What::Kill(k) => kill::kill(k, &screen),
        What::Verb(v) => v.0.perform(&screen),
    };
    screen.end(done.unwrap_or_else(|f| screen.fail(&f))).code()
}

/// Says the end of a call that did nothing: help, lists, usage errors. Answers the exit code.
fn say(e: &Exit) -> u8 {
    let screen = Screen::new(&Common::default());
    screen.message(&e.stderr);
    screen.bytes(e.stdout.as_bytes());
    screen.end(e.ending).code()
}

/// A usage error that was seen late.
impl From<Wrong> for Failure {
    fn from(w: Wrong) -> Self {
        Self::new(Ending::Usage, w.what).next(w.next)
    }
}
