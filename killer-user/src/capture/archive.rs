//! The file: a plain tar (ustar) whose entries are parts, and every now and then a record of the parts since the last one. Records
//! form a chain, which the manifest ends. Names of entries are made here, never from what a member can choose.

use std::io::{self, Write};

use sha2::{Digest, Sha256};
use tar::{EntryType, Header};

use super::sparse::{self, BLOCK};
use crate::ledger::hex;
use crate::report::model::CapturePart;
use crate::sys::clock;

/// The first entry.
pub const HEAD: &str = "capture.json";
/// The last entry but for its own digest.
pub const MANIFEST: &str = "manifest.json";
/// Behind it: its digest, as sha256sum has it.
pub const SEAL: &str = "manifest.json.sha256";
/// Where records are.
pub const RECORDS: &str = "records/";
/// So many bytes of parts have no record at most, but for one part.
const RECORD_EVERY: u64 = 1 << 20;
/// The same for the number of parts.
pub const RECORD_PARTS: usize = 1000;

/// Name of a record.
pub fn record_name(n: u64) -> String {
    format!("{RECORDS}{n:08}.ndjson")
}

/// The first line of a record.
pub fn record_head(n: u64, previous: &str) -> String {
    format!("{{\"record\":{n},\"previous\":\"{previous}\"}}\n")
}

/// What stands behind a manifest.
pub fn seal_text(manifest: &[u8]) -> String {
    format!("{}  {MANIFEST}\n", hex(&Sha256::digest(manifest)))
}

/// A header as every entry here has it.
pub fn header(path: &str, size: u64, kind: EntryType, seconds: u64) -> io::Result<Header> {
    let mut h = Header::new_ustar();
    h.set_path(path)?;
    h.set_entry_type(kind);
    h.set_size(size);
    h.set_mode(0o400);
    h.set_uid(0);
    h.set_gid(0);
    h.set_mtime(seconds);
    h.set_cksum();
    Ok(h)
}

/// Where a capture is written.
pub trait Sink: Write {
    /// Writes over what was written.
    fn rewrite(&mut self, at: u64, bytes: &[u8]) -> io::Result<()>;
    /// Reads all of it again, as it lies there.
    fn again(&mut self, each: &mut dyn FnMut(&[u8])) -> io::Result<()>;
    /// Writes what may be written over until this is called again.
    fn fixed(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)
    }
    /// What lies there is not what was written.
    fn packs(&self) -> bool {
        false
    }
}

#[cfg(test)]
impl Sink for Vec<u8> {
    fn rewrite(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self[at as usize..][..bytes.len()].copy_from_slice(bytes);
        Ok(())
    }

    fn again(&mut self, each: &mut dyn FnMut(&[u8])) -> io::Result<()> {
        each(self);
        Ok(())
    }
}

/// The part that is being written.
#[derive(Debug)]
struct Open {
    path: String,
    size: u64,
    left: u64,
    sparse: Option<u64>,
    at: u64,
    header: u64,
    digest: Sha256,
}

/// Writes a capture.
pub struct Archive<W: Sink> {
    out: W,
    /// Of all that was written; `None`: some of it was written over, or it is packed.
    whole: Option<Sha256>,
    written: u64,
    seconds: u64,
    open: Option<Open>,
    pending: Vec<CapturePart>,
    pending_bytes: u64,
    /// Records so far.
    pub records: u64,
    /// Digest of the last one.
    pub last_record: String,
    /// Parts so far.
    pub parts: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl<W: Sink> Archive<W> {
    /// Into this file, with this time (seconds since 1970) at every entry.
    pub fn new(out: W, seconds: u64) -> Self {
        let whole = (!out.packs()).then(Sha256::new);
        Self {
            out,
            whole,
            written: 0,
            seconds,
            open: None,
            pending: Vec::new(),
            pending_bytes: 0,
            records: 0,
            last_record: String::new(),
            parts: 0,
            bytes: 0,
        }
    }

    /// Bytes written.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Of the part that is being written: bytes to come, and all of them.
    pub fn to_come(&self) -> Option<(u64, u64)> {
        self.open.as_ref().map(|o| (o.left, o.size))
    }

    fn raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.write_all(bytes)?;
        self.count(bytes);
        Ok(())
    }

    fn count(&mut self, bytes: &[u8]) {
        self.whole.iter_mut().for_each(|w| w.update(bytes));
        self.written += bytes.len() as u64;
    }

    fn pad(&mut self, size: u64) -> io::Result<()> {
        let rest = (BLOCK - size % BLOCK) % BLOCK;
        self.raw(&[0; BLOCK as usize][..rest as usize])
    }

