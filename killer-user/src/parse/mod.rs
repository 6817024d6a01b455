//! Words of the command line → values. One grammar a file; nothing here touches the kernel.

pub mod name;
pub mod pidspec;
pub mod schedule;
pub mod signal;
pub mod span;
pub mod value;
pub mod wait;
pub mod whom;
