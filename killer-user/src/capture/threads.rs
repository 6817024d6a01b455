//! Threads: state, where in the kernel they are, and registers.

use std::io;

use serde::Serialize;
use serde_json::{Map, Value};

use super::reader::{Reader, bounded, words};
use crate::ledger::hex;
use crate::sys::entry::Entry;
use crate::sys::proc_text::shown;
use crate::sys::trace;

/// Threads in one part.
const CHUNK: usize = 512;
/// Bytes of one text of a thread.
const TEXT: u64 = 64 << 10;
/// What is kept of a thread, as it is.
const FILES: [&str; 8] = ["stat", "status", "comm", "wchan", "syscall", "stack", "schedstat", "attr/current"];

#[derive(Serialize)]
struct Thread {
    tid: u32,
    /// By the name of the file.
    files: Map<String, Value>,
    /// Register sets in hexadecimal digits, by the type of their note in a core.
    #[serde(skip_serializing_if = "Map::is_empty")]
    registers: Map<String, Value>,
    /// What could not be had, and why.
    #[serde(skip_serializing_if = "Map::is_empty")]
    errors: Map<String, Value>,
}

/// `threads/N.ndjson`
pub fn threads(r: &mut Reader<'_>) -> io::Result<()> {
    let mut all = match r.whole.threads() {
        Ok(all) => all,
        Err(e) => return r.left_out("threads", &words(&e)),
    };
    all.sort_unstable();
    for (n, chunk) in all.chunks(CHUNK).enumerate() {
        let path = format!("{}/threads/{:04}.ndjson", r.place, n + 1);
        if r.has(&path) {
            continue;
        }
        let mut text = Vec::new();
        for &tid in chunk {
            if !r.looks(tid.into(), &format!("{}/task/{tid}", r.place))? {
                continue;
            }
            match r.whole.thread(tid) {
                Ok(e) => serde_json::to_writer(&mut text, &thread(&e, tid))?,
                Err(e) => {
                    r.left_out(&format!("task/{tid}"), &words(&e))?;
                    continue;
                }
            }
            text.push(b'\n');
        }
        r.part(&path, &text)?;
    }
    Ok(())
}

fn thread(e: &Entry, tid: u32) -> Thread {
    let mut t = Thread { tid, files: Map::new(), registers: Map::new(), errors: Map::new() };
    for file in FILES {
        match e.open_file(file).and_then(|f| bounded(f, TEXT)) {
            Ok((bytes, _)) => t.files.insert(file.into(), shown(&bytes).into()),
            // Not every kernel has every file.
            Err(e) if e.kind() == io::ErrorKind::NotFound => None,
            Err(e) => t.errors.insert(file.into(), words(&e).into()),
        };
    }
    match trace::registers(e, tid) {
        Ok(sets) => {
            t.registers =
                sets.into_iter().map(|(kind, bytes)| (kind.to_string(), hex(&bytes).into())).collect()
        }
        Err(e) => drop(t.errors.insert("registers".into(), words(&e).into())),
    }
    t
}
