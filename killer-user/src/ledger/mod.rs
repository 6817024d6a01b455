//! The ledger: files of receipts, a line each, in which every line holds the hash of the line before. What was written there cannot
//! be changed or taken out without it being seen.

mod append;
mod digest;
mod key;
mod line;
mod place;
mod read;
mod tail;
mod verify;

pub use append::{append, ready};
pub use digest::hex;
pub use key::{make as make_key, signer};
pub use place::{Place, usual};
pub use read::{Found, list, one};
pub use verify::{Asked, verify};
