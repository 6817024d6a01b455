//! `killer install-boot`: the right files for each init, whole, once, and only killer's taken away.

mod hosts;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use hosts::{DEBIAN, hosts};
use killer_tests::{Golden, Out, skip};
use tempfile::TempDir;

/// A host's root that does not run.
struct Root(TempDir);

/// Path → permissions and what is in it, or where it points to.
type Tree = BTreeMap<String, String>;

impl Root {
    /// `NAME/` makes a directory, `NAME -> TO` a link, anything else a file, with what stands behind `=`.
    fn new(what: &[&str]) -> Root {
        let root = Root(tempfile::tempdir().expect("a directory"));
        what.iter().for_each(|w| root.make(w));
        root
    }

    fn path(&self, at: &str) -> PathBuf {
        self.0.path().join(at)
    }

    fn make(&self, what: &str) {
        let (at, text) = what.split_once('=').unwrap_or((what, ""));
        let (at, to) = at.split_once(" -> ").map_or((at, None), |(a, t)| (a, Some(t)));
        let path = self.path(at);
        fs::create_dir_all(if at.ends_with('/') { &path } else { path.parent().expect("a directory") })
            .expect("mkdir");
        match to {
            Some(to) => symlink(to, path).expect("a link"),
            None if at.ends_with('/') => {}
            None => fs::write(path, text).expect("a file"),
        }
    }

    fn killer(&self, args: &[&str]) -> Out {
        run(killer_tests::killer(), &[&["install-boot"], args].concat(), Some(self.0.path()))
    }

    fn tree(&self) -> Tree {
        let mut tree = Tree::new();
        walk(self.0.path(), self.0.path(), &mut tree);
        tree
    }

    fn text(&self, at: &str) -> String {
        fs::read_to_string(self.path(at)).unwrap_or_else(|e| panic!("{at}: {e}"))
    }
}

fn walk(root: &Path, dir: &Path, tree: &mut Tree) {
    for entry in fs::read_dir(dir).expect("a directory").flatten() {
        let path = entry.path();
        let at = path.strip_prefix(root).expect("below").display().to_string();
        let kind = entry.file_type().expect("a type");
        if kind.is_dir() {
            walk(root, &path, tree);
        } else if kind.is_symlink() {
            tree.insert(at, format!("-> {}\n", fs::read_link(&path).expect("a link").display()));
        } else {
            let mode = entry.metadata().expect("stat").permissions().mode() & 0o7777;
            tree.insert(at, format!("{mode:o}\n{}", fs::read_to_string(&path).expect("a text")));
        }
    }
}

fn run(program: PathBuf, args: &[&str], root: Option<&Path>) -> Out {
    let mut command = Command::new(program);
    command.args(args).env("LC_ALL", "C.UTF-8");
    if let Some(root) = root {
        command.arg("--root").arg(root);
    }
    let began = Instant::now();
    let out = command.stdin(Stdio::null()).output().expect("killer runs");
    Out {
        args: args.iter().map(|a| (*a).to_owned()).collect(),
        status: out.status,
        stdout: String::from_utf8_lossy(&out.stdout).into(),
        stderr: String::from_utf8_lossy(&out.stderr).into(),
        took: began.elapsed(),
    }
}

