//! A capture as lines for other tools: a body file (mactime 3.x) of the files that its processes have open, and events that Timesketch
//! reads. The file was checked before; what is in it is a suspect's words all the same.

use std::collections::{HashMap, HashSet};
use std::io::{self, Read, Write};

use serde_json::Value;

use super::archive::{HEAD, MANIFEST};
use super::event::{Event, Times};
use super::walk::{Walk, Wrong};
use crate::report::escape::{cut, text};
use crate::report::model::BothClocks;
use crate::sys::proc_text::shown;

/// The longest line.
const LINE: usize = 1 << 20;
/// The longest document.
const DOCUMENT: u64 = 64 << 20;
/// Characters of a command line.
const COMMAND: usize = 2000;
/// Rows and processes that are remembered.
const MOST: usize = 1 << 22;

/// What of an object is exported.
struct Object {
    fd: Option<u64>,
    target: String,
    kind: String,
    inode: u64,
    filesystem: String,
    mode: String,
    uid: u64,
    gid: u64,
    size: u64,
    accessed: i64,
    modified: i64,
    changed: i64,
    born: Option<i64>,
}

#[derive(Clone)]
struct Identity {
    pid: u64,
    start: u64,
    comm: String,
    uid: u64,
    service: String,
}

fn read(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap_or_default()
}

fn word(v: &Value, key: &str) -> Option<String> {
    v[key].as_str().map(str::to_owned)
}

impl Object {
    /// `None`: it is none.
    fn of(v: &Value) -> Option<Self> {
        let (n, t) = (|key: &str| v[key].as_u64(), |key: &str| v[key].as_i64());
        Some(Self {
            fd: n("fd"),
            target: word(v, "target")?,
            kind: word(v, "kind")?,
            inode: n("inode")?,
            filesystem: word(v, "filesystem")?,
            mode: word(v, "mode")?,
            uid: n("uid")?,
            gid: n("gid")?,
            size: n("size")?,
            accessed: t("accessed")?,
            modified: t("modified")?,
            changed: t("changed")?,
            born: t("born"),
        })
    }
}

impl Identity {
    /// `None`: it is none.
    fn of(v: &Value) -> Option<Self> {
        let (pid, start, uid) = (v["pid"].as_u64()?, v["start"].as_u64()?, v["uid"].as_u64()?);
        Some(Self { pid, start, comm: word(v, "comm")?, uid, service: word(v, "service")? })
    }
}

/// A moment of a manifest.
fn moment(v: &Value) -> Option<Times> {
    Times::of(&BothClocks { boottime: v["boottime"].as_u64()?, realtime: word(v, "realtime")? })
}

/// How much it was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exported {
    /// Rows of the body file.
    pub rows: u64,
    /// Events.
    pub events: u64,
}

struct Export<'a> {
    body: &'a mut dyn Write,
    events: &'a mut dyn Write,
    times: Option<Times>,
    host: String,
    service: String,
    processes: HashMap<String, Identity>,
    seen: HashSet<(String, u64, String)>,
    done: Exported,
}

/// Why a capture was not exported.
#[derive(Debug)]
pub enum Failed {
    /// It is not as it was when it was checked.
    Wrong(Wrong),
    /// What was made could not be written.
    Io(io::Error),
}

impl From<Wrong> for Failed {
    fn from(w: Wrong) -> Self {
        Self::Wrong(w)
    }
}

impl From<io::Error> for Failed {
    fn from(e: io::Error) -> Self {
        Self::Io(e)
    }
}

/// Exports the parts that are there.
pub fn export(file: impl Read, body: &mut dyn Write, events: &mut dyn Write) -> Result<Exported, Failed> {
    let mut e = Export {
        body,
        events,
        times: None,
        host: String::new(),
        service: String::new(),
        processes: HashMap::new(),
        seen: HashSet::new(),
        done: Exported::default(),
    };
    let mut walk = Walk::new(file);
    loop {
        match walk.next() {
            Ok(Some(entry)) if !entry.extends => match e.entry(&entry.path, &mut walk) {
                // One that was cut.
                Err(Failed::Wrong(Wrong::Short(_))) => break,
                r => r?,
            },
            Ok(Some(_)) => {}
            Ok(None) | Err(Wrong::Short(_)) => break,
            Err(w) => return Err(w.into()),
        }
    }
    let mut rest: Vec<Identity> = e.processes.drain().map(|(_, p)| p).collect();
    rest.sort_unstable_by_key(|p| (p.start, p.pid));
    rest.iter().try_for_each(|p| e.process(p, ""))?;
    Ok(e.done)
}

