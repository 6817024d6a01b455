//! Offsets and function ids from the kernel's BTF: one pass over the types, only when the tracker is loaded.
//!
//! Format: Documentation/bpf/btf.rst. Members can sit in anonymous structs and unions, which are searched too.

mod tables;

use std::collections::HashMap;
use std::path::Path;

use killer_common::names::RULE_SEEN_AT;
use killer_common::patch::KFUNCS;
use thiserror::Error;

use self::tables::{NEEDED, Place, RECORDER, RULES, STRUCTS};

use crate::sys::constant::Constant;
use crate::sys::lack::Lack;

/// Where the kernel shows its BTF.
pub const VMLINUX: &str = "/sys/kernel/btf/vmlinux";

/// Why the kernel's BTF could not be used.
#[derive(Debug, Error)]
pub enum BtfError {
    /// The file could not be read.
    #[error("cannot read {VMLINUX}: {0}")]
    Read(#[from] std::io::Error),
    /// The bytes are not BTF.
    #[error("{VMLINUX} is not valid BTF")]
    Malformed,
    /// A struct member that the programs need is not there.
    #[error("the kernel's BTF has no {0}.{1}")]
    Member(&'static str, &'static str),
}

const KIND_INT: u32 = 1;
const KIND_ARRAY: u32 = 3;
const KIND_STRUCT: u32 = 4;
const KIND_UNION: u32 = 5;
const KIND_ENUM: u32 = 6;
const KIND_TYPEDEF: u32 = 8;
const KIND_FUNC: u32 = 12;
const KIND_FUNC_PROTO: u32 = 13;
const KIND_VAR: u32 = 14;
const KIND_DATASEC: u32 = 15;
const KIND_DECL_TAG: u32 = 17;
const KIND_ENUM64: u32 = 19;

/// Members that are looked at for one name. task_struct has some 300; structs that hold themselves have no end.
const MOST_MEMBERS: u32 = 100_000;

/// A kind of types, and the name of one.
type Named = (u32, &'static str);

/// The first two bytes of a name; of one with a single letter the second is the 0 behind it.
fn head_of(word: &str) -> u16 {
    let byte = |i| word.as_bytes().get(i).copied().unwrap_or(0);
    u16::from_ne_bytes([byte(0), byte(1)])
}

/// The parsed index of a BTF blob.
#[derive(Debug)]
pub struct Btf {
    data: Constant,
    strings: usize,
    /// Offset of each type by id (index 0 is void).
    types: Vec<u32>,
}

impl Btf {
    /// Reads the running kernel's BTF.
    pub fn kernel() -> Result<Self, BtfError> {
        Self::parse(Constant::open(Path::new(VMLINUX))?)
    }

    /// Indexes a BTF blob.
    pub fn parse(data: Constant) -> Result<Self, BtfError> {
        let u32at = |o: usize| -> Result<u32, BtfError> {
            let b = data.get(o..o + 4).ok_or(BtfError::Malformed)?;
            Ok(u32::from_ne_bytes([b[0], b[1], b[2], b[3]]))
        };
        if u32at(0)? & 0xffff != 0xeb9f {
            return Err(BtfError::Malformed);
        }
        let hdr = u32at(4)? as usize;
        let (type_off, type_len) = (u32at(8)? as usize, u32at(12)? as usize);
        let (str_off, str_len) = (u32at(16)? as usize, u32at(20)? as usize);
        let strings = hdr + str_off;
        if data.len() < strings + str_len || data.len() < hdr + type_off + type_len {
            return Err(BtfError::Malformed);
        }
        let mut types = vec![0u32];
        let mut o = hdr + type_off;
        let end = o + type_len;
        while o + 12 <= end {
            types.push(o as u32);
            let info = u32at(o + 4)?;
            let vlen = (info & 0xffff) as usize;
            o += 12
                + match (info >> 24) & 0x1f {
                    KIND_INT | KIND_VAR | KIND_DECL_TAG => 4,
                    KIND_ARRAY => 12,
                    KIND_STRUCT | KIND_UNION | KIND_DATASEC | KIND_ENUM64 => vlen * 12,
                    KIND_ENUM | KIND_FUNC_PROTO => vlen * 8,
                    _ => 0,
                };
        }
        Ok(Self { data, strings, types })
    }

    fn u32(&self, o: usize) -> u32 {
        self.data.get(o..o + 4).map_or(0, |b| u32::from_ne_bytes([b[0], b[1], b[2], b[3]]))
    }

    /// Whether the string at an offset is this one; the length of a string that has no end costs nothing.
    fn named(&self, off: u32, word: &str) -> bool {
        let rest = self.data.get(self.strings + off as usize..).unwrap_or_default();
        rest.strip_prefix(word.as_bytes()).is_some_and(|after| after.first() == Some(&0))
    }

    /// (name offset, kind, vlen, kind flag, offset of what follows) of a type.
    fn head(&self, id: u32) -> Option<(u32, u32, usize, bool, usize)> {
        let o = *self.types.get(id as usize)? as usize;
        if id == 0 {
            return None;
        }
        let info = self.u32(o + 4);
        Some((self.u32(o), (info >> 24) & 0x1f, (info & 0xffff) as usize, info >> 31 == 1, o + 12))
    }

    /// Ids of the named types that are wanted, the first one of each.
    fn find(&self, wanted: &[Named]) -> HashMap<Named, u32> {
        let mut found = HashMap::new();
        let kinds = wanted.iter().fold(0u32, |all, (kind, _)| all | 1 << kind);
        // Most names differ in their first letters, and a look at two of them is quick.
        let heads: Vec<u16> = wanted.iter().map(|(_, word)| head_of(word)).collect();
        for id in 1..self.types.len() as u32 {
            let Some((name, kind, vlen, ..)) = self.head(id) else { continue };
            if kinds >> kind & 1 == 0 || (kind == KIND_STRUCT && vlen == 0) {
                continue;
            }
            let at = self.strings + name as usize;
            let Some(&[one, two]) = self.data.get(at..at + 2) else { continue };
            if heads.contains(&u16::from_ne_bytes([one, two]))
                && let Some(w) = wanted.iter().find(|w| w.0 == kind && self.named(name, w.1))
            {
                found.entry(*w).or_insert(id);
            }
        }
        found
    }

    /// Whether there are variables at all: without them it cannot be known whether SRCU guards tracepoints.
    fn has_variables(&self) -> bool {
        (1..self.types.len() as u32).any(|id| self.head(id).is_some_and(|t| t.1 == KIND_VAR))
    }

    /// The BTF id of the type of the tracepoint `sched_process_exit`, where that comes before a process gives its memory back: since
    /// then its third argument says whether the whole process ends (6.16+; `include/trace/events/sched.h`).
    pub fn exit_hook_with_memory(&self) -> Option<u32> {
        let id = *self.find(&[(KIND_TYPEDEF, "btf_trace_sched_process_exit")]).values().next()?;
        // The type of a typedef, and of a pointer, stands in the word behind its kind.
        let to = |id: u32| self.head(id).map(|t| self.u32(t.4 - 4));
        let (_, kind, arguments, ..) = self.head(to(to(id)?)?)?;
        // The first one is for who has registered.
        (kind == KIND_FUNC_PROTO && arguments == 3).then_some(id)
    }

    /// Byte offset of a member, also inside anonymous structs and unions.
    fn member(&self, id: u32, member: &str) -> Option<u32> {
        self.inner_member(id, member, 0, &mut MOST_MEMBERS.clone())
    }

    fn inner_member(&self, id: u32, member: &str, depth: u32, left: &mut u32) -> Option<u32> {
        let (_, kind, vlen, flag, at) = self.head(id)?;
        if depth > 8 || (kind != KIND_STRUCT && kind != KIND_UNION) {
            return None;
        }
        for i in 0..vlen {
            *left = left.checked_sub(1)?;
            let o = at + i * 12;
            let bits = self.u32(o + 8);
            let bits = if flag { bits & 0xff_ffff } else { bits };
            if self.named(self.u32(o), member) {
                return Some(bits / 8);
            }
            if self.named(self.u32(o), "")
                && let Some(inner) = self.inner_member(self.u32(o + 4), member, depth + 1, left)
            {
                return (bits / 8).checked_add(inner);
            }
        }
        None
    }
}

/// What the programs load through, by name of the `.rodata` knob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offsets {
    /// (knob, byte offset)
    pub knobs: Vec<(&'static str, u32)>,
    /// Programs on tracepoints may take memory when they run (6.1+, `kernel/bpf/memalloc.c`).
    pub takes_memory: bool,
    /// BTF id of `bpf_send_signal_task` where the kernel has it (6.13+).
    pub send_signal_task: Option<u32>,
    /// BTF ids of [`KFUNCS`] where the kernel has them all (6.13+).
    pub sweep: Option<[u32; KFUNCS.len()]>,
    /// True when pidfds carry an inode that the programs can read (6.9+).
    pub inodes: bool,
    /// True where the kernel can skip a tracing program whose instance on the same CPU was preempted (7.0+): tracepoints are
    /// guarded by SRCU then (`kernel/tracepoint.c`). That they were before, for idle processors only, shows by `regfunc` in
    /// `struct tracepoint` (6.12 has it, 6.18 does not). A kernel whose BTF has no variables could do it for all that is known.
    pub skips: bool,
    /// True when the kernel has `bpf_get_current_task_btf` (5.11+).
    pub current_btf: bool,
    /// BTF ids of the hooks, as far as the kernel has them, by the name of what describes one.
    pub hooks: Vec<(&'static str, u32)>,
    /// What the programs of the rules load through besides; the error says what the kernel lacks.
    pub rules: Result<Vec<(&'static str, u32)>, String>,
    /// The same for the recorder, with that of the rules.
    pub recorder: Result<Vec<(&'static str, u32)>, String>,
}

/// The helper's own function.
/// With it come maps whose elements programs allocate when they run (6.1+, `kernel/bpf/memalloc.c`).
const ALLOCATOR: &str = "bpf_mem_alloc_init";
const CURRENT: &str = "bpf_get_current_task_btf";
/// It is there where SRCU guards tracepoints.
const SRCU: Named = (KIND_VAR, "tracepoint_srcu_srcu_data");

/// The types of tracepoints that have programs.
const TRACEPOINTS: [&str; 5] = [
    "btf_trace_sched_process_exit",
    "btf_trace_sched_process_exec",
    "btf_trace_sched_process_fork",
    "btf_trace_task_newtask",
    "btf_trace_signal_generate",
];
/// Functions that say where other programs belong: security hooks, the iterator over tasks, and what is looked at on entry.
const PLACES: [&str; 6] = [
    "bpf_lsm_task_alloc",
    "bpf_lsm_task_free",
    "bpf_lsm_bprm_creds_for_exec",
    "bpf_lsm_bprm_committed_creds",
    "bpf_iter_task",
    RULE_SEEN_AT,
];

/// `PIDTYPE_TGID`
const PIDTYPE_TGID: u32 = 1;

impl Offsets {
    /// BTF id of a hook, by the name of what describes it: a tracepoint's type `btf_trace_…`, a security hook's function `bpf_lsm_…`, an
    /// iterator's `bpf_iter_…`, or a function itself.
    pub fn hook(&self, name: &str) -> Option<u32> {
        self.hooks.iter().find(|h| h.0 == name).map(|h| h.1)
    }

    /// BTF id of `bpf_lsm_task_alloc` where the kernel has the hooks of the birth witness (CONFIG_BPF_LSM); they may
    /// still be inert.
    pub fn witness_hook(&self) -> Option<u32> {
        self.hook("bpf_lsm_task_alloc").filter(|_| self.hook("bpf_lsm_task_free").is_some())
    }

    /// Reads every offset that the programs need.
    pub fn read(btf: &Btf) -> Result<Self, BtfError> {
        let names = STRUCTS.iter().map(|s| (KIND_STRUCT, *s));
        let names =
            names.chain(KFUNCS.iter().chain(&PLACES).chain(&[CURRENT, ALLOCATOR]).map(|f| (KIND_FUNC, *f)));
        let names = names.chain(TRACEPOINTS.iter().map(|t| (KIND_TYPEDEF, *t))).chain([SRCU]);
        let found = btf.find(&names.collect::<Vec<_>>());
        let at = |s: &'static str, m: &str| found.get(&(KIND_STRUCT, s)).and_then(|&id| btf.member(id, m));
        let mut knobs = Vec::new();
        for &(knob, s, names) in NEEDED {
            let off = names.iter().find_map(|m| at(s, m)).ok_or(BtfError::Member(s, names[0]))?;
            knobs.push((knob, off));
        }
        let pids = at("signal_struct", "pids").ok_or(BtfError::Member("signal_struct", "pids"))?;
        knobs.push(("OFF_SIGNAL_TGID_PID", pids.checked_add(8 * PIDTYPE_TGID).ok_or(BtfError::Malformed)?));
        // struct sigpending { struct list_head list; sigset_t signal; }
        for (knob, of, member) in [
            ("OFF_TASK_PENDING", "task_struct", "pending"),
            ("OFF_SIGNAL_PENDING", "signal_struct", "shared_pending"),
        ] {
            let outer = at(of, member).ok_or(BtfError::Member(of, member))?;
            let inner = at("sigpending", "signal").ok_or(BtfError::Member("sigpending", "signal"))?;
            knobs.push((knob, outer.checked_add(inner).ok_or(BtfError::Malformed)?));
        }
        let place = |&(knob, of, names, inner): &Place| {
            let lacks = || format!("the kernel's BTF has no {of}.{}", names[0]);
            let outer = names.iter().find_map(|m| at(of, m)).ok_or_else(lacks)?;
            let inner = inner.map_or(Some(0), |(of, member)| at(of, member)).ok_or_else(lacks)?;
            Ok((knob, outer.checked_add(inner).ok_or_else(lacks)?))
        };
        let rules = RULES.iter().map(place).collect();
        let recorder = RULES.iter().chain(RECORDER).map(place).collect();
        knobs.push(("OFF_SIGNAL_OOM", at("signal_struct", "oom_mm").unwrap_or(0)));
        let ino = at("pid", "ino");
        knobs.push(("OFF_PID_INO", ino.unwrap_or(0)));
        let f = |name| found.get(&(KIND_FUNC, name)).copied();
        let ids: Vec<u32> = KFUNCS.iter().filter_map(|name| f(name)).collect();
        let hooks = found.iter().filter(|((_, name), _)| TRACEPOINTS.contains(name) || PLACES.contains(name));
        let mut hooks: Vec<_> = hooks.map(|((_, name), id)| (*name, *id)).collect();
        hooks.sort_unstable();
        let by_srcu = || found.contains_key(&SRCU) || !btf.has_variables();
        Ok(Self {
            sweep: ids.try_into().ok(),
            skips: Lack::EveryRun.asked() || at("tracepoint", "regfunc").is_none() && by_srcu(),
            knobs,
            takes_memory: f(ALLOCATOR).is_some(),
            send_signal_task: f("bpf_send_signal_task"),
            inodes: ino.is_some(),
            current_btf: f(CURRENT).is_some() && !Lack::CurrentTask.asked(),
            hooks,
            rules,
            recorder,
        })
    }
}

#[cfg(test)]
mod tests;
