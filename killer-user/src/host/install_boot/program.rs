//! Which `killer` the boot files run.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::boot::Tree;
use crate::ending::Ending;
use crate::host::failure::Failure;

/// Where one lies in a root that does not run.
const PLACES: [&str; 6] = [
    "usr/bin/killer",
    "usr/sbin/killer",
    "bin/killer",
    "sbin/killer",
    "usr/local/bin/killer",
    "usr/local/sbin/killer",
];

/// Its path, for the host that boots from `tree`: of the running host this program itself.
///
/// # Errors
/// Somebody else than root could change it, and so what runs at boot.
pub fn of(tree: &Tree, notes: &mut Vec<String>) -> Result<String, Failure> {
    if !tree.is_host() {
        if let Some(place) = PLACES.into_iter().find(|p| tree.has(p)) {
            return Ok(format!("/{place}"));
        }
        notes
            .push(format!("there is no {} yet; until then nothing is loaded at boot", tree.shown(PLACES[0])));
        return Ok(format!("/{}", PLACES[0]));
    }
    let own = std::env::current_exe().map_err(Failure::from)?;
    let shown = own.display().to_string();
    let plain = !shown.contains(|c: char| c.is_whitespace() || c.is_control() || "\"'\\$`%&;|<>".contains(c));
    match own.ancestors().find_map(unsafe_because) {
        None if plain => Ok(shown),
        why => Err(Failure::new(Ending::Failed, format!("{shown} is not to be run at boot"))
            .why(why.unwrap_or_else(|| "its path has characters that not every init takes".into()))
            .next("install killer in /usr/bin first, then call that one")),
    }
}

/// Why somebody else than root could put another program there.
fn unsafe_because(path: &Path) -> Option<String> {
    let Ok(m) = std::fs::symlink_metadata(path) else {
        return Some(format!("{} is not there", path.display()));
    };
    match (m.uid(), m.mode() & 0o022) {
        (0, 0) => None,
        (0, _) => Some(format!("others than root may write {}", path.display())),
        (uid, _) => Some(format!("{} belongs to uid {uid}", path.display())),
    }
}
