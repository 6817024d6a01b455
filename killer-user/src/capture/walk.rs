//! A capture entry by entry, as strict as it was written: every byte that is not a part's own has one value only. It reads files that
//! anybody may have made: nothing is believed, and nothing is kept that a header asks for.

use std::io::{self, Read};

use sha2::{Digest, Sha256};
use tar::{EntryType, Header};

use super::archive::header;
use super::sparse::BLOCK;

/// What is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// It ends too soon.
    Short(String),
    /// It is not as it was written.
    Changed(String),
    /// It cannot be read.
    Unread(String),
}

/// An entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub path: String,
    /// Its bytes.
    pub size: u64,
    /// It is the extended header of the next one.
    pub extends: bool,
}

/// A file that is read once, from its beginning to its end.
pub struct Walk<R: Read> {
    from: R,
    whole: Sha256,
    /// Bytes read.
    pub read: u64,
    left: u64,
    pad: u64,
    seconds: Option<u64>,
    last: String,
}

/// True for a name that is made by a capture.
fn is_name(path: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    let word = |w: &str| !w.is_empty() && !w.starts_with('.') && w.chars().all(plain);
    path.len() <= 100 && path.split('/').all(word)
}

impl<R: Read> Walk<R> {
    /// Of a file.
    pub fn new(from: R) -> Self {
        Self { from, whole: Sha256::new(), read: 0, left: 0, pad: 0, seconds: None, last: String::new() }
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<usize, Wrong> {
        let mut at = 0;
        while at < bytes.len() {
            match self.from.read(&mut bytes[at..]) {
                Ok(0) => break,
                Ok(n) => at += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if e.kind() == io::ErrorKind::InvalidData => {
                    return Err(Wrong::Changed(e.to_string()));
                }
                Err(e) => return Err(Wrong::Unread(e.to_string())),
            }
        }
        self.whole.update(&bytes[..at]);
        self.read += at as u64;
        Ok(at)
    }

    fn short(&self) -> Wrong {
        match self.last.is_empty() {
            true => Wrong::Short("it ends within its first entry".into()),
            false => Wrong::Short(format!("it ends within or after '{}'", self.last)),
        }
    }

    /// The next entry; `None` at the end, behind which nothing stands. What was not read of the last one is passed over.
    pub fn next(&mut self) -> Result<Option<Entry>, Wrong> {
        let mut rest = [0; 1 << 16];
        while self.data(&mut rest)? > 0 {}
        let mut block = [0; BLOCK as usize];
        let pad = std::mem::take(&mut self.pad) as usize;
        if self.fill(&mut block[..pad])? < pad {
            return Err(self.short());
        }
        if block[..pad].iter().any(|b| *b != 0) {
            return Err(Wrong::Changed(format!("there is something behind '{}'", self.last)));
        }
        match self.fill(&mut block)? as u64 {
            BLOCK => {}
            _ => return Err(self.short()),
        }
        if block.iter().all(|b| *b == 0) {
            return self.end();
        }
        let e = self.entry(&block)?;
        (self.left, self.pad) = (e.size, (BLOCK - e.size % BLOCK) % BLOCK);
        self.last.clone_from(&e.path);
        Ok(Some(e))
    }

    fn entry(&mut self, block: &[u8; BLOCK as usize]) -> Result<Entry, Wrong> {
        let wrong =
            || Wrong::Changed("the header behind '".to_owned() + &self.last + "' is not one of a capture");
        let h = Header::from_byte_slice(block);
        let path = h.path_bytes();
        let path = str::from_utf8(&path).ok().filter(|p| is_name(p)).ok_or_else(wrong)?;
        let size = h.entry_size().ok().filter(|s| *s <= i64::MAX as u64).ok_or_else(wrong)?;
        let seconds = h.mtime().map_err(|_| wrong())?;
        let extends = h.entry_type() == EntryType::XHeader;
        let kind = if extends { EntryType::XHeader } else { EntryType::Regular };
        let same = header(path, size, kind, seconds).is_ok_and(|made| made.as_bytes() == block);
        if !same || self.seconds.is_some_and(|s| s != seconds) {
            return Err(wrong());
        }
        self.seconds = Some(seconds);
        Ok(Entry { path: path.to_owned(), size, extends })
    }

    fn end(&mut self) -> Result<Option<Entry>, Wrong> {
        let mut block = [1; BLOCK as usize];
        match self.fill(&mut block)? as u64 {
            BLOCK if block.iter().all(|b| *b == 0) => {}
            BLOCK => return Err(Wrong::Changed(format!("there is something behind '{}'", self.last))),
            _ => return Err(self.short()),
        }
        match self.fill(&mut block[..1])? {
            0 => Ok(None),
            _ => Err(Wrong::Changed("there is something behind the end".into())),
        }
    }

    /// Some bytes of the entry; 0 at its end.
    pub fn data(&mut self, bytes: &mut [u8]) -> Result<usize, Wrong> {
        let n = self.left.min(bytes.len() as u64) as usize;
        if n > 0 && self.fill(&mut bytes[..n])? < n {
            return Err(self.short());
        }
        self.left -= n as u64;
        Ok(n)
    }

    /// All of the entry, where that is not more than so many bytes.
    pub fn text(&mut self, most: u64) -> Result<Vec<u8>, Wrong> {
        if self.left > most {
            return Err(Wrong::Changed(format!("'{}' is too large", self.last)));
        }
        let mut all = vec![0; self.left as usize];
        self.data(&mut all)?;
        Ok(all)
    }

    /// Reads the rest, whatever it is: bytes and digest of the file.
    pub fn finish(mut self) -> Result<(u64, String), Wrong> {
        let mut rest = [0; 1 << 16];
        while self.fill(&mut rest)? > 0 {}
        Ok((self.read, crate::ledger::hex(&self.whole.finalize())))
    }
}
