//! Who sends the signals that end processes. Of SIGKILL the process itself is told nothing (`kernel/signal.c:complete_signal`), so it is
//! noted where it is sent.

use aya_ebpf::bindings::BPF_ANY;
use aya_ebpf::helpers::{bpf_get_current_comm, bpf_get_current_uid_gid};
use aya_ebpf::maps::LruHashMap;
use killer_common::record::TaskKey;
use killer_common::recorder::*;

use crate::maps::maybe_ours;
use crate::nodes;
use crate::sender::{Sender, sender};
use crate::task;

/// By process and signal.
#[aya_ebpf::macros::map]
static SENT: LruHashMap<SentKey, Sent> = LruHashMap::pinned(MAX_SENT, 0);

/// `TRACE_SIGNAL_DELIVERED`, `include/trace/events/signal.h`: not ignored, and not pending already.
const DELIVERED: u64 = 0;
/// CHLD, CONT, STOP, TSTP, TTIN, TTOU, URG, WINCH: none of them ends a process (`include/linux/signal.h:SIG_KERNEL_IGNORE_MASK`,
/// `SIG_KERNEL_STOP_MASK`).
const HARMLESS: u64 = 1 << 17 | 1 << 18 | 1 << 19 | 1 << 20 | 1 << 21 | 1 << 22 | 1 << 23 | 1 << 28;

/// match-proto: `trace_signal_generate(int sig, struct kernel_siginfo *info, struct task_struct *task, int group, int
/// result)`
#[unsafe(no_mangle)]
#[unsafe(link_section = "tp_btf/signal_generate")]
extern "C" fn on_record_signal(ctx: *const u64) -> i32 {
    let signal = task::arg_key(ctx, 0) as u32;
    if HARMLESS >> (signal & 63) & 1 != 0 || task::arg_key(ctx, 4) & 0xffff_ffff != DELIVERED {
        return 0;
    }
    let t = task::arg(ctx, 2);
    let tgid = task::tgid(t);
    if nodes::members_only() && !maybe_ours(tgid) {
        return 0;
    }
    let key = SentKey { tgid, signal, start: task::leader_start(t) };
    let mut s = Sent { key, at: task::boottime(), ..Sent::default() };
    let from = sender(ctx);
    s.flags = match from {
        Sender::Current => 0,
        Sender::Kernel => S_KERNEL,
        Sender::Program => S_PROGRAM,
        Sender::OrKernel => S_OR_KERNEL,
    };
    if from != Sender::Kernel {
        let by = task::current_tgid();
        s.by = TaskKey { tgid: by, pad: 0, start: nodes::start_of(by) };
        s.uid = bpf_get_current_uid_gid() as u32;
        // SAFETY: a name is 16 bytes either way.
        s.comm =
            unsafe { core::mem::transmute::<[u8; 16], [u64; 2]>(bpf_get_current_comm().unwrap_or_default()) };
    }
    if SENT.insert(&key, &s, BPF_ANY as u64).is_err() {
        // Nobody is better than one of before.
        let _ = SENT.remove(&key);
        // SAFETY: r points to a whole Recorder.
        nodes::lose(|r| unsafe { &raw mut (*r).lost_senders });
    }
    0
}
