//! The tracker: the only room that names aya. Loads and pins the programs, opens the pins, and offers typed
//! views of the maps, the on-demand program and the walk.

mod ancestors;
mod attach;
pub(crate) mod canary;
mod ctl;
mod error;
mod keeper;
mod kfunc;
mod lacks;
mod load;
mod log;
mod maps;
mod modern;
mod others;
mod pins;
mod programs;
mod repair;
mod second;
mod sign;
mod slot;
mod syscall_gate;
mod tracker;
mod up;

pub use canary::NAME as CANARY;
pub use ctl::Adoption;
#[cfg(test)]
pub(crate) use ctl::name_words;
pub use error::BpfError;
use error::What;
pub use keeper::{KEEPER, Keeper};
pub use load::{TIER, try_out};
pub use log::Relay;
pub use maps::{Limits, map_bytes};
pub use modern::{OBJECT, object_sha256};
pub use others::Other;
pub(crate) use pins::in_host_mounts;
pub use pins::{Paths, Registry};
pub use slot::Slot;
pub use syscall_gate::SyscallGate;
pub use tracker::{Broadcast, Health, Tracker};

/// Removes what a killed loader left.
pub fn sweep(paths: &Paths) {
    let _ = pins::in_host_mounts(paths, || {
        paths.sweep();
        Ok(())
    });
}
