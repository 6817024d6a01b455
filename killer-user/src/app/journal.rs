//! Each signal is logged in systemd's own words. By hand and without blocking: the log daemon may be the service
//! that is being killed, and a stopped one must not hold us.

use std::os::unix::net::UnixDatagram;

use crate::report::escape;
use crate::report::model::Receipt;

/// Above this many processes one line stands for the rest.
const LINES: usize = 32;
/// LOG_DAEMON | LOG_INFO
const PRIORITY: u32 = 3 << 3 | 6;

/// Writes the lines of a receipt to the system's log.
pub fn log(r: &Receipt) {
    let Ok(s) = UnixDatagram::unbound() else { return };
    if s.set_nonblocking(true).is_err() || s.connect("/dev/log").is_err() {
        return;
    }
    let stamp = jiff::Zoned::now().strftime("%b %e %H:%M:%S").to_string();
    let send = |text: &str| {
        let _ = s.send(format!("<{PRIORITY}>{stamp} killer[{}]: {text}", std::process::id()).as_bytes());
    };
    let sent: Vec<_> = r.targets.iter().filter(|p| p.result == "signalled").collect();
    for p in sent.iter().take(LINES) {
        let role = match (p.process.main, p.process.control) {
            (true, _) => "main process",
            (_, true) => "control process",
            _ => "process",
        };
        send(&format!(
            "{}: Sent signal {} to {role} {} ({}) on client request.",
            escape::text(&r.service),
            r.signal_name,
            p.process.pid,
            escape::text(&p.process.comm)
        ));
    }
    if sent.len() > LINES {
        send(&format!(
            "{}: Sent signal {} to {} more processes on client request.",
            escape::text(&r.service),
            r.signal_name,
            sent.len() - LINES
        ));
    }
}
