//! Lines of the ledger: what all of them begin with, and those that are no receipts.

use serde::{Deserialize, Serialize};

use super::digest;
use super::key::Signer;
use crate::report::escape;
use crate::report::model::{Deed, KeptReceipt, SCHEMA_VERSION};

/// What every line has.
#[derive(Debug, Deserialize)]
pub struct Head {
    /// What it is.
    pub kind: String,
    /// From 1 on, over all files.
    pub number: u64,
    /// SHA-256 of the line before it.
    pub prev: String,
}

/// The kind of a receipt.
pub const RECEIPT: &str = "kept-receipt";
/// The kind of the first line of every file but the first one.
pub const NEW_FILE: &str = "new-file";
/// The kind of the line that closes one which a crash has cut.
pub const TORN: &str = "torn";

/// Begins a new file.
#[derive(Debug, Serialize, Deserialize)]
pub struct NewFile {
    version: u32,
    kind: String,
    number: u64,
    prev: String,
    /// When, seconds since 1970.
    pub at: i64,
    /// The file before this one.
    pub after: String,
    /// A file that is removed, because there are so many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dropped: Option<Dropped>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<String>,
}

/// A file that was removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dropped {
    /// Number of its last line.
    pub last: u64,
    /// SHA-256 of that line.
    pub head: String,
}

/// Closes what a crash has cut, in the same line of the file.
#[derive(Debug, Serialize, Deserialize)]
pub struct Torn {
    version: u32,
    kind: String,
    number: u64,
    prev: String,
    /// When it was found, seconds since 1970.
    at: i64,
    /// So many bytes of the line are the one that was cut.
    pub bytes: u64,
    /// SHA-256 of these.
    pub sha256: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<String>,
}

/// Where the next line stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Next {
    /// Its number.
    pub number: u64,
    /// SHA-256 of the line before it.
    pub prev: String,
}

impl Next {
    /// The place after this line.
    pub fn after(number: u64, line: &[u8]) -> Self {
        Self { number: number + 1, prev: digest::of(line) }
    }
}

fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

/// One line without its newline, signed where there is a key; `before`: what stands before it in the same line.
fn text(value: &impl Serialize, before: &[u8], key: Option<&Signer>) -> Result<String, String> {
    let text = serde_json::to_string(value).map_err(|e| e.to_string())?;
    // Whoever shows the file on a terminal sees no more than text.
    let mut text = escape::json(&text);
    if let Some(key) = key {
        key.sign(before, &mut text);
    }
    Ok(text)
}

fn name(key: Option<&Signer>) -> Option<String> {
    key.map(|k| k.name.clone())
}

/// A receipt, and what it is called.
pub fn receipt(at: &Next, deed: Deed, key: Option<&Signer>) -> Result<(String, String), String> {
    let own = format!("{} {} {} {}", at.prev, at.number, deed.boottime_ns, std::process::id());
    let id = digest::of(own.as_bytes())[..16].to_owned();
    let kept = KeptReceipt {
        version: SCHEMA_VERSION,
        kind: RECEIPT.into(),
        number: at.number,
        prev: at.prev.clone(),
        id: id.clone(),
        deed,
        key: name(key),
        sig: None,
    };
    Ok((text(&kept, b"", key)?, id))
}

/// The first line of a file.
pub fn new_file(
    at: &Next,
    after: &str,
    dropped: Option<Dropped>,
    key: Option<&Signer>,
) -> Result<String, String> {
    let line = NewFile {
        version: SCHEMA_VERSION,
        kind: NEW_FILE.into(),
        number: at.number,
        prev: at.prev.clone(),
        at: now(),
        after: after.to_owned(),
        dropped,
        key: name(key),
    };
    text(&line, b"", key)
}

/// What closes a line that was cut.
pub fn torn(at: &Next, cut: &[u8], key: Option<&Signer>) -> Result<String, String> {
    let line = Torn {
        version: SCHEMA_VERSION,
        kind: TORN.into(),
        number: at.number,
        prev: at.prev.clone(),
        at: now(),
        bytes: cut.len() as u64,
        sha256: digest::of(cut),
        key: name(key),
    };
    text(&line, cut, key)
}

/// A line of a file, as far as it is one of ours.
#[derive(Debug)]
pub enum Read {
    /// It is whole.
    Whole(Head),
    /// It was cut, and closed: so many bytes were cut off.
    Torn(Head, u64),
}

/// Reads a line. The error is text.
pub fn read(line: &[u8]) -> Result<Read, String> {
    match serde_json::from_slice::<Head>(line) {
        Ok(h) if [RECEIPT, NEW_FILE].contains(&&*h.kind) => Ok(Read::Whole(h)),
        Ok(h) => Err(format!("a line of a kind that nobody writes: '{}'", escape::cut(&h.kind, 40))),
        Err(e) => {
            closed(line).ok_or_else(|| format!("no line of the ledger ({})", escape::cut(&e.to_string(), 80)))
        }
    }
}

/// A line that was cut, with what closes it behind it.
fn closed(line: &[u8]) -> Option<Read> {
    let mark = format!("{{\"version\":{SCHEMA_VERSION},\"kind\":\"{TORN}\",");
    let mark = mark.as_bytes();
    let at = line.windows(mark.len()).rposition(|w| w == mark)?;
    let (cut, rest) = line.split_at(at);
    let t: Torn = serde_json::from_slice(rest).ok()?;
    let whole = t.bytes == at as u64 && t.sha256 == digest::of(cut);
    whole.then(|| Read::Torn(Head { kind: TORN.into(), number: t.number, prev: t.prev }, t.bytes))
}