#[test]
fn each_init_gets_its_files_once_and_gives_them_back() {
    for (name, init, what) in hosts() {
        let root = Root::new(&what);
        let before = root.tree();
        let dry = root.killer(&["-n"]);
        assert!(dry.ok().stdout.starts_with(&format!("init: {init}\n")), "{name}: {dry}");
        assert_eq!(root.tree(), before, "{name}: a dry run has written");

        root.killer(&[]).ok();
        let after = root.tree();
        let new = after.iter().filter(|(at, text)| before.get(*at) != Some(text));
        let listing: String = new.map(|(at, text)| format!("== {at} {text}")).collect();
        let shown =
            Out { args: vec!["install-boot".into(), name.into()], stdout: listing, ..root.killer(&["-n"]) };
        Golden::default().check(&format!("boot-{name}"), &shown);

        let again = root.killer(&["-o", "json"]).ok().json();
        let changes = again["changes"].as_array().expect("changes");
        assert!(!changes.is_empty() && changes.iter().all(|c| c["did"] == "unchanged"), "{name}: {again}");
        assert_eq!(root.tree(), after, "{name}: the second time something was written");

        if init == "openrc" {
            // As the host has it once it has started the script.
            root.make("run/openrc/started/killer -> /etc/init.d/killer");
        }
        let removed = root.killer(&["--remove"]);
        assert_eq!(root.tree(), before, "{name}: {}", removed.ok());
        assert!(root.killer(&["--remove"]).ok().stdout.contains("nothing of killer's"), "{name}");
    }
}

/// With the recorder: each place that loads the rules says so, and nothing is left when it is taken away.
#[test]
fn with_the_recorder() {
    for (name, _, what) in hosts() {
        let root = Root::new(&what);
        let before = root.tree();
        root.killer(&[]).ok();
        let calls =
            |tree: &Tree, words: &str| tree.values().map(|text| text.matches(words).count()).sum::<usize>();
        let plain = calls(&root.tree(), "killer up --rules") + calls(&root.tree(), "\"$killer\" up --rules");
        root.killer(&["--lineage=all"]).ok();
        let recorded = root.tree();
        let said = calls(&recorded, "up --rules --lineage=all");
        assert!(said > 0 && said >= plain, "{name}: {said} of {plain}: {recorded:?}");
        root.killer(&["--lineage=all"]).ok();
        assert_eq!(root.tree(), recorded, "{name}: the second time something was written");
        root.killer(&[]).ok();
        assert_eq!(calls(&root.tree(), "--lineage"), 0, "{name}: it records still");
        root.killer(&["--lineage=all"]).ok();
        root.killer(&["--remove"]).ok();
        assert_eq!(root.tree(), before, "{name}: something is left");
    }
    let root = Root::new(&DEBIAN);
    root.killer(&["--lineage=some"]).code(2);
    root.killer(&["--lineage=all", "--remove"]).code(2);
}

#[test]
fn an_init_that_is_named_needs_nothing_to_be_there() {
    for init in ["sysv", "openrc", "runit", "dinit", "finit", "busybox", "systemd"] {
        let root = Root::new(&[]);
        root.killer(&["--init", init]).ok();
        assert!(!root.tree().is_empty(), "{init}");
        root.killer(&["--remove", "--init", init]).ok();
        assert!(root.tree().is_empty(), "{init}: {:?}", root.tree());
    }
}

#[test]
fn what_is_wrong_is_said_and_nothing_is_written() {
    let root = Root::new(&[]);
    root.killer(&[]).error(1, &["not known which init", "--init=NAME says it: sysv, openrc"]);
    root.killer(&["--init", "s6"]).error(1, &["no", "rc.init", "another --init"]);
    root.killer(&["--init", "upstart"]).error(2, &["upstart"]);
    root.killer(&["web"]).error(2, &["web"]);
    assert!(root.tree().is_empty());
    let missing = run(killer_tests::killer(), &["install-boot", "--root", "/no/such/root"], None);
    missing.error(1, &["/no/such/root cannot be opened", "No such file"]);
    let file = run(killer_tests::killer(), &["install-boot", "--root", "/etc/passwd"], None);
    file.error(1, &["/etc/passwd cannot be opened", "Not a directory"]);
}

