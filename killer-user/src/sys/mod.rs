//! System calls that no crate wraps: the only `unsafe` of the user side.
#![allow(unsafe_code)]

pub mod alive;
pub mod arena;
pub mod bpf;
pub mod canary;
pub mod child;
pub mod clean;
pub mod clock;
pub mod daemon;
mod descriptors;
pub mod entropy;
pub mod entry;
pub mod forks;
pub mod inherit;
pub mod interrupt;
pub mod lack;
pub mod launch;
pub mod limits;
pub mod map;
pub mod offspring;
mod orphan;
pub mod pass_on;
pub mod perf;
pub mod proc;
pub mod proc_text;
pub mod prog;
pub mod reaper;
pub mod sched;
mod sentinel;
mod signals;
pub mod stdout;
pub mod supervise;
pub mod uring;
pub mod watch;
pub mod writers;
