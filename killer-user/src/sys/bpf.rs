//! bpf(2) calls that aya does not offer, or not without parsing an object: maps with their own flags and
//! sizes, freezing, batches, pins, program runs, program figures. One function a command.

mod array;
mod hash;
mod iterator;
mod load;
mod syscall;

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use bytemuck::{Pod, Zeroable};

pub use array::{can_freeze, can_map, lookup, update};
pub use hash::Hash;
pub use iterator::iter_read;
pub use load::{Code, For, Info, Refusal, btf_load, load, load_plain};
pub use syscall::run_syscall;

use super::lack::Lack;

/// `enum bpf_map_type`, `include/uapi/linux/bpf.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum MapType {
    /// `BPF_MAP_TYPE_HASH`, preallocated unless told otherwise.
    Hash = 1,
    /// `BPF_MAP_TYPE_ARRAY`.
    Array = 2,
    /// `BPF_MAP_TYPE_PERCPU_ARRAY`.
    PerCpu = 6,
    /// `BPF_MAP_TYPE_LRU_HASH`.
    LruHash = 9,
    /// `BPF_MAP_TYPE_LPM_TRIE` (4.11+).
    Trie = 11,
    /// `BPF_MAP_TYPE_QUEUE` (4.20+).
    Queue = 22,
    /// `BPF_MAP_TYPE_RINGBUF` (5.8+).
    Ring = 27,
}

/// `BPF_F_RDONLY_PROG` (5.2+): programs only read it.
pub const READ_ONLY: u32 = 1 << 7;
/// `BPF_F_MMAPABLE` (5.5+).
pub const MMAPABLE: u32 = 1 << 10;

const MAP_CREATE: i32 = 0;
const MAP_LOOKUP: i32 = 1;
const MAP_UPDATE: i32 = 2;
const MAP_DELETE: i32 = 3;
const MAP_NEXT_KEY: i32 = 4;
const PROG_LOAD: i32 = 5;
const OBJ_PIN: i32 = 6;
const OBJ_GET: i32 = 7;
const PROG_TEST_RUN: i32 = 10;
const OBJ_GET_INFO: i32 = 15;
const LINK_GET_FD_BY_ID: i32 = 30;
const RAW_TRACEPOINT_OPEN: i32 = 17;
const BTF_LOAD: i32 = 18;
const MAP_FREEZE: i32 = 22;
const MAP_LOOKUP_BATCH: i32 = 24;
const LINK_CREATE: i32 = 28;
const ITER_CREATE: i32 = 33;
const BPF_TRACE_ITER: u32 = 28;
const BPF_PERF_EVENT: u32 = 41;

/// Calls bpf(2) with an attribute struct. `Pod`: it has no padding, which the kernel would refuse when it is not 0.
fn call<T: Pod>(cmd: i32, attr: &mut T) -> io::Result<i64> {
    // SAFETY: attr is a live, plain struct of the size that is passed; the kernel reads and writes only that much.
    // Pointers inside it point to live buffers of the callers below.
    let r = unsafe { libc::syscall(libc::SYS_bpf, cmd, attr as *mut T, size_of::<T>()) };
    if r < 0 { Err(io::Error::last_os_error()) } else { Ok(r) }
}

fn own(r: i64) -> OwnedFd {
    // SAFETY: the kernel has just given us this descriptor.
    unsafe { OwnedFd::from_raw_fd(r as RawFd) }
}

#[repr(C)]
#[derive(Clone, Copy, Default, Pod, Zeroable)]
struct CreateAttr {
    map_type: u32,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
    map_flags: u32,
    inner_map_fd: u32,
    numa_node: u32,
    map_name: [u8; 16],
    ifindex: u32,
}

/// Creates a map.
pub fn map_create(
    ty: MapType,
    key: u32,
    value: u32,
    max: u32,
    flags: u32,
    name: &str,
) -> io::Result<OwnedFd> {
    let mut a = CreateAttr {
        map_type: ty as u32,
        key_size: key,
        value_size: value,
        max_entries: max,
        map_flags: flags,
        ..CreateAttr::default()
    };
    if flags & MMAPABLE != 0 {
        Lack::Mmapable.check()?;
    }
    if ty == MapType::LruHash {
        Lack::Lru.check()?;
    }
    for (d, s) in a.map_name.iter_mut().zip(name.bytes().take(15)) {
        *d = s;
    }
    let named = match Lack::MapNames.asked() {
        true => Err(io::Error::from_raw_os_error(libc::E2BIG)),
        false => call(MAP_CREATE, &mut a),
    };
    match named {
        // Before 4.15 maps have no names, and the kernel takes no longer struct than it knows but with zeros in it.
        Err(e) if e.raw_os_error() == Some(libc::E2BIG) => {
            a.map_name = [0; 16];
            call(MAP_CREATE, &mut a).map(own)
        }
        r => r.map(own),
    }
}

