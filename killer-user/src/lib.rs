//! `killer`: ends a service on Linux completely.
//!
//! The kernel keeps the set (eBPF programs follow every fork and exit below a service's root), user space asks
//! and signals. [`tier::Tracker`] opens what keeps the sets, [`lookup`] finds a service by name, [`lineage`] reads
//! its members, [`kill::execute`] signals them and proves the result.

#![deny(unsafe_code)]

pub mod ask;
pub mod bpf;
pub mod cli;
pub mod ending;
pub mod host;
pub mod keep;
pub mod kernel;
pub mod kill;
pub mod lineage;
pub mod lookup;
pub mod report;
pub mod selftest;
pub mod sys;
pub mod tier;
pub mod verbs;
