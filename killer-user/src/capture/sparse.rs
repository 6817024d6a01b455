//! GNU's sparse format 1.0, as GNU tar, bsdtar and Python read it: an extended header names the size, and the data begin with
//! a map of where they belong.

/// A block of a tar file.
pub const BLOCK: u64 = 512;

/// Data of a file: offset and length.
pub type Extent = (u64, u64);

fn pax_line(key: &str, value: &str) -> String {
    let rest = key.len() + value.len() + 3;
    let mut n = rest + 1;
    while n.to_string().len() + rest != n {
        n = n.to_string().len() + rest;
    }
    format!("{n} {key}={value}\n")
}

/// The extended header of a sparse part.
pub fn pax(path: &str, real: u64) -> Vec<u8> {
    let real = real.to_string();
    let lines = [("major", "1"), ("minor", "0"), ("name", path), ("realsize", &real)];
    lines.map(|(k, v)| pax_line(&format!("GNU.sparse.{k}"), v)).concat().into_bytes()
}

/// The map before the data. A hole at the end is an extent of none.
pub fn map(extents: &[Extent], real: u64) -> Vec<u8> {
    let end = extents.last().map_or(0, |(at, n)| at + n);
    let last = (end < real).then_some((real, 0));
    let all: Vec<Extent> = extents.iter().copied().chain(last).collect();
    let mut text = format!("{}\n", all.len());
    all.iter().for_each(|(at, n)| text.push_str(&format!("{at}\n{n}\n")));
    let mut bytes = text.into_bytes();
    bytes.resize(bytes.len().next_multiple_of(BLOCK as usize), 0);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_count_themselves() {
        assert_eq!(pax_line("GNU.sparse.major", "1"), "22 GNU.sparse.major=1\n");
        for n in 0..200 {
            let line = pax_line("k", &"x".repeat(n));
            assert_eq!(line.split(' ').next().expect("a number"), line.len().to_string());
        }
    }

    #[test]
    fn a_map_is_whole_blocks() {
        let m = map(&[(0, 4096), (8192, 1)], 1 << 40);
        assert_eq!(m.len() % 512, 0);
        assert!(m.starts_with(b"3\n0\n4096\n8192\n1\n1099511627776\n0\n\0"));
        assert!(map(&[(0, 5)], 5).starts_with(b"1\n0\n5\n\0"));
    }
}
