//! System calls that no crate wraps: the only `unsafe` of the user side.
#![allow(unsafe_code)]

pub mod bpf;
pub mod launch;
pub mod map;
pub mod mem;
pub mod proc;
