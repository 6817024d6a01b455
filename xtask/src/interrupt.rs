//! Ctrl-C ends a demo or a benchmark between two steps, so that it can tidy up.

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Result, bail};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

const ENDS: [i32; 3] = [SIGINT, SIGTERM, SIGHUP];

static ASKED: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// From here on INT, TERM and HUP are only noted.
pub fn catch() -> Result<()> {
    let asked = ASKED.get_or_init(Arc::default);
    for signal in ENDS {
        flag::register(signal, asked.clone())?;
    }
    Ok(())
}

/// An error once one of them has come.
pub fn check() -> Result<()> {
    if ASKED.get().is_some_and(|a| a.load(Ordering::Relaxed)) {
        bail!("interrupted");
    }
    Ok(())
}

/// While it lives INT, TERM and HUP do nothing to us; programs that we start take them as ever.
#[derive(Debug)]
pub struct Deaf {
    over: Arc<AtomicBool>,
}

impl Deaf {
    /// From here on.
    pub fn now() -> Result<Self> {
        let over = Arc::default();
        for signal in ENDS {
            flag::register_conditional_default(signal, Arc::clone(&over))?;
        }
        Ok(Self { over })
    }
}

impl Drop for Deaf {
    fn drop(&mut self) {
        // A child that catches them keeps doing so, else they end us again.
        self.over.store(ASKED.get().is_none(), Ordering::Relaxed);
    }
}
