//! Rest: the programs are loaded, and attached nowhere, so that the host's forks cost nothing. Nobody is tracked then.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use killer_common::names::P_RULE_CTL;

use super::Programs;
use crate::bpf::attach::Links;
use crate::bpf::{canary, pins, sign};
use crate::keep::{Hooks, Keep, KeepError, Registry, Sets, What};
use crate::sys::bpf;

/// How links are called that are not all there yet.
const WAKING: &str = "waking-";
/// So long the kernel may take to detach what nobody holds any more.
const DETACHED: Duration = Duration::from_secs(2);
const LOOK: Duration = Duration::from_millis(2);

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
            take_away(&gone);
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
            let attach = || {
                std::fs::create_dir(&dir).what("making the directory of the links")?;
                let attached =
                    Links::Pins(dir.clone()).attach(&v.join("progs"), self.tier(), self.can_skip());
                attached.inspect_err(|_| take_away(&dir))
            };
            let up = patiently(attach)
                .and_then(|()| canary::sing(self).map_err(silent))
                .and_then(|()| std::fs::rename(&dir, self.links()).what("putting the links in their place"));
            if up.is_err() {
                take_away(&dir);
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
        take_away(&e.path());
    }
}

/// Removes pins of links, and waits until the kernel has detached what they held: for a moment its hooks run still, and beside
/// those that somebody attaches in that moment they would run twice.
fn take_away(dir: &Path) {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let ids: Vec<u32> = entries.filter_map(|e| bpf::link_id(bpf::obj_get(&e.path()).ok()?).ok()).collect();
    pins::remove(dir);
    let until = Instant::now() + DETACHED;
    while ids.iter().any(|id| bpf::has_link(*id).unwrap_or(false)) && Instant::now() < until {
        std::thread::sleep(LOOK);
    }
}

/// Before 6.10 (`kernel/bpf/syscall.c:bpf_raw_tp_link_attach`) a program that is not detached yet cannot be attached again.
fn patiently(attach: impl Fn() -> Result<(), KeepError>) -> Result<(), KeepError> {
    let until = Instant::now() + DETACHED;
    loop {
        match attach() {
            Err(KeepError::Io { source, .. })
                if matches!(source.raw_os_error(), Some(libc::EEXIST | libc::EBUSY))
                    && Instant::now() < until => {}
            r => return r,
        }
        std::thread::sleep(LOOK);
    }
}
