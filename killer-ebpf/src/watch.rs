//! The object of a watcher: each `killer watch` loads its own and attaches it behind the hooks, with a ring of its own, so that
//! one that is slow loses events of its own and nobody else notices. It changes nothing.
//!
//! The programs run behind those that keep the sets (`kernel/tracepoint.c:func_add` keeps the order of registration), so a newborn
//! is registered by then, and a process that ends has left `births` and stands in `ending`.
#![no_std]
#![no_main]
#![allow(internal_features, dead_code)]
#![feature(core_intrinsics)]

mod knobs;
mod maps;
mod object;
mod sender;
mod task;

#[path = "watch/events.rs"]
mod events;
#[path = "watch/exe.rs"]
mod exe;
#[path = "watch/hooks.rs"]
mod hooks;
