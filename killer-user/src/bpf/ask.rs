//! How requests are made: by running the on-demand program (5.10+), or by leaving the request in a map and giving this thread
//! the name that it has, at which a program carries it out (`killer-ebpf/src/legacy/ask.rs`).

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::OnceLock;

use killer_common::ctl;
use killer_common::names::{P_ASK, P_CTL, REQUESTS};
use killer_common::record::Request;

use super::attach;
use crate::kernel::tier::Tier;
use crate::sys::bpf::{self, Hash};
use crate::sys::proc;

/// The words of a request.
pub(super) type Words = [u64; ctl::ARGS];

/// How requests are made.
#[derive(Debug)]
pub(super) enum Asking {
    /// The program is run.
    Run,
    /// A map is asked.
    Map(Box<Map>),
}

/// Requests in a map.
#[derive(Debug)]
pub(super) struct Map {
    requests: Hash<u64, Request>,
    /// A link of our own, where nobody holds one.
    link: OnceLock<OwnedFd>,
}

impl Asking {
    /// As a directory of pins has it.
    pub(super) fn of(v: &Path) -> io::Result<Self> {
        match v.join("progs").join(P_ASK).exists() {
            true => Map::at(&v.join("maps")).map(|m| Self::Map(Box::new(m))),
            false => Ok(Self::Run),
        }
    }

    /// The program that carries requests out.
    pub(super) fn program(&self) -> &'static str {
        match self {
            Self::Run => P_CTL,
            Self::Map(_) => P_ASK,
        }
    }

    /// Makes a request of the program; answers what came of it. `tier`: where that is known.
    pub(super) fn ask(&self, program: impl AsFd, tier: Option<Tier>, args: &Words) -> io::Result<i32> {
        match self {
            Self::Run => bpf::prog_run(program, args),
            Self::Map(m) => m.ask(program, tier, args),
        }
    }
}

impl Map {
    /// The map of these pins.
    pub(super) fn at(maps: &Path) -> io::Result<Self> {
        let requests = Hash::new(bpf::obj_get(&maps.join(REQUESTS))?)?;
        Ok(Self { requests, link: OnceLock::new() })
    }

    /// Makes a request; answers what came of it.
    ///
    /// # Errors
    /// No program has carried it out, or there is no place for it.
    pub(super) fn ask(&self, program: impl AsFd, tier: Option<Tier>, args: &Words) -> io::Result<i32> {
        let tid = rustix::thread::gettid().as_raw_nonzero().get() as u64;
        let me = u64::from(std::process::id()) << 32 | tid;
        let request = Request { args: *args, result: 0, done: 0 };
        if let Err(e) = self.requests.put(&me, &request) {
            if e.raw_os_error() != Some(libc::E2BIG) {
                return Err(e);
            }
            self.tidy()?;
            self.requests.put(&me, &request)?;
        }
        let mut done = self.carried_out(me)?;
        if done.is_none() && self.link.get().is_none() {
            // Nobody holds a link: the keeper has died, or nothing is attached yet.
            // A classic program is refused at a raw tracepoint, and the other way round.
            let link = match tier {
                Some(t) => attach::at_rename(program, t),
                None => attach::at_rename(&program, Tier::Raw)
                    .or_else(|_| attach::at_rename(&program, Tier::Legacy)),
            };
            let _ = self.link.set(link?);
            done = self.carried_out(me)?;
        }
        let _ = self.requests.delete(&me);
        done.ok_or_else(|| io::Error::other("the program for requests did not run"))
    }

    /// Gives this thread its own name; answers what came of its request.
    fn carried_out(&self, me: u64) -> io::Result<Option<i32>> {
        rustix::thread::set_name(&rustix::thread::name()?)?;
        Ok(self.requests.get(&me)?.filter(|r| r.done == 2).map(|r| r.result))
    }

    /// Takes out what killed callers have left.
    fn tidy(&self) -> io::Result<()> {
        for thread in self.requests.keys()? {
            if !proc::exists((thread >> 32) as u32) {
                self.requests.delete(&thread)?;
            }
        }
        Ok(())
    }
}
