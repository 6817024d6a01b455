//! The file of a capture: new, this caller's alone, and written in place, so that it can be read as far as it came.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use crate::capture::Sink;
use crate::ending::Ending;
use crate::host::failure::Failure;

/// Where a capture goes.
pub struct Output {
    path: PathBuf,
    file: BufWriter<File>,
}

impl Output {
    /// Makes it. A file that is there, or a link, is never written to.
    pub fn make(path: &Path) -> Result<Self, Failure> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR) {
            Ok(fd) => Ok(Self { path: path.to_owned(), file: BufWriter::with_capacity(1 << 16, fd.into()) }),
            Err(e) => {
                let f = Failure::new(Ending::Failed, format!("'{}' could not be made", path.display()));
                Err(f.why(io::Error::from(e).to_string()).next(match e {
                    rustix::io::Errno::EXIST => "what is there is never written to; nothing was frozen",
                    _ => "another place may do; nothing was frozen",
                }))
            }
        }
    }

    /// Its path as it was given.
    pub fn name(&self) -> PathBuf {
        self.path.clone()
    }

    /// Nothing was captured: an empty file is no use.
    pub fn take_back(self) {
        let of = |s: rustix::fs::Stat| (s.st_dev, s.st_ino);
        let mine = rustix::fs::fstat(self.file.get_ref()).map(of);
        if mine.is_ok() && mine == rustix::fs::lstat(&self.path).map(of) {
            let _ = std::fs::remove_file(&self.path);
        }
    }

    /// All of it is on the disk.
    pub fn sync(self) -> io::Result<()> {
        let file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_all()
    }
}

impl Sink for Output {
    fn rewrite(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.flush()?;
        self.file.get_ref().write_all_at(bytes, at)
    }

    fn again(&mut self, each: &mut dyn FnMut(&[u8])) -> io::Result<()> {
        self.file.flush()?;
        let (mut piece, mut at) = (vec![0; 1 << 16], 0);
        loop {
            match self.file.get_ref().read_at(&mut piece, at)? {
                0 => return Ok(()),
                n => {
                    each(&piece[..n]);
                    at += n as u64;
                }
            }
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
