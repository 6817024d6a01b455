//! The dead man's switch of `run --kill-on-exit`: maps and program are made when the first promise is; attached is the program while
//! there is one.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use bytemuck::Zeroable;
use killer_common::names::{BEARERS as THEY, DUE as ALL_DUE, P_PROMISE, P_PROMISE2, PROMISES};
use killer_common::promise::{Bearer, DONE, DUE, Due, KEPT, MAPS, NONE, Promise, TOLD};
use killer_common::{MAX_ROOTS, MAX_SEEDS};

use super::programs::Programs;
use super::{pins, written_in};
use crate::keep::{KeepError, Promises, Slot, What};
use crate::kernel::btf::{Btf, Offsets};
use crate::sys::alive::Identity;
use crate::sys::bpf::{self, Code, For, Hash, MapType};
use crate::sys::clock;
use crate::sys::lack::Lack;

/// The eBPF object of this build.
pub(super) static OBJECT: &[u8] =
    aya::include_bytes_aligned!(concat!(env!("CARGO_MANIFEST_DIR"), "/prebuilt/promise.bpf.o"));

/// Opens a map of the switch, or makes it.
fn map(dir: &Path, name: &str) -> io::Result<OwnedFd> {
    let at = dir.join(name);
    match bpf::obj_get(&at) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        r => return r,
    }
    let of = |ty, value, max| bpf::map_create(ty, 4, value, max, 0, name);
    let fd = match name {
        PROMISES => of(MapType::Array, size_of::<Promise>() as u32, MAX_ROOTS),
        THEY => of(MapType::Hash, size_of::<Bearer>() as u32, 2 * MAX_SEEDS),
        ALL_DUE => of(MapType::Array, size_of::<Due>() as u32, 1),
        // One of the tracker's own.
        _ => Err(io::ErrorKind::NotFound.into()),
    }?;
    if name == ALL_DUE {
        bpf::map_freeze(&fd)?;
    }
    match bpf::obj_pin(&fd, &at) {
        // Another process has made it meanwhile.
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => bpf::obj_get(&at),
        r => r.map(|()| fd),
    }
}

const COPIES: [&str; 2] = [P_PROMISE2, P_PROMISE];

/// Attaches the programs that an earlier promise has left; false: there are none.
fn attach(v: &Path) -> io::Result<bool> {
    let mut any = false;
    for name in COPIES {
        match bpf::obj_get(&v.join("progs").join(name)) {
            Ok(prog) => pin_link(v, name, &prog)?,
            Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
            Err(e) => return Err(e),
        }
        any |= name == P_PROMISE;
    }
    Ok(any)
}

fn pin_link(v: &Path, name: &str, prog: &OwnedFd) -> io::Result<()> {
    let attached = bpf::raw_tracepoint_open(prog, "")?;
    Lack::LinkPins.check()?;
    match bpf::obj_pin(&attached, &v.join("links").join(name)) {
        // What a killed bearer has left.
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        r => r,
    }
}

/// Takes the programs off their hook when no promise is left; they stay for the next one.
fn detach(v: &Path, bearers: &Hash<u32, Bearer>) -> io::Result<()> {
    let mut due = Due::zeroed();
    // In this order: the program counts the end of a bearer before it takes the bearer away.
    if !bearers.keys()?.is_empty() {
        return Ok(());
    }
    bpf::lookup(map(&v.join("maps"), ALL_DUE)?, 0, bytemuck::bytes_of_mut(&mut due))?;
    if due.count == 0 {
        // The one that says that all are there comes first.
        for name in [P_PROMISE, P_PROMISE2] {
            match std::fs::remove_file(v.join("links").join(name)) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
                _ => {}
            }
        }
    }
    Ok(())
}

/// Loads the program and pins it. Where the kernel can skip a program, a copy of it is loaded, too. The last one says that all are there.
fn load(v: &Path) -> io::Result<()> {
    let btf = Btf::kernel().map_err(io::Error::other)?;
    let offsets = Offsets::read(&btf).map_err(io::Error::other)?;
    let lacks = || io::Error::from(io::ErrorKind::Unsupported);
    let hook = btf.exit_hook_with_memory().ok_or_else(lacks)?;
    let ids = offsets.sweep.ok_or_else(lacks)?;
    let fields = written_in::fields(&offsets).ok_or_else(lacks)?;
    let maps: Vec<OwnedFd> = MAPS.iter().map(|name| map(&v.join("maps"), name)).collect::<io::Result<_>>()?;
    let maps: Vec<_> = maps.iter().map(AsFd::as_fd).collect();
    let code = written_in::code(OBJECT, &maps, &ids.map(Some), &fields)
        .ok_or_else(|| io::Error::other("promise.bpf.o is no object of this build"))?;
    let copies = if offsets.skips { &COPIES[..] } else { &[P_PROMISE] };
    for name in copies {
        let prog = v.join("progs").join(name);
        // What a killed loader has left.
        let _ = std::fs::remove_file(&prog);
        let code = Code { name, instructions: &code, info: None };
        bpf::obj_pin(bpf::load(For::Tracepoint(hook), &code)?, &prog)?;
    }
    Ok(())
}

