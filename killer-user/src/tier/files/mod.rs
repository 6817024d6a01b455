//! A registry in files, which the tiers without programs have in common: a file a root, each replaced whole, in a directory
//! that is the owner's alone.

mod opening;
mod port;
mod record;
mod registry;

pub use opening::{make, open};
pub use port::OnFiles;
pub use record::{RootFile, code};
pub use registry::{FileRegistry, boot, is_ours, make_ours};
