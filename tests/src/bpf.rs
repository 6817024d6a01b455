//! What the kernel holds for a tracker, asked by bpf(2) itself: maps, programs and links by their ids, gate words, and
//! whatever is left in the maps when nobody is tracked.

use killer_common::record::{Control, Global, Member, Pop, R_FREE, RootRecord, process_key};
use killer_common::states::Thread;
use killer_common::sweep::{Aim, Run};
use killer_common::{ABI_VERSION, MAX_ROOTS, POOL_FIRST, TGIDS, gate, names};
use std::collections::BTreeSet;
use std::ffi::CString;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

const MAP_LOOKUP: i32 = 1;
const MAP_UPDATE: i32 = 2;
const MAP_NEXT_KEY: i32 = 4;
const OBJ_GET: i32 = 7;
const PROG_RUN: i32 = 10;
const PROG_NEXT_ID: i32 = 11;
const MAP_NEXT_ID: i32 = 12;
const INFO_BY_FD: i32 = 15;
const LINK_CREATE: i32 = 28;
const LINK_FD_BY_ID: i32 = 30;
const LINK_NEXT_ID: i32 = 31;
const ITER_CREATE: i32 = 33;
const TRACE_ITER: u64 = 28;

/// bpf(2) with `words` as its attributes; the kernel takes what they leave out as zero.
fn call(command: i32, words: &mut [u64]) -> std::io::Result<i64> {
    let size = size_of_val(words);
    // SAFETY: `words` is as long as we say, and what it points to belongs to the callers below and outlives the call.
    let r = unsafe { libc::syscall(libc::SYS_bpf, command, words.as_mut_ptr(), size) };
    if r < 0 { Err(std::io::Error::last_os_error()) } else { Ok(r) }
}

/// A bpf(2) call that gives a descriptor; whatever `words` point to has to outlive it.
///
/// # Errors
/// The kernel's.
pub fn descriptor(command: i32, words: &mut [u64]) -> std::io::Result<OwnedFd> {
    call(command, words).map(own)
}

fn own(r: i64) -> OwnedFd {
    // SAFETY: a new descriptor, nobody else's.
    unsafe { OwnedFd::from_raw_fd(r as i32) }
}

fn obj_get(path: &Path) -> Option<OwnedFd> {
    let path = CString::new(path.as_os_str().as_bytes()).ok()?;
    call(OBJ_GET, &mut [path.as_ptr() as u64, 0]).map(own).ok()
}

/// The head of the object's `struct bpf_*_info`.
fn info(fd: &OwnedFd) -> Option<[u64; 29]> {
    let mut words = [0; 29];
    let head = fd.as_raw_fd() as u64 | (size_of_val(&words) as u64) << 32;
    call(INFO_BY_FD, &mut [head, words.as_mut_ptr() as u64]).ok()?;
    Some(words)
}

/// Kernel-wide ids of the objects of one kind.
fn ids(next: i32) -> BTreeSet<u32> {
    let mut all = BTreeSet::new();
    let mut at = 0u32;
    loop {
        // start_id, then next_id as the answer.
        let mut words = [u64::from(at), 0];
        if call(next, &mut words).is_err() {
            return all;
        }
        at = (words[0] >> 32) as u32;
        all.insert(at);
    }
}

/// Objects by id.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ids {
    /// Maps.
    pub maps: BTreeSet<u32>,
    /// Programs.
    pub programs: BTreeSet<u32>,
    /// Links to these programs, pinned or held by some process.
    pub links: BTreeSet<u32>,
}

impl Ids {
    /// Those of these that the kernel still has; links are looked for anew.
    pub fn left(&self) -> Ids {
        Ids {
            maps: self.maps.intersection(&ids(MAP_NEXT_ID)).copied().collect(),
            programs: self.programs.intersection(&ids(PROG_NEXT_ID)).copied().collect(),
            links: links(&self.programs),
        }
    }

    /// No object at all.
    pub fn is_empty(&self) -> bool {
        self.maps.is_empty() && self.programs.is_empty() && self.links.is_empty()
    }
}

/// Links whose program is one of these.
fn links(programs: &BTreeSet<u32>) -> BTreeSet<u32> {
    let ours = |id: &u32| {
        let fd = call(LINK_FD_BY_ID, &mut [u64::from(*id), 0]).map(own).ok()?;
        // type and id, prog_id
        Some(programs.contains(&(info(&fd)?[1] as u32)))
    };
    ids(LINK_NEXT_ID).into_iter().filter(|id| ours(id) == Some(true)).collect()
}

/// Everything that a tracker has, held open; see [`Pins::ids`] for what holds nothing.
#[derive(Debug)]
pub struct Objects {
    dir: PathBuf,
}

/// The pins of a tracker, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pins {
    /// Paths below the pin root.
    pub names: BTreeSet<PathBuf>,
    /// What they are.
    pub ids: Ids,
}

