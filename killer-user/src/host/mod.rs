//! What killer does to services: finds, starts, adopts, signals, stops, freezes and waits for them, and judges how it
//! ended. It knows neither a command line nor a tell: what people should know meanwhile goes to a listener
//! ([`Tell`]).

mod adopt;
mod by_script;
mod certainty;
pub mod changes;
pub mod compare;
pub mod doctor;
pub mod done;
mod elsewhere;
pub mod exact;
pub mod failure;
mod forking;
pub mod freeze;
mod frozen;
mod inner;
pub mod install_boot;
mod journal;
mod last_signal;
mod log_target;
mod main_process;
mod models;
pub mod names;
mod on_exit;
mod open;
mod order;
mod pidfiles;
mod place;
mod receipt;
mod record;
mod replace;
pub mod rules;
pub mod run;
pub mod selftest;
pub mod serve;
mod service;
pub mod signal;
mod spared;
mod start;
pub mod status;
pub mod stop;
mod stop_words;
mod survivors;
mod tell;
mod thaw;
pub mod tracker;
pub mod unknown;
mod unseen;
pub mod until;
mod wait;

pub use failure::Failure;
pub use open::Host;
pub use tell::{Silent, Tell};
