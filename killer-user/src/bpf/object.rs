//! Programs of an object: found by name, pinned, and in words why one was refused.

use std::error::Error;
use std::io;

use aya::pin::PinError;
use aya::programs::{Program, ProgramError};

use super::pins::not_permitted;
use crate::keep::KeepError;

/// The program of this name and kind.
pub fn program<'a, P>(ebpf: &'a mut aya::Ebpf, name: &str) -> Result<&'a mut P, KeepError>
where
    &'a mut P: TryFrom<&'a mut Program, Error = ProgramError>,
{
    let p =
        ebpf.program_mut(name).ok_or_else(|| KeepError::Damaged(format!("{name} (not in the object)")))?;
    p.try_into().map_err(|e| refused(name, &e))
}

/// What became of the pin of a program.
pub fn pinned(name: &str, pin: Result<(), PinError>) -> Result<(), KeepError> {
    pin.map_err(|e| KeepError::Refused { name: name.into(), why: chain(&e) })
}

/// The same for a pin that another process may have made meanwhile: then that is the program.
pub fn pinned_once(name: &str, pin: Result<(), PinError>) -> Result<(), KeepError> {
    match pin {
        Err(PinError::SyscallError(e)) if e.io_error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        r => pinned(name, r),
    }
}

/// A program that was not loaded: the end of what the verifier said.
pub fn refused(name: &str, e: &ProgramError) -> KeepError {
    if let ProgramError::LoadError { io_error, verifier_log } = e {
        if io_error.raw_os_error() == Some(libc::EPERM) {
            return not_permitted("load BPF programs");
        }
        log::debug!("{name}: {io_error}\n{verifier_log}");
        let text = verifier_log.to_string();
        // The last lines are the verifier's own figures (`kernel/bpf/verifier.c:print_verification_stats`).
        let figures = ["verification time", "stack depth", "processed "];
        let said = |l: &&str| !l.trim().is_empty() && !figures.iter().any(|f| l.starts_with(f));
        let tail: Vec<&str> = text.lines().rev().filter(said).take(3).collect();
        let tail: Vec<&str> = tail.into_iter().rev().collect();
        return KeepError::Refused { name: name.into(), why: format!("{io_error}: {}", tail.join(" / ")) };
    }
    KeepError::Refused { name: name.into(), why: chain(e) }
}

/// An error and what it comes from, in one line.
pub fn chain(e: &dyn Error) -> String {
    let mut s = e.to_string();
    let mut e = e.source();
    while let Some(x) = e {
        s = format!("{s}: {x}");
        e = x.source();
    }
    s
}
