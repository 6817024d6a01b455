//! What the file system has refused, in words.

use std::io;

use crate::ending::Ending;
use crate::host::failure::Failure;

/// A failure that names what could not be done, with the reason of the file system.
pub fn refused(e: &io::Error, what: impl Into<String>) -> Failure {
    let ending = match e.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) => Ending::NotPermitted,
        _ => Ending::Failed,
    };
    let next = match e.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) => "run it as root; chattr(1) may have made it immutable",
        Some(libc::EROFS) => "'mount -o remount,rw /' makes it writable",
        Some(libc::ENOSPC | libc::EDQUOT) => "make room there, then give the same command again",
        _ => "give the same command again when that is put right",
    };
    Failure::new(ending, what).why(e.to_string()).next(next)
}
