//! Programs are verified side by side. Each takes a processor for milliseconds, and the kernel holds no lock meanwhile but for
//! those who may load only what is harmless (`kernel/bpf/verifier.c:bpf_check`, `is_priv`).

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::keep::KeepError;

/// One program to load.
pub(super) type Job<'a> = Box<dyn Fn() -> Result<(), KeepError> + Send + Sync + 'a>;

/// At most so many at once: the longest one takes a third of all the time.
const LANES: usize = 4;
/// Environment variable for tests: how many at once. With one, this thread makes every call.
const ASKED: &str = "KILLER_LOADERS";

/// Does these, in this order as far as they do not run at once, and none any more after one has failed. Answers the error of the first
/// one that has.
pub(super) fn all(jobs: &[Job<'_>]) -> Result<(), KeepError> {
    let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
    let work = || {
        let mut errors = Vec::new();
        while !failed.load(Ordering::Relaxed) {
            let n = next.fetch_add(1, Ordering::Relaxed);
            let Some(job) = jobs.get(n) else { break };
            if let Err(e) = job() {
                failed.store(true, Ordering::Relaxed);
                errors.push((n, e));
            }
        }
        errors
    };
    let mut errors = std::thread::scope(|s| {
        // Where there can be no more threads this one does it all.
        let more = (1..lanes().min(jobs.len()))
            .map_while(|_| std::thread::Builder::new().name("load".into()).spawn_scoped(s, work).ok());
        let more: Vec<_> = more.collect();
        let mut errors = work();
        for thread in more {
            errors.extend(thread.join().unwrap_or_else(|p| std::panic::resume_unwind(p)));
        }
        errors
    });
    errors.sort_by_key(|(n, _)| *n);
    errors.into_iter().next().map_or(Ok(()), |(_, e)| Err(e))
}

fn lanes() -> usize {
    let asked = std::env::var(ASKED).ok().and_then(|n| n.parse().ok());
    asked.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, |n| n.get()).min(LANES))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use super::*;

    #[test]
    fn each_is_done_once() {
        let done: Vec<AtomicU32> = (0..100).map(AtomicU32::new).collect();
        let jobs: Vec<Job<'_>> = done
            .iter()
            .map(|d| -> Job<'_> {
                Box::new(|| {
                    d.fetch_add(1000, Ordering::Relaxed);
                    Ok(())
                })
            })
            .collect();
        assert!(all(&jobs).is_ok());
        assert!(done.iter().enumerate().all(|(n, d)| d.load(Ordering::Relaxed) == n as u32 + 1000));
    }

    #[test]
    fn the_first_error_is_answered_and_ends_it() {
        let begun = AtomicUsize::new(0);
        let jobs: Vec<Job<'_>> = (0..1000)
            .map(|n| -> Job<'_> {
                let begun = &begun;
                Box::new(move || {
                    begun.fetch_add(1, Ordering::Relaxed);
                    if n < 7 { Ok(()) } else { Err(KeepError::Damaged(n.to_string())) }
                })
            })
            .collect();
        let e = all(&jobs).expect_err("most of them fail");
        assert!(matches!(&e, KeepError::Damaged(n) if n == "7"), "{e}");
        assert!(begun.load(Ordering::Relaxed) <= 7 + lanes(), "they go on after an error");
    }
}
