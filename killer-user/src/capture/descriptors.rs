//! What a member has open: named, and never opened here.

use std::collections::HashMap;
use std::io;

use serde::Serialize;

use super::network::{Socket, sockets};
use super::object::Object;
use super::reader::{Reader, bounded, words};
use crate::sys::proc_text::shown;

/// Descriptors in one part.
const CHUNK: usize = 4096;
/// Descriptors of one process.
const MOST: usize = 1 << 20;
/// Bytes of what the kernel says of one.
const INFO: u64 = 4096;

#[derive(Serialize)]
struct Descriptor {
    fd: u32,
    #[serde(flatten)]
    object: Object,
    info: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    socket: Option<Socket>,
}

/// `descriptors/N.ndjson`
pub fn descriptors(r: &mut Reader<'_>) -> io::Result<()> {
    let mut all = match r.entry.descriptors() {
        Ok(all) => all,
        Err(e) => return r.left_out("descriptors", &words(&e)),
    };
    all.sort_unstable();
    if all.len() > MOST {
        r.left_out("descriptors", &format!("{} of {}", all.len() - MOST, all.len()))?;
        all.truncate(MOST);
    }
    let mut net: Option<HashMap<u64, Socket>> = None;
    for (n, chunk) in all.chunks(CHUNK).enumerate() {
        let path = format!("{}/descriptors/{:04}.ndjson", r.place, n + 1);
        if r.has(&path) {
            continue;
        }
        let mut text = Vec::new();
        for &fd in chunk {
            if !r.looks(fd.into(), &format!("{}/fd/{fd}", r.place))? {
                continue;
            }
            let object = Object::of(&r.entry, &format!("fd/{fd}"));
            if object.kind.is_empty() && object.target.is_empty() {
                r.left_out(&format!("fd/{fd}"), object.error.as_deref().unwrap_or("closed"))?;
                continue;
            }
            let info = r.entry.open_file(&format!("fdinfo/{fd}")).and_then(|f| bounded(f, INFO));
            let info = info.map_or_else(|e| words(&e), |(b, _)| shown(&b));
            let socket = match object.kind {
                "socket" => net.get_or_insert_with(|| sockets(r)).get(&object.inode).cloned(),
                _ => None,
            };
            serde_json::to_writer(&mut text, &Descriptor { fd, object, info, socket })?;
            text.push(b'\n');
        }
        r.part(&path, &text)?;
    }
    Ok(())
}
