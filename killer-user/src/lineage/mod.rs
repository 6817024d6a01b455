//! Members and fork edges of a root, read from the kernel's maps.

mod broadcast;
mod describe;
mod family;
mod gate;
mod home;
mod left_last;
mod select;
mod set;
mod stillness;
mod tree;

pub use broadcast::unsettled;
pub use describe::{Outside, Pending, cgroups, describe};
pub use family::{Census, Family};
pub use home::Home;
pub use left_last::named;
pub use select::{Pick, Snapshot, strays};
pub use set::Lineage;
pub use stillness::Still;
pub use tree::{Node, tree};
