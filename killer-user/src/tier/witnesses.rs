//! How processes that were sent a signal ended, in tiers whose programs cannot see it, or that have none: the kernel tells it by a pidfd
//! once somebody has waited for them (6.15+).

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::{Mutex, PoisonError};

use crate::keep::HowEnded;
use crate::sys::alive::Identity;
use crate::sys::{limits, pidfd_info};

/// Their pidfds; `None`: nobody will ask.
#[derive(Debug, Default)]
pub struct Witnesses(Mutex<Option<HashMap<Identity, OwnedFd>>>);

impl Witnesses {
    /// Keeps some from now on, where they are `needed`.
    pub fn begin(&self, needed: bool) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = needed.then(HashMap::new);
    }

    /// Keeps one, as long as there are descriptors to spare.
    pub fn keep(&self, it: Identity, pidfd: &OwnedFd) {
        let mut asked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A kernel that knows no such question (before 6.13) is asked once.
        if asked.as_ref().is_some_and(HashMap::is_empty) && !pidfd_info::is_known(pidfd) {
            *asked = None;
        }
        if let Some(all) = &mut *asked
            && all.len() < limits::spare_descriptors()
            && !all.contains_key(&it)
            && let Ok(own) = pidfd.try_clone()
        {
            all.insert(it, own);
        }
    }

    /// How one of them ended; `None`: it was not kept, or nobody has waited for it, or the kernel does not tell.
    pub fn status(&self, it: Identity) -> Option<HowEnded> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let status = pidfd_info::exit_status(all.as_ref()?.get(&it)?).ok()?;
        Some(HowEnded { status, no_memory: false, at: 0 })
    }
}
