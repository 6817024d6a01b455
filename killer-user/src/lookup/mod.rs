//! Names, pids and pidfiles → roots and processes. One resolver per file.

pub mod below_run;
pub mod official;
pub mod pidfile;
pub mod process;
pub mod registry;
pub mod trusted;

pub use registry::Root;
