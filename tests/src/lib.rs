//! Harness of the end-to-end tests.
//!
//! A [`TestEnv`] has a tracker of its own; a [`Service`] is an adversary under `killer run`; its [`LivePipe`] is the
//! oracle: EOF means that the last member is dead, whatever anybody's map says. A [`Bystander`] looks like a member and
//! must live on.

mod bpf;
mod env;
mod golden;
mod journal;
mod json;
mod output;
mod pipe;
mod process;
mod service;
mod skip;
pub mod stepper;

pub use bpf::{Ids, Objects, Pins};
pub use env::{Running, TestEnv, adversary, kernel, kernel_number, killer, monotonic_secs};
pub use golden::Golden;
pub use journal::{Journal, Taken};
pub use json::{find, names_pid, pids};
pub use output::Out;
pub use pipe::{LivePipe, ReadyPipe, Said};
pub use process::{Pidfd, eventually, proc_state};
pub use service::{Bystander, Launch, Service};
pub use skip::skip;
