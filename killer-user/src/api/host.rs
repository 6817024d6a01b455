//! The host, as what keeps its services shows it.

use std::rc::Rc;

use super::command::Command;
use super::error::Error;
use super::service::Service;
use crate::host::{self, names, run};
use crate::report::model;

/// What keeps the services of this host. Whatever earlier callers have left is put right when it is opened: skipped hooks are
/// accounted for, and an interrupted freeze is undone.
#[derive(Clone, Debug)]
pub struct Host(Rc<host::Host>);

impl Host {
    /// What is there; `None`: nothing is tracked. Nothing is loaded.
    ///
    /// # Errors
    /// [`Error::NotPermitted`], or [`Error::Failed`] when what is there is damaged or cannot be read.
    pub fn open() -> Result<Option<Self>, Error> {
        Ok(host::Host::open()?.map(|h| Self(Rc::new(h))))
    }

    /// What is there, else the best tier that works here is loaded.
    ///
    /// # Errors
    /// As [`Host::open`], and when no tier works.
    pub fn up() -> Result<Self, Error> {
        Ok(Self(Rc::new(host::Host::up()?)))
    }

    /// The tier: `witnessed`, `typed`, `raw`, `legacy`, `named` or `scan`.
    pub fn tier(&self) -> &'static str {
        self.0.tier().name()
    }

    /// Every service, with its state, its counts and how sure its set is; one that has ended is among them until it is forgotten.
    ///
    /// # Errors
    /// [`Error::Failed`] when services may be missing.
    pub fn services(&self) -> Result<Vec<model::Service>, Error> {
        let (all, incomplete) = host::status::list(&host::Silent)?;
        incomplete.map_or(Ok(all.services), |f| Err(f.into()))
    }

    /// A service by its exact name.
    ///
    /// # Errors
    /// [`Error::Unknown`].
    pub fn service(&self, name: &str) -> Result<Service, Error> {
        let (keeper, root) = names::find_one(name)?;
        Ok(Service::new(Rc::new(keeper), root))
    }

    /// The innermost service that a process is a member of; `None`: it is in none.
    ///
    /// # Errors
    /// [`Error::Failed`] when that cannot be looked up.
    pub fn service_of(&self, pid: u32) -> Result<Option<Service>, Error> {
        let root = names::of_process(&self.0, pid)?;
        Ok(root.map(|root| Service::new(Rc::clone(&self.0), root)))
    }

    /// Starts a program as a service; it is a member before its first instruction. It is not a child of this process, and lives
    /// on when this process ends.
    ///
    /// # Errors
    /// [`Error::NotStarted`].
    pub fn start(&self, c: &Command) -> Result<Service, Error> {
        let root = run::detached(&self.0, c.asked())?;
        Ok(Service::new(Rc::clone(&self.0), root))
    }
}
