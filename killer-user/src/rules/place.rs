//! Where something stands in a rule file, and what is wrong with it.

use std::fmt;
use std::sync::Arc;

/// A place in a file. Lines and columns begin with 1; 0 means the whole file, or the whole line.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file, as people are shown it.
    pub file: Arc<str>,
    /// Line.
    pub line: u32,
    /// Column, in characters.
    pub column: u32,
}

impl Place {
    /// The whole file.
    pub fn whole(file: &str) -> Self {
        Self { file: file.into(), line: 0, column: 0 }
    }

    /// A byte of its text.
    pub fn at(file: &Arc<str>, text: &str, byte: usize) -> Self {
        let mut end = byte.min(text.len());
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let before = &text[..end];
        let line = before.bytes().filter(|b| *b == b'\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        Self { file: file.clone(), line: line as u32, column: column as u32 }
    }

    /// Without the column: `FILE:LINE`.
    pub fn line(&self) -> String {
        Self { column: 0, ..self.clone() }.to_string()
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        match (self.line, self.column) {
            (0, _) => Ok(()),
            (line, 0) => write!(f, ":{line}"),
            (line, column) => write!(f, ":{line}:{column}"),
        }
    }
}

/// A value with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spot<T> {
    /// Where it stands.
    pub at: Place,
    /// What stands there.
    pub value: T,
}

/// An error in a rule file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wrong {
    /// Where.
    pub at: Place,
    /// What is wrong, and what would be right.
    pub why: String,
}

impl Wrong {
    /// At a place.
    pub fn new(at: &Place, why: impl Into<String>) -> Self {
        Self { at: at.clone(), why: why.into() }
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.why)
    }
}
