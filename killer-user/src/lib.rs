//! killer.
