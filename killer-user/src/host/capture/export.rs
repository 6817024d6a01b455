//! `capture --export`: what other tools read, beside a capture that is as it was written.

use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::file::Output;
use crate::capture::packed::Unpacked;
use crate::capture::{Exported, Failed, Wrong, check, export as write};
use crate::ending::Ending;
use crate::host::Tell;
use crate::host::failure::Failure;
use crate::report::message;
use crate::report::model::{CaptureExport, CaptureState};

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

/// Makes `FILE.body` and `FILE.ndjson`. A file that was changed is refused; of one that is incomplete it is said.
pub fn export(path: &Path, tell: &dyn Tell) -> Result<CaptureExport, Failure> {
    let cannot = |why: String| {
        Failure::new(Ending::Failed, format!("'{}' cannot be exported", path.display())).why(why)
    };
    let mut file = File::open(path).map_err(|e| cannot(e.to_string()))?;
    let checked = check(Unpacked::new(&mut file).0, "");
    let why = checked.why.clone().unwrap_or_default();
    match checked.state {
        CaptureState::Whole => {}
        CaptureState::Incomplete => {
            let what = format!("'{}' is incomplete: {why}", path.display());
            tell.message(&message::render(&what, Some("what is there is exported"), None));
        }
        CaptureState::Changed => return Err(cannot(format!("it was changed: {why}"))),
        CaptureState::None => return Err(cannot(why)),
    }
    file.seek(SeekFrom::Start(0)).map_err(|e| cannot(e.to_string()))?;
    let (body, ndjson) = (beside(path, ".body"), beside(path, ".ndjson"));
    let mut to_body = Output::make(&body)?;
    let mut to_events = match Output::make(&ndjson) {
        Ok(o) => o,
        Err(f) => {
            to_body.take_back();
            return Err(f);
        }
    };
    let done = match write(Unpacked::new(file).0, &mut to_body, &mut to_events) {
        Ok(done) => done,
        Err(Failed::Wrong(Wrong::Changed(why) | Wrong::Short(why) | Wrong::Unread(why))) => {
            return Err(cannot(why));
        }
        Err(Failed::Io(e)) => return Err(cannot(e.to_string())),
    };
    to_body.sync().and_then(|()| to_events.sync()).map_err(|e| cannot(e.to_string()))?;
    let Exported { rows, events } = done;
    let shown = |p: PathBuf| p.to_string_lossy().into_owned();
    Ok(CaptureExport::new(shown(path.into()), shown(body), shown(ndjson), rows, events))
}
