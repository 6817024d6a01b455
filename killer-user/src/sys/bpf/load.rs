//! Programs are loaded by their instructions, and why one was refused is answered with the verifier's last words.

use std::fmt;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use bytemuck::{Pod, Zeroable};

use super::super::limits;
use super::{BPF_TRACE_ITER as ITER, BTF_LOAD, LoadAttr, PROG_LOAD, call, own};

/// `BPF_PROG_TYPE_SOCKET_FILTER`
const SOCKET_FILTER: u32 = 1;
/// `BPF_PROG_TYPE_TRACEPOINT`
const TRACEPOINT: u32 = 5;
/// `BPF_PROG_TYPE_RAW_TRACEPOINT`
const RAW_TRACEPOINT: u32 = 17;
/// `BPF_PROG_TYPE_TRACING`
const TRACING: u32 = 26;
/// `BPF_PROG_TYPE_LSM`
const LSM: u32 = 29;
/// `BPF_PROG_TYPE_SYSCALL`
const SYSCALL: u32 = 31;
/// `BPF_TRACE_RAW_TP`
const RAW_TP: u32 = 23;
/// `BPF_TRACE_FENTRY`
const FENTRY: u32 = 24;
/// `BPF_LSM_MAC`
const MAC: u32 = 27;
/// `BPF_F_SLEEPABLE`, without which no program of type SYSCALL is taken (`kernel/bpf/verifier.c:check_attach_btf_id`).
const SLEEPABLE: u32 = 1 << 4;
/// Bytes of the verifier's words that are asked for when it refuses; more where they did not suffice. Before 5.17 the kernel takes
/// no larger buffer than the second (`kernel/bpf/verifier.c:bpf_check`).
const WORDS: [usize; 2] = [1 << 20, (1 << 24) - 1];
/// Lines of them that are told.
const LINES: usize = 3;

/// What a program is for. The numbers are ids in the kernel's BTF.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum For {
    /// It looks at packets: what any program may do, it may.
    Packets,
    /// It runs at a tracepoint and is shown the record of that (4.7+).
    Records,
    /// It runs when it is asked to, and may sleep (type SYSCALL, 5.14+).
    Demand,
    /// It runs at a tracepoint, or on demand, and knows no types (4.17+).
    Raw,
    /// It runs at the tracepoint whose type (`btf_trace_…`) has this id (5.5+).
    Tracepoint(u32),
    /// It runs at the security hook whose function (`bpf_lsm_…`) has this id (5.7+).
    Security(u32),
    /// It runs on entry of the function that has this id (5.5+).
    Entry(u32),
    /// It runs for each task when the file of a walk is read (5.8+); the id of the function `bpf_iter_task`.
    Tasks(u32),
}

impl For {
    /// Type, place and id of the place.
    fn numbers(self) -> (u32, u32, u32) {
        match self {
            Self::Packets => (SOCKET_FILTER, 0, 0),
            Self::Records => (TRACEPOINT, 0, 0),
            Self::Demand => (SYSCALL, 0, 0),
            Self::Raw => (RAW_TRACEPOINT, 0, 0),
            Self::Tracepoint(id) => (TRACING, RAW_TP, id),
            Self::Security(id) => (LSM, MAC, id),
            Self::Entry(id) => (TRACING, FENTRY, id),
            Self::Tasks(id) => (TRACING, ITER, id),
        }
    }
}

/// What the object's own BTF says of the instructions. Programs with functions that a helper calls back need it.
#[derive(Clone, Copy, Debug)]
pub struct Info<'a> {
    /// The object's BTF ([`btf_load`]).
    pub btf: BorrowedFd<'a>,
    /// Bytes of each record of functions, and the records.
    pub functions: (u32, &'a [u8]),
    /// The same of lines.
    pub lines: (u32, &'a [u8]),
}

/// A program.
#[derive(Clone, Copy, Debug)]
pub struct Code<'a> {
    /// Its name; the kernel keeps 15 bytes of it.
    pub name: &'a str,
    /// Its instructions, of eight bytes each.
    pub instructions: &'a [u8],
    /// What is known of them.
    pub info: Option<Info<'a>>,
}

/// Why the kernel took no program.
#[derive(Debug)]
pub struct Refusal {
    /// The kernel's error.
    pub error: io::Error,
    /// All that its verifier said.
    pub words: String,
}

