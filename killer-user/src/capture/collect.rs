//! Reads members, round by round, and writes what comes. Whatever a member does, a look has an end: its reader is ended then, what it
//! looked at is named, and another reader goes on behind that.

use std::collections::HashSet;
use std::io;
use std::os::fd::OwnedFd;

use killer_common::record::Member;

use super::archive::{Archive, Sink};
use super::reader::{Known, place};
use super::rounds::{self, Round};
use super::wire::{Item, Listener, Piece, Silence};
use crate::ask::capture::Limits;
use crate::report::model::LeftOut;
use crate::sys::{apart, clock, interrupt};

/// Looks of one member and round that may fail to come back before the rest is left out.
const STRIKES: usize = 4;
/// The same of the whole capture: more would be a member's way to hold it up.
const ALL_STRIKES: usize = 32;
/// So many things that are left out are named.
const NAMED: usize = 10_000;

/// How far it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Progress {
    /// Rounds of members that are done, and all of them.
    pub done: usize,
    /// All of them.
    pub all: usize,
    /// Of the part that is being written: so many thousandths.
    pub part: u64,
    /// Bytes written.
    pub bytes: u64,
}

/// Why it ended before its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cut {
    /// A signal.
    Signal(i32),
    /// The time.
    Time,
    /// The size.
    Size,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Collected {
    /// What is left out.
    pub left_out: Vec<LeftOut>,
    /// So many more.
    pub more: u64,
    /// Why it ended before its end.
    pub cut: Option<Cut>,
}

impl Collected {
    /// Something is left out.
    pub fn leave_out(&mut self, what: impl Into<String>, why: impl Into<String>) {
        match self.left_out.len() < NAMED {
            true => self.left_out.push(LeftOut { what: what.into(), why: why.into() }),
            false => self.more += 1,
        }
    }
}

/// One capture that goes on.
pub struct Collect<'a, W: Sink> {
    archive: &'a mut Archive<W>,
    limits: &'a Limits,
    until: u64,
    known: Known,
    strikes: usize,
    /// The part that was begun last.
    last: String,
    done: Collected,
    progress: Progress,
    tell: &'a mut dyn FnMut(Progress),
}

/// How a reader ended.
enum End {
    Done,
    /// It looked at this, in these words.
    Stuck(Option<(Item, String)>, &'static str),
    Cut(Cut),
}

/// What a reader's process does.
type Read<'a> = &'a dyn Fn(&Member, Round, &Limits, &Known, OwnedFd) -> io::Result<()>;

/// Reads all rounds of these members.
///
/// # Errors
/// The file cannot be written. What a member does is no error.
pub fn collect<W: Sink>(
    archive: &mut Archive<W>,
    members: &[Member],
    limits: &Limits,
    tell: &mut dyn FnMut(Progress),
) -> io::Result<Collected> {
    collect_by(archive, members, limits, tell, &rounds::read)
}

fn collect_by<W: Sink>(
    archive: &mut Archive<W>,
    members: &[Member],
    limits: &Limits,
    tell: &mut dyn FnMut(Progress),
    read: Read<'_>,
) -> io::Result<Collected> {
    let until = clock::monotonic_ns().saturating_add(limits.time.as_nanos().min(u128::from(u64::MAX)) as u64);
    let all = members.len() * Round::ALL.len();
    let progress = Progress { all, ..Progress::default() };
    let (known, done) = (Known::default(), Collected::default());
    let mut c =
        Collect { archive, limits, until, known, strikes: 0, last: String::new(), done, progress, tell };
    for round in Round::ALL {
        for m in members {
            if c.done.cut.is_none() {
                c.member(m, round, read)?;
            } else {
                c.done.leave_out(place(m), format!("{} was not reached", words(round)));
            }
            c.progress.done += 1;
            c.show();
        }
    }
    Ok(c.done)
}

fn words(r: Round) -> &'static str {
    match r {
        Round::State => "its state",
        Round::Contents => "what it has open",
        Round::Memory => "its memory",
    }
}

