//! Everything that is compared runs at one priority, above what else the machine does.

use std::process::{Command, Stdio};

/// Gives this process and all that it starts the lowest real-time priority (`SCHED_RR` 1); false where that is not to be
/// had. The kernel keeps 5 % of each second for others (`sched_rt_runtime_us`).
pub fn raise() -> bool {
    let mut chrt = Command::new("chrt");
    chrt.args(["-r", "-p", "1", &std::process::id().to_string()]);
    chrt.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|s| s.success())
}

/// In words, for the head of a table.
pub fn words(raised: bool) -> &'static str {
    if raised {
        "everything at `SCHED_RR` 1"
    } else {
        "at the usual priority (`chrt` is not there, or was refused)"
    }
}
