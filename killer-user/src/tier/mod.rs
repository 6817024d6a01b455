//! The choice among the tiers, and those without programs: behind [`Keep`](crate::keep::Keep) nobody knows which one it is.

mod cross_check;
mod files;
pub mod last_signal;
pub mod memory;
mod named;
mod place;
mod registries;
mod scan;
mod seen;
mod stopped;
mod tracker;
mod witnesses;

#[cfg(test)]
pub(crate) use crate::bpf::name_words;
pub use crate::bpf::{CANARY, Keeper, Limits, Other, Paths, map_bytes, object_sha256};

pub use memory::Kept;
pub(crate) use place::Place;
pub use tracker::Tracker;
