//! What the compiler does not check: lengths, widths of documents, citations, circles of files, dependencies that nobody
//! names, crates of others. Whatever
//! is allowed all the same stands in [`exceptions`], each with its reason.

mod circles;
mod cited;
mod crates;
mod exceptions;
mod modules;
mod size;
mod sources;
mod unused;
mod width;

use std::path::Path;

use anyhow::Result;

pub use sources::Sources;

/// What a check looks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// A function with too many lines.
    LongFunction,
    /// A file with too many lines.
    LongFile,
    /// A comment or document that cites what does not exist.
    Citation,
    /// Files of killer-user that need each other in a circle.
    Circle,
    /// A dependency that no source names.
    Unused,
    /// A crate from elsewhere than the registry.
    Source,
    /// A crate whose licence is not among those that are allowed.
    Licence,
    /// A crate that is built in several versions.
    Twice,
    /// A document with a line that is too wide.
    Width,
}

/// One thing that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which check found it.
    pub check: Check,
    /// What it is about, as an exception names it.
    pub key: String,
    /// For people.
    pub text: String,
}

/// All checks on the checkout at `root`: what is wrong, one line each.
pub fn check(root: &Path) -> Result<Vec<String>> {
    let sources = Sources::read(root)?;
    let mut found = size::check(&sources)?;
    found.append(&mut cited::check(&sources));
    found.append(&mut circles::check(&sources, exceptions::TABLE)?);
    found.append(&mut unused::check(root, &sources)?);
    found.append(&mut crates::check(root)?);
    found.append(&mut width::check(&sources));
    Ok(exceptions::apply(found, exceptions::TABLE))
}
