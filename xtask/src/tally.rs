//! Counts of what was tried.

use std::fmt;
use std::ops::AddAssign;

use anyhow::Result;

/// Printed as the last line of `test` and `ci`: `N passed, N failed, N skipped`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Did what they should.
    pub passed: usize,
    /// Did not.
    pub failed: usize,
    /// Could not be tried here; each has said why.
    pub skipped: usize,
}

impl Tally {
    /// One passed.
    pub const PASSED: Tally = Tally { passed: 1, failed: 0, skipped: 0 };
    /// One failed.
    pub const FAILED: Tally = Tally { passed: 0, failed: 1, skipped: 0 };
    /// One skipped.
    pub const SKIPPED: Tally = Tally { passed: 0, failed: 0, skipped: 1 };

    /// Counts one check by its outcome and says what went wrong.
    pub fn check(&mut self, name: &str, outcome: Result<()>) {
        match outcome {
            Ok(()) => *self += Tally::PASSED,
            Err(error) => {
                println!("FAILED: {name}: {error:#}");
                *self += Tally::FAILED;
            }
        }
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Tally) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}
