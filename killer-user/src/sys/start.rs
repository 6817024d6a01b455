//! The arguments of this process. The standard library knows them only where its own runtime has started the program, or glibc's has;
//! the program `killer` is started by the C runtime alone.

use std::ffi::{CStr, OsStr, OsString, c_char};
use std::os::unix::ffi::OsStrExt;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, Ordering};

/// What `main` gets of the C runtime: strings that stay as long as the process, and a null behind the last. Nobody else can make one.
#[repr(transparent)]
#[derive(Debug)]
pub struct Arguments(*const *const c_char);

/// Where they are; null: `main` was not told.
static AT: AtomicPtr<*const c_char> = AtomicPtr::new(null_mut());

/// Keeps what `main` was given.
pub fn given(arguments: Arguments) {
    AT.store(arguments.0.cast_mut(), Ordering::Release);
}

/// The program's name and its arguments.
pub fn args() -> Vec<OsString> {
    let mut at = AT.load(Ordering::Acquire);
    if at.is_null() {
        return std::env::args_os().collect();
    }
    let mut all = Vec::new();
    // SAFETY: as [`Arguments`] says; the null behind the last one is where this ends.
    unsafe {
        while !(*at).is_null() {
            all.push(OsStr::from_bytes(CStr::from_ptr(*at).to_bytes()).to_owned());
            at = at.add(1);
        }
    }
    all
}
