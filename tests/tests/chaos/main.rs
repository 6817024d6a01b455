//! Chaos: `killer` killed before each of its system calls, each bpf(2) call refused, pins removed by hand, numbers used
//! again between two looks. What has to hold every time: no service is lost, no gate stays closed, nothing is left
//! stopped or half made, no stranger is hit, nothing succeeds silently that did not.
//!
//! Steps are sampled here; `KILLER_CHAOS=all` takes every one.

mod clocks;
mod faults;
mod others;
mod pins;
mod proc;
mod reuse;
mod steps;
mod world;
