//! A program that is to become a service.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use crate::ask::{self, KEEP, Log, Nest, Run};

/// What is started as a service, in a session of its own and without this process's descriptors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command(Run);

impl Command {
    /// A service of this name. The program is looked for as execvp(3) does.
    pub fn new(service: &str, program: impl AsRef<OsStr>) -> Self {
        Self(Run {
            name: service.to_owned(),
            made: false,
            replace: None,
            kill_on_exit: None,
            owner: None,
            forking: false,
            pidfile: None,
            exec_stop: None,
            keep: KEEP,
            service: false,
            nest: Nest::Usual,
            command: ask::Command {
                argv: vec![program.as_ref().to_owned()],
                detach: true,
                ..Default::default()
            },
        })
    }

    /// One more argument.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.0.command.argv.push(arg.as_ref().to_owned());
        self
    }

    /// More arguments.
    pub fn args<A: AsRef<OsStr>>(self, args: impl IntoIterator<Item = A>) -> Self {
        args.into_iter().fold(self, Self::arg)
    }

    /// A variable, on top of this process's environment.
    pub fn env(mut self, key: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        let pair: (OsString, OsString) = (key.as_ref().to_owned(), value.as_ref().to_owned());
        self.0.command.env.push(pair);
        self
    }

    /// The user that it becomes.
    pub fn user(mut self, user: &str) -> Self {
        self.0.command.user = Some(user.to_owned());
        self
    }

    /// Its output goes to the end of this file; without it nowhere.
    pub fn log(mut self, file: impl Into<PathBuf>) -> Self {
        self.0.command.log = Some(Log::File(file.into()));
        self
    }

    /// How [`Service::stop`](crate::Service::stop) asks it to stop first: a command for `/bin/sh -c`.
    pub fn exec_stop(mut self, command: &str) -> Self {
        self.0.exec_stop = Some(command.to_owned());
        self
    }

    /// For the floors below.
    pub(crate) fn asked(&self) -> &Run {
        &self.0
    }
}
