//! Members and fork edges of a root, read from the kernel's maps.

mod closing;
mod describe;
mod ending;
mod family;
mod fork_calls;
mod home;
mod owed;
mod select;
mod set;
mod still;
mod tree;
mod unknown;

pub use describe::{Outside, Pending, cgroups, describe};
pub use ending::named;
pub use family::{Census, Family};
pub use home::Home;
pub use select::{Pick, Snapshot, strays};
pub use set::Lineage;
pub use still::Still;
pub use tree::{Node, tree};
pub use unknown::look as unsettled;