impl fmt::Display for Refusal {
    /// The error and the end of what the verifier said.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The last lines are the verifier's own figures (`kernel/bpf/verifier.c:print_verification_stats`).
        let figures = ["verification time", "stack depth", "processed "];
        let said = |l: &&str| !l.trim().is_empty() && !figures.iter().any(|f| l.starts_with(f));
        let tail: Vec<&str> = self.words.lines().rev().filter(said).take(LINES).collect();
        let tail: Vec<&str> = tail.into_iter().rev().collect();
        write!(f, "{}: {}", self.error, tail.join(" / "))
    }
}

impl From<Refusal> for io::Error {
    fn from(r: Refusal) -> Self {
        Self::new(r.error.kind(), r.to_string())
    }
}

/// What the kernel is asked for.
fn asked(what: For, code: &Code<'_>) -> LoadAttr {
    let (kind, place, id) = what.numbers();
    let mut a = LoadAttr {
        prog_type: kind,
        expected_attach_type: place,
        attach_btf_id: id,
        prog_flags: if what == For::Demand { SLEEPABLE } else { 0 },
        insn_cnt: (code.instructions.len() / 8) as u32,
        insns: code.instructions.as_ptr() as u64,
        license: c"Dual MIT/GPL".as_ptr() as u64,
        ..LoadAttr::default()
    };
    for (to, from) in a.prog_name.iter_mut().zip(code.name.bytes().take(15)) {
        *to = from;
    }
    if let Some(i) = code.info {
        let records = |(size, all): (u32, &[u8])| (size, all.as_ptr() as u64, all.len() as u32 / size.max(1));
        a.prog_btf_fd = i.btf.as_raw_fd() as u32;
        (a.func_info_rec_size, a.func_info, a.func_info_cnt) = records(i.functions);
        (a.line_info_rec_size, a.line_info, a.line_info_cnt) = records(i.lines);
    }
    a
}

/// Loads a program without maps, to see whether it can be loaded: nobody asks why not.
///
/// # Errors
/// The kernel's.
pub fn load_plain(what: For, code: &[u64]) -> io::Result<OwnedFd> {
    let code = Code { name: "", instructions: bytemuck::cast_slice(code), info: None };
    let load = || call(PROG_LOAD, &mut asked(what, &code)).map(own);
    // Before 5.11 this is also what a program that does not fit into RLIMIT_MEMLOCK gets, which most commands have not lifted.
    match load() {
        Err(e) if e.raw_os_error() == Some(libc::EPERM) && limits::lift_memlock().is_ok() => load(),
        r => r,
    }
}

/// Loads one.
///
/// # Errors
/// The kernel's, with the verifier's words.
pub fn load(what: For, code: &Code<'_>) -> Result<OwnedFd, Refusal> {
    let mut a = asked(what, code);
    let error = match call(PROG_LOAD, &mut a) {
        Ok(fd) => return Ok(own(fd)),
        Err(e) => e,
    };
    let mut words = Vec::new();
    for most in WORDS {
        words = vec![0u8; most];
        a.log_level = 1;
        a.log_size = most as u32;
        a.log_buf = words.as_mut_ptr() as u64;
        // What it says of a second try is what it would have said of the first.
        match call(PROG_LOAD, &mut a) {
            Ok(fd) => return Ok(own(fd)),
            // Before 6.4 the end is what is lacking then.
            Err(e) if e.raw_os_error() == Some(libc::ENOSPC) => {}
            Err(_) => break,
        }
    }
    let end = words.iter().position(|b| *b == 0).unwrap_or(words.len());
    Err(Refusal { error, words: String::from_utf8_lossy(&words[..end]).into_owned() })
}

#[repr(C)]
#[derive(Clone, Copy, Default, Pod, Zeroable)]
struct BtfAttr {
    btf: u64,
    log_buf: u64,
    size: u32,
    log_size: u32,
    log_level: u32,
    pad: u32,
}

/// Hands the BTF of an object to the kernel (4.18+).
pub fn btf_load(btf: &[u8]) -> io::Result<OwnedFd> {
    let mut a = BtfAttr { btf: btf.as_ptr() as u64, size: btf.len() as u32, ..BtfAttr::default() };
    call(BTF_LOAD, &mut a).map(own)
}
