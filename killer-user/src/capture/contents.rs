//! Contents of files that go with their process: deleted ones and memfds that are open or mapped, and the program. Regular files
//! only, and none that a program serves (FUSE): it may be the suspect.

use std::collections::HashSet;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;

use rustix::fs::SeekFrom;
use rustix::io::Errno;

use super::object::{self, inode, is_file};
use super::reader::{Reader, words};
use super::sparse::{self, Extent};
use super::wire::Begins;

/// Pieces of a sparse file.
const EXTENTS: usize = 100_000;
/// What is read at once.
const PIECE: u64 = 1 << 20;

/// Open files without a name.
pub fn deleted(r: &mut Reader<'_>) -> io::Result<()> {
    let mut all = r.entry.descriptors().unwrap_or_default();
    all.sort_unstable();
    let mut seen = HashSet::new();
    for fd in all {
        let link = format!("fd/{fd}");
        if !r.looks(fd.into(), &format!("{}/{link}", r.place))? {
            continue;
        }
        let Ok(path) = object::path_of(&r.entry, &link) else { continue };
        let Ok(s) = object::look(&path) else { continue };
        if is_file(&s) && s.stx_nlink == 0 && seen.insert(inode(&s)) {
            content(r, &link, path)?;
        }
    }
    Ok(())
}

/// Mapped files without a name.
pub fn mapped(r: &mut Reader<'_>) -> io::Result<()> {
    let Some(maps) = r.text(u64::MAX, "maps")? else { return Ok(()) };
    let mut seen = HashSet::new();
    for (n, line) in maps.split(|b| *b == b'\n').enumerate() {
        let columns: Vec<&[u8]> = line.split(|b| *b == b' ').filter(|w| !w.is_empty()).take(5).collect();
        let [range, _, _, device, number] = columns[..] else { continue };
        if !line.ends_with(b" (deleted)")
            || number == b"0"
            || !seen.insert((device.to_vec(), number.to_vec()))
        {
            continue;
        }
        let link = format!("map_files/{}", normal(&String::from_utf8_lossy(range)));
        if !r.looks(n as u64, &format!("{}/{link}", r.place))? {
            continue;
        }
        match object::path_of(&r.entry, &link) {
            Ok(path) => content(r, &link, path)?,
            Err(e) => r.left_out(&link, &words(&e))?,
        }
    }
    Ok(())
}

/// A range as `map_files` has it: without zeros in front.
fn normal(range: &str) -> String {
    let short = |a: &str| match a.trim_start_matches('0') {
        "" => "0".to_owned(),
        a => a.to_owned(),
    };
    range.split('-').map(short).collect::<Vec<_>>().join("-")
}

/// The program, also when it is deleted.
pub fn program(r: &mut Reader<'_>) -> io::Result<()> {
    if !r.looks(0, &format!("{}/exe", r.place))? {
        return Ok(());
    }
    match object::path_of(&r.entry, "exe") {
        Ok(path) => content(r, "exe", path),
        Err(e) => r.left_out("exe", &words(&e)),
    }
}

