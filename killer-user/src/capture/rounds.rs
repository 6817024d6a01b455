//! What is read of a member, in order of volatility: what changes soonest is read of all members before anything else is of one.

use std::io;
use std::os::fd::OwnedFd;

use killer_common::record::Member;

use super::reader::{Known, Reader};
use super::{contents, descriptors, links, memory, network, texts, threads};
use crate::ask::capture::Limits;

/// Which of a member's parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Round {
    /// Threads, descriptors, sockets, names.
    State,
    /// Contents of files.
    Contents,
    /// Memory.
    Memory,
}

type Step = fn(&mut Reader<'_>) -> io::Result<()>;

impl Round {
    /// In order.
    pub const ALL: [Round; 3] = [Self::State, Self::Contents, Self::Memory];

    fn steps(self) -> &'static [Step] {
        match self {
            Self::State => &[
                threads::threads,
                texts::early,
                descriptors::descriptors,
                network::network,
                links::links,
                texts::late,
            ],
            Self::Contents => &[contents::deleted, contents::mapped, contents::program],
            Self::Memory => &[memory::memory],
        }
    }
}

/// Reads one round of a member.
pub fn read(m: &Member, round: Round, limits: &Limits, known: &Known, pipe: OwnedFd) -> io::Result<()> {
    let Some(mut r) = Reader::open(m, limits, known, pipe)? else { return Ok(()) };
    for (n, step) in round.steps().iter().enumerate().skip(known.from) {
        r.step = n;
        step(&mut r)?;
    }
    r.done()
}
