//! Why the tracker could not be used.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// Why the tracker could not be used.
#[derive(Debug, Error)]
pub enum KeepError {
    /// The caller lacks capabilities.
    #[error("not permitted to {what}: {}", KeepError::lack(missing))]
    NotPermitted {
        /// What was tried.
        what: &'static str,
        /// Names of the capabilities that are missing; empty when something else forbids it.
        missing: Vec<&'static str>,
    },
    /// The kernel lacks something.
    #[error("this kernel lacks {0}")]
    Kernel(String),
    /// Processes cannot be looked at.
    #[error("{0}")]
    Proc(&'static str),
    /// Neither the kernel's BTF nor a bpffs can be found.
    #[error("nothing is mounted at /sys, where the kernel shows its BTF and a bpffs can be")]
    NoSys,
    /// The caller is in a PID namespace of its own: the numbers that the programs see are others.
    #[error("this process is in a PID namespace of its own")]
    PidNamespace,
    /// The pin root is on no bpffs and none could be mounted.
    #[error("no bpffs for {path}: {why}")]
    NoBpffs {
        /// Where it was wanted.
        path: PathBuf,
        /// Why not.
        why: String,
    },
    /// A registry in files cannot be where it should, or what is there is not this user's.
    #[error("no registry of services can be at {path}: {why}")]
    NoPlace {
        /// Where it was wanted.
        path: PathBuf,
        /// Why not.
        why: String,
    },
    /// Links cannot be pinned on this kernel: some process has to hold them.
    #[error("the links of the programs cannot be pinned on this kernel")]
    NeedsKeeper,
    /// The tracker is not loaded.
    #[error("the tracker is not loaded")]
    NotLoaded,
    /// Some pins are missing.
    #[error("the tracker's pin {0} is missing")]
    Damaged(String),
    /// A program was refused.
    #[error("the kernel refused program {name}: {why}")]
    Refused {
        /// Name of the program.
        name: String,
        /// The end of the verifier's log, or the error.
        why: String,
    },
    /// The kernel keeps something that was taken down.
    #[error("{what} is still there: {why}")]
    Kept {
        /// What.
        what: String,
        /// What seems to be the reason.
        why: String,
        /// What to do.
        next: String,
    },
    /// A call failed.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// Its error.
        source: io::Error,
    },
}

impl KeepError {
    /// In words what a process lacks that was not permitted something.
    pub fn lack(missing: &[&str]) -> String {
        match missing {
            [] => "this process has the capabilities: its user namespace, the files' owner, lockdown, a seccomp filter or a \
                   security module forbids it"
                .into(),
            _ => format!("this process lacks {}", missing.join(", ")),
        }
    }
}

pub(crate) trait What<T> {
    fn what(self, what: impl Into<String>) -> Result<T, KeepError>;
}

impl<T, E: Into<io::Error>> What<T> for Result<T, E> {
    fn what(self, what: impl Into<String>) -> Result<T, KeepError> {
        self.map_err(|e| KeepError::Io { what: what.into(), source: e.into() })
    }
}
