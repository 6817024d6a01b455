//! Writes an initramfs: the "newc" format of cpio, uncompressed on purpose (under emulation the guest's own
//! decompressor costs more than copying the bytes).

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result};

const DIRECTORY: u32 = 0o040_000;
const FILE: u32 = 0o100_000;
const LINK: u32 = 0o120_000;
const CHARACTERS: u32 = 0o020_000;

/// An archive under construction.
#[derive(Debug, Default)]
pub struct Cpio {
    bytes: Vec<u8>,
    dirs: BTreeSet<String>,
    inode: u32,
}

impl Cpio {
    /// A directory and those above it.
    pub fn dir(&mut self, path: &str) {
        let path = path.trim_matches('/');
        if path.is_empty() || !self.dirs.insert(path.into()) {
            return;
        }
        self.parents(path);
        self.entry(path, DIRECTORY | 0o755, (0, 0), b"");
    }

    /// A file with these bytes.
    pub fn file(&mut self, path: &str, mode: u32, bytes: &[u8]) {
        self.parents(path);
        self.entry(path, FILE | mode, (0, 0), bytes);
    }

    /// A file of the host.
    pub fn copy(&mut self, path: &str, from: &Path) -> Result<()> {
        let bytes = std::fs::read(from).with_context(|| from.display().to_string())?;
        self.file(path, 0o755, &bytes);
        Ok(())
    }

    /// A directory of the host with all that is in it, but for what `wanted` refuses.
    pub fn tree(&mut self, from: &Path, to: &str, wanted: &dyn Fn(&str) -> bool) -> Result<()> {
        use std::os::unix::fs::PermissionsExt;
        let mut entries: Vec<_> = std::fs::read_dir(from)?.flatten().collect();
        entries.sort_by_key(std::fs::DirEntry::file_name);
        for entry in entries {
            let path = format!("{to}/{}", entry.file_name().to_string_lossy());
            let kind = entry.file_type()?;
            if !wanted(&path) {
                continue;
            } else if kind.is_symlink() {
                self.link(&path, &std::fs::read_link(entry.path())?.to_string_lossy());
            } else if kind.is_dir() {
                self.dir(&path);
                self.tree(&entry.path(), &path, wanted)?;
            } else if kind.is_file() {
                let mode = entry.metadata()?.permissions().mode() & 0o7777;
                self.file(&path, mode, &std::fs::read(entry.path())?);
            }
        }
        Ok(())
    }

    /// A symbolic link.
    pub fn link(&mut self, path: &str, to: &str) {
        self.parents(path);
        self.entry(path, LINK | 0o777, (0, 0), to.as_bytes());
    }

    /// A character device.
    pub fn device(&mut self, path: &str, major: u32, minor: u32) {
        self.parents(path);
        self.entry(path, CHARACTERS | 0o666, (major, minor), b"");
    }

    /// The finished archive. The kernel unpacks several of them in a row, one over the other.
    pub fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, (0, 0), b"");
        self.bytes.resize(self.bytes.len().next_multiple_of(512), 0);
        self.bytes
    }

    fn parents(&mut self, path: &str) {
        if let Some((parent, _)) = path.trim_start_matches('/').rsplit_once('/') {
            self.dir(parent);
        }
    }

    fn entry(&mut self, path: &str, mode: u32, device: (u32, u32), bytes: &[u8]) {
        self.inode += 1;
        let path = path.trim_start_matches('/');
        let links = if mode & DIRECTORY == DIRECTORY { 2 } else { 1 };
        let numbers = [
            self.inode,
            mode,
            0,
            0,
            links,
            0,
            bytes.len() as u32,
            0,
            0,
            device.0,
            device.1,
            path.len() as u32 + 1,
            0,
        ];
        self.bytes.extend(b"070701");
        for number in numbers {
            self.bytes.extend(format!("{number:08x}").bytes());
        }
        self.bytes.extend(path.bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend(bytes);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::Cpio;

    #[test]
    fn directories_come_before_what_is_in_them_and_once() {
        let mut cpio = Cpio::default();
        cpio.file("/t/tests/one", 0o755, b"12345");
        cpio.file("/t/tests/two", 0o755, b"");
        let bytes = cpio.finish();
        let text = String::from_utf8_lossy(&bytes);
        let at = |what: &str| text.find(what);
        assert!(at("t\0") < at("t/tests\0") && at("t/tests\0") < at("t/tests/one\0"));
        assert_eq!(text.matches("t/tests\0").count(), 1);
        assert_eq!(bytes.len() % 512, 0);
        assert!(text.starts_with("070701") && text.contains("TRAILER!!!"));
    }
}
