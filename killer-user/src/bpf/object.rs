//! Programs of an object: found by name, pinned, and in words why one was refused.

use std::error::Error;
use std::io;

use aya::pin::PinError;
use aya::programs::{Program, ProgramError};

use super::pins::not_permitted;
use crate::keep::KeepError;
use crate::sys::bpf::Refusal;

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

/// A program that aya has not loaded.
pub fn refused(name: &str, e: &ProgramError) -> KeepError {
    match e {
        ProgramError::LoadError { io_error, verifier_log } => {
            let error =
                io_error.raw_os_error().map_or_else(|| io_error.kind().into(), io::Error::from_raw_os_error);
            not_loaded(name, &Refusal { error, words: verifier_log.to_string() })
        }
        e => KeepError::Refused { name: name.into(), why: chain(e) },
    }
}

/// A program that was not loaded: the end of what the verifier said.
pub fn not_loaded(name: &str, r: &Refusal) -> KeepError {
    if r.error.raw_os_error() == Some(libc::EPERM) {
        return not_permitted("load BPF programs");
    }
    log::debug!("{name}: {}\n{}", r.error, r.words);
    KeepError::Refused { name: name.into(), why: r.to_string() }
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
