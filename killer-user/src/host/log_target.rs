//! Where the output of a detached CMD goes: a file, or the system's log through a small process of ours.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use super::failure::Failure;
use crate::ask::Log;
use crate::ending::Ending;
use crate::sys::{daemon, supervise};

/// The socket of the system's log.
const SOCKET: &str = "/dev/log";
/// LOG_DAEMON | LOG_INFO
const PRIORITY: u32 = 3 << 3 | 6;
/// A line that is longer goes in pieces: what RFC 3164 allows, and a little for what stands before.
const LINE: usize = 960;

/// Opens it before anything is started, so that an error is told.
pub fn open(log: &Log, service: &str) -> Result<OwnedFd, Failure> {
    match log {
        Log::File(path) => file(path),
        Log::Syslog => syslog(service),
    }
}

fn file(path: &Path) -> Result<OwnedFd, Failure> {
    let failed = |e: std::io::Error| {
        let f = Failure::new(Ending::NotStarted, format!("cannot open the log {}", path.display()));
        match e.raw_os_error() {
            Some(libc::ENXIO) => f.why("it is a FIFO that nobody reads, or a socket"),
            _ => f.why(e.to_string()),
        }
        .next("nothing was started; give --log a file that can be written")
    };
    // Without O_NONBLOCK a FIFO would hold us until somebody reads it.
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = File::options().append(true).create(true).mode(0o640).custom_flags(flags).open(path);
    let file = file.map_err(failed)?;
    let flags = rustix::fs::fcntl_getfl(&file).map_err(|e| failed(e.into()))?;
    rustix::fs::fcntl_setfl(&file, flags - rustix::fs::OFlags::NONBLOCK).map_err(|e| failed(e.into()))?;
    Ok(file.into())
}

fn connect() -> std::io::Result<UnixDatagram> {
    let s = UnixDatagram::unbound()?;
    s.connect(SOCKET)?;
    Ok(s)
}

/// The write end of a pipe whose lines a process of ours brings there, until every process that could write is gone.
fn syslog(service: &str) -> Result<OwnedFd, Failure> {
    let failed = |e: std::io::Error| {
        Failure::new(Ending::NotStarted, format!("cannot reach the system's log at {SOCKET}"))
            .why(e.to_string())
            .next("nothing was started; start a log daemon, or give --log a file")
    };
    drop(connect().map_err(failed)?);
    let (from, to) = supervise::pipe().map_err(failed)?;
    daemon::aside(Some(&from), || relay(&from, &tag(service))).map_err(failed)?;
    Ok(to)
}

/// What log daemons take for a tag ends at a space, a colon or a bracket.
fn tag(service: &str) -> String {
    let plain = |c: char| c.is_ascii_graphic() && !matches!(c, ':' | '[' | ']');
    service.chars().map(|c| if plain(c) { c } else { '_' }).collect()
}

/// The life of that process.
fn relay(from: &OwnedFd, tag: &str) {
    let Ok(from) = from.try_clone() else { return };
    let mut from = File::from(from);
    let mut socket = None;
    let mut send = |line: &[u8]| {
        let stamp = jiff::Zoned::now().strftime("%b %e %H:%M:%S").to_string();
        let mut text = format!("<{PRIORITY}>{stamp} {tag}: ").into_bytes();
        text.extend_from_slice(line);
        // The daemon may have been started again meanwhile, and then has another socket. While there is none, lines
        // are lost, and CMD is not held up.
        for _ in 0..2 {
            if socket.is_none() {
                socket = connect().ok();
            }
            match socket.as_ref().map(|s| s.send(&text)) {
                Some(Ok(_)) => return,
                _ => socket = None,
            }
        }
    };
    let (mut buf, mut line) = ([0; 4096], Vec::new());
    while let Ok(n @ 1..) = from.read(&mut buf) {
        for &b in &buf[..n] {
            if b == b'\n' || line.len() >= LINE {
                if !line.is_empty() {
                    send(&line);
                }
                line.clear();
            }
            if b != b'\n' {
                line.push(b);
            }
        }
    }
    if !line.is_empty() {
        send(&line);
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn tags() {
        assert_eq!(super::tag("web-1.b"), "web-1.b");
        assert_eq!(super::tag("a b:c[1]\n\u{e4}"), "a_b_c_1___");
    }
}
