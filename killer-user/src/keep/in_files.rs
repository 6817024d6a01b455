//! A registry that is files, not pins.

use std::path::Path;

use super::KeepError;

/// Where it is, and how it is taken down.
pub trait InFiles {
    /// Its directory.
    fn dir(&self) -> &Path;
    /// Takes it down. The caller has made sure that nothing is tracked.
    ///
    /// # Errors
    /// `Kept`: nothing is tracked any more, but the kernel still has something of it.
    fn tear_down(&self) -> Result<(), KeepError>;
}
