//! A capture in the frames of Zstandard (RFC 8878), each whole by itself: what was written before an interruption can be read, and no
//! frame needs more memory than a piece has bytes. What is packed is unpacked again before it is written: a piece that would not be the
//! same stands as it is.

use std::cell::RefCell;
use std::io::{self, Cursor, ErrorKind, Read};
use std::rc::Rc;

use ruzstd::decoding::{FrameDecoder, StreamingDecoder};
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use sha2::{Digest, Sha256};

use crate::ledger::hex;

/// Bytes of a piece.
pub const PIECE: usize = 1 << 20;
/// How a frame begins.
const MAGIC: [u8; 4] = 0xFD2F_B528_u32.to_le_bytes();
/// Where the content of a frame of one plain block stands.
pub const PLAIN_AT: u64 = 12;
/// The largest block.
const BLOCK: usize = 128 << 10;

/// A frame whose blocks are the bytes themselves.
pub fn plain(bytes: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(bytes.len() + bytes.len() / BLOCK * 3 + 16);
    frame.extend(MAGIC);
    // One segment, and four bytes for its size.
    frame.push(0xA0);
    frame.extend((bytes.len() as u32).to_le_bytes());
    let mut blocks = bytes.chunks(BLOCK).peekable();
    while let Some(block) = blocks.next() {
        let head = (block.len() as u32) << 3 | u32::from(blocks.peek().is_none());
        frame.extend(&head.to_le_bytes()[..3]);
        frame.extend(block);
    }
    frame
}

/// A frame of this piece, which is not empty.
pub fn frame(piece: &[u8]) -> Vec<u8> {
    let packed = compress_to_vec(piece, CompressionLevel::Fastest);
    let mut back = Vec::with_capacity(piece.len());
    let same = StreamingDecoder::new(&packed[..]).is_ok_and(|mut d| d.read_to_end(&mut back).is_ok())
        && back == piece;
    if same && packed.len() < piece.len() { packed } else { plain(piece) }
}

/// What was read of a file, as it lies on the disk.
#[derive(Debug, Default)]
pub struct Tally(Rc<RefCell<(Sha256, u64)>>);

impl Tally {
    /// Bytes, and their digest.
    pub fn done(&self) -> (u64, String) {
        let all = self.0.borrow();
        (all.1, hex(&all.0.clone().finalize()))
    }
}

/// A file, counted.
struct Counted<R> {
    from: R,
    tally: Rc<RefCell<(Sha256, u64)>>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let n = self.from.read(to)?;
        let mut all = self.tally.borrow_mut();
        all.0.update(&to[..n]);
        all.1 += n as u64;
        Ok(n)
    }
}

type Source<R> = io::Chain<Cursor<Vec<u8>>, Counted<R>>;

enum State<R: Read> {
    /// Before its first byte.
    New(Counted<R>),
    /// Bytes as they are.
    Plain(Source<R>),
    /// Within a frame.
    Frame(Box<StreamingDecoder<Source<R>, FrameDecoder>>),
    /// Behind the last one.
    Over,
}

/// A capture that may be packed, as it was before that.
pub struct Unpacked<R: Read>(State<R>);

impl<R: Read> Unpacked<R> {
    /// Of a file.
    pub fn new(from: R) -> (Self, Tally) {
        let tally = Tally::default();
        (Self(State::New(Counted { from, tally: Rc::clone(&tally.0) })), tally)
    }

    /// The next frame, whose first bytes were read; a file that ends is cut there.
    fn next(head: Vec<u8>, from: Counted<R>, decoder: FrameDecoder) -> io::Result<State<R>> {
        match head.len() {
            0 => return Ok(State::Over),
            4 if head == MAGIC => {}
            // Within its first bytes.
            n if n < 4 && MAGIC.starts_with(&head) => return Ok(State::Over),
            _ => return Err(bad("there is something between its frames")),
        }
        let whole = StreamingDecoder::new_with_decoder(Cursor::new(head).chain(from), decoder);
        match whole {
            Ok(d) => Ok(State::Frame(Box::new(d))),
            Err(e) => Err(bad(&e.to_string())),
        }
    }
}

