//! Members and fork edges of a root, read from the kernel's maps.

mod ancestry;
mod broadcast;
mod describe;
mod family;
mod freezing;
mod gate;
mod heedless;
mod home;
mod lapses;
mod left_last;
mod select;
mod set;
mod stillness;
mod syscall_gate;
mod tree;

pub use ancestry::{Ancestry, Link, ancestry, ended_with};
pub use broadcast::{Broadcasting, Pending, half_sent};
pub use describe::{Describer, Freezer, Outside, freezer, hierarchies};
#[cfg(test)]
pub use family::Census;
pub use family::{Clock, Freezing, Gated, Members, Repairs, Signals, Sweeping};
pub use home::Home;
pub use left_last::named;
pub use select::{Snapshot, strays};
pub use set::Lineage;
pub use stillness::Still;
pub use tree::{Node, tree};
