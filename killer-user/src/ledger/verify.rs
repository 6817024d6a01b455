//! Whether the ledger is as it was written: every line holds the hash of the one before, all numbers are there, signatures fit.

use std::io;

use super::digest;
use super::key::{Checker, checker, split};
use super::line::{self, NEW_FILE, Next, RECEIPT, Read};
use super::place::{CURRENT, Place, full};
use super::read::{Line, files, lines};
use crate::ending::Ending;
use crate::report::model::{LedgerCheck, LedgerPlace, SCHEMA_VERSION};

/// What the ledger is compared with.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// A head that was kept elsewhere.
    pub head: Option<String>,
    /// A public key's file.
    pub key: Option<std::path::PathBuf>,
}

/// Goes through all of it, up to the first thing that is wrong.
///
/// # Errors
/// In words why it cannot be read.
pub fn verify(place: &Place, asked: &Asked) -> Result<LedgerCheck, String> {
    let failed = |e: io::Error| format!("{}: {e}", place.path.display());
    let mut tries = 3;
    loop {
        let before = files(place).map_err(failed)?;
        let mut walk = Walk::new(place, asked, asked.key.as_deref().map(checker).transpose()?);
        let done = walk.all(place, &before);
        tries -= 1;
        // A file that became full meanwhile has another name, and what was read is not all of one moment. Nobody who writes is held up
        // by a look.
        if tries == 0 || files(place).map_err(failed)? == before {
            return done.map_err(failed).map(|()| walk.check);
        }
    }
}

struct Walk {
    check: LedgerCheck,
    head: Option<String>,
    key: Option<Checker>,
    /// Where the next line stands; `None` before the first.
    next: Option<Next>,
    /// Number of the last line that was dropped, as a later line says.
    dropped: u64,
}

impl Walk {
    fn new(place: &Place, asked: &Asked, key: Option<Checker>) -> Self {
        let check = LedgerCheck {
            version: SCHEMA_VERSION,
            kind: "receipts-check",
            place: place.path.display().to_string(),
            ending: Ending::Done,
            files: 0,
            lines: 0,
            receipts: 0,
            first: 0,
            signed: 0,
            unsigned_end: key.as_ref().map(|_| 0),
            head: None,
            since_head: None,
            torn: Vec::new(),
            wrong: None,
        };
        Self { check, head: asked.head.clone(), key, next: None, dropped: 0 }
    }

    fn all(&mut self, place: &Place, files: &[String]) -> io::Result<()> {
        for name in files {
            self.check.files += 1;
            let mut bad = None;
            lines(place, name, |l| {
                bad = self.line(name, &l).err().map(|what| (l.number, what));
                bad.is_none()
            })?;
            let bad = bad.or_else(|| self.end_of(name).map(|what| (0, what)));
            if let Some((line, what)) = bad {
                self.wrong(name, line, what);
                return Ok(());
            }
        }
        self.whole();
        Ok(())
    }

    fn wrong(&mut self, file: &str, line: u64, what: String) {
        self.check.wrong = Some(LedgerPlace { file: file.into(), line, what });
        self.check.ending = Ending::Failed;
    }

    /// One line. The error is what is wrong with it.
    fn line(&mut self, file: &str, l: &Line) -> Result<(), String> {
        let torn = |what: String| LedgerPlace { file: file.into(), line: l.number, what };
        if !l.whole {
            let what = format!(
                "{} bytes without an end: a crash, or it is written now; the next receipt closes it",
                l.text.len()
            );
            self.check.torn.push(torn(what));
            return Ok(());
        }
        let head = match line::read(&l.text)? {
            Read::Whole(head) => head,
            Read::Torn(head, bytes) => {
                self.check
                    .torn
                    .push(torn(format!("{bytes} bytes that a crash has cut, and the line that closes them")));
                head
            }
        };
        match &self.next {
            None => self.check.first = head.number,
            Some(n) if head.number > n.number => {
                return Err(format!("lines {} to {} are missing before it", n.number, head.number - 1));
            }
            Some(n) if head.number < n.number => {
                return Err(format!(
                    "it says that it is line {}, and line {} comes here",
                    head.number, n.number
                ));
            }
            Some(n) if head.prev != n.prev => {
                return Err("the line before it is not the one that was there when it was written".into());
            }
            Some(_) => {}
        }
        if self.next.is_none() && head.number == 1 && head.prev != digest::NOTHING {
            return Err("it says that it is the first line, and has one before it".into());
        }
        if self.next.is_none() && head.number == 0 {
            return Err("lines are numbered from 1 on".into());
        }
        self.signature(&l.text)?;
        let next = Next::after(head.number, &l.text);
        self.check.lines += 1;
        self.check.receipts += u64::from(head.kind == RECEIPT);
        if let Some(n) = &mut self.check.since_head {
            *n += 1;
        } else if self.head.as_ref() == Some(&next.prev) {
            self.check.since_head = Some(0);
        }
        if head.kind == NEW_FILE
            && let Some(d) = serde_json::from_slice::<line::NewFile>(&l.text).ok().and_then(|n| n.dropped)
        {
            self.dropped = self.dropped.max(d.last);
        }
        self.check.head = Some(next.prev.clone());
        self.next = Some(next);
        Ok(())
    }

    /// A signature vouches for all lines before it, too: only those behind the last one are nobody's. Once there is one, there is one
    /// in each line.
    fn signature(&mut self, text: &[u8]) -> Result<(), String> {
        let signed = split(text).is_some();
        self.check.signed += u64::from(signed);
        let Some(key) = &self.key else { return Ok(()) };
        if signed && !key.is_signed(text) {
            return Err(format!("its signature is not that of the key {}", key.name));
        }
        if !signed && self.check.signed > 0 {
            return Err("it is not signed, and lines before it are".into());
        }
        if let Some(n) = &mut self.check.unsigned_end {
            *n = if signed { 0 } else { *n + 1 };
        }
        Ok(())
    }

    /// What is wrong with the end of a file: a full one has its last line in its name.
    fn end_of(&self, file: &str) -> Option<String> {
        let last = self.next.as_ref().map_or(0, |n| n.number - 1);
        (file != CURRENT && file != full(last))
            .then(|| format!("its last line is line {last}: what stood behind that is missing"))
    }

    /// What is wrong with all of it although every line fits the one before.
    fn whole(&mut self) {
        let place = self.check.place.clone();
        if self.check.first > self.dropped + 1 {
            let what = format!(
                "lines 1 to {} are missing, and no line says that their files were dropped",
                self.check.first - 1
            );
            return self.wrong(&place, 0, what);
        }
        if let (Some(head), None) = (&self.head, self.check.since_head) {
            // An empty one has that head, too.
            if *head == digest::NOTHING && self.check.first <= 1 {
                self.check.since_head = Some(self.check.lines);
            } else {
                let what = format!(
                    "no line has the hash {head}: its end was cut off, or written anew, or its file was dropped"
                );
                return self.wrong(&place, 0, what);
            }
        }
        if self.check.unsigned_end.is_some_and(|n| n > 0) {
            let n = self.check.unsigned_end.unwrap_or(0);
            let what = format!("no signature vouches for the last lines ({n} of them)");
            self.wrong(&place, 0, what);
        }
    }
}
