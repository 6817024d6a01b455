//! A signal that is to be sent.

use std::time::Duration;

use super::error::Error;
use crate::ask::fuse::Fuse;
use crate::ask::receipts::{Receipts, When};
use crate::ask::span::Span;
use crate::ask::wait::Wait;
use crate::ask::{Kill, Names, Newborns, signal, whom};
use crate::ending::Ending;
use crate::host::Failure;

/// A signal to a service, and the members that it is for; all members, unless [`Order::to`] says otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order(Kill);

impl Order {
    /// SIGKILL to all: nobody is left, however fast the members fork.
    pub fn kill() -> Self {
        Self::number(9)
    }

    /// A signal by its name (`"HUP"`, `"SIGRTMIN+3"`) or number; `"0"` only probes.
    ///
    /// # Errors
    /// [`Error::Usage`]: there is no such signal.
    pub fn signal(name: &str) -> Result<Self, Error> {
        Ok(Self::number(signal::parse(name).map_err(usage)?))
    }

    fn number(signal: i32) -> Self {
        Self(Kill {
            names: Names::default(),
            signal,
            whom: whom::Whom::default(),
            value: None,
            wait: None,
            patience: None,
            dry_run: false,
            require_exact: false,
            newborns: Newborns::Signal,
            include_self: false,
            zap: false,
            unstick: None,
            fuse: Fuse::default(),
            receipts: Receipts::default(),
        })
    }

    /// Which members it is for, as `--whom=` has it: `"main"`, `"control"`, `"leaves"`, `"uid:www-data"`, ...
    ///
    /// # Errors
    /// [`Error::Usage`]: there is no such set.
    pub fn to(mut self, whom: &str) -> Result<Self, Error> {
        self.0.whom = whom::parse(whom).map_err(usage)?;
        Ok(self)
    }

    /// The value of a real-time signal, as sigqueue(3) sends it.
    pub fn value(mut self, value: i32) -> Self {
        self.0.value = Some(value);
        self
    }

    /// Returns when the service has let go of files, ports and memory, or after so long.
    pub fn wait(mut self, most: Duration) -> Self {
        self.0.wait = Some(Wait { span: Span::Finite(most), reaped: false });
        self
    }

    /// Nothing is signalled; the receipt says what would be.
    pub fn dry_run(mut self) -> Self {
        self.0.dry_run = true;
        self
    }

    /// [`Error::NotExact`] and no signal, unless the set is provably exact.
    pub fn require_exact(mut self) -> Self {
        self.0.require_exact = true;
        self
    }

    /// [`Error::Failed`] and no signal when it is for more processes than so many.
    pub fn at_most(mut self, processes: u64) -> Self {
        self.0.fuse.max = Some(processes);
        self
    }

    /// No receipt of it is kept; else one goes to where `killer receipts` looks for it.
    pub fn without_receipt(mut self) -> Self {
        self.0.receipts.when = When::No;
        self
    }

    /// For the floors below.
    pub(crate) fn asked(&self, service: &str) -> Kill {
        Kill { names: Names::one(service), ..self.0.clone() }
    }
}

fn usage(what: String) -> Error {
    Failure::new(Ending::Usage, what).into()
}
