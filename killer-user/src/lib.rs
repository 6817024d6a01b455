//! `killer`: ends a service on Linux completely.
//!
//! The kernel keeps the set (eBPF programs follow every fork and exit below a service's root), user space asks and signals. A
//! program that embeds it opens the [`Host`], starts or finds a [`Service`] and gives it an [`Order`]; the [`Receipt`] says how
//! that ended ([`Ending`]) and how sure it is ([`Exactness`]).
//!
//! ```no_run
//! use killer_user::{Command, Host, Order};
//!
//! # fn main() -> Result<(), killer_user::Error> {
//! let host = Host::up()?;
//! let job = host.start(&Command::new("job-17", "make").arg("-j8"))?;
//! let receipt = job.signal(&Order::kill())?;
//! assert!(receipt.empty, "{}", receipt.ending.word());
//! if !receipt.exactness.exact {
//!     eprintln!("something may be missing: {:?}", receipt.exactness.reasons);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Features
//!
//! All of them are on by default. Without them an embedder pays for none of what they need.
//!
//! * `cli`: the command `killer`: clap, the man page, completions, its log on stderr.
//! * `schema`: the JSON schema of the documents.
//! * `log`: the log of the eBPF programs (`-vvv`).

#![deny(unsafe_code)]
// Some things are for what a feature has left out. With all of them the compiler finds what is dead.
#![cfg_attr(not(all(feature = "cli", feature = "schema", feature = "log")), allow(dead_code, unused_imports))]

mod api;
mod ask;
mod boot;
mod bpf;
mod capture;
#[cfg(feature = "cli")]
mod cli;
mod ending;
mod host;
mod keep;
mod kernel;
mod kill;
mod ledger;
mod lineage;
mod lookup;
pub mod program;
mod report;
mod rules;
mod selftest;
mod sys;
mod tier;
#[cfg(feature = "cli")]
mod top;
#[cfg(feature = "cli")]
mod verbs;

pub use api::{Cause, Command, Error, Host, Order, Service};
pub use ending::Ending;
pub use report::model;
pub use report::model::{Exactness, Receipt};
