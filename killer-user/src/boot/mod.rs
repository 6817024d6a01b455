//! Boot files: which init starts this host, what it needs so that `killer up --rules` runs before the first service, and how
//! these files come and go: whole, once, and only ours. Nothing here asks the kernel about processes; all of it works on a
//! directory that need not be the running host's root.

mod block;
mod init;
mod layout;
mod mark;
mod tree;

pub use block::{Lines, added, taken_out};
pub use init::{Init, from_disk, running};
pub use layout::{Item, LINES, Spot, every, filled, fitting};
pub use mark::{Whose, marked, whose};
pub use tree::{Lock, Tree};
