//! Skips are for what the kernel or the privileges lack, never for a failure.

use std::io::Write;

/// Says why `test` cannot run here, past the capture of the test runner. With `KILLER_TESTS_STRICT` set it panics
/// instead, for machines that are known to have everything.
pub fn skip(test: &str, reason: &str) {
    if std::env::var_os("KILLER_TESTS_STRICT").is_some() {
        panic!("SKIP in strict mode: {test}: {reason}");
    }
    let _ = writeln!(std::io::stderr(), "SKIP: {test}: {reason}");
}
