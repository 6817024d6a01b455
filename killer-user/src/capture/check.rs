//! Whether a file is a capture as it was written: whole, incomplete, or changed. It needs no tracker, no privilege and little memory,
//! whatever the file is.

use std::collections::HashSet;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::io::Read;

use serde::Deserialize;
use serde::de::IgnoredAny;
use sha2::{Digest, Sha256};

use super::archive::{HEAD, MANIFEST, RECORD_PARTS, RECORDS, SEAL, record_head, record_name, seal_text};
use super::sparse;
use super::walk::{Walk, Wrong};
use crate::ledger::hex;
use crate::report::model::{CaptureCheck, CapturePart, CaptureState, SCHEMA_VERSION};

/// Bytes of an extended header.
const EXTENDED: u64 = 1024;
/// Bytes of a record.
const RECORD: u64 = 4 << 20;
/// Bytes of a manifest.
const LARGE: u64 = 64 << 20;
/// Entries of a file.
const ENTRIES: usize = 1 << 24;

/// What of a manifest is checked.
#[derive(Deserialize)]
struct Seal {
    version: u32,
    kind: String,
    service: String,
    parts: u64,
    bytes: u64,
    records: u64,
    last_record: String,
    left_out: Vec<IgnoredAny>,
    left_out_more: u64,
}

/// A part whose record has not come yet.
struct Pending {
    path: String,
    bytes: u64,
    sha256: String,
    extended: Option<Vec<u8>>,
}

struct Check<R: Read> {
    walk: Walk<R>,
    found: CaptureCheck,
    pending: Vec<Pending>,
    names: HashSet<u64>,
    hasher: RandomState,
    records: u64,
    last_record: String,
    started: bool,
}

/// Checks a file.
pub fn check(file: impl Read, name: &str) -> CaptureCheck {
    let found = CaptureCheck {
        version: SCHEMA_VERSION,
        kind: "verify-capture",
        file: name.to_owned(),
        ..CaptureCheck::default()
    };
    let mut c = Check {
        walk: Walk::new(file),
        found,
        pending: Vec::new(),
        names: HashSet::new(),
        hasher: RandomState::new(),
        records: 0,
        last_record: String::new(),
        started: false,
    };
    let wrong = c.all().err();
    let (started, pending) = (c.started, c.pending.len() as u64);
    let mut f = c.found;
    (f.state, f.why) = match wrong {
        None => (CaptureState::Whole, None),
        Some(Wrong::Unread(why)) => (CaptureState::None, Some(format!("it cannot be read: {why}"))),
        Some(_) if !started => (CaptureState::None, Some("it does not begin as a capture does".into())),
        Some(Wrong::Short(why)) => (CaptureState::Incomplete, Some(why)),
        Some(Wrong::Changed(why)) => (CaptureState::Changed, Some(why)),
    };
    f.unvouched = pending;
    f.file_bytes = c.walk.read;
    if let Ok((bytes, sha256)) = c.walk.finish() {
        (f.file_bytes, f.sha256) = (bytes, Some(sha256));
    }
    f
}

fn changed<T>(what: impl Into<String>) -> Result<T, Wrong> {
    Err(Wrong::Changed(what.into()))
}

impl<R: Read> Check<R> {
    fn all(&mut self) -> Result<(), Wrong> {
        let mut extended = None;
        while let Some(e) = self.walk.next()? {
            if !self.started && (e.path != HEAD || e.extends) {
                return changed("it does not begin as a capture does");
            }
            if e.extends {
                if extended.is_some() {
                    return changed(format!("'{}' has two extended headers", e.path));
                }
                extended = Some((e.path, self.walk.text(EXTENDED)?));
                continue;
            }
            let of_it = extended.take();
            if of_it.as_ref().is_some_and(|(path, _)| *path != e.path) {
                return changed(format!("the extended header before '{}' is another's", e.path));
            }
            if self.names.len() >= ENTRIES || !self.names.insert(self.hasher.hash_one(&e.path)) {
                return changed(format!("'{}' is there twice, or there are too many entries", e.path));
            }
            let of_it = of_it.map(|(_, text)| text);
            match e.path.as_str() {
                MANIFEST if of_it.is_none() => return self.seal(),
                p if p.starts_with(RECORDS) && of_it.is_none() => self.record(&e.path)?,
                _ => self.part(e.path, e.size, of_it)?,
            }
        }
        Err(Wrong::Short("its manifest is missing".into()))
    }

