//! Readers that hang, end, or say nonsense.

use std::time::Duration;

use super::*;
use crate::ask::capture::Memory;
use crate::capture::wire::{Begins, Teller};

fn limits() -> Limits {
    Limits {
        memory: Memory::None,
        ranges: Vec::new(),
        content: 1 << 20,
        most: 1 << 20,
        time: Duration::from_secs(60),
        look: Duration::from_millis(300),
    }
}

fn member(tgid: u32) -> Member {
    Member { tgid, ..bytemuck::Zeroable::zeroed() }
}

fn text(t: &mut Teller, known: &Known, path: &str) -> io::Result<()> {
    if known.parts.contains(path) {
        return Ok(());
    }
    t.begins(&Begins { path: path.into(), size: 3, sparse: None, content: None })?;
    t.data(b"abc").and_then(|()| t.ends())
}

fn run(members: &[Member], limits: &Limits, read: Read<'_>) -> (Collected, Vec<u8>) {
    let mut archive = Archive::new(Vec::new(), 7);
    archive.part(crate::capture::archive::HEAD, br#"{"service":"x"}"#).expect("write");
    let done = collect_by(&mut archive, members, limits, &mut |_| {}, read).expect("write");
    let (file, ..) = archive.seal(|_| b"{}".to_vec()).expect("write");
    (done, file)
}

fn has(file: &[u8], word: &str) -> usize {
    file.windows(word.len()).filter(|w| *w == word.as_bytes()).count()
}

/// A look that never comes back is named and left out, and what is behind it is read.
#[test]
fn a_look_that_hangs() {
    let read = |m: &Member, round: Round, _: &Limits, known: &Known, pipe: OwnedFd| {
        let mut t = Teller::new(pipe);
        if round == Round::State {
            text(&mut t, known, &format!("{}/before", m.tgid))?;
            let item = Item { step: 1, number: 7 };
            if m.tgid == 1 && !known.stuck.contains(&item) {
                t.looks(item, "what hangs")?;
                std::thread::sleep(Duration::from_secs(600));
            }
            text(&mut t, known, &format!("{}/behind", m.tgid))?;
        }
        t.done()
    };
    let (done, file) = run(&[member(1), member(2)], &limits(), &read);
    assert!(done.cut.is_none(), "{done:?}");
    assert!(done.left_out.len() == 1 && done.left_out[0].what == "what hangs", "{done:?}");
    for part in ["1/before", "1/behind", "2/before", "2/behind"] {
        // Its header, and its line of the record.
        assert_eq!(has(&file, part), 2, "{part}");
    }
}

/// One that hangs in the middle of a part: as far as it came. One whose looks all hang holds nobody up for long.
#[test]
fn parts_and_processes_that_hang() {
    let read = |_: &Member, round: Round, _: &Limits, known: &Known, pipe: OwnedFd| {
        let mut t = Teller::new(pipe);
        match round {
            Round::State if !known.parts.contains("middle") => {
                t.looks(Item::default(), "the middle")?;
                t.begins(&Begins { path: "middle".into(), size: 1 << 19, sparse: None, content: None })?;
                t.data(b"begin")?;
                t.looks(Item { step: 0, number: 1 }, "the middle")?;
                std::thread::sleep(Duration::from_secs(600));
            }
            Round::Contents => {
                let n = (0..).find(|n| !known.stuck.contains(&Item { step: 0, number: *n })).unwrap_or(0);
                t.looks(Item { step: 0, number: n }, &format!("look {n}"))?;
                std::thread::sleep(Duration::from_secs(600));
            }
            _ => {}
        }
        t.done()
    };
    let (done, file) = run(&[member(1)], &limits(), &read);
    let words: Vec<&str> = done.left_out.iter().map(|l| l.why.as_str()).collect();
    assert!(words.iter().any(|w| w.starts_with("its last 524283 bytes")), "{words:?}");
    assert!(words.last().is_some_and(|w| w.contains("too many looks")), "{words:?}");
    assert!(file.len() < 32 << 10, "{}", file.len());
}

#[test]
fn readers_that_end_or_ask_too_much() {
    let read = |m: &Member, _: Round, _: &Limits, _: &Known, pipe: OwnedFd| {
        let mut t = Teller::new(pipe);
        if m.tgid == 2 {
            t.begins(&Begins { path: "huge".into(), size: 1 << 40, sparse: None, content: None })?;
            return t.done();
        }
        Err(io::Error::other("it ends"))
    };
    let (done, file) = run(&[member(1), member(2), member(3)], &limits(), &read);
    assert_eq!(done.cut, Some(Cut::Size), "{done:?}");
    assert!(done.left_out.iter().any(|l| l.why == "its reader ended before its end"), "{done:?}");
    assert!(done.left_out.iter().any(|l| l.why.ends_with("was not reached")), "{done:?}");
    assert!(file.len() < 32 << 10, "{}", file.len());
}
