//! Facts about the host that decide what can be promised.

use std::path::Path;

use crate::sys::constant::SYSFS_MAGIC;
use crate::sys::lack::Lack;
use crate::sys::{proc_text, prog};

/// Reads a number from a file of /proc/sys.
pub fn sysctl(name: &str) -> Option<u64> {
    proc_text::text(&format!("/proc/sys/{name}")).trim().parse().ok()
}

/// `kernel.pid_max`, when it can be read.
pub fn pid_max() -> Option<u32> {
    sysctl("kernel/pid_max").map(|n| n as u32)
}

/// `kernel.threads-max`, when it can be read.
pub fn threads_max() -> Option<u32> {
    sysctl("kernel/threads-max").map(|n| n as u32)
}

/// Kernel release, for people.
pub fn release() -> String {
    rustix::system::uname().release().to_string_lossy().into_owned()
}

/// Inode of the initial PID namespace (`include/linux/proc_ns.h`: PROC_PID_INIT_INO).
const INIT_PID_NS: u64 = 0xEFFF_FFFC;

/// True when this process sees the PIDs that the programs see; an error when that cannot be found out.
pub fn in_initial_pid_ns() -> std::io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    match std::fs::metadata("/proc/self/ns/pid") {
        // The kernel has no others (CONFIG_PID_NS).
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(true),
        m => Ok(m?.ino() == INIT_PID_NS),
    }
}

/// The effective capabilities, as in capabilities(7), bit by number. They are asked for without /proc, which may not be mounted.
pub fn effective_caps() -> u64 {
    rustix::thread::capabilities(None).map_or(0, |c| c.effective.bits())
}

/// CAP_BPF, CAP_PERFMON, CAP_SYS_ADMIN, CAP_KILL.
pub const CAPS: [(u32, &str); 4] =
    [(39, "CAP_BPF"), (38, "CAP_PERFMON"), (21, "CAP_SYS_ADMIN"), (5, "CAP_KILL")];

/// Names of the capabilities that tracking needs and this process lacks. CAP_SYS_ADMIN covers the first two.
pub fn missing_caps() -> Vec<&'static str> {
    let have = effective_caps();
    let has = |n: u32| have & (1 << n) != 0;
    if has(21) {
        return Vec::new();
    }
    CAPS.iter().take(3).filter(|(n, _)| !has(*n)).map(|(_, s)| *s).collect()
}

/// True when classic tracepoint programs can be dropped without a trace: `bpf_prog_active` is taken by preemptible map
/// system calls since 5.11, which is when helper 160 came (`bpf_ktime_get_coarse_ns`).
pub fn classic_can_lose() -> bool {
    const KTIME_GET_COARSE_NS: i32 = 160;
    crate::sys::prog::has_helper(KTIME_GET_COARSE_NS)
}

/// True where the kernel may skip a tracing program whose instance on the same CPU was preempted: tracepoints run their programs
/// preemptibly (`include/linux/tracepoint.h`, 7.0+). For kernels without BTF, which says it exactly ([`super::btf::Offsets`]):
/// one that has `bpf_ktime_get_tai_ns` (6.1+) counts as one that can.
pub fn can_skip() -> bool {
    const KTIME_GET_TAI_NS: i32 = 208;
    Lack::EveryRun.asked() || prog::has_helper(KTIME_GET_TAI_NS)
}

/// The active LSMs, `None` when securityfs is not mounted.
pub fn lsms() -> Option<Vec<String>> {
    let s = std::fs::read_to_string("/sys/kernel/security/lsm").ok()?;
    Some(s.trim().split(',').map(String::from).collect())
}

/// True when sysfs is mounted at /sys (`SYSFS_MAGIC`), or something that shows the kernel's BTF there.
pub fn sys_mounted() -> bool {
    let sysfs = rustix::fs::statfs("/sys").is_ok_and(|s| i128::from(s.f_type) == SYSFS_MAGIC);
    sysfs || Path::new("/sys/kernel").exists()
}

/// True when `path` is on a bpffs (`BPF_FS_MAGIC`).
pub fn is_bpffs(path: &Path) -> bool {
    const BPF_FS_MAGIC: i64 = 0xcafe_4a11;
    rustix::fs::statfs(path).map(|s| s.f_type == BPF_FS_MAGIC).unwrap_or(false)
}
