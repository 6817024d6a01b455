//! Rest: the programs are loaded, and attached nowhere, so that the host's forks cost nothing. Nobody is tracked then.

use std::io;
use std::path::{Path, PathBuf};

use killer_common::names::P_RULE_CTL;

use super::Programs;
use crate::bpf::attach::Links;
use crate::bpf::{canary, pins, sign};
use crate::keep::{Hooks, Keep, KeepError, Registry, Sets, What};

/// How links are called that are not all there yet.
const WAKING: &str = "waking-";

impl Programs {
    fn links(&self) -> PathBuf {
        self.paths.version().join("links")
    }

    /// True when the directory of the links is not there: whoever takes links away leaves it.
    pub(super) fn is_resting(&self) -> bool {
        let no_links = || self.links().try_exists().is_ok_and(|there| !there);
        pins::in_host_mounts(&self.paths, || Ok(no_links() && sign::alive(&self.paths.version()).is_none()))
            .unwrap_or(false)
    }

    /// Detaches the hooks. The registry is locked.
    pub(super) fn lie_down(&self) -> io::Result<bool> {
        pins::in_host_mounts(&self.paths, || {
            let v = self.paths.version();
            // The hooks of the rules are loaded and attached in one.
            let rules = v.join("progs").join(P_RULE_CTL).exists();
            if rules || !self.roots().is_empty() || sign::alive(&v).is_some() || sign::Watching::any(&v) {
                return Ok(false);
            }
            tidy(&v);
            // Out of sight first, in one step: links that are taken away one by one are a loss.
            let gone = v.join(format!("{WAKING}{}", std::process::id()));
            match std::fs::rename(self.links(), &gone) {
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                r => r.what("taking the links away")?,
            }
            pins::remove(&gone);
            Ok(true)
        })
        .map_err(io::Error::other)
    }

    /// Attaches the hooks where none is, and lets the canary sing. The registry is locked.
    pub(super) fn get_up(&self) -> Result<(), KeepError> {
        pins::in_host_mounts(&self.paths, || {
            let v = self.paths.version();
            if self.links().is_dir() || sign::alive(&v).is_some() {
                return Ok(());
            }
            tidy(&v);
            let dir = v.join(format!("{WAKING}{}", std::process::id()));
            std::fs::create_dir(&dir).what("making the directory of the links")?;
            let mut links = Links::Pins(dir.clone());
            let up = links
                .attach(&v.join("progs"), self.tier(), self.can_skip())
                .and_then(|()| canary::sing(self).map_err(silent))
                .and_then(|()| std::fs::rename(&dir, self.links()).what("putting the links in their place"));
            if up.is_err() {
                pins::remove(&dir);
                return up;
            }
            // Who has taken the directory away has left those alive that were tracked.
            match self.roots().iter().any(|(slot, _)| self.count(*slot) != 0) {
                true => Hooks::repair(self).what("comparing the sets with the host"),
                false => Ok(()),
            }
        })
    }
}

fn silent(why: String) -> KeepError {
    KeepError::Refused { name: "the canary".into(), why }
}

/// Removes links that somebody was attaching, or taking away, who was killed.
fn tidy(version: &Path) {
    let all = std::fs::read_dir(version).into_iter().flatten().flatten();
    for e in all.filter(|e| e.file_name().to_string_lossy().starts_with(WAKING)) {
        pins::remove(&e.path());
    }
}
