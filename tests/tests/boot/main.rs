//! What only a booted host can show: a real init as PID 1, real daemons that it has started, and nothing mounted for
//! `killer`. `cargo xtask vm --boot sysv openrc runit` runs it; anywhere else each test is skipped.
//!
//! The tests of a boot run one after the other, in the order of their names, and find what the ones before have left.

mod as_booted;
mod as_named;
mod by_script;
mod first_use;
mod hup;
mod jobs;
mod machine;
mod rules;
mod tutorial;
