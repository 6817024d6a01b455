//! One more line, under the lock, in one write, on the disk before it is told.

use std::fs::File;
use std::io::{self, Write};

use rustix::fs::{FallocateFlags, OFlags};
use rustix::io::Errno;

use super::digest;
use super::key::Signer;
use super::line::{self, Dropped, Next};
use super::place::{CURRENT, Lock, Place, full};
use super::tail::{self, Tail};
use crate::report::model::Deed;
use crate::sys::stdout;

/// A file is full when it has more bytes, or when one more line would make it so.
const FULL: u64 = 16 * 1024 * 1024;
/// So many full files are kept beside the current one.
const KEPT: usize = 7;
/// Environment variables of tests: other numbers.
const FULL_VARIABLE: &str = "KILLER_RECEIPTS_FULL";
/// Room that has to be there before a kill whose receipt is required.
const ROOM: u64 = 256 * 1024;

/// A line that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appended {
    /// What it is called.
    pub id: String,
    /// Its hash.
    pub head: String,
}

fn full_at() -> u64 {
    let word = std::env::var(FULL_VARIABLE).ok();
    word.and_then(|w| w.parse().ok()).filter(|n| *n > 0).unwrap_or(FULL)
}

/// Writes a receipt. `on_disk`: it is there before this returns; else the kernel writes it when it likes, within half a minute.
///
/// # Errors
/// In words why it is not there.
pub fn append(deed: Deed, key: Option<&Signer>, on_disk: bool) -> Result<Appended, String> {
    let place = Place::own().map_err(|e| e.to_string())?;
    let lock = place.lock().map_err(|e| format!("{}: {e}", place.path.display()))?;
    write(&place, &lock, deed, key, on_disk).map_err(|e| format!("{}: {e}", place.path.display()))
}

/// The current file, the place of its next line, and the file before it, when it begins.
fn current(place: &Place) -> io::Result<(File, Tail, Option<String>)> {
    let file = place.file(CURRENT, OFlags::RDWR | OFlags::CREATE | OFlags::APPEND)?;
    if let Some(tail) = tail::of(&file)? {
        return Ok((file, tail, None));
    }
    // It is the first one, or a killer died when it had closed the one before.
    let Some((_, before)) = place.full()?.pop() else { return Ok((file, Tail::nothing(), None)) };
    let tail = tail::of(&place.file(&before, OFlags::RDONLY)?)?.unwrap_or_else(Tail::nothing);
    Ok((file, Tail { cut: Vec::new(), size: 0, ..tail }, Some(before)))
}

fn write(
    place: &Place,
    _lock: &Lock,
    deed: Deed,
    key: Option<&Signer>,
    on_disk: bool,
) -> io::Result<Appended> {
    let (mut file, mut tail, mut begins) = current(place)?;
    let mut made = tail.size == 0;
    if !tail.cut.is_empty() {
        tail = close_torn(&mut file, tail, key)?;
    }
    let text = |at: &Next, deed: &Deed| line::receipt(at, deed.clone(), key).map_err(io::Error::other);
    let mut ready = text(&tail.next, &deed)?;
    if tail.size > 0 && tail.size + ready.0.len() as u64 >= full_at() {
        let last = tail.next.number - 1;
        place.close(last)?;
        file = place.file(CURRENT, OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::APPEND)?;
        (tail.size, made, begins) = (0, true, Some(full(last)));
    }
    let mut lines = String::new();
    let mut spare = Vec::new();
    if let Some(after) = begins {
        let (dropped, names) = oldest(place)?;
        let first = line::new_file(&tail.next, &after, dropped, key).map_err(io::Error::other)?;
        tail.next = Next::after(tail.next.number, first.as_bytes());
        ready = text(&tail.next, &deed)?;
        lines = first + "\n";
        spare = names;
    }
    lines.push_str(&ready.0);
    lines.push('\n');
    put(&mut file, tail.size, lines.as_bytes(), on_disk || made)?;
    if made {
        place.sync()?;
    }
    // They are named as dropped on the disk by now.
    for name in spare {
        place.remove(&name)?;
    }
    Ok(Appended { id: ready.1, head: digest::of(ready.0.as_bytes()) })
}

/// The files that are too many, and what remains known of the newest one of them.
fn oldest(place: &Place) -> io::Result<(Option<Dropped>, Vec<String>)> {
    let mut full = place.full()?;
    full.truncate(full.len().saturating_sub(KEPT));
    let Some((_, newest)) = full.last() else { return Ok((None, Vec::new())) };
    let tail = tail::of(&place.file(newest, OFlags::RDONLY)?)?.unwrap_or_else(Tail::nothing);
    let dropped = Dropped { last: tail.next.number - 1, head: tail.next.prev };
    Ok((Some(dropped), full.into_iter().map(|(_, name)| name).collect()))
}

/// Ends a line that a crash has cut, so that it is told from one that somebody has changed.
fn close_torn(file: &mut File, tail: Tail, key: Option<&Signer>) -> io::Result<Tail> {
    let rest = line::torn(&tail.next, &tail.cut, key).map_err(io::Error::other)? + "\n";
    put(file, tail.size, rest.as_bytes(), false)?;
    let whole = [&tail.cut[..], rest.trim_end().as_bytes()].concat();
    let next = Next::after(tail.next.number, &whole);
    Ok(Tail { next, cut: Vec::new(), size: tail.size + rest.len() as u64 })
}

/// Writes at the end; what is there only in part is taken back.
fn put(file: &mut File, size: u64, bytes: &[u8], on_disk: bool) -> io::Result<()> {
    let _at_limit = stdout::within_limits();
    let done = file.write_all(bytes).and_then(|()| if on_disk { file.sync_data() } else { Ok(()) });
    if done.is_err() {
        let _ = file.set_len(size);
    }
    done
}

/// Looks whether a receipt could be written now: the place, the lock, and room for it.
///
/// # Errors
/// In words why not.
pub fn ready() -> Result<(), String> {
    let look = || -> io::Result<()> {
        let place = Place::own()?;
        let _lock = place.lock()?;
        let (file, tail, _) = current(&place)?;
        match rustix::fs::fallocate(&file, FallocateFlags::KEEP_SIZE, tail.size, ROOM) {
            // Not every file system can.
            Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(()),
            Err(e) => Err(e.into()),
        }
    };
    let path = super::usual()?;
    look().map_err(|e| format!("{}: {e}", path.display()))
}
