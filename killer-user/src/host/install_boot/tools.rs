//! The host's own programs that keep track of boot files. They are asked when the files are there already, and a host on which
//! they fail boots all the same.

use std::process::{Command, Stdio};

use crate::boot::{Init, Item, Tree};
use crate::report::model::{BootChange, BootFiles, Did};
use crate::sys::child;

/// Directories of links, and what puts the links there in order, or renews what is known of them.
const PUT: [(&str, &[&str]); 3] = [
    ("etc/rcS.d", &["update-rc.d", "killer", "defaults"]),
    ("etc/runlevels/sysinit", &["rc-update", "--update"]),
    ("etc/systemd/system/sysinit.target.wants", &["systemctl", "daemon-reload"]),
];
/// The same when the files are gone.
const TAKEN: [(&str, &[&str]); 3] = [
    ("etc/rcS.d", &["update-rc.d", "killer", "remove"]),
    ("etc/runlevels/sysinit", &["rc-update", "--update"]),
    ("etc/systemd/system/sysinit.target.wants", &["systemctl", "daemon-reload"]),
];
/// What startpar goes by: a script that is not in it is not started.
const DEPEND: &str = "etc/init.d/.depend.boot";

/// When files were written.
pub fn after_put(tree: &Tree, items: &[Item], done: &mut BootFiles) {
    run(tree, &PUT, &|dir| items.iter().any(|i| links_in(i, dir)), done);
}

/// When these were removed.
pub fn after_take(tree: &Tree, removed: &[String], done: &mut BootFiles) {
    run(tree, &TAKEN, &|dir| removed.iter().any(|r| r.rsplit_once('/').is_some_and(|(d, _)| d == dir)), done);
}

/// What people must know of a root whose programs were not asked, and of an init that promises less.
pub fn note(tree: &Tree, init: Init, done: &mut BootFiles) {
    if !tree.is_host() && tree.has(DEPEND) && !knows(tree) {
        let file = tree.shown(DEPEND);
        done.notes.push(format!(
            "startpar goes by {file}, which insserv writes: run 'update-rc.d killer defaults' in that root"
        ));
    }
    if init == Init::Dinit {
        done.notes.push(
            "dinit starts the services in boot.d at the same time: those that come before it are adopted, and not exact"
                .into(),
        );
    }
}

/// True when `item` is a link in this directory.
fn links_in(item: &Item, at: &str) -> bool {
    matches!(item, Item::Link { dir, .. } if dir == at)
}

fn knows(tree: &Tree) -> bool {
    let text = tree.read(DEPEND).ok().flatten().unwrap_or_default();
    text.split_whitespace().any(|w| w.trim_end_matches(':') == "killer")
}

fn run(tree: &Tree, all: &[(&str, &[&str])], concerns: &dyn Fn(&str) -> bool, done: &mut BootFiles) {
    if !tree.is_host() {
        return;
    }
    for (dir, words) in all.iter().filter(|(dir, _)| concerns(dir)) {
        let Some((program, args)) = words.split_first() else { continue };
        let here = |d: &&&str| tree.has(&format!("{d}/{program}"));
        let Some(place) = ["usr/sbin", "sbin", "usr/bin", "bin"].iter().find(here) else { continue };
        if dir.contains("systemd") && !tree.has("run/systemd/system") {
            continue;
        }
        let line = words.join(" ");
        if done.dry_run {
            done.changes.push(BootChange { did: Did::Ran, path: line, detail: None });
            continue;
        }
        let mut command = Command::new(format!("/{place}/{program}"));
        command.args(args).env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").current_dir("/");
        let why = child::complains(command.stdin(Stdio::null()));
        if let Some(why) = &why {
            done.notes.push(format!("'{line}' has failed ({why}); the links are there all the same"));
        }
        done.changes.push(BootChange { did: Did::Ran, path: line, detail: why });
    }
}
