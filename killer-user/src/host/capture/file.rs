//! The file of a capture: new, this caller's alone, and written in place, so that it can be read as far as it came.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use crate::capture::Sink;
use crate::capture::packed::{self, PIECE};
use crate::ending::Ending;
use crate::host::failure::Failure;

/// Where a capture goes.
pub struct Output {
    path: PathBuf,
    file: BufWriter<File>,
    /// `Some`: it is packed.
    packer: Option<Packer>,
}

/// What is not written yet, and where that will be.
#[derive(Default)]
struct Packer {
    piece: Vec<u8>,
    /// Bytes that were given, and bytes in the file.
    given: u64,
    at: u64,
    /// What may be written over.
    fixed: Option<Fixed>,
}

/// Where something stands that may be written over.
#[derive(Clone, Copy)]
enum Fixed {
    /// In the piece, from here to there.
    Piece(usize, usize),
    /// In the file: its place among the bytes that were given, and in the file.
    File(u64, u64),
}

impl Output {
    /// Makes it. A file that is there, or a link, is never written to.
    pub fn make(path: &Path) -> Result<Self, Failure> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR) {
            Ok(fd) => {
                let file = BufWriter::with_capacity(1 << 16, fd.into());
                let packer = path.extension().is_some_and(|e| e == "zst").then(Packer::default);
                Ok(Self { path: path.to_owned(), file, packer })
            }
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

impl Output {
    /// A frame goes to the file.
    fn put(&mut self, frame: &[u8]) -> io::Result<()> {
        self.packer.iter_mut().for_each(|p| p.at += frame.len() as u64);
        self.file.write_all(frame)
    }

    /// What has no frame yet gets one; what may be written over gets one by itself, in which it stands as it is.
    fn pack(&mut self) -> io::Result<()> {
        let Some(p) = &mut self.packer else { return Ok(()) };
        let piece = std::mem::take(&mut p.piece);
        let before = p.given - piece.len() as u64;
        let mut rest = &piece[..];
        if let Some(Fixed::Piece(from, to)) = p.fixed {
            self.framed(&piece[..from])?;
            if let Some(p) = &mut self.packer {
                p.fixed = Some(Fixed::File(before + from as u64, p.at + packed::PLAIN_AT));
            }
            self.put(&packed::plain(&piece[from..to]))?;
            rest = &piece[to..];
        }
        self.framed(rest)
    }

    fn framed(&mut self, bytes: &[u8]) -> io::Result<()> {
        if bytes.is_empty() { Ok(()) } else { self.put(&packed::frame(bytes)) }
    }
}

impl Sink for Output {
    fn rewrite(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        let Some(p) = &mut self.packer else {
            self.file.flush()?;
            return self.file.get_ref().write_all_at(bytes, at);
        };
        match p.fixed {
            Some(Fixed::Piece(from, to)) if p.given - p.piece.len() as u64 + from as u64 == at => {
                p.piece[from..to].copy_from_slice(bytes);
                Ok(())
            }
            Some(Fixed::File(given, file)) if given == at => {
                self.file.flush()?;
                self.file.get_ref().write_all_at(bytes, file)
            }
            _ => Err(io::Error::other("what is packed is not written over")),
        }
    }

    fn fixed(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.packer.as_ref().is_some_and(|p| p.piece.len() + bytes.len() > PIECE) {
            self.pack()?;
        }
        let Some(p) = &mut self.packer else { return self.write_all(bytes) };
        let from = p.piece.len();
        p.piece.extend_from_slice(bytes);
        p.given += bytes.len() as u64;
        p.fixed = Some(Fixed::Piece(from, from + bytes.len()));
        Ok(())
    }

    fn packs(&self) -> bool {
        self.packer.is_some()
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
        let Some(p) = &mut self.packer else { return self.file.write(bytes) };
        let bytes = &bytes[..bytes.len().min(PIECE - p.piece.len())];
        p.piece.extend_from_slice(bytes);
        p.given += bytes.len() as u64;
        if p.piece.len() == PIECE {
            self.pack()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.pack()?;
        self.file.flush()
    }
}
