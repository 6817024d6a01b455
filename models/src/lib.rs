//! Small models of the protocol (docs/internals/PROTOCOL.md), one a file, each explored to the last state (docs/internals/MODELS.md).
//!
//! A model is the code with everything left out that decides nothing: each action is one step that another CPU can come
//! between, and says which function it mirrors. Memory is sequentially consistent. Each model takes a `Variant`: the code
//! as it is, a repair of something that the model found, or a known-bad change that a property has to catch.

pub mod adoption;
pub mod births;
pub mod broadcast;
pub mod explore;
pub mod gate;
pub mod holds;
pub mod hooks;
pub mod instances;
pub mod leaders;
pub mod moving;
pub mod nested;
pub mod parents;
pub mod repair;
pub mod reuse;
pub mod seeds;
pub mod world;

pub use explore::{Explored, Verdict, every_state, first_failure, random_walks};
