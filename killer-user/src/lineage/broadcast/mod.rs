//! A signal to everybody while they fork, as far as it is no engine's: the state of one broadcast of a lineage, what waits for
//! the one before and for forks in flight, and what a dead sweeper has left half sent.

mod fork_calls;
mod half_sent;
mod in_flight;

pub use half_sent::look as unsettled;
