//! Each signal is logged in systemd's own words, and what did not go well in the terminal's. By hand and without blocking: the log daemon may be the service
//! that is being killed, and a stopped one must not hold us.

use std::os::unix::net::UnixDatagram;

use rustix::net::{AddressFamily, SocketFlags, SocketType};

use super::failure::Failure;
use crate::report::model::{Receipt, UnstickStep};
use crate::report::{escape, human};

/// Above this many processes one line stands for the rest.
const LINES: usize = 32;
/// LOG_DAEMON | LOG_INFO
const INFO: u32 = 3 << 3 | 6;
/// LOG_DAEMON | LOG_WARNING
const WARNING: u32 = 3 << 3 | 4;

/// The system's log, where there is one.
struct Log(UnixDatagram, String);

impl Log {
    fn open() -> Option<Log> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let s = rustix::net::socket_with(AddressFamily::UNIX, SocketType::DGRAM, flags, None).ok()?;
        let s = UnixDatagram::from(s);
        s.connect("/dev/log").ok()?;
        Some(Log(s, jiff::Zoned::now().strftime("%b %e %H:%M:%S").to_string()))
    }

    fn send(&self, priority: u32, text: &str) {
        let line = format!("<{priority}>{} killer[{}]: {text}", self.1, std::process::id());
        let _ = self.0.send(line.as_bytes());
    }
}

/// What did not go well: the ending as the receipt has it, and the words of the terminal.
pub fn judgement(service: &str, f: &Failure) {
    let Some(log) = Log::open() else { return };
    let what = f.what.strip_prefix(&format!("'{service}': ")).unwrap_or(&f.what);
    let why = f.why.as_ref().map_or(String::new(), |w| format!(": {w}"));
    let ending = match f.ending.is_good() {
        true => String::new(),
        false => format!("{} ({}): ", f.ending.word(), f.ending.code()),
    };
    let text = escape::cut(&format!("{ending}{what}{why}"), 700);
    log.send(WARNING, &format!("{}: {text}", escape::text(service)));
}

/// The receipt of it, with the head of the ledger: whoever keeps the log elsewhere can tell later whether the ledger was cut.
pub fn kept(service: &str, id: &str, head: &str) {
    let Some(log) = Log::open() else { return };
    log.send(INFO, &format!("{}: Kept receipt {id}, head {head}.", escape::text(service)));
}

/// What was done so that survivors end, a line each.
pub fn unstuck(service: &str, steps: &[UnstickStep]) {
    let done = steps.iter().filter(|s| s.done);
    let Some(log) = Log::open() else { return };
    for s in done.take(LINES) {
        let text = escape::cut(&human::in_brief(s), 700);
        log.send(INFO, &format!("{}: Let survivors end: {text}.", escape::text(service)));
    }
}

/// The signals of a receipt.
pub fn signals(r: &Receipt) {
    let Some(log) = Log::open() else { return };
    let send = |text: &str| log.send(INFO, text);
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
