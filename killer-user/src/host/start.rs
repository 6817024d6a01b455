//! Making roots: `run`, `exec`, `adopt`.

use std::ffi::{CString, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use killer_common::record::{B_CONTROL, B_MAIN, R_FOREGROUND, R_SUPERVISED};

use super::failure::Failure;
use super::instances;
use super::place::{self, Wish};
use super::record::StopRecord;
use super::unseen;
use super::{log_target, pidfiles};
use crate::ask::Command;
use crate::ending::Ending;
use crate::keep::Slot;
use crate::lookup::{Root, registry};
use crate::sys::launch::{Launch, Step};
use crate::sys::supervise;
use crate::tier::Tracker;

/// `goes`: this process goes right after.
fn launch(cmd: &Command, goes: bool) -> Result<Launch, Failure> {
    let c = |s: Vec<u8>| {
        CString::new(s)
            .map_err(|_| Failure::new(Ending::NotStarted, "a NUL byte in the command or environment"))
    };
    let mut env: Vec<(OsString, OsString)> =
        if cmd.clean { Vec::new() } else { std::env::vars_os().collect() };
    let mut ids = None;
    if let Some(user) = &cmd.user {
        let u = lookup(user)?;
        for (k, v) in [
            ("HOME", u.dir.into_os_string()),
            ("USER", u.name.clone().into()),
            ("LOGNAME", u.name.clone().into()),
        ] {
            env.retain(|(e, _)| e != k);
            env.push((k.into(), v));
        }
        let name = c(u.name.clone().into_bytes())?;
        let groups = nix::unistd::getgrouplist(&name, u.gid).map_err(|e| {
            Failure::new(Ending::NotStarted, format!("groups of user '{user}'")).why(e.desc())
        })?;
        ids = Some((u.uid.as_raw(), u.gid.as_raw(), groups.into_iter().map(|g| g.as_raw()).collect()));
    }
    for (k, v) in &cmd.env {
        env.retain(|(e, _)| e != k);
        env.push((k.clone(), v.clone()));
    }
    let argv: Result<Vec<CString>, Failure> = cmd.argv.iter().map(|a| c(a.as_bytes().to_vec())).collect();
    let env: Result<Vec<CString>, Failure> = env
        .into_iter()
        .map(|(k, v)| {
            let mut b = k.into_vec();
            b.push(b'=');
            b.extend(v.as_bytes());
            c(b)
        })
        .collect();
    Ok(Launch {
        argv: argv?,
        env: env?,
        ids,
        detach: cmd.detach,
        keep_fds: cmd.keep_fds,
        log: None,
        orphan: goes,
    })
}

fn lookup(user: &str) -> Result<nix::unistd::User, Failure> {
    let by_name = nix::unistd::User::from_name(user).ok().flatten();
    let found = by_name.or_else(|| {
        let uid = user.parse().ok()?;
        nix::unistd::User::from_uid(nix::unistd::Uid::from_raw(uid)).ok().flatten()
    });
    found.ok_or_else(|| {
        Failure::new(Ending::NotStarted, format!("no such user '{user}'"))
            .next("give a name or number that getent passwd knows")
    })
}

/// A service that was just started.
#[derive(Debug)]
pub struct Started {
    /// Its root.
    pub slot: Slot,
    /// CMD's process.
    pub pid: i32,
}

/// Makes a root and its first process. The root is in the map, and the child a member, before CMD's first
/// instruction; whatever happens to this process meanwhile, either the service is known or CMD does not run. `met` is told of the
/// child last before it runs CMD.
pub fn start(
    t: &Tracker,
    wish: &Wish<'_>,
    cmd: &Command,
    pidfile: Option<&Path>,
    kept: StopRecord,
    mut met: impl FnMut(Slot, i32) -> std::io::Result<()>,
) -> Result<Started, Failure> {
    let mut launch = launch(cmd, wish.goes)?;
    launch.log = cmd.log.as_ref().map(|l| log_target::open(l, wish.name)).transpose()?;
    let lock = t.lock()?;
    let (slot, fresh) = place::make(t, wish)?;
    let undo = |f: Failure| {
        if fresh {
            let _ = t.forget(slot);
        }
        f
    };
    // In the tier `scan` it is another process that starts CMD.
    let (told, tells) = pidfile.map(|_| supervise::pipe()).transpose()?.unzip();
    let spawned = t.spawn(slot, B_MAIN, &launch, &mut |pid| {
        keep(t, slot, kept.clone(), pid as u32, cmd.detach)?;
        unseen::remember(t);
        if let (Some(path), Some(tells)) = (pidfile, &tells) {
            write_pidfile(path, pid)?;
            rustix::io::write(tells, &pid.to_ne_bytes())?;
        }
        met(slot, pid)
    });
    drop(tells);
    let mut number = [0; 4];
    if let (Some(path), Some(told), false) = (pidfile, told, matches!(spawned, Ok(Ok(_))))
        && rustix::io::read(told, &mut number) == Ok(4)
    {
        pidfiles::not_started(path, i32::from_ne_bytes(number));
    }
    drop(lock);
    match spawned {
        Ok(Ok(pid)) => Ok(Started { slot, pid }),
        Ok(Err((step, e))) => Err(undo(not_started(step, &e, cmd))),
        Err(e) => {
            let f = Failure::new(Ending::NotStarted, format!("cannot start '{}'", wish.name));
            Err(undo(match e.raw_os_error() {
                Some(libc::EPERM) => f
                    .why("a call that ends this service came while it was being started")
                    .next("start it again when that one is over"),
                _ => f.why(e.to_string()),
            }))
        }
    }
}

/// Before CMD runs: a service that has a stop command is never there without it.
fn keep(t: &Tracker, slot: Slot, mut kept: StopRecord, pid: u32, detached: bool) -> std::io::Result<()> {
    kept.note_home(pid, detached);
    match t.set_stop_command(slot, &kept.bytes()) {
        // What nobody has asked for is no reason not to start.
        Err(e) if kept.command.is_empty() && kept.pidfile.is_none() => {
            log::warn!("what the first process is cannot be kept: {e}");
            Ok(())
        }
        done => done,
    }
}

fn not_started(step: Step, e: &std::io::Error, cmd: &Command) -> Failure {
    let what = cmd.argv.first().map(|a| a.to_string_lossy().into_owned()).unwrap_or_default();
    match step {
        Step::Ids => Failure::new(
            Ending::NotStarted,
            format!("cannot become user '{}'", cmd.user.as_deref().unwrap_or("?")),
        )
        .why(e.to_string()),
        Step::Exec if matches!(e.raw_os_error(), Some(libc::ENOENT)) => {
            Failure::new(Ending::NotFound, format!("cannot run '{what}'")).why(e.to_string())
        }
        Step::Exec => Failure::new(Ending::NotExecutable, format!("cannot run '{what}'")).why(e.to_string()),
    }
}

fn write_pidfile(path: &Path, pid: i32) -> std::io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut tmp = path.as_os_str().to_owned();
    tmp.push(format!(".{}", std::process::id()));
    let tmp = PathBuf::from(tmp);
    let named = |e: std::io::Error| std::io::Error::new(e.kind(), format!("pidfile {}: {e}", path.display()));
    let mut f = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o644)
        .custom_flags(libc::O_NOFOLLOW)
        .open(&tmp)
        .map_err(named)?;
    let done = writeln!(f, "{pid}").and_then(|()| std::fs::rename(&tmp, path)).map_err(named);
    if done.is_err() {
        let _ = std::fs::remove_file(&tmp);
    }
    done
}

