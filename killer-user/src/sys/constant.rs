//! A file of the kernel's that never changes: mapped where the kernel offers that, else read.

use std::fs::File;
use std::io::{self, Read};
use std::ops::Deref;
use std::path::Path;

use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// `SYSFS_MAGIC`, `include/uapi/linux/magic.h`
pub const SYSFS_MAGIC: i128 = 0x6265_6572;

/// The bytes of such a file.
#[derive(Debug)]
pub enum Constant {
    /// In memory of our own.
    Read(Vec<u8>),
    /// In memory of the kernel's, which no page fault and no copy is needed for.
    Mapped(Mapping),
}

/// A mapping that goes with this value.
#[derive(Debug)]
pub struct Mapping {
    at: *const u8,
    len: usize,
}

impl Constant {
    /// Opens a file of sysfs whose content stays what it is; one of another file system, which somebody can change, is read.
    pub fn open(path: &Path) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let of_sysfs = rustix::fs::fstatfs(&file).is_ok_and(|s| i128::from(s.f_type) == SYSFS_MAGIC);
        let len = file.metadata()?.len() as usize;
        if of_sysfs && let Ok(mapping) = Mapping::new(&file, len) {
            return Ok(Self::Mapped(mapping));
        }
        let mut bytes = Vec::with_capacity(len + 1);
        file.read_to_end(&mut bytes)?;
        Ok(Self::Read(bytes))
    }
}

impl Mapping {
    /// The kernel's BTF can be mapped since 6.16 (`kernel/bpf/sysfs_btf.c:btf_sysfs_vmlinux_mmap`).
    fn new(file: &File, len: usize) -> io::Result<Self> {
        // SAFETY: a fresh mapping, only read, at an address of the kernel's choice.
        let at = unsafe { mmap(std::ptr::null_mut(), len, ProtFlags::READ, MapFlags::PRIVATE, file, 0) }?;
        Ok(Self { at: at.cast_const().cast(), len })
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and nothing borrows from it any more. It cannot fail for what was mapped like this.
        let _ = unsafe { munmap(self.at.cast_mut().cast(), self.len) };
    }
}

impl Deref for Constant {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Read(bytes) => bytes,
            // SAFETY: so many bytes are mapped while the value lives, and the kernel does not change them.
            Self::Mapped(m) => unsafe { std::slice::from_raw_parts(m.at, m.len) },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_mapped_is_what_is_read() {
        let path = Path::new("/sys/kernel/btf/vmlinux");
        if !path.exists() {
            println!("SKIP: what_is_mapped_is_what_is_read: no {}", path.display());
            return;
        }
        let one = Constant::open(path).expect("the kernel's BTF");
        assert!(*one == *std::fs::read(path).expect("the kernel's BTF"));
    }

    #[test]
    fn a_file_that_can_change_is_read() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("btf");
        for text in [&b""[..], b"something"] {
            std::fs::write(&path, text).expect("a file");
            let one = Constant::open(&path).expect("the file");
            std::fs::write(&path, b"").expect("it is cut");
            assert!(matches!(&one, Constant::Read(b) if b == text));
        }
    }
}
