//! Ports and connections, from the tables of a network namespace.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use crate::sys::net_tables::address;

/// Tables, in the order in which they are read.
pub const TABLES: [&str; 4] = ["tcp", "tcp6", "udp", "udp6"];

/// `TCP_ESTABLISHED`, `TCP_LISTEN`, and a bound UDP socket (`TCP_CLOSE`): `include/net/tcp_states.h`
const ESTABLISHED: u8 = 1;
const LISTEN: u8 = 10;
const BOUND: u8 = 7;

/// One socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Which table it is from.
    pub table: &'static str,
    /// Its end.
    pub local: SocketAddr,
    /// The other end.
    pub remote: SocketAddr,
    state: u8,
    /// Its inode; 0: no process has it any more.
    pub inode: u64,
}

impl Row {
    /// Others can come to it.
    pub fn is_open(&self) -> bool {
        match self.table.starts_with("tcp") {
            true => self.state == LISTEN,
            false => self.state == BOUND,
        }
    }

    /// It is connected.
    pub fn is_connected(&self) -> bool {
        self.state == ESTABLISHED
    }

    /// An established connection that came to this port.
    pub fn takes(&self, other: &Row) -> bool {
        let tcp = |r: &Row| r.table.starts_with("tcp");
        let at = self.local.ip();
        other.is_connected()
            && tcp(self) == tcp(other)
            && self.local.port() == other.local.port()
            && (at.is_unspecified() || plain(at) == plain(other.local.ip()))
    }
}

/// An IPv4 address within IPv6 is that address.
fn plain(ip: IpAddr) -> IpAddr {
    ip.to_canonical()
}

/// The text of a table → its rows; what is none is left out.
pub fn rows(table: &'static str, text: &str) -> Vec<Row> {
    text.lines().skip(1).filter_map(|l| row(table, l)).collect()
}

fn row(table: &'static str, line: &str) -> Option<Row> {
    let mut words = line.split_ascii_whitespace().skip(1);
    let (local, remote) = (address(words.next()?)?, address(words.next()?)?);
    let state = u8::from_str_radix(words.next()?, 16).ok()?;
    let inode = words.nth(5)?.parse().ok()?;
    Some(Row { table, local, remote, state, inode })
}

/// The other end of each connection within one namespace: both ends → inode.
pub fn ends(rows: &[Row]) -> HashMap<(IpAddr, u16, IpAddr, u16), u64> {
    let key = |r: &Row| (plain(r.local.ip()), r.local.port(), plain(r.remote.ip()), r.remote.port());
    rows.iter().filter(|r| r.is_connected()).map(|r| (key(r), r.inode)).collect()
}

/// Where the other end of a row is in [`ends`].
pub fn other(r: &Row) -> (IpAddr, u16, IpAddr, u16) {
    (plain(r.remote.ip()), r.remote.port(), plain(r.local.ip()), r.local.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 100 1 0 100 0 0 10 0
   1: 0100007F:1F90 0100007F:C000 01 00000000:00000000 00:00000000 00000000     0        0 101 1 0 20 4 30 10 -1
   2: 0100007F:C000 0100007F:1F90 01 00000000:00000000 00:00000000 00000000     0        0 102 1 0 20 4 30 10 -1
   3: garbage
";

    #[test]
    #[cfg(target_endian = "little")]
    fn a_table() {
        let r = rows("tcp", TEXT);
        assert_eq!(r.len(), 3);
        assert!(r[0].is_open() && r[0].takes(&r[1]) && !r[0].takes(&r[2]) && !r[0].takes(&r[0]));
        assert_eq!((r[1].local.to_string(), r[1].inode), ("127.0.0.1:8080".into(), 101));
        assert_eq!(ends(&r).get(&other(&r[1])), Some(&102));
        let six = "h\n 0: 0000000000000000FFFF00000100007F:0050 00000000000000000000000000000000:0000 0A 0:0 0:0 0 0 0 7\n";
        let r = rows("tcp6", six);
        assert_eq!(
            (r[0].local.to_string(), plain(r[0].local.ip()).to_string()),
            ("[::ffff:127.0.0.1]:80".into(), "127.0.0.1".into())
        );
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_a_table(text in ".{0,200}", line in "[ 0-9A-F:]{0,80}") {
            rows("udp", &text);
            rows("tcp6", &format!("h\n{line}\n"));
        }
    }
}
