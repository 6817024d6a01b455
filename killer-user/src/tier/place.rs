//! Where a caller's registries in files are.

use std::path::PathBuf;

use crate::bpf::Paths;

/// Where the tiers without programs keep what they need.
const RUN: &str = "/run/killer";
/// Environment variable that moves it.
const RUN_ROOT: &str = "KILLER_RUN_ROOT";

/// A place for registries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(super) root: PathBuf,
    /// Apart from others at the same root.
    pub(super) own: Option<String>,
    /// By the caller.
    pub(super) chosen: bool,
}

/// FNV-1a, as a word.
pub(super) fn hash(bytes: &[u8]) -> String {
    let h = bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325u64, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3));
    format!("{h:016x}")
}

/// Where the registries are. A tracker at a place of its own has registries of its own.
pub(super) fn run_root() -> Place {
    if let Some(r) = std::env::var_os(RUN_ROOT).filter(|r| !r.is_empty()) {
        return Place { root: r.into(), own: None, chosen: true };
    }
    let root = PathBuf::from(RUN);
    let pins = Paths::default();
    match pins.chosen {
        true => Place { root, own: Some(hash(pins.root.as_os_str().as_encoded_bytes())), chosen: false },
        false => Place { root, own: None, chosen: false },
    }
}
