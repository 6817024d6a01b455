//! One service, as a program has it.

use std::rc::Rc;
use std::time::Duration;

use super::error::Error;
use super::order::Order;
use crate::ask::span::Span;
use crate::ask::{Stop, Until};
use crate::ending::Ending;
use crate::host::{self, Silent, freeze, signal, status, stop, until};
use crate::lookup::Root;
use crate::report::model::{self, Exactness, Receipt};

/// A service that was found or started. It stays that one: when it has been forgotten and another one has its name,
/// nothing is done to that one.
#[derive(Clone, Debug)]
pub struct Service {
    keeper: Rc<host::Host>,
    root: Root,
}

impl Service {
    pub(super) fn new(keeper: Rc<host::Host>, root: Root) -> Self {
        Self { keeper, root }
    }

    /// Its name when it was found.
    pub fn name(&self) -> &str {
        &self.root.name
    }

    /// Everything that is known of it now: main process, members, lineage.
    ///
    /// # Errors
    /// [`Error::Failed`] when a look has failed, so that something may be missing.
    pub fn status(&self) -> Result<model::Status, Error> {
        Ok(status::status(&self.keeper, &self.root, None)?)
    }

    /// How sure the set is: exact, or every reason why it may not be.
    pub fn exactness(&self) -> Exactness {
        status::exactness(&self.keeper, &self.root)
    }

    /// True when no process of it is left, by the kernel's own count where there is one.
    pub fn is_empty(&self) -> bool {
        status::is_empty(&self.keeper, &self.root)
    }

    /// Sends a signal. The receipt says for which processes, how it ended and how sure that is.
    ///
    /// # Errors
    /// Nothing was signalled: [`Error::NotExact`], [`Error::Failed`] (this process or its ancestors are in the set,
    /// and others).
    pub fn signal(&self, order: &Order) -> Result<Receipt, Error> {
        let asked = order.asked(self.name());
        Ok(signal::one(&self.keeper, &self.root, &[], &asked, &Silent)?.0)
    }

    /// Ends it as `killer stop` does: its stop command, SIGTERM, a wait of so long, SIGKILL; verified empty.
    ///
    /// # Errors
    /// Nothing was done: as for [`Service::signal`].
    pub fn stop(&self, patience: Duration) -> Result<model::Stop, Error> {
        let asked = Stop::usual(self.name(), Span::Finite(patience));
        Ok(stop::end(&self.keeper, &self.root, &[], &asked, &Silent)?)
    }

    /// Holds every process still, until [`Service::thaw`].
    ///
    /// # Errors
    /// [`Error::Dead`]; [`Error::Failed`] where this tier cannot.
    pub fn freeze(&self) -> Result<Receipt, Error> {
        freeze::cannot(&self.keeper)?;
        Ok(freeze::freeze(&self.keeper, &self.root, &Silent)?)
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// [`Error::Failed`]: it is frozen with an outer service.
    pub fn thaw(&self) -> Result<Receipt, Error> {
        Ok(freeze::thaw(&self.keeper, &self.root, &Silent)?)
    }

    /// Waits until no process of it is left, at most so long: [`Ending::Empty`], [`Ending::Timeout`], or
    /// [`Ending::Doubtful`] when that is not certain.
    pub fn wait_empty(&self, most: Duration) -> Ending {
        until::until(&self.keeper, &self.root, Until::Empty, Some(most), &Silent).ending
    }

    /// Forgets it, when it has ended.
    ///
    /// # Errors
    /// [`Error::Failed`]: it has live processes.
    pub fn forget(self) -> Result<(), Error> {
        Ok(host::changes::forget(&self.keeper, &self.root).map(drop)?)
    }
}
