//! What a supervisor says to the `killer` that started it: one line, how the start went.

use std::io::{self, Read};

use crate::sys::launch::{Spawned, Step};

/// As a line.
pub fn encode(r: &io::Result<Spawned>) -> String {
    let number = |e: &io::Error| e.raw_os_error().unwrap_or(0);
    match r {
        Ok(Ok(pid)) => format!("started {pid}\n"),
        Ok(Err((step, e))) => format!("child {} {}\n", *step as u32, number(e)),
        Err(e) if number(e) != 0 => format!("error {}\n", number(e)),
        Err(e) => format!("says {}\n", e.to_string().replace('\n', " ")),
    }
}

/// The outer error is the supervisor's own.
pub fn decode(line: &str) -> io::Result<Spawned> {
    let mut words = line.split_whitespace();
    let kind = words.next().unwrap_or_default();
    let numbers: Vec<i32> = words.filter_map(|w| w.parse().ok()).collect();
    match (kind, &numbers[..]) {
        ("started", [pid]) => Ok(Ok(*pid)),
        ("child", [step, errno]) => {
            let step = if *step == Step::Ids as i32 { Step::Ids } else { Step::Exec };
            Ok(Err((step, io::Error::from_raw_os_error(*errno))))
        }
        ("error", [errno]) => Err(io::Error::from_raw_os_error(*errno)),
        ("says", _) => Err(io::Error::other(line["says ".len()..].to_owned())),
        _ => Err(io::Error::other("the supervisor died before it had started anything")),
    }
}

/// Reads one line and nothing behind it.
pub fn line(from: &mut std::fs::File) -> io::Result<String> {
    let mut text = Vec::new();
    let mut byte = [0];
    while text.len() < 4096 && from.read(&mut byte)? == 1 && byte[0] != b'\n' {
        text.push(byte[0]);
    }
    Ok(String::from_utf8_lossy(&text).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        let back = |r| decode(encode(&r).trim_end());
        assert!(matches!(back(Ok(Ok(17))), Ok(Ok(17))));
        let e = || io::Error::from_raw_os_error(libc::ENOENT);
        assert!(
            matches!(back(Ok(Err((Step::Ids, e())))), Ok(Err((Step::Ids, x))) if x.raw_os_error() == Some(2))
        );
        assert_eq!(back(Err(e())).unwrap_err().raw_os_error(), Some(2));
        assert_eq!(back(Err(io::Error::other("a b"))).unwrap_err().to_string(), "a b");
        assert!(decode("").is_err());
    }
}
