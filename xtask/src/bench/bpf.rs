//! The few bpf(2) calls that a measurement needs: the statistics of pinned programs, and an empty program to compare with.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

use anyhow::{Context, Result};

const BPF_PROG_LOAD: i32 = 5;
const BPF_OBJ_GET: i32 = 7;
const BPF_PROG_GET_FD_BY_ID: i32 = 13;
const BPF_RAW_TRACEPOINT_OPEN: i32 = 17;
const RAW_TRACEPOINT: u32 = 17;

const SWITCH: &str = "/proc/sys/kernel/bpf_stats_enabled";

/// Statistics are on while this lives.
pub struct Statistics {
    before: String,
}

impl Statistics {
    /// Turns them on.
    pub fn on() -> Result<Statistics> {
        let before = std::fs::read_to_string(SWITCH).context(SWITCH)?;
        std::fs::write(SWITCH, "1").context(SWITCH)?;
        Ok(Statistics { before })
    }
}

impl Drop for Statistics {
    fn drop(&mut self) {
        let _ = std::fs::write(SWITCH, self.before.trim());
    }
}

/// Time and number of a program's runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Runs {
    /// Nanoseconds.
    pub time: u64,
    /// How often.
    pub count: u64,
}

impl Runs {
    /// Since `before`.
    pub fn since(self, before: Runs) -> Runs {
        Runs { time: self.time - before.time, count: self.count - before.count }
    }
}

/// The programs that are pinned below a folder, by themselves or by their links, with the names of the pins.
pub fn pinned(dir: &Path) -> Result<Vec<(String, OwnedFd)>> {
    let mut ids = BTreeMap::new();
    collect(dir, &mut ids)?;
    let program = |(id, name)| Ok((name, bpf(BPF_PROG_GET_FD_BY_ID, &mut [u64::from(id), 0])?));
    ids.into_iter().map(program).collect()
}

fn collect(dir: &Path, ids: &mut BTreeMap<u32, String>) -> Result<()> {
    for entry in std::fs::read_dir(dir).with_context(|| dir.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, ids)?;
            continue;
        }
        let name = CString::new(path.to_string_lossy().as_bytes())?;
        // pathname, bpf_fd, file_flags
        let Ok(fd) = bpf(BPF_OBJ_GET, &mut [name.as_ptr() as u64, 0]) else { continue };
        if let Some(id) = fdinfo(&fd, "prog_id") {
            ids.insert(id as u32, path.file_name().unwrap_or_default().to_string_lossy().into_owned());
        }
    }
    Ok(())
}

/// Bytes that the kernel counts for all that is pinned below a folder (`memlock`, which is memory that is there, since 5.11).
pub fn memory(dir: &Path) -> Result<u64> {
    Ok(memory_of_each(dir)?.iter().map(|(_, bytes)| bytes).sum())
}

/// The same for each map and program, by its name there.
pub fn memory_of_each(dir: &Path) -> Result<Vec<(String, u64)>> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(dir).with_context(|| dir.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            all.extend(memory_of_each(&path)?);
            continue;
        }
        // A link has no memory of its own, and cannot be opened as anything else.
        let bytes = pin(&path).ok().and_then(|fd| fdinfo(&fd, "memlock"));
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        all.extend(bytes.map(|bytes| (name, bytes)));
    }
    Ok(all)
}

/// Sum over some programs.
pub fn runs(programs: &[OwnedFd]) -> Runs {
    let sum = |key| programs.iter().filter_map(|p| fdinfo(p, key)).sum();
    Runs { time: sum("run_time_ns"), count: sum("run_cnt") }
}

fn fdinfo(fd: &OwnedFd, key: &str) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", fd.as_raw_fd())).ok()?;
    text.lines().find_map(|l| l.strip_prefix(key)?.strip_prefix(':')?.trim().parse().ok())
}

/// How many instructions the verifier has looked at to take a program; `None` before 5.16.
pub fn verified(program: &OwnedFd) -> Option<u64> {
    fdinfo(program, "verified_insns")
}

/// A program that does nothing, attached to fork: what the statistics themselves cost.
pub fn empty() -> Result<(OwnedFd, OwnedFd)> {
    // r0 = 0; exit
    let code: [u64; 2] = [0xb7, 0x95];
    let licence = CString::new("GPL")?;
    // prog_type and insn_cnt, insns, license, log_level and log_size, log_buf, kern_version and prog_flags
    let kind = u64::from(RAW_TRACEPOINT) | (code.len() as u64) << 32;
    let program = bpf(BPF_PROG_LOAD, &mut [kind, code.as_ptr() as u64, licence.as_ptr() as u64, 0, 0, 0])?;
    let point = CString::new("sched_process_fork")?;
    let link = bpf(BPF_RAW_TRACEPOINT_OPEN, &mut [point.as_ptr() as u64, program.as_raw_fd() as u64])?;
    Ok((program, link))
}

/// A program that is pinned.
pub fn pin(path: &Path) -> Result<OwnedFd> {
    let name = CString::new(path.to_string_lossy().as_bytes())?;
    bpf(BPF_OBJ_GET, &mut [name.as_ptr() as u64, 0])
}

/// Attaches a pinned program to a raw tracepoint while the answer is held.
pub fn attach(pin: &Path, point: &str) -> Result<OwnedFd> {
    let program = self::pin(pin)?;
    let point = CString::new(point)?;
    bpf(BPF_RAW_TRACEPOINT_OPEN, &mut [point.as_ptr() as u64, program.as_raw_fd() as u64])
}

fn bpf(command: i32, words: &mut [u64]) -> Result<OwnedFd> {
    killer_tests::descriptor(command, words).with_context(|| format!("bpf({command})"))
}
