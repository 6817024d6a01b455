//! Objects for kernels with BTF, loaded by calls of our own: where a program belongs our one reading of the kernel's BTF says, and
//! nothing reads it a second time. aya-obj parses and relocates.

use std::collections::HashSet;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use aya_obj::btf::BtfFeatures;
use aya_obj::generated::bpf_insn;
use aya_obj::maps::PinningType;
use aya_obj::{EbpfSectionKind, Map};

use super::object::{chain, not_loaded};
use crate::keep::{KeepError, What};
use crate::kernel::btf;
use crate::sys::bpf::{self, Code, For, Info, MapType, READ_ONLY};
use crate::sys::limits;

/// A value that the programs find in their `.rodata`.
pub(super) struct Knob<'a> {
    /// Its name in the object.
    pub name: &'a str,
    /// The value.
    pub value: u32,
    /// Whether the object has to know it.
    pub must: bool,
}

/// Offsets of the kernel's structs, of which an object may know some, and values of its own, which it has to know.
pub(super) fn knobs<'a>(
    offsets: impl Iterator<Item = &'a (&'static str, u32)>,
    own: &'a [(&'static str, u32)],
) -> Vec<Knob<'a>> {
    let all = offsets.map(|k| (k, false)).chain(own.iter().map(|k| (k, true)));
    all.map(|(&(name, value), must)| Knob { name, value, must }).collect()
}

/// An object whose maps are there, with its programs yet to be loaded.
pub(super) struct Object {
    object: aya_obj::Object,
    btf: Option<OwnedFd>,
    /// The programs' instructions hold the numbers of these descriptors.
    maps: Vec<(String, OwnedFd)>,
}

impl Object {
    /// Sets knobs in an object, opens its pinned maps in `maps` and makes its own ones. `file`: what it is called in errors.
    pub fn new(file: &str, elf: &[u8], maps: &Path, knobs: &[Knob<'_>]) -> Result<Self, KeepError> {
        Self::sized(file, elf, maps, knobs, &[])
    }

    /// The same, where some maps of its own have so many elements.
    pub fn sized(
        file: &str,
        elf: &[u8],
        maps: &Path,
        knobs: &[Knob<'_>],
        sizes: &[(&str, u32)],
    ) -> Result<Self, KeepError> {
        // Before 5.11 BPF memory counts against RLIMIT_MEMLOCK, and some programs are loaded long after `up` by other processes.
        let _ = limits::lift_memlock();
        let bad = |e: &dyn std::error::Error| KeepError::Refused { name: file.into(), why: chain(e) };
        let mut object = aya_obj::Object::parse(elf).map_err(|e| bad(&e))?;
        let values: Vec<[u8; 4]> = knobs.iter().map(|k| k.value.to_ne_bytes()).collect();
        let set = knobs.iter().zip(&values).map(|(k, v)| (k.name, (&v[..], k.must)));
        object.patch_map_data(set.collect()).map_err(|e| bad(&e))?;
        let btf = match object.fixup_and_sanitize_btf(&features()).map_err(|e| bad(&e))? {
            Some(own) => Some(bpf::btf_load(&own.to_bytes()).what(format!("the BTF of {file}"))?),
            None => None,
        };
        let mut known = std::mem::take(&mut object.maps);
        for (name, size) in sizes {
            if let Some(map) = known.get_mut(*name) {
                map.set_max_entries(*size);
            }
        }
        let mut open = Vec::new();
        for (name, map) in &known {
            open.push((name.as_str(), map, opened(maps, name, map)?));
        }
        let texts: HashSet<usize> = object.functions.keys().map(|(section, _)| *section).collect();
        let found = open.iter().map(|(name, map, fd)| (*name, fd.as_raw_fd(), *map));
        object.relocate_maps(found, &texts).map_err(|e| bad(&e))?;
        object.relocate_calls(&texts).map_err(|e| bad(&e))?;
        Ok(Self { object, btf, maps: open.into_iter().map(|(name, _, fd)| (name.to_owned(), fd)).collect() })
    }

    /// One of its maps.
    pub fn map(&self, name: &str) -> Option<BorrowedFd<'_>> {
        self.maps.iter().find(|(n, _)| n == name).map(|(_, fd)| fd.as_fd())
    }

    /// Loads a program and pins it in `progs`, unless another process has done so meanwhile.
    pub fn put(&self, progs: &Path, name: &str, what: For) -> Result<(), KeepError> {
        match bpf::obj_pin(self.load(name, what)?, &progs.join(name)) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            r => r.what(format!("pinning program {name}")),
        }
    }

