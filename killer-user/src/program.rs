//! What only the program `killer` itself needs of the library; no interface for anybody else.
#![doc(hidden)]

pub use crate::sys::arena::Arena;
pub use crate::sys::start::Arguments;
use crate::sys::start::{args, given};

/// Saves what the caller gave, before Rust's runtime changes some of it. For `.init_array` only.
pub extern "C" fn save() {
    crate::sys::inherit::save();
}

/// True in a process that has done that.
pub fn is_saved() -> bool {
    crate::sys::inherit::is_saved()
}

/// The whole program with the arguments that `main` was given; `ready` is called with how much is to be said (`-v`, counted). A process that
/// the self-test has started does what that one is for.
#[cfg(feature = "cli")]
pub fn start(arguments: Arguments, ready: fn(u8)) -> ! {
    given(arguments);
    let all = || {
        crate::selftest::act(args().into_iter());
        crate::verbs::main(args().into_iter(), ready)
    };
    // What is dropped on the way opens gates; without a handler nothing would be.
    std::process::exit(std::panic::catch_unwind(all).unwrap_or(PANIC).into())
}

/// Exit code of a program of Rust that has panicked.
#[cfg(feature = "cli")]
const PANIC: u8 = 101;
