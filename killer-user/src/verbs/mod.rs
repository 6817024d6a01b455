//! The verbs: one file each, with what may stand behind it and what it does. What is done to services is done below, in `host`;
//! here it is asked for, and shown.

mod kill;
mod screen;
mod several;
#[cfg(test)]
mod tests;
mod verb;

use std::ffi::OsString;

use crate::cli::{self, Common, Entry, Exit, What};
use crate::host::Tell;
use crate::sys::{entry, limits};
use screen::Screen;
use verb::{Any, entry};

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
    capture::Capture
    verify_capture::VerifyCapture
    list::List
    status::Status
    tree::Tree
    why::Why
    watch::Watch
    wait::Wait
    verify::Verify
    set_main::SetMain
    forget::Forget
    rename::Rename
    rule::Rule
    up::Up
    down::Down
    install_boot::InstallBoot
    receipts::Receipts
    ledger::Ledger
    serve::Serve
    doctor::Doctor
    metrics::Metrics
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
    entry::is_the_programs();
    limits::make_room();
    let screen = Screen::new(&request.common);
    let done = match &request.what {
        What::Kill(k) => kill::kill(k, ALL, &screen),
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
