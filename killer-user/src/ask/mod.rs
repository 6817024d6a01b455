//! What can be asked of killer, and its grammar: words → values, one grammar a file. Nothing here touches the kernel, and nothing
//! knows clap.

pub mod capture;
pub mod events;
pub mod exe;
pub mod fuse;
pub mod lineage;
pub mod listen;
pub mod name;
pub mod pidspec;
pub mod receipts;
mod request;
pub mod rule;
pub mod schedule;
pub mod signal;
pub mod span;
pub mod top;
pub mod value;
pub mod wait;
pub mod whom;
mod word;

pub use request::{
    Command, KEEP, Kill, Log, Mode, Names, Nest, Newborns, Replace, Run, Selftest, Stop, TakeIn, Unstick,
    Until, Whose,
};
pub use word::Word;
