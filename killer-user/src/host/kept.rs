//! Receipts into the ledger: after the signals, and never in their way.

use super::failure::Failure;
use super::{Tell, journal};
use crate::ask::receipts::{Receipts, When};
use crate::ending::Ending;
use crate::ledger;
use crate::report::message;
use crate::report::model::{Deed, Kept};
use crate::tier::Tracker;

/// Refuses, before anything is done, when a receipt is required and could not be written. For one that is to be written, ends are asked
/// for.
pub fn ready(t: &Tracker, how: &Receipts) -> Result<(), Failure> {
    if how.when != When::No {
        t.ask_for_ends();
    }
    if how.when != When::Required {
        return Ok(());
    }
    let ready = ledger::ready().and_then(|()| ledger::signer(how.key.as_deref()).map(drop));
    ready.map_err(|why| {
        Failure::new(Ending::Failed, "no receipt could be written, and it is required")
            .why(format!("{why}; nothing was signalled"))
            .next("make room for it, or leave --receipt=required out")
    })
}

/// Writes one. `made`: only called when it is to be written.
pub fn keep(how: &Receipts, tell: &dyn Tell, made: impl FnOnce() -> Deed) -> Option<Kept> {
    if how.when == When::No {
        return None;
    }
    let (key, unsigned) = match ledger::signer(how.key.as_deref()) {
        Ok(key) => (key, None),
        Err(why) => (None, Some(format!("it is not signed: {why}"))),
    };
    let deed = made();
    let service = deed.service.clone();
    let kept = match ledger::append(deed, key.as_ref(), how.when == When::Required) {
        Ok(a) => {
            journal::kept(&service, &a.id, &a.head);
            Kept { id: Some(a.id), head: Some(a.head), signed: key.is_some(), error: unsigned }
        }
        Err(why) => Kept { error: Some(why), ..Kept::default() },
    };
    if let Some(why) = kept.error.as_ref().filter(|_| tell.verbose() > 0 || how.when == When::Required) {
        let what = match kept.id {
            Some(_) => format!("'{service}': its receipt is not complete: {why}"),
            None => format!("'{service}': no receipt was written: {why}"),
        };
        tell.message(&message::render(&what, None, None));
    }
    Some(kept)
}

/// The ending of an order whose receipt was required, and is not there after all.
pub fn judged(how: &Receipts, kept: Option<&Kept>, ending: Ending) -> Ending {
    let lost = how.when == When::Required && kept.is_some_and(|k| k.error.is_some());
    if lost && ending.is_good() { Ending::Failed } else { ending }
}
