//! What the eBPF object is made from, and its hash. Shared with `xtask`, which makes the object; the build script refuses a stale one;
//! hence std and sha2 only.

use std::io;
use std::path::Path;

use sha2::{Digest, Sha256};

/// Folders and files, relative to the checkout.
pub const INPUTS: [&str; 5] = [
    "killer-common/Cargo.toml",
    "killer-common/src",
    "killer-ebpf/Cargo.lock",
    "killer-ebpf/Cargo.toml",
    "killer-ebpf/src",
];

/// The files of [`INPUTS`], relative to `root`, sorted bytewise.
pub fn files(root: &Path) -> io::Result<Vec<String>> {
    let mut found = Vec::new();
    for input in INPUTS {
        walk(root, input, &mut found)?;
    }
    found.sort_unstable();
    Ok(found)
}

fn walk(root: &Path, path: &str, found: &mut Vec<String>) -> io::Result<()> {
    if !root.join(path).is_dir() {
        found.push(path.to_owned());
        return Ok(());
    }
    for entry in std::fs::read_dir(root.join(path))? {
        let name = entry?.file_name();
        let name = name.to_str().ok_or_else(|| io::Error::other(format!("{name:?} is not UTF-8")))?;
        // An editor's own files are none of the sources.
        if !name.starts_with('.') && !name.ends_with('~') {
            walk(root, &format!("{path}/{name}"), found)?;
        }
    }
    Ok(())
}

/// Over each file in turn: the path, a zero byte, the length as eight bytes (little endian), the contents.
pub fn hash(root: &Path) -> io::Result<String> {
    let mut sum = Sha256::new();
    for path in files(root)? {
        let contents =
            std::fs::read(root.join(&path)).map_err(|e| io::Error::new(e.kind(), format!("{path}: {e}")))?;
        sum.update(path.as_bytes());
        sum.update([0]);
        sum.update((contents.len() as u64).to_le_bytes());
        sum.update(&contents);
    }
    Ok(hex(&sum.finalize()))
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// The value of `key = "value"` in a manifest of ours (a subset of TOML: one string a line).
pub fn manifest_value<'a>(manifest: &'a str, key: &str) -> Option<&'a str> {
    manifest.lines().find_map(|line| {
        let (k, v) = line.split_once(" = ")?;
        (k.trim_matches('"') == key).then(|| v.trim_matches('"'))
    })
}
