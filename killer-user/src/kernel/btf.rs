//! Offsets and function ids from the kernel's BTF: one pass over the types, only when the tracker is loaded.
//!
//! Format: Documentation/bpf/btf.rst. Members can sit in anonymous structs and unions, which are searched too.

use std::collections::HashMap;
use std::path::Path;

use killer_common::patch::KFUNCS;
use thiserror::Error;

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
const KIND_FUNC: u32 = 12;
const KIND_FUNC_PROTO: u32 = 13;
const KIND_VAR: u32 = 14;
const KIND_DATASEC: u32 = 15;
const KIND_DECL_TAG: u32 = 17;
const KIND_ENUM64: u32 = 19;

/// Members that are looked at for one name. task_struct has some 300; structs that hold themselves have no end.
const MOST_MEMBERS: u32 = 100_000;

/// The parsed index of a BTF blob.
#[derive(Debug)]
pub struct Btf {
    data: Vec<u8>,
    strings: usize,
    /// Offset of each type by id (index 0 is void).
    types: Vec<u32>,
}

impl Btf {
    /// Reads the running kernel's BTF.
    pub fn kernel() -> Result<Self, BtfError> {
        Self::parse(std::fs::read(Path::new(VMLINUX))?)
    }

    /// Indexes a BTF blob.
    pub fn parse(data: Vec<u8>) -> Result<Self, BtfError> {
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

    /// Ids of named types of the wanted kind.
    pub fn find(&self, kind: u32, wanted: &[&'static str]) -> HashMap<&'static str, u32> {
        let mut found = HashMap::new();
        for id in 1..self.types.len() as u32 {
            let Some((name, k, vlen, ..)) = self.head(id) else { continue };
            if k != kind || (kind == KIND_STRUCT && vlen == 0) {
                continue;
            }
            if let Some(w) = wanted.iter().find(|w| self.named(name, w)) {
                found.entry(*w).or_insert(id);
            }
        }
        found
    }

    /// Ids of functions (kfuncs among them).
    pub fn functions(&self, wanted: &[&'static str]) -> HashMap<&'static str, u32> {
        self.find(KIND_FUNC, wanted)
    }

    /// Whether SRCU guards tracepoints, or it cannot be known, because variables are not described.
    fn guards_by_srcu(&self) -> bool {
        let is_var = |id: &u32| self.head(*id).is_some_and(|t| t.1 == KIND_VAR);
        let none = !(1..self.types.len() as u32).any(|id| is_var(&id));
        none || !self.find(KIND_VAR, &["tracepoint_srcu_srcu_data"]).is_empty()
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
    /// BTF id of `bpf_send_signal_task` where the kernel has it (6.13+).
    pub send_signal_task: Option<u32>,
    /// BTF ids of [`KFUNCS`] where the kernel has them all (6.13+).
    pub sweep: Option<[u32; KFUNCS.len()]>,
    /// True when programs can be run for each task (`iter/task`, 5.8+).
    pub walks: bool,
    /// True when pidfds carry an inode that the programs can read (6.9+).
    pub inodes: bool,
    /// True where the kernel can skip a tracing program whose instance on the same CPU was preempted (7.0+): tracepoints are
    /// guarded by SRCU then (`kernel/tracepoint.c`). That they were before, for idle processors only, shows by `regfunc` in
    /// `struct tracepoint` (6.12 has it, 6.18 does not). A kernel whose BTF has no variables could do it for all that is known.
    pub skips: bool,
    /// True when the kernel has `bpf_get_current_task_btf` (5.11+).
    pub current_btf: bool,
    /// BTF id of `bpf_lsm_task_alloc` where the kernel has the hooks of the birth witness (CONFIG_BPF_LSM); they may
    /// still be inert.
    pub lsm: Option<u32>,
    /// What the programs of the rules load through besides; the error says what the kernel lacks.
    pub rules: Result<Vec<(&'static str, u32)>, String>,
}

/// Knob, struct, alternatives of the member's name.
const NEEDED: &[(&str, &str, &[&str])] = &[
    ("OFF_TASK_TGID", "task_struct", &["tgid"]),
    ("OFF_TASK_PID", "task_struct", &["pid"]),
    ("OFF_TASK_FLAGS", "task_struct", &["flags"]),
    ("OFF_TASK_LEADER", "task_struct", &["group_leader"]),
    ("OFF_TASK_START", "task_struct", &["start_boottime", "real_start_time"]),
    ("OFF_TASK_SIGNAL", "task_struct", &["signal"]),
    ("OFF_TASK_PARENT", "task_struct", &["real_parent"]),
    ("OFF_TASK_COMM", "task_struct", &["comm"]),
    ("OFF_TASK_CRED", "task_struct", &["cred"]),
    ("OFF_TASK_CHILDREN", "task_struct", &["children"]),
    ("OFF_TASK_SIBLING", "task_struct", &["sibling"]),
    ("OFF_TASK_EXIT_STATE", "task_struct", &["exit_state"]),
    ("OFF_TASK_STATE", "task_struct", &["__state", "state"]),
    ("OFF_SIGNAL_FLAGS", "signal_struct", &["flags"]),
    ("OFF_CRED_UID", "cred", &["uid"]),
    ("OFF_SIGNAL_LIVE", "signal_struct", &["live"]),
    ("OFF_SIGNAL_THREADS", "signal_struct", &["nr_threads"]),
];

/// A member, or a member of it.
type Place = (&'static str, &'static str, &'static [&'static str], Option<(&'static str, &'static str)>);

/// The same for the rules: knob, struct, alternatives of the member's name, and a member of what that is.
const RULES: &[Place] = &[
    ("OFF_TASK_FS", "task_struct", &["fs"], None),
    ("OFF_TASK_MM", "task_struct", &["mm"], None),
    ("OFF_TASK_EXECS", "task_struct", &["self_exec_id"], None),
    ("OFF_MM_ARGS", "mm_struct", &["arg_start"], None),
    ("OFF_CRED_EUID", "cred", &["euid"], None),
    ("OFF_FS_ROOT", "fs_struct", &["root"], Some(("path", "dentry"))),
    ("OFF_FS_PWD", "fs_struct", &["pwd"], Some(("path", "dentry"))),
    ("OFF_BPRM_FILE", "linux_binprm", &["file"], None),
    ("OFF_BPRM_NAME", "linux_binprm", &["filename"], None),
    ("OFF_BPRM_INTERP", "linux_binprm", &["interp"], None),
    ("OFF_BPRM_P", "linux_binprm", &["p"], None),
    ("OFF_FILE_DENTRY", "file", &["f_path"], Some(("path", "dentry"))),
    ("OFF_DENTRY_PARENT", "dentry", &["d_parent"], None),
    ("OFF_DENTRY_INODE", "dentry", &["d_inode"], None),
    ("OFF_DENTRY_LEN", "dentry", &["d_name"], Some(("qstr", "len"))),
    ("OFF_DENTRY_NAME", "dentry", &["d_name"], Some(("qstr", "name"))),
    // A union of that name from 6.14 on (`include/linux/dcache.h`).
    ("OFF_DENTRY_INLINE", "dentry", &["d_iname", "d_shortname"], None),
    ("OFF_INODE_INO", "inode", &["i_ino"], None),
    ("OFF_INODE_SB", "inode", &["i_sb"], None),
    ("OFF_SB_DEV", "super_block", &["s_dev"], None),
];

/// `PIDTYPE_TGID`
const PIDTYPE_TGID: u32 = 1;

impl Offsets {
    /// Reads every offset that the programs need.
    pub fn read(btf: &Btf) -> Result<Self, BtfError> {
        let structs = btf.find(
            KIND_STRUCT,
            &[
                "task_struct",
                "signal_struct",
                "cred",
                "pid",
                "sigpending",
                "mm_struct",
                "fs_struct",
                "path",
                "linux_binprm",
                "file",
                "dentry",
                "qstr",
                "inode",
                "super_block",
                "tracepoint",
            ],
        );
        let at = |s: &'static str, m: &str| structs.get(s).and_then(|&id| btf.member(id, m));
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
        let rules = RULES.iter().map(|&(knob, of, names, inner)| {
            let lacks = || format!("the kernel's BTF has no {of}.{}", names[0]);
            let outer = names.iter().find_map(|m| at(of, m)).ok_or_else(lacks)?;
            let inner = inner.map_or(Some(0), |(of, member)| at(of, member)).ok_or_else(lacks)?;
            Ok((knob, outer.checked_add(inner).ok_or_else(lacks)?))
        });
        let rules = rules.collect();
        let ino = at("pid", "ino");
        knobs.push(("OFF_PID_INO", ino.unwrap_or(0)));
        let mut wanted = KFUNCS.to_vec();
        wanted.extend([
            "bpf_get_current_task_btf",
            "bpf_lsm_task_alloc",
            "bpf_lsm_task_free",
            "bpf_iter_task",
        ]);
        let f = btf.functions(&wanted);
        let ids: Vec<u32> = KFUNCS.iter().filter_map(|name| f.get(name).copied()).collect();
        Ok(Self {
            sweep: ids.try_into().ok(),
            skips: Lack::EveryRun.asked() || at("tracepoint", "regfunc").is_none() && btf.guards_by_srcu(),
            knobs,
            send_signal_task: f.get("bpf_send_signal_task").copied(),
            walks: f.contains_key("bpf_iter_task"),
            inodes: ino.is_some(),
            current_btf: f.contains_key("bpf_get_current_task_btf") && !Lack::CurrentTask.asked(),
            lsm: f.get("bpf_lsm_task_alloc").copied().filter(|_| f.contains_key("bpf_lsm_task_free")),
            rules,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const STRINGS: &[u8] =
        b"\0task_struct\0signal_struct\0cred\0pid\0sigpending\0tgid\0signal\0pids\0flags\0";

    /// A blob with our strings and these words as types.
    fn blob(types: &[u32], strings: &[u8]) -> Vec<u8> {
        let len = types.len() as u32 * 4;
        let head = [0x0001_eb9f, 24, 0, len, len, strings.len() as u32];
        let words = head.iter().chain(types).flat_map(|w| w.to_ne_bytes());
        words.chain(strings.iter().copied()).collect()
    }

    /// A struct or union of members (name offset, type, bit offset).
    fn compound(kind: u32, name: u32, members: &[(u32, u32, u32)]) -> Vec<u32> {
        let head = [name, kind << 24 | members.len() as u32, 0];
        head.into_iter().chain(members.iter().flat_map(|&(n, t, o)| [n, t, o])).collect()
    }

    #[test]
    fn structs_that_hold_themselves_have_an_end() {
        let members = vec![(0, 1, u32::MAX); 0xffff];
        let btf = Btf::parse(blob(&compound(KIND_STRUCT, 1, &members), STRINGS)).unwrap();
        assert_eq!(btf.find(KIND_STRUCT, &["task_struct"])["task_struct"], 1);
        assert_eq!(btf.member(1, "tgid"), None);
    }

    #[test]
    fn offsets_that_overflow_are_none() {
        let outer: Vec<u32> = (2..=9).flat_map(|t| compound(KIND_STRUCT, 0, &[(0, t, u32::MAX)])).collect();
        let inner = compound(KIND_STRUCT, 0, &[(47, 0, u32::MAX)]);
        let btf = Btf::parse(blob(&[outer, inner].concat(), STRINGS)).unwrap();
        assert!(STRINGS[47..].starts_with(b"tgid\0"));
        assert_eq!(btf.member(9, "tgid"), Some(u32::MAX / 8));
        assert_eq!(btf.member(3, "tgid"), Some(u32::MAX / 8 * 7));
        assert_eq!(btf.member(1, "tgid"), None);
    }

    proptest! {
        #[test]
        fn any_bytes_end_in_an_error_or_an_answer(b in prop::collection::vec(any::<u8>(), 0..512)) {
            let _ = Btf::parse(b).map(|b| Offsets::read(&b));
        }

        #[test]
        fn any_types_end_in_an_error_or_an_answer(
            types in prop::collection::vec((1u32..20, 0u32..100, prop::collection::vec((0u32..100, 0u32..40, any::<u32>()), 0..9)), 0..40),
            cut in 0usize..3000,
        ) {
            let words: Vec<u32> = types.iter().flat_map(|(k, n, m)| compound(*k, *n, m)).collect();
            let whole = blob(&words, STRINGS);
            let _ = Btf::parse(whole[..cut.min(whole.len())].to_vec()).map(|b| Offsets::read(&b));
            let b = Btf::parse(whole).unwrap();
            let _ = Offsets::read(&b);
            for id in 0..42 {
                let _ = b.member(id, "tgid");
            }
        }
    }

    #[test]
    fn refuses_what_is_not_btf() {
        assert!(Btf::parse(vec![1, 2, 3]).is_err());
        assert!(Btf::parse(vec![0; 64]).is_err());
    }

    #[test]
    fn reads_this_kernel() {
        if !Path::new(VMLINUX).exists() {
            println!("SKIP: reads_this_kernel: no {VMLINUX}");
            return;
        }
        let o = Offsets::read(&Btf::kernel().unwrap()).unwrap();
        let tgid = o.knobs.iter().find(|k| k.0 == "OFF_TASK_TGID").unwrap().1;
        let pid = o.knobs.iter().find(|k| k.0 == "OFF_TASK_PID").unwrap().1;
        assert_eq!(tgid, pid + 4, "pid and tgid are neighbours in every kernel so far");
    }
}