#[test]
fn a_file_of_somebody_else_s_is_never_touched() {
    for what in [
        "etc/init.d/killer=#!/bin/sh\n",
        "etc/init.d/killer -> /etc/passwd",
        "etc/init.d/killer/",
        "etc/rcS.d/S02killer=x",
        "etc/rcS.d/S02killer -> ../init.d/cron",
    ] {
        let root = Root::new(&DEBIAN);
        root.make(what);
        let before = root.tree();
        let at = what.split(['=', ' ']).next().expect("a path").trim_end_matches('/');
        root.killer(&[]).error(1, &[at, "is in the way", "nothing was changed"]);
        assert_eq!(root.tree(), before, "{what}");
        root.killer(&["--remove"]).ok();
        assert_eq!(root.tree(), before, "{what}");
    }
    // A fifo is opened by nobody.
    let root = Root::new(&DEBIAN);
    nix::unistd::mkfifo(&root.path("etc/init.d/killer"), nix::sys::stat::Mode::from_bits_truncate(0o600))
        .expect("a fifo");
    let out = root.killer(&[]);
    assert!(out.error(1, &["no regular file"]).took < Duration::from_secs(60));
}

#[test]
fn what_an_admin_has_changed_is_kept() {
    let root = Root::new(&DEBIAN);
    root.killer(&[]).ok();
    let own = root.text("etc/init.d/killer").replace("up --rules", "up --rules -v");
    fs::write(root.path("etc/init.d/killer"), &own).expect("a change");
    let out = root.killer(&[]);
    assert!(out.ok().stdout.contains("kept") && out.stdout.contains("changed by hand"), "{out}");
    assert_eq!(root.text("etc/init.d/killer"), own);
    let out = root.killer(&["--remove"]);
    assert!(out.ok().stdout.contains("remove it by hand"), "{out}");
    assert_eq!(root.text("etc/init.d/killer"), own);
    assert!(!root.path("etc/rcS.d/S02killer").is_symlink(), "nothing runs it any more");

    let root = Root::new(&["etc/inittab=::sysinit:/etc/rc\n", "bin/busybox=x", "sbin/init -> /bin/busybox"]);
    root.killer(&[]).ok();
    let own = root.text("etc/inittab").replace("up --rules", "up");
    fs::write(root.path("etc/inittab"), &own).expect("a change");
    for args in [&[][..], &["--remove"]] {
        let out = root.killer(args);
        assert!(out.ok().stdout.contains("was changed by hand"), "{out}");
        assert_eq!(root.text("etc/inittab"), own);
    }
}