/// Starts CMD as a control process of a service; `met` as for [`start`].
pub fn join(t: &Tracker, name: &str, cmd: &Command, met: impl FnMut(i32)) -> Result<Started, Failure> {
    let root = registry::named(t, name).ok_or_else(|| super::unknown::unknown(t, name))?;
    join_one(t, &root, cmd, met)
}

/// The same of this very service: of the newest instance that has a live process.
pub fn join_one(
    t: &Tracker,
    service: &Root,
    cmd: &Command,
    mut met: impl FnMut(i32),
) -> Result<Started, Failure> {
    let name = &service.name;
    let launch = launch(cmd, false)?;
    let lock = t.lock()?;
    let mut all = instances::each(t, service).into_iter();
    let Some(root) = all.find(|r| registry::places(t, r).iter().any(|s| t.count(s.slot) != 0)) else {
        return Err(Failure::new(Ending::NotStarted, format!("service '{name}' has ended"))
            .why("a control process can only join a service that has a live process")
            .next(format!("start it again: 'killer run --name {name} -- CMD'")));
    };
    let spawned = t.spawn(root.slot, B_CONTROL, &launch, &mut |pid| {
        met(pid);
        Ok(())
    });
    drop(lock);
    match spawned {
        Ok(Ok(pid)) => Ok(Started { slot: root.slot, pid }),
        Ok(Err((step, e))) => Err(not_started(step, &e, cmd)),
        Err(e) => {
            let why = if e.raw_os_error() == Some(libc::EPERM) {
                match registry::frozen(t, root.slot.slot) {
                    Some(_) => format!("the service is frozen: 'killer thaw {name}' first"),
                    None => "the service is being killed".into(),
                }
            } else {
                e.to_string()
            };
            Err(Failure::new(Ending::NotStarted, format!("cannot join '{name}'")).why(why))
        }
    }
}

/// The flag of a root whose owner stays to end it.
pub const SUPERVISED: u64 = R_SUPERVISED;
/// The flag of a root whose `run` waits in the foreground.
pub const FOREGROUND: u64 = R_FOREGROUND;
