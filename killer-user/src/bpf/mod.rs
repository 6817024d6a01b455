//! The tracker: the only room that names aya. Loads and pins the programs, opens the pins, and offers typed
//! views of the maps, the on-demand program and the walk.

mod ancestors;
mod ask;
mod attach;
mod below;
mod canary;
mod ctl;
#[cfg(test)]
mod floor;
mod keeper;
mod kfunc;
mod lacks;
mod load;
mod loader;
#[cfg(feature = "log")]
mod log;
mod maps;
mod modern;
mod object;
mod others;
mod patch;
mod pins;
mod programs;
mod promise;
mod recorder;
mod repair;
mod rules;
mod running;
mod second;
mod sign;
mod states;
mod sweep;
mod syscall_gate;
mod together;
mod up;
mod watch;
mod written_in;

pub use canary::NAME as CANARY;
#[cfg(test)]
pub(crate) use ctl::name_words;
pub use keeper::Keeper;
pub use load::try_out;
pub use maps::{Limits, map_bytes};
pub use modern::object_sha256;
pub use others::Other;
pub(crate) use pins::in_host_mounts;
pub use pins::{Paths, PinLock};
pub use programs::Programs;

/// Removes what a killed loader left.
pub fn tidy(paths: &Paths) {
    let _ = pins::in_host_mounts(paths, || {
        paths.sweep();
        Ok(())
    });
}
