//! SHA-256 as text.

use sha2::{Digest, Sha256};

/// What stands before the first line.
pub const NOTHING: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Of some bytes, in hexadecimal.
pub fn of(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Bytes in hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut s, b| {
        let _ = write!(s, "{b:02x}");
        s
    })
}

/// The bytes that such a text stands for.
pub fn bytes<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let digit = |b: u8| char::from(b).to_digit(16).filter(|_| !b.is_ascii_uppercase());
    let mut out = [0; N];
    if text.len() != 2 * N {
        return None;
    }
    for (o, pair) in out.iter_mut().zip(text.chunks(2)) {
        *o = (digit(pair[0])? << 4 | digit(pair[1])?) as u8;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        assert_eq!(of(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(bytes::<3>(hex(&[0, 0xff, 0x1a]).as_bytes()), Some([0, 0xff, 0x1a]));
        for t in ["", "00", "00ff1", "00ff1A", "00ff1g", "00ff1a00"] {
            assert_eq!(bytes::<3>(t.as_bytes()), None, "{t}");
        }
    }
}