#[test]
fn what_is_half_there_is_completed_or_removed() {
    let root = Root::new(&DEBIAN);
    let before = root.tree();
    root.killer(&[]).ok();
    let whole = root.tree();
    for gone in ["etc/init.d/killer", "etc/rcS.d/S02killer", "usr/lib/lsb/init-functions.d/50-killer"] {
        fs::remove_file(root.path(gone)).expect(gone);
        root.killer(&[]).ok();
        assert_eq!(root.tree(), whole, "{gone}");
    }
    // An older killer's, in another place; insserv has given the link another number.
    let older = root.text("etc/init.d/killer").lines().take(3).map(|l| format!("{l}\n")).collect::<String>();
    let sum =
        older.bytes().fold(0xcbf2_9ce4_8422_2325u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
    let mark = root
        .text("etc/init.d/killer")
        .lines()
        .last()
        .expect("a mark")
        .rsplit_once(' ')
        .expect("a sum")
        .0
        .to_owned();
    fs::write(root.path("etc/init.d/killer"), format!("{older}{mark} h{sum:016x}\n")).expect("an older one");
    fs::rename(root.path("etc/rcS.d/S02killer"), root.path("etc/rcS.d/S07killer")).expect("rename");
    let out = root.killer(&[]);
    assert!(out.ok().stdout.contains("replaced") && out.stdout.contains("S07killer"), "{out}");
    fs::remove_file(root.path("etc/init.d/killer")).expect("half removed");
    root.killer(&["--remove"]).ok();
    assert_eq!(root.tree(), before);
}

#[test]
fn two_at_once_do_it_once() {
    let root = Root::new(&DEBIAN);
    let before = root.tree();
    root.killer(&[]).ok();
    let whole = root.tree();
    for round in 0..3 {
        let all: Vec<_> = std::thread::scope(|s| {
            let one = |i: usize| {
                s.spawn({
                    let root = &root;
                    move || root.killer(if (i + round).is_multiple_of(2) { &["--remove"] } else { &[] })
                })
            };
            (0..4).map(one).collect::<Vec<_>>().into_iter().map(|t| t.join().expect("a thread")).collect()
        });
        all.iter().for_each(|out| {
            out.ok();
        });
        assert!([&before, &whole].contains(&&root.tree()), "{:?}", root.tree());
    }
    // It waits for one that holds the lock.
    let held = File::open(root.path("etc")).expect("etc");
    rustix::fs::flock(&held, rustix::fs::FlockOperation::LockExclusive).expect("a lock");
    std::thread::scope(|s| {
        s.spawn(|| {
            std::thread::sleep(Duration::from_millis(300));
            drop(held);
        });
        let out = root.killer(&[]);
        assert!(out.ok().took > Duration::from_millis(250), "{out}");
    });
}

/// Runs a script in a mount namespace of its own, with `killer` as `$1` and a tmpfs of one page more than is full at `$2`.
fn with_tmpfs(script: &str) -> Option<Out> {
    if !rustix::process::geteuid().is_root() {
        skip("install_boot", "not root");
        return None;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let make = "mount -t tmpfs -o size=64k tmpfs $2 && mkdir -p $2/etc/init.d $2/etc/rcS.d &&";
    let script = format!("{make} {script}");
    let killer = killer_tests::killer().canonicalize().expect("killer").display().to_string();
    let at = dir.path().display().to_string();
    Some(run("unshare".into(), &["-m", "--", "sh", "-c", &script, "sh", &killer, &at], None))
}

#[test]
fn a_full_disk_leaves_it_as_it_was() {
    let full = "{ cat /dev/zero >$2/filler 2>/dev/null; $1 install-boot --init sysv --root $2; c=$?; find $2/etc -type f -o -type l; exit $c; }";
    let Some(out) = with_tmpfs(full) else { return };
    out.error(1, &["etc/init.d/killer cannot be written", "No space left", "make room"]);
}

#[test]
fn a_root_that_is_read_only_is_said() {
    let ro = "mount -o remount,ro $2 && { $1 install-boot --init sysv --root $2; c=$?; find $2/etc -type f -o -type l; exit $c; }";
    let Some(out) = with_tmpfs(ro) else { return };
    out.error(1, &["cannot be written", "Read-only file system", "remount,rw"]);
    // What is there stays there, and removing it fails as well.
    let ro = "$1 install-boot -q --init sysv --root $2 && mount -o remount,ro $2 && { $1 install-boot --remove --root $2; c=$?; \
              test -e $2/etc/init.d/killer && test -h $2/etc/rcS.d/S02killer && exit $c; }";
    with_tmpfs(ro).expect("root").error(1, &["cannot be removed", "Read-only file system"]);
}

#[test]
fn somebody_without_the_right_is_told_so() {
    if !rustix::process::geteuid().is_root() {
        skip("somebody_without_the_right_is_told_so", "not root");
        return;
    }
    // A copy that everybody may run.
    let dir = tempfile::tempdir().expect("a directory");
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).expect("chmod");
    let copy = dir.path().join("killer");
    fs::copy(killer_tests::killer(), &copy).expect("a copy");
    let root = Root::new(&DEBIAN);
    fs::set_permissions(root.0.path(), fs::Permissions::from_mode(0o755)).expect("chmod");
    let before = root.tree();
    let at = root.0.path().display().to_string();
    let copy = copy.display().to_string();
    let args = ["--reuid=65534", "--regid=65534", "--clear-groups", &copy, "install-boot", "--root", &at];
    let out = run("setpriv".into(), &args, None);
    out.error(77, &["cannot be written", "Permission denied", "run it as root"]);
    assert_eq!(root.tree(), before);
}
