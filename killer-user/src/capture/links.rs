//! Program, working directory, root, and namespaces.

use std::io;

use serde::Serialize;
use serde_json::{Map, Value};

use super::object::Object;
use super::reader::{Reader, words};

const NAMESPACES: [&str; 10] =
    ["cgroup", "ipc", "mnt", "net", "pid", "pid_for_children", "time", "time_for_children", "user", "uts"];

#[derive(Serialize)]
struct Links {
    exe: Object,
    cwd: Object,
    root: Object,
    namespaces: Map<String, Value>,
}

/// `links.json`
pub fn links(r: &mut Reader<'_>) -> io::Result<()> {
    let path = format!("{}/links.json", r.place);
    if r.has(&path) || !r.looks(0, &path)? {
        return Ok(());
    }
    let e = &r.entry;
    let space = |n: &'static str| {
        let link = e.link(&format!("ns/{n}"));
        (n.to_owned(), Value::from(link.map_or_else(|e| words(&e), |l| l.to_string_lossy().into_owned())))
    };
    let of = |link| Object::of(e, link);
    let namespaces = NAMESPACES.into_iter().map(space).collect();
    let links = Links { exe: of("exe"), cwd: of("cwd"), root: of("root"), namespaces };
    let text = serde_json::to_vec(&links)?;
    r.part(&path, &text)
}
