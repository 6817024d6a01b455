//! The lines of all files, and the receipts among them.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read as _};

use rustix::fs::OFlags;

use super::line::{self, RECEIPT, Read};
use super::place::{CURRENT, Place};
use super::tail::LONGEST;
use crate::report::model::{KeptReceipt, ReceiptRow};

/// One line of a file.
#[derive(Debug)]
pub struct Line {
    /// From 1 on.
    pub number: u64,
    /// Without its newline.
    pub text: Vec<u8>,
    /// It had one.
    pub whole: bool,
}

/// Names of all files, oldest first; the current one is last, where it is there.
pub fn files(place: &Place) -> io::Result<Vec<String>> {
    let mut names: Vec<String> = place.full()?.into_iter().map(|(_, name)| name).collect();
    match place.file(CURRENT, OFlags::RDONLY) {
        Ok(_) => names.push(CURRENT.into()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        Err(e) => return Err(e),
    }
    Ok(names)
}

/// The lines of one of them, until `each` answers false. A file goes on growing: its end is where it is now.
pub fn lines(place: &Place, name: &str, mut each: impl FnMut(Line) -> bool) -> io::Result<()> {
    let file = place.file(name, OFlags::RDONLY)?;
    let size = file.metadata()?.len();
    let mut file = BufReader::new(file.take(size));
    for number in 1.. {
        let mut text = Vec::new();
        let n = (&mut file).take(LONGEST).read_until(b'\n', &mut text)?;
        if n == 0 {
            break;
        }
        let whole = text.last() == Some(&b'\n');
        if whole {
            text.pop();
        } else if n as u64 == LONGEST {
            return Err(io::Error::other(format!("{name}, line {number}: longer than any receipt")));
        }
        if !each(Line { number, text, whole }) {
            break;
        }
    }
    Ok(())
}

/// Every receipt, oldest first; answers how many lines should be some and are none.
fn receipts(place: &Place, mut each: impl FnMut(KeptReceipt)) -> io::Result<u64> {
    let mut unread = 0;
    for name in files(place)? {
        lines(place, &name, |l| {
            match line::read(&l.text) {
                Ok(Read::Whole(h)) if h.kind == RECEIPT => match serde_json::from_slice(&l.text) {
                    Ok(r) => each(r),
                    Err(_) => unread += 1,
                },
                Ok(_) => {}
                // The one at the end may be written at this moment.
                Err(_) => unread += u64::from(l.whole),
            }
            true
        })?;
    }
    Ok(unread)
}

/// The receipts in short: the last ones of them, how many older ones there are, and how many lines cannot be read.
///
/// # Errors
/// The kernel's.
pub fn list(place: &Place, most: Option<usize>) -> io::Result<(Vec<ReceiptRow>, u64, u64)> {
    let (mut rows, mut more) = (VecDeque::new(), 0);
    let unread = receipts(place, |r| {
        rows.push_back(row(r));
        if most.is_some_and(|m| rows.len() > m) {
            rows.pop_front();
            more += 1;
        }
    })?;
    Ok((rows.into(), more, unread))
}

fn row(r: KeptReceipt) -> ReceiptRow {
    let hit = |p: &&crate::report::model::KeptProcess| p.got.iter().any(|g| g.result == "signalled");
    ReceiptRow {
        number: r.number,
        id: r.id,
        at: r.deed.at,
        signalled: r.deed.processes.iter().filter(hit).count() as u64 + r.deed.left_out,
        service: r.deed.service,
        form: r.deed.form,
        signals: r.deed.signals,
        outcome: r.deed.outcome,
        exit_code: r.deed.exit_code,
        uid: r.deed.asked_by.uid,
        login_uid: r.deed.asked_by.login_uid,
    }
}

/// What was found under a name.
#[derive(Debug)]
pub enum Found {
    /// No receipt is called so.
    Nobody,
    /// One.
    One(Box<KeptReceipt>),
    /// The names of so many begin so.
    Several(u64),
}

/// A receipt by its name, or by the beginning of it.
///
/// # Errors
/// The kernel's.
pub fn one(place: &Place, id: &str) -> io::Result<Found> {
    let mut found = Vec::new();
    receipts(place, |r| {
        if r.id.starts_with(id) {
            found.push(r);
        }
    })?;
    Ok(match found.len() {
        0 => Found::Nobody,
        1 => found.pop().map_or(Found::Nobody, |r| Found::One(Box::new(r))),
        n => Found::Several(n as u64),
    })
}
