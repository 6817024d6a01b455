//! What the self-test stands on where nobody has mounted anything, as below an init that is this program: /proc and /sys in a mount
//! namespace of its own, so that nobody else sees them.

use std::io;
use std::path::Path;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

use crate::keep::KeepError;
use crate::kernel::probe;

/// Mounts what is missing; the caller's mounts stay as they are.
///
/// # Errors
/// `Proc`: nothing is at /proc, and nothing can be mounted there.
pub fn lay() -> Result<(), KeepError> {
    let proc = Path::new("/proc/stat").exists();
    let sys = probe::sys_mounted();
    if proc && sys {
        return Ok(());
    }
    let own = || -> nix::Result<()> {
        unshare(CloneFlags::CLONE_NEWNS)?;
        // Else what is mounted here would be mounted for the others, too. EINVAL: the root is no mount, so that nobody knows.
        mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)
    };
    if let Err(e) = own() {
        log::info!("no mount namespace of one's own: {}", e.desc());
        // Without /sys there are tiers that work.
        return if proc {
            Ok(())
        } else {
            Err(KeepError::Proc("nothing is mounted at /proc, and the self-test cannot do so for itself"))
        };
    }
    if !proc {
        at("/proc", "proc").map_err(|e| {
            log::info!("/proc: {e}");
            KeepError::Proc("nothing is mounted at /proc, and the self-test was refused to do so for itself")
        })?;
    }
    if !sys && let Err(e) = at("/sys", "sysfs") {
        log::info!("/sys: {e}");
    }
    Ok(())
}

fn at(dir: &str, kind: &str) -> io::Result<()> {
    if let Err(e) = std::fs::create_dir(dir)
        && e.kind() != io::ErrorKind::AlreadyExists
    {
        return Err(e);
    }
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    Ok(mount(Some(kind), dir, Some(kind), flags, None::<&str>)?)
}