impl Export<'_> {
    fn entry<R: Read>(&mut self, path: &str, walk: &mut Walk<R>) -> Result<(), Failed> {
        if path == HEAD || path == MANIFEST {
            let m = read(&walk.text(DOCUMENT)?);
            return self.moments(&m, path == MANIFEST);
        }
        let words: Vec<&str> = path.split('/').collect();
        match words[..] {
            ["members", who, "identity.json"] => {
                let p = Identity::of(&read(&walk.text(DOCUMENT)?));
                if self.processes.len() < MOST {
                    self.processes.extend(p.map(|p| (who.to_owned(), p)));
                }
            }
            ["members", who, "cmdline"] => {
                let bytes = walk.text(DOCUMENT)?;
                let words: Vec<String> = bytes.split(|b| *b == 0).map(shown).collect();
                if let Some(p) = self.processes.get(who).cloned() {
                    self.process(&p, words.join(" ").trim_end())?;
                    self.processes.remove(who);
                }
            }
            ["members", who, "links.json"] => {
                let all = read(&walk.text(DOCUMENT)?);
                for what in ["exe", "cwd", "root"] {
                    Object::of(&all[what]).map_or(Ok(()), |o| self.object(who, what, &o))?;
                }
            }
            ["members", who, "descriptors", _] => self.lines(who, walk)?,
            _ => {}
        }
        Ok(())
    }

    fn lines<R: Read>(&mut self, who: &str, walk: &mut Walk<R>) -> Result<(), Failed> {
        let (mut piece, mut line) = (vec![0; 1 << 16], Vec::new());
        loop {
            let n = walk.data(&mut piece)?;
            if n == 0 {
                return Ok(());
            }
            for part in piece[..n].split_inclusive(|b| *b == b'\n') {
                if line.len() + part.len() <= LINE {
                    line.extend_from_slice(part);
                }
                if part.ends_with(b"\n") {
                    if let Some(o) = Object::of(&read(&line)) {
                        let what = o.fd.map_or_else(|| "fd".into(), |fd| format!("fd {fd}"));
                        self.object(who, &what, &o)?;
                    }
                    line.clear();
                }
            }
        }
    }

    fn event(
        &mut self,
        ns: i64,
        what: &str,
        message: String,
        kind: &str,
        more: &[(&str, String)],
    ) -> io::Result<()> {
        let e = Event { ns, what, message, kind, host: &self.host, service: &self.service, more };
        if let Some(line) = e.line() {
            self.events.write_all(line.as_bytes())?;
            self.done.events += 1;
        }
        Ok(())
    }

    fn moments(&mut self, m: &Value, last: bool) -> Result<(), Failed> {
        self.host = word(&m["host"], "name").unwrap_or_default();
        self.service = word(m, "service").unwrap_or_default();
        self.times = moment(&m["began"]);
        let all =
            [("Capture Began", &m["began"]), ("Service Held", &m["held"]), ("Capture Ended", &m["ended"])];
        for (what, at) in all.iter().skip(if last { 2 } else { 0 }) {
            if let Some(ns) = moment(at).map(|t| t.realtime) {
                let message = format!("{}: {}", what.to_lowercase(), cut(&self.service, 100));
                self.event(ns, what, message, "killer:capture", &[])?;
            }
        }
        Ok(())
    }

    fn process(&mut self, p: &Identity, command: &str) -> Result<(), Failed> {
        let Some(ns) = self.times.as_ref().and_then(|t| t.of_boottime(p.start)) else { return Ok(()) };
        let command = cut(command, COMMAND);
        let message = format!("process {} ({}) started: {command}", p.pid, cut(&p.comm, 64));
        let more = [
            ("pid", p.pid.to_string()),
            ("uid", p.uid.to_string()),
            ("name", p.comm.clone()),
            ("command_line", command),
            ("member_of", p.service.clone()),
        ];
        Ok(self.event(ns, "Process Started", message, "killer:process", &more)?)
    }

    fn object(&mut self, who: &str, what: &str, o: &Object) -> Result<(), Failed> {
        let pid = who.split('-').next().unwrap_or_default();
        let name = text(&o.target).replace('|', "\\x7c");
        let at = |ns: i64| ns.div_euclid(1_000_000_000);
        let mode = mode(&o.kind, &o.mode);
        let (inode, size) = (o.inode, o.size);
        let times = [at(o.accessed), at(o.modified), at(o.changed), o.born.map_or(0, at)];
        let [a, m, c, b] = times;
        writeln!(
            self.body,
            "0|{name} [{pid} {what}]|{inode}|{mode}|{}|{}|{size}|{a}|{m}|{c}|{b}",
            o.uid, o.gid
        )?;
        self.done.rows += 1;
        // Times of sockets, pipes and the like say nothing.
        let timed =
            matches!(o.kind.as_str(), "file" | "directory" | "fifo" | "character-device" | "block-device");
        let mut new =
            || self.seen.len() >= MOST || self.seen.insert((o.filesystem.clone(), inode, name.clone()));
        if !timed || !new() {
            return Ok(());
        }
        let all = [
            (Some(o.accessed), "Last Access Time"),
            (Some(o.modified), "Content Modification Time"),
            (Some(o.changed), "Metadata Modification Time"),
            (o.born, "Creation Time"),
        ];
        for (ns, word) in all {
            let Some(ns) = ns else { continue };
            let more = [
                ("pid", pid.to_owned()),
                ("opened_as", what.to_owned()),
                ("filename", o.target.clone()),
                ("inode", inode.to_string()),
                ("file_size", size.to_string()),
            ];
            self.event(ns, word, format!("{name} [{pid} {what}]"), "killer:file", &more)?;
        }
        Ok(())
    }
}

/// As mactime has it: `r/rrwxr-xr-x`.
fn mode(kind: &str, octal: &str) -> String {
    let bits = u32::from_str_radix(octal, 8).unwrap_or(0);
    let kind = match kind {
        "file" => 'r',
        "directory" => 'd',
        "fifo" => 'p',
        "socket" => 's',
        "block-device" => 'b',
        "character-device" => 'c',
        "link" => 'l',
        _ => '-',
    };
    let one = |n: u32| if bits >> (8 - n) & 1 != 0 { ['r', 'w', 'x'][n as usize % 3] } else { '-' };
    format!("{kind}/{kind}{}", (0..9).map(one).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes() {
        assert_eq!(mode("file", "100755"), "r/rrwxr-xr-x");
        assert_eq!(mode("directory", "040700"), "d/drwx------");
        assert_eq!(mode("", "x"), "-/----------");
    }
}
