//! System calls that no crate wraps: the only `unsafe` of the user side.
#![allow(unsafe_code)]

pub mod alive;
pub mod bpf;
pub mod canary;
pub mod child;
pub mod daemon;
mod descriptors;
pub mod entropy;
pub mod entry;
pub mod forks;
pub mod inherit;
pub mod interrupt;
pub mod launch;
pub mod map;
pub mod mem;
pub mod offspring;
mod orphan;
pub mod pass_on;
pub mod perf;
pub mod proc;
pub mod prog;
pub mod reaper;
pub mod sched;
mod sentinel;
mod signals;
pub mod small;
pub mod stdout;
pub mod supervise;
pub mod uring;
pub mod watch;