#[repr(C)]
#[derive(Clone, Copy, Default, Pod, Zeroable)]
struct ElemAttr {
    map_fd: u32,
    pad: u32,
    key: u64,
    value: u64,
    flags: u64,
}

/// Puts an element at the end of a queue.
pub fn queue_push(queue: impl AsFd, value: u32) -> io::Result<()> {
    let mut a = ElemAttr {
        map_fd: queue.as_fd().as_raw_fd() as u32,
        value: &raw const value as u64,
        ..ElemAttr::default()
    };
    call(MAP_UPDATE, &mut a).map(drop)
}

/// Takes the write right from every user-space descriptor of the map (5.2+); programs go on writing.
pub fn map_freeze(map: impl AsFd) -> io::Result<()> {
    let mut a = ElemAttr { map_fd: map.as_fd().as_raw_fd() as u32, ..ElemAttr::default() };
    Lack::MapFreeze.check()?;
    call(MAP_FREEZE, &mut a).map(drop)
}

#[repr(C)]
#[derive(Clone, Copy, Default, Pod, Zeroable)]
struct ObjAttr {
    pathname: u64,
    bpf_fd: u32,
    file_flags: u32,
}

fn cpath(p: &Path) -> io::Result<CString> {
    CString::new(p.as_os_str().as_bytes()).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))
}

/// Pins a map, program or link in a bpffs (links: 5.7+).
pub fn obj_pin(fd: impl AsFd, path: &Path) -> io::Result<()> {
    let p = cpath(path)?;
    let mut a =
        ObjAttr { pathname: p.as_ptr() as u64, bpf_fd: fd.as_fd().as_raw_fd() as u32, ..ObjAttr::default() };
    call(OBJ_PIN, &mut a).map(drop)
}

/// Opens a pin.
pub fn obj_get(path: &Path) -> io::Result<OwnedFd> {
    let p = cpath(path)?;
    let mut a = ObjAttr { pathname: p.as_ptr() as u64, ..ObjAttr::default() };
    call(OBJ_GET, &mut a).map(own)
}

#[repr(C)]
#[derive(Clone, Copy, Default, Pod, Zeroable)]
struct RunAttr {
    prog_fd: u32,
    retval: u32,
    data_size_in: u32,
    data_size_out: u32,
    data_in: u64,
    data_out: u64,
    repeat: u32,
    duration: u32,
    ctx_size_in: u32,
    ctx_size_out: u32,
    ctx_in: u64,
    ctx_out: u64,
    flags: u32,
    cpu: u32,
    batch_size: u32,
    pad: u32,
}

/// Runs a raw tracepoint program in this task's own context (5.10+); answers its return value.
pub fn prog_run(prog: impl AsFd, args: &[u64; 12]) -> io::Result<i32> {
    let mut a = RunAttr {
        prog_fd: prog.as_fd().as_raw_fd() as u32,
        ctx_size_in: size_of_val(args) as u32,
        ctx_in: args.as_ptr() as u64,
        ..RunAttr::default()
    };
    Lack::ProgRun.check()?;
    call(PROG_TEST_RUN, &mut a)?;
    Ok(a.retval as i32)
}

#[repr(C)]
#[derive(Clone, Copy, Default, Pod, Zeroable)]
struct LoadAttr {
    prog_type: u32,
    insn_cnt: u32,
    insns: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log_buf: u64,
    kern_version: u32,
    prog_flags: u32,
    prog_name: [u8; 16],
    prog_ifindex: u32,
    expected_attach_type: u32,
    prog_btf_fd: u32,
    func_info_rec_size: u32,
    func_info: u64,
    func_info_cnt: u32,
    line_info_rec_size: u32,
    line_info: u64,
    line_info_cnt: u32,
    attach_btf_id: u32,
}

