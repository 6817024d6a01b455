//! `bpf(2)` map calls on every CPU, as fast as they go: what makes the kernel skip hooks on preemptible kernels, and
//! finds hash buckets busy.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

/// Threads that run until this is dropped.
pub struct Hammer {
    stop: Arc<AtomicBool>,
    calls: Arc<AtomicU64>,
    threads: Vec<JoinHandle<()>>,
}

impl Hammer {
    /// One thread a CPU, bound to it. `maps`: the tracker's own, which are only read.
    pub fn start(cpus: usize, maps: Vec<OwnedFd>) -> Hammer {
        let stop = Arc::new(AtomicBool::new(false));
        let calls = Arc::new(AtomicU64::new(0));
        let maps = Arc::new(maps);
        let threads = (0..cpus)
            .map(|cpu| {
                let (stop, calls, maps) = (stop.clone(), calls.clone(), maps.clone());
                std::thread::spawn(move || strike(cpu, &stop, &calls, &maps))
            })
            .collect();
        Hammer { stop, calls, threads }
    }

    /// Stops; the number of calls.
    pub fn end(mut self) -> u64 {
        self.halt();
        self.calls.load(Ordering::SeqCst)
    }

    fn halt(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl Drop for Hammer {
    fn drop(&mut self) {
        self.halt();
    }
}

fn bpf(command: i32, words: &mut [u64]) -> i64 {
    // SAFETY: the attributes are as long as we say; what they point to lives in the callers' frames.
    unsafe { libc::syscall(libc::SYS_bpf, command, words.as_mut_ptr(), size_of_val(words)) }
}

fn strike(cpu: usize, stop: &AtomicBool, calls: &AtomicU64, maps: &[OwnedFd]) {
    // SAFETY: a zeroed cpu_set_t is the empty set; the call only reads it.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(cpu, &mut set);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set);
    }
    // BPF_MAP_CREATE of a preallocated hash of 64 entries: type and key_size, value_size and max_entries.
    let fd = bpf(0, &mut [1 | 4 << 32, 8 | 64 << 32, 0, 0, 0, 0]);
    if fd < 0 {
        return;
    }
    // SAFETY: a new descriptor, ours.
    let own = unsafe { OwnedFd::from_raw_fd(fd as i32) };
    let head = own.as_raw_fd() as u64;
    let mut keys = vec![0u64; 1024];
    let mut values = vec![0u64; 1024 * 16];
    let mut done = 0;
    while !stop.load(Ordering::Relaxed) {
        for key in 0u32..64 {
            let mut value = u64::from(key);
            let at = (&raw const key) as u64;
            let to = (&raw mut value) as u64;
            // Update, look up, delete.
            bpf(2, &mut [head, at, to, 0]);
            bpf(1, &mut [head, at, to, 0]);
            bpf(3, &mut [head, at]);
        }
        done += 192;
        for map in maps {
            let mut next = [0u64; 2];
            // BPF_MAP_LOOKUP_BATCH: in, out, keys, values, count and fd, flags.
            let count = 256 | (map.as_raw_fd() as u64) << 32;
            let (to, k, v) = (next.as_mut_ptr() as u64, keys.as_mut_ptr() as u64, values.as_mut_ptr() as u64);
            bpf(24, &mut [0, to, k, v, count, 0, 0]);
            done += 1;
        }
    }
    calls.fetch_add(done, Ordering::SeqCst);
}