/// Why the content of a file is not read, when it is not.
fn refused(r: &Reader<'_>, path: &OwnedFd) -> io::Result<Option<&'static str>> {
    let s = object::look(path)?;
    if !is_file(&s) {
        return Ok(Some("no regular file: named, not opened"));
    }
    let device = format!("{}:{}", s.stx_dev_major, s.stx_dev_minor);
    let mounts = r.entry.read("mountinfo").unwrap_or_default();
    let mounts = String::from_utf8_lossy(&mounts).into_owned();
    let fuse = |line: &str| {
        let kind = line.split_once(" - ").map_or("", |(_, k)| k);
        line.split(' ').nth(2) == Some(&device) && (kind.starts_with("fuse") || kind.starts_with("9p"))
    };
    Ok(mounts.lines().any(fuse).then_some("a program serves this file (FUSE): named, not opened"))
}

/// `contents/DEVICE-INODE`, once for all members.
fn content(r: &mut Reader<'_>, link: &str, path: OwnedFd) -> io::Result<()> {
    let opened = refused(r, &path).and_then(|why| match why {
        Some(why) => Ok(Err(why)),
        None => {
            let s = object::look(&path)?;
            let file = object::content(&path)?;
            let now = object::look(&file)?;
            let same = inode(&s) == inode(&now) && is_file(&now);
            Ok(if same { Ok((file, now)) } else { Err("it changed while it was opened") })
        }
    });
    let (file, s) = match opened {
        Ok(Ok(opened)) => opened,
        Ok(Err(why)) => return r.left_out(link, why),
        Err(e) => return r.left_out(link, &words(&e)),
    };
    let key = inode(&s);
    let name = format!("contents/{}-{}-{}", s.stx_dev_major, s.stx_dev_minor, s.stx_ino);
    if r.content(key).is_some() || r.has(&name) {
        return Ok(());
    }
    let file = File::from(file);
    let (extents, cut) = extents(&file, s.stx_size, r.limits.content.min(r.room() / 2));
    if cut > 0 {
        r.left_out(link, &format!("{cut} bytes of its content: more than --content-limit or --most allow"))?;
    }
    copy(r, &file, &name, &extents, s.stx_size, key)
}

/// Where a file has data, at most so many bytes of them; and how many are beyond that.
fn extents(file: &File, size: u64, most: u64) -> (Vec<Extent>, u64) {
    let mut found: Vec<Extent> = Vec::new();
    let (mut at, mut room, mut cut) = (0, most, 0);
    while at < size {
        let data = match rustix::fs::seek(file, SeekFrom::Data(at)) {
            Ok(data) => data,
            Err(Errno::NXIO) => break,
            // It cannot tell.
            Err(_) => at,
        };
        let hole = rustix::fs::seek(file, SeekFrom::Hole(data)).unwrap_or(size).min(size);
        // A file of more pieces than that is read on without a look for holes.
        let hole = if found.len() >= EXTENTS { size } else { hole };
        if hole <= data {
            break;
        }
        let n = (hole - data).min(room);
        if n > 0 {
            found.push((data, n));
        }
        cut += hole - data - n;
        room -= n;
        at = hole;
    }
    (found, cut)
}

fn copy(
    r: &mut Reader<'_>,
    file: &File,
    path: &str,
    extents: &[Extent],
    size: u64,
    key: super::wire::Inode,
) -> io::Result<()> {
    let whole = matches!(extents, [(0, n)] if *n == size) || size == 0;
    let map = if whole { Vec::new() } else { sparse::map(extents, size) };
    let stored = map.len() as u64 + extents.iter().map(|(_, n)| n).sum::<u64>();
    let sparse = (!whole).then_some(size);
    r.begins(&Begins { path: path.into(), size: stored, sparse, content: Some(key) })?;
    r.data(&map)?;
    let mut piece = vec![0; PIECE as usize];
    let mut lacks = 0;
    for &(at, n) in extents {
        let mut done = 0;
        while done < n {
            let want = (n - done).min(PIECE) as usize;
            let got = file.read_at(&mut piece[..want], at + done).unwrap_or(0);
            if got == 0 {
                // What cannot be read is zeros, so that the rest is where the map has it.
                piece[..want].fill(0);
                lacks += want as u64;
            }
            let got = if got == 0 { want } else { got };
            r.data(&piece[..got])?;
            done += got as u64;
        }
    }
    r.ends()?;
    if lacks > 0 {
        let why = format!(
            "{lacks} bytes could not be read, and are zeros here: it was cut short, or cannot be read"
        );
        r.left_out(&format!("(content) {path}"), &why)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_are_not_read() {
        let file = tempfile::tempfile().expect("a file");
        file.write_at(b"begin", 0).expect("write");
        file.write_at(b"end", 1 << 40).expect("write");
        let size = (1 << 40) + 3;
        let (found, cut) = extents(&file, size, 1 << 20);
        assert!(cut == 0 && found.iter().map(|e| e.1).sum::<u64>() <= 1 << 16, "{found:?}");
        assert_eq!(found.last().map(|(at, n)| at + n), Some(size));
        let (found, cut) = extents(&file, size, 2);
        assert!(found == [(0, 2)] && cut > 0, "{found:?} {cut}");
        assert_eq!(normal("00400000-00401000"), "400000-401000");
        assert_eq!(normal("00000000-00001000"), "0-1000");
    }
}
