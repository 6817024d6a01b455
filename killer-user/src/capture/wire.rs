//! What a reader tells the one that writes, over a pipe: pieces of kind, length and bytes.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::report::model::LeftOut;
use crate::sys::{clock, interrupt, proc};

/// A file by its filesystem and inode.
pub type Inode = (u64, u64);

/// What a reader is about to look at, so that another one can leave it out when it never comes back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Item {
    /// Which step of the round.
    pub step: usize,
    /// What of it.
    pub number: u64,
}

/// The beginning of a part.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Begins {
    /// Name of the entry.
    pub path: String,
    /// Bytes to come.
    pub size: u64,
    /// Size of the file, when they are the data of a sparse one.
    pub sparse: Option<u64>,
    /// The file whose content it is: nobody need read that again.
    pub content: Option<Inode>,
}

/// A piece.
#[derive(Debug)]
pub enum Piece {
    /// A look that may never come back, in words.
    Looks(Item, String),
    /// A part begins.
    Begins(Begins),
    /// Some of it.
    Data(Vec<u8>),
    /// It ends.
    Ends,
    /// It ends too soon: there is no more of it.
    Cut,
    /// Something is left out.
    LeftOut(LeftOut),
    /// The reader is done.
    Done,
}

/// The longest piece.
const MOST: usize = 1 << 20;

/// The reader's end.
#[derive(Debug)]
pub struct Teller {
    pipe: File,
    buffer: Vec<u8>,
}

impl Teller {
    /// Of a pipe.
    pub fn new(pipe: OwnedFd) -> Self {
        Self { pipe: pipe.into(), buffer: Vec::new() }
    }

    fn piece(&mut self, kind: u8, bytes: &[u8]) -> io::Result<()> {
        self.buffer.push(kind);
        self.buffer.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= 1 << 16 { self.flush() } else { Ok(()) }
    }

    fn model(&mut self, kind: u8, model: &impl Serialize) -> io::Result<()> {
        let text = serde_json::to_vec(model)?;
        self.piece(kind, &text)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.pipe.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }

    /// Says what it looks at now.
    pub fn looks(&mut self, item: Item, words: &str) -> io::Result<()> {
        self.model(b'L', &(item, words))?;
        self.flush()
    }

    /// Begins a part.
    pub fn begins(&mut self, b: &Begins) -> io::Result<()> {
        self.model(b'P', b)
    }

    /// Sends some of it.
    pub fn data(&mut self, bytes: &[u8]) -> io::Result<()> {
        bytes.chunks(MOST).try_for_each(|c| self.piece(b'D', c))
    }

    /// Ends it.
    pub fn ends(&mut self) -> io::Result<()> {
        self.piece(b'E', &[])
    }

    /// Ends it too soon.
    pub fn cut(&mut self) -> io::Result<()> {
        self.piece(b'C', &[])
    }

    /// Something is left out.
    pub fn left_out(&mut self, what: &str, why: &str) -> io::Result<()> {
        self.model(b'O', &LeftOut { what: what.into(), why: why.into() })
    }

    /// That was all.
    pub fn done(&mut self) -> io::Result<()> {
        self.piece(b'F', &[])?;
        self.flush()
    }
}

/// Why no piece came.
#[derive(Debug)]
pub enum Silence {
    /// Not in time.
    Late,
    /// The reader has ended without a word.
    Gone,
}

/// The other end.
#[derive(Debug)]
pub struct Listener {
    pipe: File,
}

impl Listener {
    /// Of a pipe.
    pub fn new(pipe: OwnedFd) -> Self {
        Self { pipe: pipe.into() }
    }

    fn exactly(&mut self, bytes: &mut [u8], until: u64) -> Result<(), Silence> {
        let mut at = 0;
        while at < bytes.len() {
            let rest = until.saturating_sub(clock::monotonic_ns());
            if rest == 0 || interrupt::came().is_some() {
                return Err(Silence::Late);
            }
            if !proc::readable(&self.pipe, Duration::from_nanos(rest)) {
                continue;
            }
            match self.pipe.read(&mut bytes[at..]) {
                Ok(0) => return Err(Silence::Gone),
                Ok(n) => at += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Err(Silence::Gone),
            }
        }
        Ok(())
    }

    /// The next piece, which has to come until then (CLOCK_MONOTONIC ns).
    pub fn next(&mut self, until: u64) -> Result<Piece, Silence> {
        let mut head = [0; 5];
        self.exactly(&mut head, until)?;
        let n = u32::from_le_bytes([head[1], head[2], head[3], head[4]]) as usize;
        if n > MOST {
            return Err(Silence::Gone);
        }
        let mut bytes = vec![0; n];
        self.exactly(&mut bytes, until)?;
        let wrong = |_| Silence::Gone;
        Ok(match head[0] {
            b'L' => serde_json::from_slice(&bytes).map(|(i, w)| Piece::Looks(i, w)).map_err(wrong)?,
            b'P' => Piece::Begins(serde_json::from_slice(&bytes).map_err(wrong)?),
            b'D' => Piece::Data(bytes),
            b'E' => Piece::Ends,
            b'C' => Piece::Cut,
            b'O' => Piece::LeftOut(serde_json::from_slice(&bytes).map_err(wrong)?),
            b'F' => Piece::Done,
            _ => return Err(Silence::Gone),
        })
    }
}