impl Programs {
    pub(super) fn in_pins<T: Send>(&self, f: impl FnOnce(&Path) -> io::Result<T> + Send) -> io::Result<T> {
        let v = self.paths().version();
        let done = pins::in_host_mounts(self.paths(), || f(&v).what("the promises"));
        done.map_err(|e| match e {
            KeepError::Io { source, .. } => source,
            e => io::Error::other(e),
        })
    }
}

impl Programs {
    /// The promise about a root, of this use of its slot.
    fn promise_of(&self, s: Slot) -> Option<Promise> {
        let mut it = Promise::zeroed();
        let read = self.in_pins(|v| {
            bpf::lookup(
                bpf::obj_get(&v.join("maps").join(PROMISES))?,
                s.slot,
                bytemuck::bytes_of_mut(&mut it),
            )
        });
        read.ok().filter(|()| it.generation == s.generation)?;
        Some(it)
    }
}

impl Promises for Programs {
    fn promise(&self, s: Slot, by: [Identity; 2]) -> io::Result<()> {
        Lack::Promise.check()?;
        self.in_pins(|v| {
            // The link comes last.
            if !v.join("links").join(P_PROMISE).exists() && !attach(v)? {
                load(v)?;
                attach(v)?;
            }
            let bearers: Hash<u32, Bearer> = Hash::new(map(&v.join("maps"), THEY)?)?;
            for one in by.iter().filter(|one| one.pid != 0) {
                let it = Bearer { slot: s.slot, generation: s.generation, start: one.start };
                bearers.put(&one.pid, &it)?;
            }
            let it = Promise {
                generation: s.generation,
                state: KEPT,
                tgids: by.map(|one| one.pid),
                ..Promise::zeroed()
            };
            bpf::update(map(&v.join("maps"), PROMISES)?, s.slot, bytemuck::bytes_of(&it))
        })
    }

    fn withdraw(&self, s: Slot) -> io::Result<()> {
        self.in_pins(|v| {
            let promises = bpf::obj_get(&v.join("maps").join(PROMISES))?;
            let bearers: Hash<u32, Bearer> = Hash::new(map(&v.join("maps"), THEY)?)?;
            let mut it = Promise::zeroed();
            bpf::lookup(&promises, s.slot, bytemuck::bytes_of_mut(&mut it))?;
            let me = std::process::id();
            let ours = it.generation == s.generation && it.state == KEPT && it.tgids.contains(&me);
            // While one that lives is among them, the program changes nothing.
            if ours {
                let none = Promise { state: NONE, ..it };
                bpf::update(&promises, s.slot, bytemuck::bytes_of(&none))?;
            }
            for tgid in if ours { it.tgids } else { [me, 0] } {
                let of = bearers.get(&tgid)?;
                if of.is_some_and(|b| b.slot == s.slot && b.generation == s.generation) {
                    bearers.delete(&tgid)?;
                }
            }
            detach(v, &bearers)
        })
    }

    fn untold(&self, s: Slot) -> Option<(u64, u64)> {
        let it = self.promise_of(s).filter(|it| it.state == DONE && it.found != 0)?;
        // Both clocks, read one after the other: they differ by the time that the host was suspended.
        let suspended = clock::boottime_ns().saturating_sub(clock::monotonic_ns());
        Some((it.due_at, it.found + suspended))
    }

    fn told(&self, s: Slot) -> io::Result<()> {
        let Some(it) = self.promise_of(s).filter(|it| it.state == DONE) else { return Ok(()) };
        let told = Promise { state: TOLD, ..it };
        self.in_pins(|v| {
            bpf::update(bpf::obj_get(&v.join("maps").join(PROMISES))?, s.slot, bytemuck::bytes_of(&told))
        })
    }

    fn kept_since(&self, s: Slot) -> Option<u64> {
        // Else nobody was left when the last of them ended.
        let it = self.promise_of(s).filter(|it| matches!(it.state, DUE | DONE | TOLD) && it.found != 0)?;
        Some(it.due_at)
    }
}