fn bad(why: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, format!("its compression is not as it was written: {why}"))
}

/// So many bytes at most.
fn first(from: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut head = Vec::with_capacity(4);
    from.take(4).read_to_end(&mut head)?;
    Ok(head)
}

impl<R: Read> Read for Unpacked<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        loop {
            match std::mem::replace(&mut self.0, State::Over) {
                State::Over => return Ok(0),
                State::New(mut from) => {
                    let head = first(&mut from)?;
                    self.0 = match head == MAGIC {
                        true => Self::next(head, from, FrameDecoder::new())?,
                        false => State::Plain(Cursor::new(head).chain(from)),
                    };
                }
                State::Plain(mut from) => {
                    let n = from.read(to);
                    self.0 = State::Plain(from);
                    return n;
                }
                State::Frame(mut d) => match d.read(to) {
                    Ok(0) if !to.is_empty() => {
                        let (from, decoder) = d.into_parts();
                        let mut from = from.into_inner().1;
                        self.0 = Self::next(first(&mut from)?, from, decoder)?;
                    }
                    Ok(n) => {
                        self.0 = State::Frame(d);
                        return Ok(n);
                    }
                    // Everything is written in whole frames: it ends where the last whole one does.
                    Err(_) if d.get_mut().get_mut().1.from.read(&mut [0]).is_ok_and(|n| n == 0) => {
                        return Ok(0);
                    }
                    Err(e) => return Err(bad(&e.to_string())),
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unpacked(bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut all = Vec::new();
        Unpacked::new(bytes).0.read_to_end(&mut all).map(|_| all)
    }

    /// Text, zeros, and what cannot be packed.
    fn pieces() -> Vec<Vec<u8>> {
        let mut x = 7u32;
        let noise = (0..300_000).map(|_| {
            x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (x >> 24) as u8
        });
        vec![
            b"a line of text\n".repeat(5000),
            vec![0; PIECE],
            noise.collect(),
            b"x".to_vec(),
            vec![1; BLOCK + 1],
        ]
    }

    #[test]
    fn what_is_packed_is_unpacked() {
        let mut file = Vec::new();
        for p in pieces() {
            let packed = frame(&p);
            assert!(packed.len() <= p.len() + p.len() / BLOCK * 3 + 16);
            assert_eq!(unpacked(&packed).expect("a frame"), p);
            assert_eq!(unpacked(&plain(&p)).expect("a plain frame"), p);
            file.extend(packed);
        }
        assert_eq!(unpacked(&file).expect("frames"), pieces().concat());
        assert_eq!(&plain(b"head")[PLAIN_AT as usize..], b"head");
        // A plain file goes through as it is, and is counted.
        let (mut as_it_is, tally) = Unpacked::new(&b"tar"[..]);
        let mut all = Vec::new();
        as_it_is.read_to_end(&mut all).expect("bytes");
        assert_eq!((all.as_slice(), tally.done().0), (&b"tar"[..], 3));
    }

    #[test]
    fn cut_it_ends_with_the_last_whole_frame() {
        let all = pieces();
        let file = [frame(&all[0]), frame(&all[2])].concat();
        let first = frame(&all[0]).len();
        for at in [first, first + 1, first + 3, first + 9, file.len() - 1] {
            let got = unpacked(&file[..at]).expect("an end");
            assert!(
                got.starts_with(&all[0]) && got.len() < all[0].len() + all[2].len(),
                "{at}: {}",
                got.len()
            );
        }
    }

    #[test]
    fn hostile_frames_are_refused_or_are_other_bytes() {
        let file = frame(&pieces()[0]);
        for at in 0..file.len() {
            for bit in [1, 0x80] {
                let mut bad = file.clone();
                bad[at] ^= bit;
                // No panic, and an end.
                let _ = unpacked(&bad);
            }
        }
        let skippable = [0x50, 0x2A, 0x4D, 0x18, 4, 0, 0, 0, 1, 2, 3, 4];
        assert!(unpacked(&[file, skippable.to_vec()].concat()).is_err());
    }
}