    /// Loads a program.
    pub fn load(&self, name: &str, what: For) -> Result<OwnedFd, KeepError> {
        let not_here = || KeepError::Damaged(format!("{name} (not in the object)"));
        let program = self.object.programs.get(name).ok_or_else(not_here)?;
        let code = self.object.functions.get(&program.function_key()).ok_or_else(not_here)?;
        let functions = code.func_info.func_info_bytes();
        let lines = code.line_info.line_info_bytes();
        let instructions: Vec<u8> = code.instructions.iter().flat_map(bytes).collect();
        let info = self.btf.as_ref().map(|btf| Info {
            btf: btf.as_fd(),
            functions: (code.func_info_rec_size as u32, &functions),
            lines: (code.line_info_rec_size as u32, &lines),
        });
        bpf::load(what, &Code { name, instructions: &instructions, info }).map_err(|r| not_loaded(name, &r))
    }
}

/// What the object's BTF may have: every kernel with iterators over tasks (5.8+) takes it, and there is nothing newer in it.
const fn features() -> BtfFeatures {
    BtfFeatures::new(true, true, true, false, false, false, false, false)
}

/// A map of the tracker, or one of the object's own.
fn opened(maps: &Path, name: &str, map: &Map) -> Result<OwnedFd, KeepError> {
    if matches!(map.pinning(), PinningType::ByName) {
        return bpf::obj_get(&maps.join(name)).what(format!("opening map {name}"));
    }
    let (kind, flags) = match map.section_kind() {
        EbpfSectionKind::Rodata => (MapType::Array, READ_ONLY),
        _ if map.map_type() == MapType::Ring as u32 => (MapType::Ring, map.map_flags()),
        _ if map.map_type() == MapType::Hash as u32 => (MapType::Hash, map.map_flags()),
        _ if map.map_type() == MapType::Array as u32 => (MapType::Array, map.map_flags()),
        _ => return Err(KeepError::Damaged(format!("{name} (of a kind that is not known)"))),
    };
    let made = bpf::map_create(kind, map.key_size(), map.value_size(), map.max_entries(), flags, name);
    let fd = made.what(format!("creating map {name}"))?;
    if flags == READ_ONLY && kind == MapType::Array {
        bpf::update(&fd, 0, map.data()).what(format!("filling map {name}"))?;
        bpf::map_freeze(&fd).what(format!("freezing map {name}"))?;
    }
    Ok(fd)
}

/// An instruction as the kernel reads it.
fn bytes(i: &bpf_insn) -> [u8; 8] {
    let (off, imm) = (i.off.to_ne_bytes(), i.imm.to_ne_bytes());
    [i.code, i.dst_reg() | i.src_reg() << 4, off[0], off[1], imm[0], imm[1], imm[2], imm[3]]
}

/// The hook with this name, where the kernel has it.
fn hook(offsets: &btf::Offsets, name: String, what: fn(u32) -> For) -> Result<For, KeepError> {
    let id = offsets.hook(&name);
    id.map(what).ok_or_else(|| KeepError::Kernel(format!("{name} in its BTF")))
}

/// A tracepoint, as a place for programs.
pub(super) fn tracepoint(offsets: &btf::Offsets, at: &str) -> Result<For, KeepError> {
    hook(offsets, format!("btf_trace_{at}"), For::Tracepoint)
}

/// A security hook.
pub(super) fn security(offsets: &btf::Offsets, at: &str) -> Result<For, KeepError> {
    hook(offsets, format!("bpf_lsm_{at}"), For::Security)
}

/// The entry of a function.
pub(super) fn entry(offsets: &btf::Offsets, at: &str) -> Result<For, KeepError> {
    hook(offsets, at.to_owned(), For::Entry)
}

/// The tasks of the host.
pub(super) fn tasks(offsets: &btf::Offsets) -> Result<For, KeepError> {
    hook(offsets, "bpf_iter_task".to_owned(), For::Tasks)
}
