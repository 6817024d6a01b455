//! Sockets: the tables of a network namespace, once, and whose a socket is.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::time::Duration;

use serde::Serialize;

use super::reader::Reader;
use super::reader::words;
use crate::sys::net_tables::address;
use crate::sys::unix_peers;

/// Tables that are kept as they are.
const TABLES: [&str; 16] = [
    "tcp",
    "tcp6",
    "udp",
    "udp6",
    "udplite",
    "udplite6",
    "raw",
    "raw6",
    "icmp",
    "icmp6",
    "unix",
    "packet",
    "netlink",
    "route",
    "ipv6_route",
    "dev",
];
/// So many sockets of a table are looked through.
const MOST: usize = 1 << 20;

/// `network/NAMESPACE/TABLE`
pub fn network(r: &mut Reader<'_>) -> io::Result<()> {
    let Ok(space) = r.entry.link("ns/net") else {
        return r.left_out("net", "its network namespace cannot be read");
    };
    let number: String = space.to_string_lossy().chars().filter(char::is_ascii_digit).collect();
    for (n, table) in TABLES.iter().enumerate() {
        let path = format!("network/{number}/{table}");
        if r.has(&path) || !r.looks(n as u64, &path)? {
            continue;
        }
        match r
            .entry
            .open_file(&format!("net/{table}"))
            .and_then(|fd| super::reader::bounded(fd, super::reader::TEXT))
        {
            Ok((bytes, whole)) => {
                if !whole {
                    r.left_out(&format!("net/{table}"), "cut")?;
                }
                r.part(&path, &bytes)?;
            }
            // Not every kernel has every protocol.
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => r.left_out(&format!("net/{table}"), &words(&e))?,
        }
    }
    Ok(())
}

/// A socket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Socket {
    /// `tcp`, `udp6`, `unix`.
    pub protocol: &'static str,
    /// Its own address, or path.
    pub local: String,
    /// Its peer's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remote: Option<String>,
    /// As the kernel numbers it.
    pub state: String,
    /// Inode of the UNIX socket that it is connected to: whose that is, the descriptors of the others say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer: Option<u64>,
}

/// So long the kernel may take to tell which UNIX sockets are connected.
const PEERS: Duration = Duration::from_secs(2);

/// Sockets of the network namespace by their inodes.
pub fn sockets(r: &Reader<'_>) -> HashMap<u64, Socket> {
    let mut all = HashMap::new();
    for (table, inode) in
        [("tcp", 9), ("tcp6", 9), ("udp", 9), ("udp6", 9), ("raw", 9), ("raw6", 9), ("unix", 6)]
    {
        let Ok(fd) = r.entry.open_file(&format!("net/{table}")) else { continue };
        let mut lines = BufReader::new(File::from(fd)).split(b'\n').skip(1).take(MOST);
        while let Some(Ok(line)) = lines.next() {
            let line = String::from_utf8_lossy(&line).into_owned();
            let words: Vec<&str> = line.split_ascii_whitespace().collect();
            if let Some(Ok(inode)) = words.get(inode).map(|w| w.parse::<u64>())
                && let Some(s) = socket(table, &words)
            {
                all.insert(inode, s);
            }
        }
    }
    for (inode, peer) in unix_peers::of(&r.entry, PEERS).unwrap_or_default() {
        if let Some(s) = all.get_mut(&inode) {
            s.peer = Some(peer);
        }
    }
    all
}

fn socket(table: &'static str, words: &[&str]) -> Option<Socket> {
    if table == "unix" {
        let local = words.get(7..).unwrap_or_default().join(" ");
        return Some(Socket {
            protocol: table,
            local,
            remote: None,
            state: (*words.get(5)?).into(),
            peer: None,
        });
    }
    let (local, remote) = (address(words.get(1)?)?.to_string(), address(words.get(2)?)?.to_string());
    Some(Socket { protocol: table, local, remote: Some(remote), state: (*words.get(3)?).into(), peer: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows() {
        let line = "0: 0100007F:1F90 0200007F:0050 01 00000000:00000000 00:00000000 00000000 0 0 77 1";
        let words: Vec<&str> = line.split(' ').collect();
        let s = socket("tcp", &words).expect("a socket");
        assert_eq!((s.local.as_str(), s.remote.as_deref()), ("127.0.0.1:8080", Some("127.0.0.2:80")));
        assert_eq!(socket("tcp", &["0:"]), None);
        assert_eq!(
            socket("unix", &["n:", "2", "0", "0", "1", "03", "7", "@a", "b"]).expect("one").local,
            "@a b"
        );
    }
}
