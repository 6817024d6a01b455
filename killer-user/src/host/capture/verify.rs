//! `verify-capture`: a file that anybody may have made.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::capture::check;
use crate::capture::packed::Unpacked;
use crate::ending::Ending;
use crate::host::failure::Failure;
use crate::report::model::{CaptureCheck, CaptureState};

/// Opens a file that is to be read; `-` is standard input.
pub fn open(path: &Path) -> Result<Box<dyn Read>, Failure> {
    if path.as_os_str() == "-" {
        return Ok(Box::new(std::io::stdin().lock()));
    }
    let cannot =
        |why: String| Failure::new(Ending::Failed, format!("'{}' cannot be read", path.display())).why(why);
    // A FIFO would wait for a writer.
    let kind = std::fs::metadata(path).map_err(|e| cannot(e.to_string()))?.file_type();
    if kind.is_dir() {
        return Err(cannot("it is a directory".into()));
    }
    let file = File::open(path).map_err(|e| cannot(e.to_string()))?;
    Ok(Box::new(file))
}

/// Whether a file is a capture as it was written, and the one of this digest where one is given.
pub fn verify(path: &Path, sha256: Option<&str>) -> Result<CaptureCheck, Failure> {
    let (file, tally) = Unpacked::new(open(path)?);
    let mut c = check(file, &path.to_string_lossy());
    // Of the file as it is, packed or not.
    let (bytes, digest) = tally.done();
    c.file_bytes = bytes;
    c.sha256 = c.sha256.map(|_| digest);
    if let Some(want) = sha256
        && c.sha256.as_ref().is_some_and(|is| !is.eq_ignore_ascii_case(want.trim()))
        && c.state != CaptureState::None
    {
        c.state = CaptureState::Changed;
        c.why.get_or_insert_with(|| "its digest is another one".into());
    }
    Ok(c)
}
