//! What an old kernel's bare error of bpf(2) means: in words what it lacks. A kernel that does not know a command, a flag or a kind
//! of program says EINVAL, whatever else may be wrong.

use std::io;

use crate::keep::KeepError;
use crate::sys::bpf::{self, MMAPABLE, MapType};

/// The kernel's own, for what a kind of program cannot do (`include/linux/errno.h`); it has no name in user space.
const ENOTSUPP: i32 = 524;

/// True when the kernel may not know what it was asked for.
pub(super) fn unknown(e: &io::Error) -> bool {
    matches!(e.raw_os_error(), Some(libc::EINVAL | libc::ENOSYS | libc::EOPNOTSUPP | ENOTSUPP))
}

fn failed(what: String, source: io::Error) -> KeepError {
    match source.raw_os_error() {
        Some(libc::ENOSYS) => KeepError::Kernel("bpf(2) (CONFIG_BPF_SYSCALL)".into()),
        _ => KeepError::Io { what, source },
    }
}

/// True when arrays that can be mapped are refused as such.
fn no_mappable_arrays() -> bool {
    bpf::map_create(MapType::Array, 4, 8, 1, MMAPABLE, "try").is_err_and(|e| unknown(&e))
}

/// A map was not made.
pub fn creating(name: &str, flags: u32, e: io::Error) -> KeepError {
    match unknown(&e) && flags & MMAPABLE != 0 && no_mappable_arrays() {
        true => KeepError::Kernel("mappable arrays: it is older than Linux 5.5".into()),
        false => failed(format!("creating map {name}"), e),
    }
}

/// A map was not frozen.
pub fn freezing(name: &str, e: io::Error) -> KeepError {
    match unknown(&e) {
        true if no_mappable_arrays() => {
            KeepError::Kernel("map freeze and mappable arrays: it is older than Linux 5.5".into())
        }
        true => KeepError::Kernel("map freeze: it is older than Linux 5.2".into()),
        false => failed(format!("freezing map {name}"), e),
    }
}

/// A program was not run on demand.
pub fn running(what: &str, e: io::Error) -> KeepError {
    match unknown(&e) {
        true => {
            KeepError::Kernel("runs of raw tracepoint programs on demand: it is older than Linux 5.10".into())
        }
        false => failed(what.into(), e),
    }
}

/// A program was not attached.
pub fn attaching(name: &str, at: &str, e: io::Error) -> KeepError {
    match unknown(&e) {
        true => KeepError::Kernel(format!("programs at the tracepoint {at}, or that tracepoint")),
        false => failed(format!("attaching {name} to {at}"), e),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_kernels_errors() {
        let said = |e: KeepError| e.to_string();
        let errno = io::Error::from_raw_os_error;
        for n in [libc::EINVAL, ENOTSUPP] {
            assert!(
                said(running("x", errno(n))).starts_with("this kernel lacks runs of raw tracepoint programs")
            );
            assert!(said(freezing("x", errno(n))).starts_with("this kernel lacks map freeze"));
        }
        assert!(said(freezing("x", errno(libc::ENOSYS))).contains("lacks"));
        assert!(said(creating("x", 0, errno(libc::ENOSYS))).contains("CONFIG_BPF_SYSCALL"));
        assert!(said(creating("x", 0, errno(libc::ENOMEM))).starts_with("creating map x: "));
    }
}
