//! What only the program `killer` itself needs of the library; no interface for anybody else.
#![doc(hidden)]

use std::ffi::OsString;

pub use crate::sys::arena::Arena;

/// Saves what the caller gave, before Rust's runtime changes some of it. For `.init_array` only.
pub extern "C" fn save() {
    crate::sys::inherit::save();
}

/// True in a process that has done that.
pub fn is_saved() -> bool {
    crate::sys::inherit::is_saved()
}

/// In a process that the self-test has started: does what that one is for, and does not return.
pub fn act(args: impl Iterator<Item = OsString>) {
    crate::selftest::act(args);
}

#[cfg(feature = "cli")]
pub use crate::verbs::main;