    /// Begins a part of so many bytes; `sparse`: they are the data of a file of that size, as [`sparse::map`] has them.
    pub fn begin(&mut self, path: &str, size: u64, sparse: Option<u64>) -> io::Result<()> {
        if self.open.is_some() {
            return Err(io::Error::other("a part within a part"));
        }
        if let Some(real) = sparse {
            let pax = sparse::pax(path, real);
            let h = header(path, pax.len() as u64, EntryType::XHeader, self.seconds)?;
            self.raw(h.as_bytes())?;
            self.raw(&pax)?;
            self.pad(pax.len() as u64)?;
        }
        let header_at = self.written;
        let h = header(path, size, EntryType::Regular, self.seconds)?;
        self.out.fixed(h.as_bytes())?;
        self.count(h.as_bytes());
        self.open = Some(Open {
            path: path.to_owned(),
            size,
            left: size,
            sparse,
            at: clock::boottime_ns(),
            header: header_at,
            digest: Sha256::new(),
        });
        Ok(())
    }

    /// Adds to it; what is too much is dropped.
    pub fn data(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Some(o) = &mut self.open else { return Err(io::Error::other("data without a part")) };
        let bytes = &bytes[..bytes.len().min(usize::try_from(o.left).unwrap_or(usize::MAX))];
        o.left -= bytes.len() as u64;
        o.digest.update(bytes);
        self.raw(bytes)
    }

    /// Ends it as far as it came: how many bytes it lacks. Those of a sparse file are zeros, else its map would be wrong.
    pub fn cut(&mut self) -> io::Result<u64> {
        let Some(o) = self.open.as_mut().filter(|o| o.sparse.is_none() && o.left > 0) else {
            return self.end();
        };
        let lacks = std::mem::take(&mut o.left);
        o.size -= lacks;
        let (at, h) = (o.header, header(&o.path, o.size, EntryType::Regular, self.seconds)?);
        self.out.rewrite(at, h.as_bytes())?;
        self.whole = None;
        self.end()?;
        Ok(lacks)
    }

    /// Ends it. What it lacks is zeros: how many.
    pub fn end(&mut self) -> io::Result<u64> {
        const ZEROS: [u8; 4096] = [0; 4096];
        let lacks = self.open.as_ref().map_or(0, |o| o.left);
        let mut left = lacks;
        while left > 0 {
            let n = left.min(ZEROS.len() as u64);
            self.data(&ZEROS[..n as usize])?;
            left -= n;
        }
        let Some(o) = self.open.take() else { return Err(io::Error::other("no part to end")) };
        self.pad(o.size)?;
        self.parts += 1;
        self.bytes += o.size;
        self.pending_bytes += o.size;
        let sha256 = hex(&o.digest.finalize());
        self.pending.push(CapturePart { path: o.path, bytes: o.size, sha256, sparse: o.sparse, at: o.at });
        if self.pending_bytes >= RECORD_EVERY || self.pending.len() >= RECORD_PARTS {
            self.record()?;
        }
        Ok(lacks)
    }

    /// A part in one go.
    pub fn part(&mut self, path: &str, bytes: &[u8]) -> io::Result<()> {
        self.begin(path, bytes.len() as u64, None)?;
        self.data(bytes)?;
        self.end().map(drop)
    }

    /// Writes down what the parts since the last record are.
    pub fn record(&mut self) -> io::Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        self.records += 1;
        let mut text = record_head(self.records, &self.last_record);
        for p in self.pending.drain(..) {
            text.push_str(&serde_json::to_string(&p).map_err(io::Error::other)?);
            text.push('\n');
        }
        self.pending_bytes = 0;
        self.last_record = hex(&Sha256::digest(&text));
        self.entry(&record_name(self.records), text.as_bytes())?;
        self.out.flush()
    }

    /// An entry that is no part.
    fn entry(&mut self, path: &str, bytes: &[u8]) -> io::Result<()> {
        let h = header(path, bytes.len() as u64, EntryType::Regular, self.seconds)?;
        self.raw(h.as_bytes())?;
        self.raw(bytes)?;
        self.pad(bytes.len() as u64)
    }

    /// Ends the file with its manifest, which is made when no part can come any more. Answers the file and its digest.
    pub fn seal(mut self, manifest: impl FnOnce(&Self) -> Vec<u8>) -> io::Result<(W, u64, String)> {
        self.record()?;
        let text = manifest(&self);
        self.entry(MANIFEST, &text)?;
        self.entry(SEAL, seal_text(&text).as_bytes())?;
        self.raw(&[0; 2 * BLOCK as usize])?;
        self.out.flush()?;
        let (whole, written) = match self.whole {
            Some(whole) => (whole, self.written),
            None => {
                let (mut again, mut bytes) = (Sha256::new(), 0);
                self.out.again(&mut |piece| {
                    again.update(piece);
                    bytes += piece.len() as u64;
                })?;
                (again, bytes)
            }
        };
        Ok((self.out, written, hex(&whole.finalize())))
    }
}
