//! The modern object: everything that loads where BTF and ring buffers are.
//!
//! One file per hook; [`member`] is the only writer of membership, [`task`] the only reader of kernel structs.
#![no_std]
#![no_main]
#![allow(internal_features)]
#![feature(core_intrinsics)]

mod adopt;
mod broadcast;
mod clear;
mod ctl;
mod ending;
mod exec;
mod exit;
mod fork;
mod gate;
mod instance;
mod kfunc;
mod knobs;
mod lineage;
mod logs;
mod maps;
mod member;
mod moves;
mod object;
mod orphans;
mod process;
mod reap;
mod rule_maps;
mod slot;
mod syscalls;
mod task;
mod tries;
mod walk;
mod witness;