    fn part(&mut self, path: String, size: u64, extended: Option<Vec<u8>>) -> Result<(), Wrong> {
        if self.pending.len() >= RECORD_PARTS {
            return changed(format!("there is no record before '{path}'"));
        }
        let mut digest = Sha256::new();
        if path == HEAD {
            let text = self.walk.text(LARGE)?;
            digest.update(&text);
            #[derive(Deserialize)]
            struct Head {
                service: String,
            }
            self.found.service = serde_json::from_slice::<Head>(&text).ok().map(|h| h.service);
            self.started = true;
        }
        let mut piece = vec![0; 1 << 16];
        loop {
            match self.walk.data(&mut piece)? {
                0 => break,
                n => digest.update(&piece[..n]),
            }
        }
        self.pending.push(Pending { path, bytes: size, sha256: hex(&digest.finalize()), extended });
        Ok(())
    }

    fn record(&mut self, path: &str) -> Result<(), Wrong> {
        let text = self.walk.text(RECORD)?;
        let wrong = |why: &str| Wrong::Changed(format!("'{path}': {why}"));
        let head = record_head(self.records + 1, &self.last_record);
        if path != record_name(self.records + 1) || !text.starts_with(head.as_bytes()) {
            return Err(wrong("it is not the next one of the chain"));
        }
        let mut lines = text[head.len()..].split_inclusive(|b| *b == b'\n');
        for p in &self.pending {
            let line = lines.next().ok_or_else(|| wrong("it lacks a part that is there"))?;
            let said: CapturePart = serde_json::from_slice(line).map_err(|_| wrong("it cannot be read"))?;
            let extended = said.sparse.map(|real| sparse::pax(&said.path, real));
            if (&said.path, &said.sha256, said.bytes) != (&p.path, &p.sha256, p.bytes)
                || extended != p.extended
            {
                return Err(Wrong::Changed(format!("'{}' is not as it was written", p.path)));
            }
        }
        if lines.next().is_some() {
            return Err(wrong("it has a part that is not there"));
        }
        for p in self.pending.drain(..) {
            self.found.parts += 1;
            self.found.bytes = self.found.bytes.saturating_add(p.bytes);
            self.found.last = Some(p.path);
        }
        self.records += 1;
        self.last_record = hex(&Sha256::digest(&text));
        Ok(())
    }

    /// The manifest, and the end behind it.
    fn seal(&mut self) -> Result<(), Wrong> {
        let text = self.walk.text(LARGE)?;
        let wrong = |why: &str| Wrong::Changed(format!("the manifest {why}"));
        let s: Seal = serde_json::from_slice(&text).map_err(|_| wrong("cannot be read"))?;
        if s.kind != "capture" || s.version != SCHEMA_VERSION {
            return Err(wrong("is of another version"));
        }
        if let Some(p) = self.pending.first() {
            return changed(format!("no record says what '{}' was", p.path));
        }
        let is = (self.found.parts, self.found.bytes, self.records, &self.last_record);
        if (s.parts, s.bytes, s.records, &s.last_record) != is {
            return Err(wrong("says other parts"));
        }
        if self.found.service.as_ref() != Some(&s.service) {
            return Err(wrong("is of another service"));
        }
        self.found.left_out = s.left_out_more.saturating_add(s.left_out.len() as u64);
        match self.walk.next()? {
            Some(e) if e.path == SEAL && !e.extends => {}
            _ => return Err(wrong("has no digest")),
        }
        if self.walk.text(1024)? != seal_text(&text).as_bytes() {
            return Err(wrong("is not as it was written"));
        }
        match self.walk.next()? {
            None => Ok(()),
            Some(e) => changed(format!("'{}' stands behind the manifest", e.path)),
        }
    }
}

#[cfg(test)]
mod tests;
