//! The recorder: maps and programs of its own, made when somebody asks for them, pinned beside the others.

use std::collections::HashMap;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use bytemuck::Zeroable;
use killer_common::names::*;
use killer_common::record::TaskKey;
use killer_common::recorder::*;

use super::below;
use super::loader::{self, Object};
use super::programs::Programs;
use super::{load, pins};
use crate::keep::{Below, KeepError, Recording, Records, Scope, What};
use crate::kernel::btf::Offsets;
use crate::sys::bpf::{self, Hash, MapType};
use crate::sys::prog;

/// The object of this build.
pub(super) static OBJECT: &[u8] =
    aya::include_bytes_aligned!(concat!(env!("CARGO_MANIFEST_DIR"), "/prebuilt/recorder.bpf.o"));

/// `BPF_F_NO_PREALLOC`
const NO_PREALLOC: u32 = 1;
/// Where programs may not take memory when they run (before 6.1) the maps take all of it at once: so much less.
const LESS: u32 = 8;
/// Environment variable for tests: nodes and execs that there can be.
const FEW: &str = "KILLER_MAP_NODES";
/// The directory of its links: that of the others goes when nothing is tracked.
const LINKS: &str = "recorder";

/// A map: its name, kind, sizes of key and value, entries; whether only programs may write it, and whether it takes memory when it is
/// needed.
type Spec = (&'static str, MapType, usize, usize, u32, bool, bool);

fn specs() -> [Spec; 9] {
    let few = std::env::var(FEW).ok().and_then(|n| n.parse().ok());
    let most = |most: u32| few.map_or(most, |f: u32| f.min(most));
    let (nodes, execs, past, sent) = (most(MAX_NODES), most(MAX_EXECS), most(MAX_PAST), most(MAX_SENT));
    let (key, node, exec) = (size_of::<TaskKey>(), size_of::<Node>(), size_of::<Exec>());
    [
        (NODES, MapType::Hash, key, node, nodes, true, true),
        (ALIVE, MapType::Hash, 4, 8, nodes, true, true),
        (PAST, MapType::LruHash, key, node, past, true, false),
        (EXECS, MapType::Hash, size_of::<ExecKey>(), exec, execs, true, true),
        (PAST_EXECS, MapType::LruHash, key, exec, past, true, false),
        (SENT, MapType::LruHash, size_of::<SentKey>(), size_of::<Sent>(), sent, true, false),
        (RECORDER, MapType::Array, 4, size_of::<Recorder>(), 1, true, false),
        (SCOPE, MapType::Array, 4, 4, 1, false, false),
        (DRAFT, MapType::PerCpu, 4, size_of::<Draft>(), 1, false, false),
    ]
}

/// Makes the maps that are not there.
fn make(maps: &Path, takes_memory: bool) -> Result<(), KeepError> {
    for (name, ty, key, value, max, frozen, grows) in specs() {
        if maps.join(name).exists() {
            continue;
        }
        let (flags, max) = match (grows, takes_memory) {
            (false, _) => (0, max),
            (true, true) => (NO_PREALLOC, max),
            (true, false) if std::env::var_os(FEW).is_some() => (0, max),
            (true, false) => (0, max / LESS),
        };
        let made = bpf::map_create(ty, key as u32, value as u32, max, flags, name);
        let fd = made.what(format!("creating map {name}"))?;
        if frozen {
            bpf::map_freeze(&fd).what(format!("freezing map {name}"))?;
        }
        bpf::obj_pin(&fd, &maps.join(name)).what(format!("pinning map {name}"))?;
    }
    Ok(())
}

/// Takes it away, with all that was recorded. The links first, so that no program writes what goes.
fn remove(v: &Path) {
    pins::remove(&v.join(LINKS));
    let programs = RECORD_HOOKS.iter().map(|(name, _)| *name).chain([P_RECORD_ALL]);
    let pins = programs.map(|name| v.join("progs").join(name));
    for pin in pins.chain(specs().iter().map(|s| v.join("maps").join(s.0))) {
        let _ = std::fs::remove_file(pin);
    }
}

/// The object with its knobs set.
fn object(v: &Path, offsets: &Offsets) -> Result<Object, KeepError> {
    let lacks = |lacks: &String| KeepError::Kernel(format!("the recorder: {lacks}"));
    let more = offsets.recorder.as_ref().map_err(lacks)?;
    let ours = [("READS_KERNEL", u32::from(prog::can_read_kernel()))];
    let knobs = loader::knobs(offsets.knobs.iter().chain(more), &ours);
    Object::new("recorder.bpf.o", OBJECT, &v.join("maps"), &knobs)
}

/// Loads and attaches what is not there, and meets the processes that are.
fn begin(v: &Path, scope: Scope) -> Result<(), KeepError> {
    let offsets = load::layout()?;
    make(&v.join("maps"), offsets.takes_memory)?;
    let word = if scope == Scope::Everybody { EVERYBODY } else { MEMBERS };
    bpf::update(map(v, SCOPE)?, 0, &word.to_ne_bytes()).what("writing what is recorded")?;
    let progs = v.join("progs");
    // The last one that is pinned says that all are.
    if !progs.join(P_RECORD_ALL).exists() {
        let object = object(v, &offsets)?;
        for (name, at) in RECORD_HOOKS {
            object.put(&progs, name, loader::tracepoint(&offsets, at)?)?;
        }
        object.put(&progs, P_RECORD_ALL, loader::tasks(&offsets)?)?;
    }
    match std::fs::create_dir(v.join(LINKS)) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
        r => r.what("making the directory of the recorder's links")?,
    }
    for (name, at) in RECORD_HOOKS {
        let pin = v.join(LINKS).join(name);
        if !pin.exists() {
            let link =
                bpf::raw_tracepoint_open(program(v, name)?, "").what(format!("attaching {name} to {at}"))?;
            bpf::obj_pin(&link, &pin).what(format!("pinning the link of {name}"))?;
        }
    }
    bpf::iter_read(program(v, P_RECORD_ALL)?).what("meeting the processes that are there").map(drop)
}

