//! What a program that embeds killer uses: typed, without a terminal and without clap.

mod command;
mod error;
mod host;
mod order;
mod service;

pub use command::Command;
pub use error::{Cause, Error};
pub use host::Host;
pub use order::Order;
pub use service::Service;
