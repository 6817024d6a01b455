//! Bringing the tracker up, opening it, taking it down.

use super::pins::{self, Paths, PinLock};
use super::programs::{Programs, namespace};
use super::{keeper, load, sign};
use crate::keep::{KeepError, What};

impl Programs {
    /// Opens the pins of this ABI version. Nothing is loaded or changed.
    pub fn open(paths: &Paths) -> Result<Self, KeepError> {
        namespace()?;
        pins::in_host_mounts(paths, || Self::open_here(paths))
    }

    /// Opens the tracker, after loading and pinning it when it is not there.
    pub fn up(paths: &Paths) -> Result<Self, KeepError> {
        namespace()?;
        pins::in_host_mounts(paths, || match Self::open_here(paths) {
            Err(KeepError::NotLoaded) => {
                if keeper::wanted() {
                    keeper::start(paths)?;
                } else {
                    match load::up(paths) {
                        Err(KeepError::NeedsKeeper) => keeper::start(paths)?,
                        r => drop(r?),
                    }
                }
                Self::open_here(paths)
            }
            Ok(_) if sign::alive(&paths.version()) == Some(false) => {
                keeper::start(paths)?;
                Self::open_here(paths)
            }
            r => r,
        })
    }

    fn open_here(paths: &Paths) -> Result<Self, KeepError> {
        Self::open_in(paths, &paths.version())
    }

    /// Unpins everything. The caller has made sure that nothing is tracked.
    pub fn down(paths: &Paths, _lock: &PinLock) -> Result<bool, KeepError> {
        pins::in_host_mounts(paths, || {
            paths.sweep();
            let v = paths.version();
            if !v.exists() {
                return Ok(false);
            }
            sign::end(&v);
            // Out of sight first, in one step: no half-made version directory is ever seen.
            let gone = paths.root.join(format!("tmp-{}", std::process::id()));
            std::fs::rename(&v, &gone).what("taking the pins away")?;
            pins::remove(&gone);
            Ok(true)
        })
    }
}
