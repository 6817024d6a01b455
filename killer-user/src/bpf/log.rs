//! The programs' log (`-vvv`): aya-log's ring buffer, relayed to this process's logger.

use std::time::Duration;

use aya_log::EbpfLogger;
use killer_common::names::P_CTL;

use super::programs::Programs;
use crate::keep::{KeepError, What};
use crate::sys::{bpf, clock};

/// Switches the programs' log on while it lives, and relays what they wrote. A lease, like everything that a
/// dead `killer` must not leave behind.
pub struct Relay<'a> {
    tracker: &'a Programs,
    logger: EbpfLogger<&'static dyn log::Log>,
}

impl std::fmt::Debug for Relay<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Relay")
    }
}

impl<'a> Relay<'a> {
    /// Finds the programs' ring buffer and switches their log on.
    pub fn start(tracker: &'a Programs) -> Result<Self, KeepError> {
        let prog = tracker.program(P_CTL).what("opening the on-demand program")?;
        let id = bpf::prog_info(prog).what("figures of the on-demand program")?.id();
        let logger = EbpfLogger::init_from_id_with_logger(id, log::logger())
            .map_err(|e| KeepError::Kernel(format!("a log of the programs: {e}")))?;
        let lease = Duration::from_secs(3600).as_nanos() as u64;
        tracker.log_until(clock::monotonic_ns() + lease).what("switching the programs' log on")?;
        Ok(Self { tracker, logger })
    }
}

impl Drop for Relay<'_> {
    fn drop(&mut self) {
        let _ = self.tracker.log_until(0);
        self.logger.flush();
    }
}
