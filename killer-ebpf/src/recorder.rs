//! The object of the recorder: who forked whom, from the first one on, and what each has executed, of members or of every process of
//! the host (`killer up --lineage`). Its programs run behind those that keep the sets, and change nothing of theirs.
#![no_std]
#![no_main]
#![allow(internal_features, dead_code)]
#![feature(core_intrinsics)]

mod knobs;
mod maps;
mod object;
mod sender;
mod task;

#[path = "recorder/directory.rs"]
mod directory;
#[path = "recorder/execs.rs"]
mod execs;
#[path = "recorder/hooks.rs"]
mod hooks;
#[path = "recorder/nodes.rs"]
mod nodes;
#[path = "recorder/signals.rs"]
mod signals;