fn map(v: &Path, name: &str) -> Result<OwnedFd, KeepError> {
    bpf::obj_get(&v.join("maps").join(name)).what(format!("opening map {name}"))
}

fn program(v: &Path, name: &str) -> Result<OwnedFd, KeepError> {
    bpf::obj_get(&v.join("progs").join(name)).what(format!("opening program {name}"))
}

/// What is recorded; `None`: nothing.
fn scope(v: &Path) -> io::Result<Option<Scope>> {
    let fd = match bpf::obj_get(&v.join("maps").join(SCOPE)) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        fd => fd?,
    };
    let mut word = [0; 4];
    bpf::lookup(fd, 0, &mut word)?;
    let everybody = u32::from_ne_bytes(word) == EVERYBODY;
    Ok(Some(if everybody { Scope::Everybody } else { Scope::Members }))
}

fn recording(v: &Path) -> io::Result<Option<Recording>> {
    let Some(scope) = scope(v)? else { return Ok(None) };
    let mut figures = Recorder::zeroed();
    let maps = v.join("maps");
    bpf::lookup(bpf::obj_get(&maps.join(RECORDER))?, 0, bytemuck::bytes_of_mut(&mut figures))?;
    let of = |name: &str| program(v, name).ok().and_then(|p| bpf::prog_info(p).ok());
    let missed = |name: &str| of(name).map_or(0, |i| i.recursion_misses());
    let unheard = missed(P_RECORD_SIGNAL);
    let skipped = RECORD_HOOKS.iter().filter(|h| h.0 != P_RECORD_SIGNAL).map(|h| missed(h.0)).sum();
    let (attached, names) = (attached(v), prog::can_read_kernel());
    Ok(Some(Recording { scope, figures, skipped, unheard, attached, names }))
}

/// All its hooks are there.
fn attached(v: &Path) -> bool {
    RECORD_HOOKS.iter().all(|(name, _)| v.join(LINKS).join(name).exists())
}

