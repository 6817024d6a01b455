//! Addresses in the tables of /proc/net.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// `0100007F:1F90`: words of the address as this machine has them, and the port.
pub fn address(text: &str) -> Option<SocketAddr> {
    let (ip, port) = text.split_once(':')?;
    let word = |at: usize| u32::from_str_radix(ip.get(at..at + 8)?, 16).ok().map(u32::to_ne_bytes);
    let ip = match ip.len() {
        8 => IpAddr::from(Ipv4Addr::from(word(0)?)),
        32 => {
            let mut all = [0; 16];
            for (i, four) in all.chunks_mut(4).enumerate() {
                four.copy_from_slice(&word(8 * i)?);
            }
            IpAddr::from(Ipv6Addr::from(all))
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, u16::from_str_radix(port, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn addresses() {
        let shown = |text| address(text).map(|a| a.to_string());
        assert_eq!(shown("0100007F:1F90").as_deref(), Some("127.0.0.1:8080"));
        assert_eq!(shown("00000000000000000000000001000000:0016").as_deref(), Some("[::1]:22"));
        for bad in ["", ":", "0100007F", "0100007F:", "x100007F:1", "01:1", "é100007:1"] {
            assert_eq!(shown(bad), None, "{bad}");
        }
    }
}
