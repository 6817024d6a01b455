//! Rules: which executed files name a service. Text → rules → the table that the programs read, and what an exec would do; all of it
//! without the kernel. Files are read, directories opened and tables loaded above this room.

mod builtin;
mod called;
mod fields;
mod pattern;
mod place;
mod read;
mod rule;
mod table;
mod text;
mod verdict;
mod whole;

pub use builtin::{FILE as BUILT_IN, text as built_in};
pub use called::{Called, provided, same};
pub use pattern::{Except, NAME_BYTES, Strip};
pub use place::{Place, Spot, Wrong};
pub use read::read;
pub use rule::{Program, Rule, What};
pub use table::{Alias, DirKey, Entry, Key, Kind, Table, Value};
#[cfg(test)]
pub use table::{MOST_DIRECTORIES, MOST_FILES, PATH_BYTES};
pub use text::written;
pub use verdict::{Exec, From, Verdict, Why, verdict};
pub use whole::check;