/// Those of a map that say their own key: elements are used again under readers.
fn own(v: &Path, name: &str) -> io::Result<Vec<Node>> {
    let map: Hash<TaskKey, Node> = Hash::new(bpf::obj_get(&v.join("maps").join(name))?)?;
    let all = map.all(4096)?;
    Ok(all.into_iter().filter(|(k, n)| n.key == *k).map(|(_, n)| n).collect())
}

impl Programs {
    /// Nothing where nothing is recorded, or no longer.
    fn of_recorder<T: Send + Default>(&self, f: impl FnOnce(&Path) -> io::Result<T> + Send) -> io::Result<T> {
        match self.in_pins(f) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(T::default()),
            r => r,
        }
    }
}

impl Records for Programs {
    fn recording(&self) -> io::Result<Option<Recording>> {
        self.of_recorder(recording)
    }

    fn record(&self, to: Option<Scope>) -> Result<(), KeepError> {
        pins::in_host_mounts(self.paths(), || {
            let v = self.paths().version();
            let now = scope(&v).what("opening the recorder")?;
            // What was not recorded meanwhile would be missing later, and nobody would know.
            if to.is_none() || now > to || now.is_some() && !attached(&v) {
                remove(&v);
            }
            let Some(to) = to else { return Ok(()) };
            let is = recording(&v).what("opening the recorder");
            if now == Some(to) && is?.is_some_and(|r| r.attached && r.figures.complete != 0) {
                // Its processes have been met: since then is since then.
                return Ok(());
            }
            let begun = begin(&v, to);
            if begun.is_err() && now.is_none() {
                remove(&v);
            }
            begun
        })
    }

    fn nodes(&self) -> io::Result<Vec<Node>> {
        self.of_recorder(|v| {
            // In this order: one goes from the first to the second, and is in both for a moment.
            let mut all: HashMap<TaskKey, Node> = own(v, NODES)?.into_iter().map(|n| (n.key, n)).collect();
            for n in own(v, PAST)? {
                all.entry(n.key).or_insert(n);
            }
            Ok(all.into_values().collect())
        })
    }

    fn node(&self, key: TaskKey) -> io::Result<Option<Node>> {
        self.of_recorder(|v| {
            for name in [NODES, PAST] {
                let map: Hash<TaskKey, Node> = Hash::new(bpf::obj_get(&v.join("maps").join(name))?)?;
                if let Some(n) = map.get(&key)?.filter(|n| n.key == key) {
                    return Ok(Some(n));
                }
            }
            Ok(None)
        })
    }

    fn sent(&self, to: TaskKey, signal: u32) -> io::Result<Option<Sent>> {
        self.of_recorder(|v| {
            let map: Hash<SentKey, Sent> = Hash::new(bpf::obj_get(&v.join("maps").join(SENT))?)?;
            let key = SentKey { tgid: to.tgid, signal, start: to.start };
            Ok(map.get(&key)?.filter(|s| s.key == key))
        })
    }

    fn execs(&self, of: &Node) -> io::Result<Vec<Exec>> {
        self.of_recorder(|v| {
            let execs: Hash<ExecKey, Exec> = Hash::new(bpf::obj_get(&v.join("maps").join(EXECS))?)?;
            let mut all = Vec::new();
            for place in 0..PLACES.min(of.execs) {
                let key = ExecKey { tgid: of.key.tgid, place, start: of.key.start };
                all.extend(execs.get(&key)?.filter(|e| e.key == of.key));
            }
            if all.is_empty() {
                let past: Hash<TaskKey, Exec> = Hash::new(bpf::obj_get(&v.join("maps").join(PAST_EXECS))?)?;
                all.extend(past.get(&of.key)?.filter(|e| e.key == of.key));
            }
            all.sort_by_key(|e| e.nth);
            Ok(all)
        })
    }

    fn below(&self, top: TaskKey) -> io::Result<Below> {
        let found = below::of(&self.nodes()?, top);
        // Asked afterwards: what was lost meanwhile is counted by then. What is older may have forked when only members were recorded.
        let since = |r: &Recording| found.born > r.figures.complete;
        let sound =
            self.recording()?.is_some_and(|r| r.scope == Scope::Everybody && r.is_whole() && since(&r));
        Ok(Below { whole: sound && found.whole, never: !sound || found.never, ..found })
    }
}
