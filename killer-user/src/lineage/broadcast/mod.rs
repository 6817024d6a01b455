//! A signal to everybody while they fork, as far as it is no engine's: the state of one broadcast of a lineage, what waits for
//! the one before and for forks in flight, and what a dead sweeper has left half sent.

mod broadcasting;
mod cast;
mod fork_calls;
mod half_sent;
mod in_flight;
mod of_lineage;
mod pending;

pub use broadcasting::Broadcasting;
pub use cast::Cast;
pub use half_sent::half_sent;
pub use pending::Pending;
