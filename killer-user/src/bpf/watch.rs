//! A watcher's own programs: loaded and attached behind the hooks for as long as it lives, with a ring of its own.

use std::fmt::{Debug, Formatter};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use aya::maps::{Map, MapData, RingBuf};
use bytemuck::pod_read_unaligned;
use killer_common::watch::{Event, Exec, MOST_RUNS, Name};

use super::loader::{self, Object};
use super::programs::Programs;
use super::{load, pins, running, sign};
use crate::keep::{Hooks, Keep, KeepError, Registry, Seen, Wanted, Watches, Watching, What};
use crate::kernel::btf::Offsets;
use crate::sys::bpf::{self, Hash};
use crate::sys::prog;

/// The object of this build.
static OBJECT: &[u8] =
    aya::include_bytes_aligned!(concat!(env!("CARGO_MANIFEST_DIR"), "/prebuilt/watch.bpf.o"));

/// The programs, in the order in which they are attached: what ends before what is born.
const HOOKS: [(&str, &str); 4] = [
    ("on_watch_exit", "sched_process_exit"),
    ("on_watch_signal", "signal_generate"),
    ("on_watch_exec", "sched_process_exec"),
    ("on_watch_fork", "task_newtask"),
];

/// One that watches.
struct Watcher {
    // Detached first.
    _links: Vec<OwnedFd>,
    programs: Vec<OwnedFd>,
    lost: OwnedFd,
    ring: RingBuf<MapData>,
    /// The ring's map.
    events: OwnedFd,
    /// Keeps the hooks attached.
    _sign: sign::Watching,
}

impl Debug for Watcher {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watcher").field("events", &self.events).finish_non_exhaustive()
    }
}

impl AsFd for Watcher {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.events.as_fd()
    }
}

impl Watching for Watcher {
    fn next(&mut self) -> Option<Seen> {
        loop {
            let item = self.ring.next()?;
            match item.len() {
                n if n >= size_of::<Exec>() => {
                    return Some(Seen::Exec(Box::new(pod_read_unaligned(&item[..size_of::<Exec>()]))));
                }
                n if n >= size_of::<Event>() => {
                    return Some(Seen::Event(pod_read_unaligned(&item[..size_of::<Event>()])));
                }
                _ => {}
            }
        }
    }

    fn lost(&self) -> u64 {
        let mut n = [0u8; 8];
        bpf::lookup(&self.lost, 0, &mut n).map_or(0, |()| u64::from_ne_bytes(n))
    }

    fn skipped(&self) -> u64 {
        self.programs.iter().filter_map(|p| bpf::prog_info(p).ok()).map(|i| i.recursion_misses()).sum()
    }
}

impl Watches for Programs {
    fn watch(&self, wanted: &Wanted) -> Result<Box<dyn Watching>, KeepError> {
        if wanted.exe.is_some() && !prog::can_read_kernel() {
            let why = "comparing what is executed: programs may not read the kernel's memory (lockdown)";
            return Err(KeepError::Kernel(why.into()));
        }
        let offsets = load::layout()?;
        let (links, programs, events, lost, sign) = pins::in_host_mounts(self.paths(), || {
            let v = self.paths().version();
            let object = object(self, &offsets, wanted)?;
            let map = |name: &'static str| {
                let fd =
                    object.map(name).ok_or_else(|| KeepError::Damaged(format!("{name} (of watch.bpf.o)")))?;
                fd.try_clone_to_owned().what(format!("keeping map {name}"))
            };
            let watched: Hash<Name, u32> = Hash::new(map("WATCHED")?).what("opening map WATCHED")?;
            for name in &wanted.names {
                let mut key: Name = [0; killer_common::NAME_LEN];
                let n = name.len().min(key.len());
                key[..n].copy_from_slice(&name.as_bytes()[..n]);
                watched.put(&key, &1).what("writing the name of a service that is watched")?;
            }
            let exe = wanted
                .exe
                .as_deref()
                .map(|glob| Ok((running::begin(map("EXE")?, map("RUNS")?, glob)?, glob)));
            let exe = exe.transpose()?;
            let mut programs = Vec::new();
            for (name, at) in HOOKS {
                programs.push(object.load(name, loader::tracepoint(&offsets, at)?)?);
            }
            // Behind the hooks, and under the lock, so that they are not taken away meanwhile.
            let _lock = self.lock()?;
            Hooks::attach(self)?;
            let sign = sign::Watching::note(&v)?;
            let attach = |(program, (name, at)): (&OwnedFd, (&str, &str))| {
                bpf::raw_tracepoint_open(program, "").what(format!("attaching {name} to {at}"))
            };
            let links = programs.iter().zip(HOOKS).map(attach).collect::<Result<Vec<_>, _>>()?;
            if let Some((runs, glob)) = exe {
                running::meet(&runs, glob)?;
            }
            Ok((links, programs, map("EVENTS")?, map("LOST")?, sign))
        })?;
        let opened = |e: aya::maps::MapError| KeepError::Kernel(format!("a ring of events: {e}"));
        let again = events.try_clone().what("keeping map EVENTS")?;
        let ring =
            RingBuf::try_from(Map::RingBuf(MapData::from_fd(again).map_err(opened)?)).map_err(opened)?;
        Ok(Box::new(Watcher { _links: links, programs, lost, ring, events, _sign: sign }))
    }
}

/// The object with its knobs set, its maps being those of the tracker, and some of its own.
fn object(t: &Programs, offsets: &Offsets, wanted: &Wanted) -> Result<Object, KeepError> {
    let lacks =
        || KeepError::Kernel(format!("events in tier {}: they need the kernel's BTF", t.tier().name()));
    if !t.tier().by_btf() {
        return Err(lacks());
    }
    let more = offsets.rules.as_ref().map_err(|lacks| KeepError::Kernel(format!("events: {lacks}")))?;
    let ours = [
        ("HAVE_CURRENT_BTF", u32::from(offsets.current_btf)),
        ("READS_KERNEL", u32::from(prog::can_read_kernel())),
        ("WATCH_KINDS", wanted.kinds),
        ("WATCH_UID", wanted.uid.unwrap_or(u32::MAX)),
        ("WATCH_SOME", u32::from(!wanted.names.is_empty())),
        ("WATCH_EXE", u32::from(wanted.exe.is_some())),
    ];
    let knobs = loader::knobs(offsets.knobs.iter().chain(more), &ours);
    let size = if wanted.exe.is_some() { MOST_RUNS } else { 1 };
    Object::sized("watch.bpf.o", OBJECT, &t.paths().version().join("maps"), &knobs, &[("RUNS", size)])
}
