//! The end of a file: its last whole line, and what a crash has left behind it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::digest;
use super::line::{self, Next, Read};

/// What is read at once; of a long line as much as is there already, so that each byte is moved twice at most.
const PIECE: u64 = 8 * 1024;
/// No line of the ledger has more bytes.
pub const LONGEST: u64 = 32 * 1024 * 1024;

/// How a file ends.
#[derive(Debug)]
pub struct Tail {
    /// The place of the line that comes next, after the last whole one.
    pub next: Next,
    /// The line that was cut; empty: none was.
    pub cut: Vec<u8>,
    /// Bytes of the file.
    pub size: u64,
}

impl Tail {
    /// Of a ledger without any line.
    pub fn nothing() -> Self {
        Self { next: Next { number: 1, prev: digest::NOTHING.into() }, cut: Vec::new(), size: 0 }
    }
}

/// Reads it; `None`: the file is empty.
///
/// # Errors
/// The kernel's, or nothing in it tells where the next line stands.
pub fn of(file: &File) -> io::Result<Option<Tail>> {
    let size = file.metadata()?.len();
    if size == 0 {
        return Ok(None);
    }
    let mut end = Backwards { file, from: size, bytes: Vec::new() };
    // Behind the last newline stands what was cut.
    let cut = match end.newline(size)? {
        Some(at) => end.between(at + 1, size).to_vec(),
        None => end.between(0, size).to_vec(),
    };
    let mut to = size - cut.len() as u64;
    // A line that nobody of ours has written is left as it is; it is the number that is looked for behind it.
    let (mut last, mut behind): (Option<Vec<u8>>, u64) = (None, 0);
    while to > 0 {
        let begin = end.newline(to - 1)?.map_or(0, |at| at + 1);
        let text = end.between(begin, to - 1).to_vec();
        let known = line::read(&text);
        let first = last.get_or_insert(text);
        if let Ok(Read::Whole(h) | Read::Torn(h, _)) = known {
            let next = Next::after(h.number.saturating_add(behind), first);
            return Ok(Some(Tail { next, cut, size }));
        }
        behind += 1;
        to = begin;
    }
    match last {
        None => Ok(Some(Tail { cut, size, ..Tail::nothing() })),
        Some(first) => Ok(Some(Tail { next: Next::after(behind, &first), cut, size })),
    }
}

/// A file that is read from its end.
struct Backwards<'f> {
    file: &'f File,
    /// Where `bytes` begin.
    from: u64,
    bytes: Vec<u8>,
}

impl Backwards<'_> {
    /// The last newline before `to`.
    fn newline(&mut self, to: u64) -> io::Result<Option<u64>> {
        let mut to = to;
        loop {
            let known = &self.bytes[..to.saturating_sub(self.from) as usize];
            if let Some(at) = known.iter().rposition(|b| *b == b'\n') {
                return Ok(Some(self.from + at as u64));
            }
            if self.from == 0 {
                return Ok(None);
            }
            to = self.from;
            self.more()?;
        }
    }

    fn more(&mut self) -> io::Result<()> {
        if self.bytes.len() as u64 > LONGEST {
            return Err(io::Error::other("its last line is longer than any receipt"));
        }
        let piece = PIECE.max(self.bytes.len() as u64).min(self.from);
        let mut bytes = vec![0; piece as usize];
        self.file.read_exact_at(&mut bytes, self.from - piece)?;
        bytes.append(&mut self.bytes);
        (self.bytes, self.from) = (bytes, self.from - piece);
        Ok(())
    }

    /// What was read already.
    fn between(&self, from: u64, to: u64) -> &[u8] {
        &self.bytes[(from - self.from) as usize..(to - self.from) as usize]
    }
}
