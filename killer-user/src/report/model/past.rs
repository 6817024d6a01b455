//! `ledger`.

#[cfg(feature = "schema")]
use schemars::JsonSchema;
use serde::Serialize;

use super::{Counts, End, ReceiptRow};

/// A process that was a member and has ended.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct EndedProcess {
    /// Process number.
    pub pid: u32,
    /// Start of its leader, CLOCK_BOOTTIME ns.
    pub start: u64,
    /// pidfs inode: names the process for this boot (6.9+).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inode: Option<u64>,
    /// Name; of one that has forked nobody only the recorder (`up --lineage`) keeps it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comm: Option<String>,
    /// Real uid, of the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// Process that forked it, of the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub creator: Option<u32>,
    /// When it began.
    pub began: String,
    /// When it ended, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended: Option<String>,
    /// How it ended, where that is known.
    pub end: End,
}

/// `ledger`: what has been of a service.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(JsonSchema))]
pub struct Ledger {
    /// Version of the form of this document.
    pub version: u32,
    /// Always `ledger`.
    #[cfg_attr(feature = "schema", schemars(extend("const" = "ledger")))]
    pub kind: &'static str,
    /// Service.
    pub service: String,
    /// Processes that there have been since it was started, by the kernel's own count.
    pub ever: u64,
    /// Those that live.
    pub now: Counts,
    /// Those that have ended and are remembered, oldest first.
    pub ended: Vec<EndedProcess>,
    /// Receipts of orders to a service of this name, oldest first; earlier starts have theirs here, too.
    pub receipts: Vec<ReceiptRow>,
    /// Ended ones and receipts that are not shown (never in a document).
    #[serde(skip)]
    pub more: (u64, u64),
}
