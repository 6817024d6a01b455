//! The real services of demo and tests, installed without letting their packages start them.

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::interrupt::Deaf;
use crate::{run, tools};

/// Package and its daemon, or what tests need beside them.
pub const DAEMONS: [(&str, &str); 10] = [
    ("cron", "cron"),
    ("at", "atd"),
    ("apache2", "apache2"),
    ("rsyslog", "rsyslogd"),
    ("nginx", "nginx"),
    ("haproxy", "haproxy"),
    ("postgresql", "pg_ctlcluster"),
    ("gunicorn", "gunicorn"),
    ("s6", "s6-supervise"),
    ("tmux", "tmux"),
];

/// Packages whose daemon is not there.
pub fn missing() -> Vec<&'static str> {
    DAEMONS.iter().filter(|(_, program)| !run::have(program)).map(|(package, _)| *package).collect()
}

/// Installs what is missing, or says how; gives back what was installed.
pub fn install() -> Result<Vec<&'static str>> {
    let missing = missing();
    if !missing.is_empty() {
        if nix::unistd::geteuid().is_root() && run::have("apt-get") {
            let _nothing_starts = PolicyRcD::forbid()?;
            tools::packages(&missing, "the real services")?;
        } else {
            tools::packages(&missing, "the real services")?;
        }
    }
    Ok(missing)
}

/// Debian's way to keep packages from starting daemons. What was there is put back, also after an interrupt.
struct PolicyRcD {
    kept: Option<PathBuf>,
    /// apt ends by the signal, and we go on to tidy up.
    _deaf: Deaf,
}

impl PolicyRcD {
    const PATH: &str = "/usr/sbin/policy-rc.d";

    fn forbid() -> Result<PolicyRcD> {
        let deaf = Deaf::now()?;
        let kept = PathBuf::from(format!("{}.killer-{}", Self::PATH, std::process::id()));
        let kept = std::fs::rename(Self::PATH, &kept).is_ok().then_some(kept);
        let policy = PolicyRcD { kept, _deaf: deaf };
        let mut options = std::fs::OpenOptions::new();
        std::os::unix::fs::OpenOptionsExt::mode(options.write(true).create_new(true), 0o755);
        let file = options.open(Self::PATH);
        file.and_then(|mut f| f.write_all(b"#!/bin/sh\nexit 101\n")).context(Self::PATH)?;
        Ok(policy)
    }
}

impl Drop for PolicyRcD {
    fn drop(&mut self) {
        let _ = match &self.kept {
            Some(kept) => std::fs::rename(kept, Self::PATH),
            None => std::fs::remove_file(Self::PATH),
        };
    }
}
