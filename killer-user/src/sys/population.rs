//! How many processes live on this host, as /proc shows them: without kernel threads, and without those that have ended and are
//! only not reaped yet. No service can have either among its members.

use std::io;

use procfs::FromRead;
use procfs::process::Stat;

use super::entry;

/// `PF_KTHREAD`, `include/linux/sched.h`
const KERNEL_THREAD: u32 = 0x0020_0000;

/// Counts them.
///
/// # Errors
/// /proc hides some of them, or cannot be read.
pub fn live() -> io::Result<u64> {
    let all = entry::everybody()?;
    // Where others are hidden, the init is.
    if !all.contains(&1) {
        return Err(io::Error::other("/proc hides processes of others (hidepid=)"));
    }
    let mut live = 0;
    for pid in all {
        match entry::record(&format!("{pid}/stat")) {
            Ok(bytes) => {
                let s = Stat::from_read(&bytes[..]).map_err(io::Error::other)?;
                let counts = s.flags & KERNEL_THREAD == 0 && !matches!(s.state, 'Z' | 'X' | 'x');
                live += u64::from(counts);
            }
            Err(e) if entry::over(&e) => {}
            Err(e) => return Err(io::Error::new(e.kind(), format!("process {pid} cannot be read: {e}"))),
        }
    }
    Ok(live)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_live() {
        let some = live().expect("a count");
        assert!(some >= 1 && some <= entry::everybody().expect("all").len() as u64, "{some}");
    }
}
