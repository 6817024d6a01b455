//! NFS: who waits for a server that is gone can sleep where SIGKILL does not wake it. `umount -f` ends the requests of that mount
//! (`fs/nfs/super.c:nfs_umount_begin`), for everybody who uses it.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::look::Stuck;
use super::step::{Act, Step};
use super::users;
use crate::host::mounts::{self, Mount};
use crate::report::escape::shell;
use crate::report::model::UnstickStep;
use crate::sys::entry::Entry;
use crate::sys::{kernel_fs, proc_text};

/// The call may take so long.
const TIME: Duration = Duration::from_secs(10);

/// Which mount, as the process sees it, its call is about: by its descriptor, else the only one of NFS.
fn choose<'a>(all: &'a [Mount], on: &BTreeSet<u64>) -> Option<&'a Mount> {
    let nfs = || all.iter().filter(|m| m.is_nfs());
    let one = |of: Vec<&'a Mount>| <[&Mount; 1]>::try_from(of).ok().map(|[m]| m);
    let open: Vec<&Mount> = nfs().filter(|m| on.contains(&m.id)).collect();
    match open.is_empty() {
        true => one(nfs().collect()),
        false => one(open),
    }
}

/// Why it cannot be done by its path here; `None`: it can.
fn obstacle(own: &[Mount], m: &Mount) -> Option<&'static str> {
    match own.iter().find(|o| o.id == m.id) {
        None => Some("it is mounted in another mount namespace"),
        Some(o) if own.iter().any(|x| x.id != o.id && x.at == o.at) => {
            Some("something else is mounted at the same place")
        }
        Some(o) if o.at != m.at => Some("it is mounted elsewhere by now"),
        Some(_) => None,
    }
}

fn own_mounts() -> Vec<Mount> {
    Entry::open(std::process::id()).map(|e| mounts::of(&e)).unwrap_or_default()
}

/// A step for each mount that one of them waits for.
pub fn find(stuck: &[Stuck], family: &BTreeSet<u32>) -> Vec<Step> {
    let mut found: Vec<(u64, Step)> = Vec::new();
    let own = own_mounts();
    for s in stuck.iter().filter(|s| s.threads.iter().any(|t| t.in_nfs())) {
        let all = mounts::of(&s.entry);
        let of = s.threads.iter().filter(|t| t.in_nfs()).filter_map(|t| t.argument);
        let on = of.filter_map(|fd| mounts::of_descriptor(&s.entry, fd)).collect();
        let Some(m) = choose(&all, &on) else { continue };
        let at = match found.iter().position(|(id, _)| *id == m.id) {
            Some(at) => at,
            None => {
                found.push((m.id, step(m, obstacle(&own, m), s.member.tgid, family)));
                found.len() - 1
            }
        };
        found[at].1.told.members.push(s.member.tgid);
        found[at].1.of.extend(Stuck::of(&s.member));
    }
    found.into_iter().map(|(_, s)| s).collect()
}

fn step(m: &Mount, obstacle: Option<&'static str>, pid: u32, family: &BTreeSet<u32>) -> Step {
    let users = users::of(m.dev, family);
    let inside = if obstacle.is_some() { format!("nsenter -t {pid} -m ") } else { String::new() };
    let told = UnstickStep {
        kind: "umount-nfs".into(),
        target: format!("{} ({})", proc_text::shown(&m.at), proc_text::shown(&m.source)),
        others: users.others,
        other_names: users.names,
        effect: "all requests on this mount fail, for everybody, and it is unmounted when nobody uses it; mapped files are not counted".into(),
        command: format!("{inside}umount -f {}", shell(&m.at)),
        result: if obstacle.is_some() { "by-hand" } else { "shown" }.into(),
        why: obstacle.map(Into::into),
        ..UnstickStep::default()
    };
    let act = if obstacle.is_some() { Act::ByHand } else { Act::Unmount(m.id, m.at.clone()) };
    Step { told, act, of: Vec::new(), otherwise: None }
}

/// Ends its requests. `Ok(false)`: it is mounted there no more, or nobody waits for it.
pub fn unmount(id: u64, at: &[u8], of: &[Stuck]) -> io::Result<bool> {
    use std::os::unix::ffi::OsStrExt;
    let waits = |s: &Stuck| Stuck::of(&s.member).is_some_and(|s| s.threads.iter().any(|t| t.in_nfs()));
    let own = own_mounts();
    let there = own.iter().find(|m| m.id == id && m.at == at && m.is_nfs());
    let Some(m) = there.filter(|_| of.iter().any(waits)) else { return Ok(false) };
    if let Some(why) = obstacle(&own, m) {
        return Err(io::Error::other(why));
    }
    match kernel_fs::unmount_by_force(PathBuf::from(std::ffi::OsStr::from_bytes(at)), TIME) {
        None => Err(io::Error::other("the kernel has not answered in 10 s")),
        // Somebody uses it: it stays, and its requests were ended all the same.
        Some(Err(e)) if e.raw_os_error() == Some(libc::EBUSY) => Ok(true),
        Some(r) => r.map(|()| true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &[u8] =
        b"29 1 8:1 / / rw - ext4 /dev/sda1 rw\n60 29 0:60 / /data rw - nfs4 10.0.0.1:/x rw,hard\n\
        61 29 0:61 / /home rw - nfs 10.0.0.2:/home rw,hard\n";

    #[test]
    fn which_mount() {
        let all = mounts::parsed(TEXT);
        let on = |ids: &[u64]| choose(&all, &ids.iter().copied().collect()).map(|m| m.id);
        assert_eq!(
            (on(&[61]), on(&[60, 29]), on(&[]), on(&[29]), on(&[60, 61])),
            (Some(61), Some(60), None, None, None)
        );
        assert_eq!(choose(&all[..2], &BTreeSet::new()).map(|m| m.id), Some(60));
        assert_eq!(choose(&all[..1], &BTreeSet::new()), None);
    }

    #[test]
    fn what_is_in_the_way() {
        let all = mounts::parsed(TEXT);
        assert_eq!(obstacle(&all, &all[1]), None);
        assert!(obstacle(&all[..1], &all[1]).is_some_and(|w| w.contains("namespace")));
        let over = Mount { id: 70, kind: "tmpfs".into(), ..all[1].clone() };
        assert!(obstacle(&[&all[..], &[over]].concat(), &all[1]).is_some_and(|w| w.contains("same place")));
        assert!(unmount(1 << 40, b"/data", &[]).is_ok_and(|done| !done));
    }

    #[test]
    fn the_command_is_quoted() {
        let m = Mount {
            at: b"/mnt/a'; reboot; \x1b".to_vec(),
            kind: "nfs".into(),
            dev: (0, 4_000_000),
            ..Mount::default()
        };
        let told = step(&m, None, 1, &BTreeSet::new()).told;
        assert_eq!(told.command, "umount -f $'/mnt/a\\047; reboot; \\033'");
        let told = step(&m, Some("elsewhere"), 7, &BTreeSet::new()).told;
        assert!(told.command.starts_with("nsenter -t 7 -m umount -f ") && told.result == "by-hand");
    }
}
