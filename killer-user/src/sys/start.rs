//! The arguments of this process. The standard library knows them only where its own runtime has started the program, or glibc's has;
//! the program `killer` is started by the C runtime alone.

use std::ffi::{CStr, OsStr, OsString, c_char, c_int};
use std::os::unix::ffi::OsStrExt;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

/// Where they are; null: `main` was not told.
static AT: AtomicPtr<*const c_char> = AtomicPtr::new(null_mut());
/// How many there are.
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// Keeps what `main` was given.
///
/// # Safety
/// `arguments` are `count` strings, each with a NUL at its end, which stay as long as the process.
pub unsafe fn given(count: c_int, arguments: *const *const c_char) {
    COUNT.store(count.max(0) as usize, Ordering::Release);
    AT.store(arguments.cast_mut(), Ordering::Release);
}

/// The program's name and its arguments.
pub fn args() -> Vec<OsString> {
    let at = AT.load(Ordering::Acquire);
    if at.is_null() {
        return std::env::args_os().collect();
    }
    let mut all = Vec::new();
    for n in 0..COUNT.load(Ordering::Acquire) {
        // SAFETY: `given` was told of so many strings that stay.
        let bytes = unsafe { CStr::from_ptr(*at.add(n)) }.to_bytes();
        all.push(OsStr::from_bytes(bytes).to_owned());
    }
    all
}