impl Objects {
    /// Of the tracker below this pin root.
    pub fn new(root: &Path) -> Objects {
        Objects { dir: root.join(format!("v{ABI_VERSION}")) }
    }

    /// Names and ids now; nothing is kept open. Without the link of the hook on signals, which comes and goes.
    pub fn pins(&self) -> Pins {
        let mut pins = Pins { names: BTreeSet::new(), ids: Ids::default() };
        let mut attached = BTreeSet::new();
        for kind in ["maps", "progs", "links"] {
            for entry in std::fs::read_dir(self.dir.join(kind)).into_iter().flatten().flatten() {
                let signal = entry.file_name() == names::P_SIGNAL;
                if signal && kind == "links" {
                    continue;
                }
                pins.names.insert(Path::new(kind).join(entry.file_name()));
                let Some(words) = obj_get(&entry.path()).and_then(|fd| info(&fd)) else { continue };
                // Maps, programs and links alike: type, id.
                let id = (words[0] >> 32) as u32;
                match kind {
                    "maps" => drop(pins.ids.maps.insert(id)),
                    "progs" => {
                        pins.ids.programs.insert(id);
                        attached.extend((!signal).then_some(id));
                    }
                    _ => {}
                }
            }
        }
        pins.ids.links = links(&attached);
        pins
    }

    /// A map.
    pub fn map(&self, name: &str) -> Option<OwnedFd> {
        obj_get(&self.dir.join("maps").join(name))
    }

    /// The entry of a process.
    pub fn member(&self, tgid: u32) -> Option<Member> {
        let fd = self.map(names::LEADERS)?;
        let bytes = (info(&fd)?[1] >> 32) as usize;
        let mut leaders = vec![0u64; bytes / 8];
        let at = tgid / TGIDS;
        let words = [fd.as_raw_fd() as u64, (&raw const at) as u64, leaders.as_mut_ptr() as u64, 0];
        call(MAP_LOOKUP, &mut words.clone()).ok()?;
        let leader = leaders[(tgid % TGIDS) as usize];
        let key = if leader == 0 { process_key(tgid) } else { leader };
        let fd = self.map(names::BIRTHS)?;
        let mut m = Member::BLANK;
        call(MAP_LOOKUP, &mut [fd.as_raw_fd() as u64, (&raw const key) as u64, &raw mut m as u64, 0]).ok()?;
        Some(m)
    }

    /// Runs the kernel sweep once; `None`: this tracker has none.
    pub fn sweep(&self, aims: &[Aim], signal: u32, near: u32) -> Option<Run> {
        let program = obj_get(&self.dir.join("progs").join(names::P_SWEEP))?;
        let mut run =
            Run { aims: aims.as_ptr() as u64, count: aims.len() as u32, signal, near, ..Run::default() };
        let mut words = [0u64; 10];
        words[0] = program.as_raw_fd() as u64;
        // ctx_size_in, after data and repeat; then ctx_in.
        words[5] = size_of::<Run>() as u64;
        words[6] = &raw mut run as u64;
        call(PROG_RUN, &mut words).ok()?;
        Some(run)
    }

    /// Takes away the program that tells states of threads: it is loaded when it is needed, and nothing else tells such a tracker from
    /// a new one.
    pub fn forget_states(&self) {
        let _ = std::fs::remove_file(self.dir.join("progs").join(names::P_STATES));
    }

