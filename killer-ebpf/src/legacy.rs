//! The second object: no BTF, no ring buffer, and membership that reads no field of a `task_struct` but one (`tgid`, raw
//! only, at an offset that was found out by looking). Two tiers: raw tracepoints, and classic ones up to 5.10.
//!
//! The maps, the only writer of membership and the on-demand program are the modern object's.
#![no_std]
#![no_main]
#![allow(internal_features, dead_code)]
#![feature(asm_experimental_arch, core_intrinsics)]

mod ctl;
mod ending;
mod gate;
mod lineage;
mod maps;
mod member;
mod object;
mod process;

#[path = "legacy/ask.rs"]
mod ask;
#[path = "legacy/classic.rs"]
mod classic;
#[path = "legacy/hooks.rs"]
mod hooks;
#[path = "legacy/instance.rs"]
mod instance;
#[path = "legacy/knobs.rs"]
mod knobs;
#[path = "legacy/logs.rs"]
mod logs;
#[path = "legacy/raw.rs"]
mod raw;
mod slot;
#[path = "legacy/task.rs"]
mod task;
mod tries;
