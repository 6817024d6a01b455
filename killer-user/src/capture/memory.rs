//! Memory: to come.

use std::io;

use super::reader::Reader;

/// Nothing yet.
pub fn memory(_: &mut Reader<'_>) -> io::Result<()> {
    Ok(())
}