    /// What the kernel tells of members' threads; `None`: the program is not loaded.
    pub fn states(&self) -> Option<Vec<Thread>> {
        let program = obj_get(&self.dir.join("progs").join(names::P_STATES))?;
        let link = descriptor(LINK_CREATE, &mut [program.as_raw_fd() as u64, TRACE_ITER]).ok()?;
        let file = descriptor(ITER_CREATE, &mut [link.as_raw_fd() as u64]).ok()?;
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut std::fs::File::from(file), &mut bytes).ok()?;
        Some(bytes.chunks_exact(size_of::<Thread>()).map(bytemuck::pod_read_unaligned).collect())
    }

    /// Runs of the tracker's programs that the kernel skipped (`recursion_misses`, 5.12+).
    pub fn skipped(&self) -> u64 {
        let mut sum = 0;
        for entry in std::fs::read_dir(self.dir.join("progs")).into_iter().flatten().flatten() {
            sum += obj_get(&entry.path()).and_then(|fd| info(&fd)).map_or(0, |words| words[26]);
        }
        sum
    }

    /// Element `at` of an array of records, whose size the ABI version fixes.
    fn element<T: bytemuck::Pod>(&self, name: &str, at: u32) -> Option<T> {
        let fd = self.map(name)?;
        let mut value = T::zeroed();
        let head = fd.as_raw_fd() as u64;
        call(MAP_LOOKUP, &mut [head, (&raw const at) as u64, &raw mut value as u64, 0]).ok()?;
        Some(value)
    }

    /// Writes an element of a map that user space may write; false: it may not, or there is none.
    pub fn put<T: bytemuck::Pod>(&self, name: &str, at: u32, value: T) -> bool {
        let Some(fd) = self.map(name) else { return false };
        let head = fd.as_raw_fd() as u64;
        call(MAP_UPDATE, &mut [head, (&raw const at) as u64, (&raw const value) as u64, 0]).is_ok()
    }

    /// Slots that are, or were, in use: those of user space, then those of the pool.
    fn slots(&self) -> impl Iterator<Item = u32> + use<> {
        let g = self.global().unwrap_or_default();
        (1..=(g.high_slot as u32).min(MAX_ROOTS - 1))
            .chain(POOL_FIRST..=(g.high_instance as u32).min(MAX_ROOTS - 1))
    }

    /// The root with this name: slot and record.
    pub fn root(&self, name: &str) -> Option<(u32, RootRecord)> {
        self.slots().find_map(|slot| {
            let root: RootRecord = self.element(names::ROOTS, slot)?;
            let end = root.name.iter().position(|b| *b == 0).unwrap_or(root.name.len());
            (root.state != R_FREE && &root.name[..end] == name.as_bytes()).then_some((slot, root))
        })
    }

    /// Roots that are in use, whatever their name.
    pub fn roots(&self) -> usize {
        let used =
            |slot: &u32| self.element::<RootRecord>(names::ROOTS, *slot).is_none_or(|r| r.state != R_FREE);
        self.slots().filter(used).count()
    }

    /// The counts of a root.
    pub fn pop(&self, slot: u32) -> Option<Pop> {
        self.element(names::POP, slot)
    }

    /// Figures of the tracker.
    pub fn global(&self) -> Option<Global> {
        self.element(names::GLOBAL, 0)
    }

    /// Slots of the pool that commands hold now.
    pub fn held(&self) -> Vec<u32> {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        let now = now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64;
        let hold = |slot| self.element::<Control>(names::CONTROL, slot).map_or(0, |c| c.hold);
        (killer_common::POOL_FIRST..killer_common::CANARY_SLOT).filter(|slot| hold(*slot) > now).collect()
    }

    /// Roots whose gate holds now, with the nanoseconds that are left.
    pub fn closed_gates(&self) -> Vec<(u32, u64)> {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        let now = now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64;
        let word = |slot| Some(self.element::<Control>(names::CONTROL, slot)?.gate);
        let closed = self.slots().filter_map(|slot| Some((slot, word(slot)?)));
        closed
            .filter(|(_, w)| gate::kind_at(*w, now) != gate::OPEN)
            .map(|(s, w)| (s, (w & !15) - now))
            .collect()
    }

    /// What a tracker that tracks nobody should not have: entries, counts, marks, closed gates. Empty when all is well.
    pub fn residue(&self) -> Vec<String> {
        let mut left = Vec::new();
        for name in [names::BIRTHS, names::SEEDS] {
            let Some(fd) = self.map(name) else { continue };
            let mut key = [0u64; 2];
            let mut words = [fd.as_raw_fd() as u64, 0, key.as_mut_ptr() as u64, 0];
            if call(MAP_NEXT_KEY, &mut words).is_ok() {
                left.push(format!("{name} has {:#x}", key[0]));
            }
        }
        for (name, width) in [(names::INDEX, 2), (names::LEADERS, 8), (names::FILTER, 4)] {
            let Some(fd) = self.map(name) else { continue };
            // type and id, key_size and value_size
            let Some(bytes) = info(&fd).map(|words| (words[1] >> 32) as usize) else { continue };
            let mut value = vec![0u8; bytes.next_multiple_of(8)];
            let at = 0u32;
            let mut words = [fd.as_raw_fd() as u64, (&raw const at) as u64, value.as_mut_ptr() as u64, 0];
            if call(MAP_LOOKUP, &mut words).is_err() {
                continue;
            }
            let odd: Vec<usize> = value
                .chunks(width)
                .enumerate()
                .filter(|(_, c)| c.iter().any(|b| *b != 0))
                .map(|(i, _)| i)
                .collect();
            if !odd.is_empty() {
                left.push(format!("{name} is not zero at {} places, first {}", odd.len(), odd[0]));
            }
        }
        for slot in self.slots() {
            match self.pop(slot) {
                Some(p) if p.pop != 0 => left.push(format!("slot {slot} counts {}", p.pop)),
                _ => {}
            }
        }
        if let Some(g) = self.global().filter(|g| g.opened != g.given_back) {
            left.push(format!("{} instances opened, {} given back", g.opened, g.given_back));
        }
        if let Some(g) = self.global().filter(|g| g.marks != 0) {
            left.push(format!("{} marks", g.marks));
        }
        left.extend(self.closed_gates().iter().map(|(slot, ns)| format!("gate of slot {slot} for {ns} ns")));
        left
    }
}
