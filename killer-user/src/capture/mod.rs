//! A set as evidence: what /proc, the kernel and memory have of each member, in a tar file that proves itself. Who is a member
//! and whether the set is held is known above; here members are read, and files are written and checked.

mod archive;
mod check;
mod collect;
mod contents;
mod descriptors;
mod elf;
mod event;
mod export;
mod links;
mod mappings;
mod memory;
mod network;
mod object;
pub mod packed;
mod reader;
mod rounds;
mod sparse;
mod texts;
mod threads;
mod walk;
mod wire;

pub use archive::{Archive, HEAD, Sink};
pub use check::check;
pub use collect::{Collected, Cut, Progress, collect};
pub use export::{Exported, Failed, export};
pub use reader::place;
pub use walk::Wrong;
