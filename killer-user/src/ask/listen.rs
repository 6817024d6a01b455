//! Where somebody can ask: an address of this host, or a socket in its file system.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// An address, with a port.
    Tcp(SocketAddr),
    /// A socket's absolute path.
    Unix(PathBuf),
}

/// Parses `unix:PATH`, `PORT` (of this host alone), `ADDRESS:PORT`. The error is text.
pub fn parse(text: &str) -> Result<Listen, String> {
    let wrong = || format!("bad place '{}' to listen at", text.escape_debug());
    if let Some(path) = text.strip_prefix("unix:") {
        let path = PathBuf::from(path);
        return if path.is_absolute() && path.file_name().is_some() {
            Ok(Listen::Unix(path))
        } else {
            Err(wrong())
        };
    }
    let text = match text.strip_prefix("localhost:") {
        Some(port) => port,
        None => text,
    };
    let address = match text.bytes().all(|b| b.is_ascii_digit()) {
        true => text.parse().ok().map(|port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)),
        false => text.parse().ok(),
    };
    address.filter(|a| a.port() != 0).map(Listen::Tcp).ok_or_else(wrong)
}

impl std::fmt::Display for Listen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "http://{address}/metrics"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places() {
        for (text, is) in [
            ("9101", "http://127.0.0.1:9101/metrics"),
            ("localhost:9101", "http://127.0.0.1:9101/metrics"),
            ("127.0.0.1:1", "http://127.0.0.1:1/metrics"),
            ("0.0.0.0:80", "http://0.0.0.0:80/metrics"),
            ("[::1]:9101", "http://[::1]:9101/metrics"),
            ("unix:/run/killer/metrics.sock", "unix:/run/killer/metrics.sock"),
        ] {
            assert_eq!(parse(text).map(|p| p.to_string()).as_deref(), Ok(is), "{text}");
        }
        for text in
            ["", "0", "65536", "unix:", "unix:x", "unix:/", "::1", "host:80", "1.2.3.4", ":80", "\x1b"]
        {
            assert!(parse(text).is_err_and(|e| !e.contains('\x1b')), "{text:?}");
        }
    }
}
