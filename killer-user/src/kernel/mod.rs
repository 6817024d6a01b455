//! What this kernel is and can: the only place where kernels differ.

pub mod btf;
pub mod probe;
pub mod tier;
pub mod tracefs;
pub mod witness;
