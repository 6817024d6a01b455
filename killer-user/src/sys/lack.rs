//! For tests: what this kernel is to lack, so that an older one's answers can be seen here. `KILLER_LACK` names it, by commas.

use std::io;
use std::sync::OnceLock;

/// What can be taken away, with the first kernel that has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lack {
    /// `BPF_MAP_FREEZE`, 5.2.
    MapFreeze,
    /// `BPF_F_MMAPABLE`, 5.5.
    Mmapable,
    /// Names of maps, 4.15.
    MapNames,
    /// `BPF_PROG_TEST_RUN` of raw tracepoint programs, 5.10.
    ProgRun,
    /// `BPF_MAP_LOOKUP_BATCH`, 5.6.
    Batch,
    /// `BPF_OBJ_GET_INFO_BY_FD`, 4.13.
    Info,
    /// Links to perf events, 5.15.
    PerfLink,
    /// Pins of links, 5.7.
    LinkPins,
    /// `BPF_MAP_TYPE_LRU_HASH`, 4.10.
    Lru,
    /// `bpf_ktime_get_boot_ns`, 5.8.
    BootClock,
    /// `bpf_send_signal`, 5.3.
    SendSignal,
    /// `bpf_get_current_task_btf`, 5.11.
    CurrentTask,
    /// Each run of a program on a tracepoint happens (before 7.0).
    EveryRun,
    /// `bpf_probe_read_kernel`, 5.5; not under lockdown=confidentiality.
    KernelMemory,
    /// Programs that signal other tasks at once, 6.13.
    Sweep,
    /// Ending processes that can signal others, 6.16.
    Promise,
    /// The parent of a process by its pidfd, 6.13.
    PidfdInfo,
}

impl Lack {
    fn word(self) -> &'static str {
        match self {
            Self::MapFreeze => "map-freeze",
            Self::Mmapable => "mmapable",
            Self::MapNames => "map-names",
            Self::ProgRun => "prog-run",
            Self::Batch => "batch",
            Self::Info => "info",
            Self::PerfLink => "perf-link",
            Self::LinkPins => "link-pins",
            Self::Lru => "lru",
            Self::BootClock => "boot-clock",
            Self::SendSignal => "send-signal",
            Self::CurrentTask => "current-task",
            Self::EveryRun => "every-run",
            Self::KernelMemory => "kernel-memory",
            Self::Sweep => "sweep",
            Self::Promise => "promise",
            Self::PidfdInfo => "pidfd-info",
        }
    }

    /// True when it is to be lacking.
    pub fn asked(self) -> bool {
        static LIST: OnceLock<String> = OnceLock::new();
        let list = LIST.get_or_init(|| std::env::var("KILLER_LACK").unwrap_or_default());
        !list.is_empty() && list.split(',').any(|w| w == self.word())
    }

    /// The answer of a kernel that does not know it, when it is to be lacking.
    pub fn check(self) -> io::Result<()> {
        match self.asked() {
            true => Err(io::Error::from_raw_os_error(libc::EINVAL)),
            false => Ok(()),
        }
    }
}