impl<W: Sink> Collect<'_, W> {
    fn show(&mut self) {
        self.progress.bytes = self.archive.written();
        self.progress.part = self.archive.to_come().map_or(0, |(left, all)| 1000 - left * 1000 / all.max(1));
        (self.tell)(self.progress);
    }

    fn member(&mut self, m: &Member, round: Round, read: Read<'_>) -> io::Result<()> {
        self.known.stuck = HashSet::new();
        self.known.from = 0;
        for _ in 0..STRIKES {
            self.known.room = self.room();
            let (limits, known) = (self.limits, &self.known);
            let (reader, pipe) = match apart::start(|to| read(m, round, limits, known, to)) {
                Ok(started) => started,
                Err(e) => {
                    self.done.leave_out(place(m), format!("no reader could be started: {e}"));
                    return Ok(());
                }
            };
            let end = self.listen(&mut Listener::new(pipe));
            drop(reader);
            match end? {
                End::Done => return Ok(()),
                End::Cut(cut) => {
                    self.done.leave_out(place(m), format!("{} is not whole: {}", words(round), cut.words()));
                    self.done.cut = Some(cut);
                    return Ok(());
                }
                End::Stuck(at, why) => {
                    self.strikes += 1;
                    let Some((item, what)) = at else {
                        self.done.leave_out(place(m), format!("its reader {why}"));
                        return Ok(());
                    };
                    self.done.leave_out(what, why);
                    self.known.from = item.step;
                    self.known.stuck.insert(item);
                    if self.strikes >= ALL_STRIKES {
                        break;
                    }
                }
            }
        }
        self.done
            .leave_out(place(m), format!("the rest of {}: too many looks did not come back", words(round)));
        Ok(())
    }

    /// Writes what one reader tells.
    fn listen(&mut self, from: &mut Listener) -> io::Result<End> {
        let mut at = None;
        loop {
            if let Some(cut) = self.cut() {
                self.close(cut.words())?;
                return Ok(End::Cut(cut));
            }
            let patience = self.limits.look.as_nanos() as u64;
            let until = clock::monotonic_ns().saturating_add(patience).min(self.until.saturating_add(1));
            match from.next(until) {
                Ok(Piece::Looks(item, what)) => at = Some((item, what)),
                Ok(Piece::Begins(b)) => {
                    self.known.parts.insert(b.path.clone());
                    if let Some(key) = b.content {
                        self.known.contents.insert(key, b.path.clone());
                    }
                    if b.size > self.room() {
                        return Ok(End::Cut(Cut::Size));
                    }
                    self.archive.begin(&b.path, b.size, b.sparse)?;
                    self.last = b.path;
                }
                Ok(Piece::Data(bytes)) => self.archive.data(&bytes)?,
                Ok(Piece::Ends) => drop(self.archive.end()?),
                Ok(Piece::Cut) => self.close("the process has ended")?,
                Ok(Piece::LeftOut(l)) => self.done.leave_out(l.what, l.why),
                Ok(Piece::Done) => {
                    self.archive.record()?;
                    return Ok(End::Done);
                }
                Err(Silence::Late) if self.cut().is_some() => {}
                Err(s) => {
                    let why = match s {
                        Silence::Late => "did not answer in time",
                        Silence::Gone => "ended before its end",
                    };
                    self.close(why)?;
                    return Ok(End::Stuck(at, why));
                }
            }
            self.show();
        }
    }

    /// Ends the part that is being written, as it is.
    fn close(&mut self, why: &str) -> io::Result<()> {
        if self.archive.to_come().is_some() {
            let lacks = self.archive.cut()?;
            if lacks > 0 {
                let what = self.last.clone();
                self.done.leave_out(what, format!("its last {lacks} bytes: {why}"));
            }
        }
        Ok(())
    }

    fn room(&self) -> u64 {
        self.limits.most.saturating_sub(self.archive.written())
    }

    fn cut(&self) -> Option<Cut> {
        if let Some(signal) = interrupt::came() {
            return Some(Cut::Signal(signal));
        }
        if clock::monotonic_ns() >= self.until {
            return Some(Cut::Time);
        }
        (self.archive.written() > self.limits.most).then_some(Cut::Size)
    }
}

impl Cut {
    /// In words.
    pub fn words(&self) -> &'static str {
        match self {
            Self::Signal(_) => "a signal has ended it",
            Self::Time => "the time was over (--timeout)",
            Self::Size => "it became too large (--most)",
        }
    }
}

#[cfg(test)]
mod tests;
