//! `killer receipts`: the ledger shown, and checked.

use std::path::{Path, PathBuf};

use super::failure::Failure;
use super::open::Host;
use super::promised;
use crate::ending::Ending;
use crate::ledger::{self, Found, Place};
use crate::lookup::registry;
use crate::report::model::{KeptReceipt, LedgerCheck, ReceiptList, ReceiptRow, SCHEMA_VERSION};

pub use crate::ledger::Asked;

/// The place of the caller's own receipts, or of others.
fn open(dir: Option<&Path>) -> Result<Place, Failure> {
    let path = match dir {
        Some(d) => d.to_owned(),
        None => ledger::usual()
            .map_err(|why| Failure::new(Ending::Failed, why).next("--dir=DIR names a place"))?,
    };
    Place::open(&path).map_err(|e| {
        let f = Failure::new(Ending::Failed, format!("no receipts can be read at {}", path.display()));
        match e.raw_os_error() {
            Some(libc::ENOENT) => f.why("nothing was kept there yet"),
            Some(libc::EACCES | libc::EPERM) => f.why(e.to_string()).with(Ending::NotPermitted),
            _ => f.why(e.to_string()),
        }
        .next("root's are at /var/lib/killer, a user's in his state directory; --dir=DIR names another place")
    })
}

fn unread(place: &Place, e: &std::io::Error) -> Failure {
    let ending = match e.kind() {
        std::io::ErrorKind::PermissionDenied => Ending::NotPermitted,
        _ => Ending::Failed,
    };
    Failure::new(ending, format!("the receipts at {} cannot be read", place.path.display()))
        .why(e.to_string())
}

/// The last ones in short.
pub fn list(dir: Option<&Path>, most: Option<usize>) -> Result<ReceiptList, Failure> {
    if dir.is_none()
        && let Ok(Some(host)) = Host::open()
    {
        promised::look(&host, &registry::every(&host));
    }
    let place = open(dir)?;
    let (receipts, more, unreadable) = ledger::list(&place, most).map_err(|e| unread(&place, &e))?;
    Ok(ReceiptList {
        version: SCHEMA_VERSION,
        kind: "receipts",
        place: place.path.display().to_string(),
        receipts,
        more,
        unread: unreadable,
    })
}

/// Those of one service in short, the last ones, and how many there are before; none where nothing was kept.
pub fn of_service(name: &str, most: Option<usize>) -> Result<(Vec<ReceiptRow>, u64), Failure> {
    let place = match ledger::usual().map(|p| Place::open(&p)) {
        Ok(Ok(place)) => place,
        Ok(Err(e)) if e.kind() == std::io::ErrorKind::NotFound => return Ok((Vec::new(), 0)),
        _ => open(None)?,
    };
    let (mut all, _, _) = ledger::list(&place, None).map_err(|e| unread(&place, &e))?;
    all.retain(|r| r.service == name);
    let more = most.map_or(0, |m| all.len().saturating_sub(m));
    Ok((all.split_off(more), more as u64))
}

/// One, whole.
pub fn one(dir: Option<&Path>, id: &str) -> Result<KeptReceipt, Failure> {
    let place = open(dir)?;
    let all = "'killer receipts' lists them";
    match ledger::one(&place, id).map_err(|e| unread(&place, &e))? {
        Found::One(r) => Ok(*r),
        Found::Nobody => Err(Failure::new(Ending::Unknown, format!("no receipt '{id}'")).next(all)),
        Found::Several(n) => {
            Err(Failure::new(Ending::Usage, format!("'{id}' is the beginning of {n} receipts")).next(all))
        }
    }
}

/// Whether they are as they were written.
pub fn verify(dir: Option<&Path>, asked: &Asked) -> Result<LedgerCheck, Failure> {
    let place = open(dir)?;
    ledger::verify(&place, asked)
        .map_err(|why| Failure::new(Ending::Failed, "the receipts cannot be checked").why(why))
}

/// What is said when something is wrong.
pub fn wrong(c: &LedgerCheck) -> Option<Failure> {
    let w = c.wrong.as_ref()?;
    let at = match w.line {
        0 => w.file.clone(),
        n => format!("{}, line {n}", w.file),
    };
    let f = Failure::new(c.ending, format!("the receipts are not as they were written: {at}"))
        .why(w.what.clone());
    Some(f.next("what stands before it is whole; 'killer receipts --verify -o json' has the figures"))
}

/// Makes a pair of keys; answers where the public one is.
pub fn new_key(path: &Path) -> Result<PathBuf, Failure> {
    ledger::make_key(path).map_err(|why| Failure::new(Ending::Failed, "no key was made").why(why))
}