#[repr(C)]
#[derive(Clone, Copy, Default, Pod, Zeroable)]
struct RawTpAttr {
    name: u64,
    prog_fd: u32,
    pad: u32,
}

/// Attaches a raw tracepoint program; it stays as long as the descriptor does.
pub fn raw_tracepoint_open(prog: impl AsFd, name: &str) -> io::Result<OwnedFd> {
    let n = CString::new(name).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    let mut a = RawTpAttr {
        name: if name.is_empty() { 0 } else { n.as_ptr() as u64 },
        prog_fd: prog.as_fd().as_raw_fd() as u32,
        pad: 0,
    };
    call(RAW_TRACEPOINT_OPEN, &mut a).map(own)
}

#[repr(C)]
#[derive(Clone, Copy, Default, Pod, Zeroable)]
struct LinkAttr {
    prog_fd: u32,
    target_fd: u32,
    attach_type: u32,
    flags: u32,
}

/// Links a program to a perf event (5.15+).
pub fn perf_link(prog: impl AsFd, event: impl AsFd) -> io::Result<OwnedFd> {
    let mut l = LinkAttr {
        prog_fd: prog.as_fd().as_raw_fd() as u32,
        target_fd: event.as_fd().as_raw_fd() as u32,
        attach_type: BPF_PERF_EVENT,
        ..LinkAttr::default()
    };
    Lack::PerfLink.check()?;
    call(LINK_CREATE, &mut l).map(own)
}

#[repr(C)]
#[derive(Clone, Copy, Default, Pod, Zeroable)]
struct InfoAttr {
    fd: u32,
    len: u32,
    info: u64,
}

/// The head of `struct bpf_prog_info`, as far as `recursion_misses` (5.12+).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct ProgInfo {
    words: [u64; 29],
}

impl ProgInfo {
    /// Kernel-wide id.
    pub fn id(&self) -> u32 {
        (self.words[0] >> 32) as u32
    }
    /// Time that its runs took, ns, while statistics were on (5.1+).
    pub fn run_time_ns(&self) -> u64 {
        self.words[24]
    }
    /// How many runs there were, while statistics were on (5.1+).
    pub fn run_count(&self) -> u64 {
        self.words[25]
    }
    /// Runs that the kernel skipped.
    pub fn recursion_misses(&self) -> u64 {
        self.words[26]
    }
}

/// A program's figures; fields that the kernel does not know are 0.
pub fn prog_info(prog: impl AsFd) -> io::Result<ProgInfo> {
    let mut info = ProgInfo { words: [0; 29] };
    let mut a = InfoAttr {
        fd: prog.as_fd().as_raw_fd() as u32,
        len: size_of::<ProgInfo>() as u32,
        info: std::ptr::from_mut(&mut info) as u64,
    };
    call(OBJ_GET_INFO, &mut a)?;
    Ok(info)
}

/// Kernel-wide id of a link (5.8+), the second word of `struct bpf_link_info`.
pub fn link_id(link: impl AsFd) -> io::Result<u32> {
    Ok(prog_info(link)?.id())
}

/// True while a link with this id is there: until the last reference to it is gone, which for one in bpffs is a moment after its
/// pin (`kernel/bpf/inode.c:bpf_free_inode` comes after an RCU grace period).
pub fn has_link(id: u32) -> io::Result<bool> {
    let mut a = [u64::from(id), 0];
    match call(LINK_GET_FD_BY_ID, &mut a).map(own) {
        Ok(_) => Ok(true),
        Err(e) if e.raw_os_error() == Some(libc::ENOENT) => Ok(false),
        Err(e) => Err(e),
    }
}

/// The head of `struct bpf_map_info`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MapInfo {
    /// Map type.
    pub kind: u32,
    /// Kernel-wide id.
    pub id: u32,
    /// Bytes of a key.
    pub key_size: u32,
    /// Bytes of a value.
    pub value_size: u32,
    /// Entries.
    pub max_entries: u32,
    /// Flags.
    pub flags: u32,
}

/// A map's layout.
pub fn map_info(map: impl AsFd) -> io::Result<MapInfo> {
    Lack::Info.check()?;
    let mut info = MapInfo::default();
    let mut a = InfoAttr {
        fd: map.as_fd().as_raw_fd() as u32,
        len: size_of::<MapInfo>() as u32,
        info: std::ptr::from_mut(&mut info) as u64,
    };
    call(OBJ_GET_INFO, &mut a)?;
    Ok(info)
}
