//! Errors that a program can match.

use thiserror::Error;

use crate::ending::Ending;
use crate::host::Failure;

/// What went wrong, why, and what to do: the words that the command prints.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cause {
    /// What.
    pub what: String,
    /// Why, where that is known.
    pub why: Option<String>,
    /// The next step, where there is one.
    pub next: Option<String>,
}

impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.what)?;
        [&self.why, &self.next].into_iter().flatten().try_for_each(|more| write!(f, "; {more}"))
    }
}

/// Why something was not done. What was done, and did not go well, is no error but a [`Receipt`](crate::Receipt) whose
/// [`Ending`] says so.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// No service has this name, or none that can be seen.
    #[error("{0}")]
    Unknown(Cause),
    /// The service is known, and has no live process.
    #[error("{0}")]
    Dead(Cause),
    /// It needs privileges or an owner that this process has not.
    #[error("{0}")]
    NotPermitted(Cause),
    /// The set is not provably exact, and had to be.
    #[error("{0}")]
    NotExact(Cause),
    /// The program was not started: it is not there, cannot be run, or no member could be made of it.
    #[error("{0}")]
    NotStarted(Cause),
    /// What was asked makes no sense.
    #[error("{0}")]
    Usage(Cause),
    /// Anything else, such as a refusal to end the caller, or a kernel that lacks what is needed.
    #[error("{0}")]
    Failed(Cause),
}

impl From<Failure> for Error {
    fn from(f: Failure) -> Self {
        let cause = Cause { what: f.what, why: f.why, next: f.next };
        match f.ending {
            Ending::Unknown => Self::Unknown(cause),
            Ending::Dead => Self::Dead(cause),
            Ending::NotPermitted => Self::NotPermitted(cause),
            Ending::NotExact => Self::NotExact(cause),
            Ending::NotStarted | Ending::NotFound | Ending::NotExecutable => Self::NotStarted(cause),
            Ending::Usage => Self::Usage(cause),
            _ => Self::Failed(cause),
        }
    }
}
