//! `install.sh` of the tarball: what it installs it removes again, and nothing else; wrong input is said.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use killer_tests::skip;
use nix::mount::{MsFlags, mount, umount};
use nix::sched::{CloneFlags, unshare};
use tempfile::TempDir;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../packaging/tarball/install.sh");

/// An unpacked tarball with a `killer` that only notes how it is called, and a root to install into.
struct Unpacked(TempDir);

impl Unpacked {
    fn new() -> Unpacked {
        let unpacked = Unpacked(tempfile::tempdir().expect("a directory"));
        let calls = unpacked.path("calls").display().to_string();
        let killer = format!("#!/bin/sh\n[ \"$1\" = --version ] || echo \"$*\" >>'{calls}'\n");
        for (at, text, mode) in [
            ("tar/bin/killer", killer.as_str(), 0o755),
            ("tar/share/man/man8/killer.8", ".TH killer 8\n", 0o644),
            ("tar/share/doc/ebpf-killer/docs/INSTALL.md", "x\n", 0o600),
            ("tar/lib/killer/rules.d/README", "x\n", 0o644),
        ] {
            let path = unpacked.path(at);
            fs::create_dir_all(path.parent().expect("a directory")).expect("mkdir");
            fs::write(&path, text).expect("a file");
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("chmod");
        }
        fs::copy(SCRIPT, unpacked.path("tar/install.sh")).expect("install.sh");
        fs::create_dir_all(unpacked.path("root/etc/killer/rules.d")).expect("mkdir");
        fs::write(unpacked.path("root/etc/killer/rules.d/mine.toml"), "# mine\n").expect("a rule");
        unpacked
    }

    fn path(&self, at: &str) -> PathBuf {
        self.0.path().join(at)
    }

    fn run(&self, script: &str, args: &[&str]) -> (i32, String) {
        let args = args.iter().map(|a| a.replace("ROOT", &self.path("root").display().to_string()));
        let out = Command::new("sh").arg(self.path(script)).args(args).current_dir("/").output().expect("sh");
        let said = [out.stdout, out.stderr].map(|o| String::from_utf8_lossy(&o).into_owned()).concat();
        (out.status.code().unwrap_or(255), said)
    }

    fn install(&self, args: &[&str]) -> (i32, String) {
        self.run("tar/install.sh", args)
    }

    /// What `killer` was asked since the last time.
    fn calls(&self) -> String {
        let calls = fs::read_to_string(self.path("calls")).unwrap_or_default();
        let _ = fs::remove_file(self.path("calls"));
        calls.replace(&self.path("root").display().to_string(), "ROOT")
    }

    /// Files below the root, with their permissions.
    fn files(&self) -> Vec<String> {
        let mut found = Vec::new();
        walk(&self.path("root"), &mut found);
        let root = self.path("root").display().to_string();
        let mut found: Vec<String> = found.into_iter().map(|f| f.replace(&root, "")).collect();
        found.sort();
        found
    }
}

fn walk(dir: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(dir).expect("a directory").flatten() {
        let meta = entry.metadata().expect("stat");
        match meta.is_dir() {
            true => walk(&entry.path(), found),
            false => {
                found.push(format!("{} {:o}", entry.path().display(), meta.permissions().mode() & 0o777))
            }
        }
    }
}

#[test]
fn what_is_installed_is_removed_again() {
    let t = Unpacked::new();
    let before = t.files();
    for prefix in ["/usr", "/usr/local/"] {
        let p = prefix.trim_end_matches('/');
        let (code, said) = t.install(&["--destdir", "ROOT", "--prefix", prefix]);
        assert!(code == 0 && said.contains("--uninstall removes it"), "{said}");
        assert_eq!(t.calls(), "install-boot --root ROOT\n");
        let files = t.files();
        for file in [
            "bin/killer 755",
            "lib/killer/install.sh 755",
            "lib/killer/installed 644",
            "lib/killer/rules.d/README 644",
            "share/doc/ebpf-killer/docs/INSTALL.md 644",
            "share/man/man8/killer.8 644",
        ] {
            assert!(files.contains(&format!("{p}/{file}")), "no {p}/{file}: {files:?}");
        }
        assert_eq!(files.len(), before.len() + 6, "{files:?}");
        // Once more, as an upgrade is; then by what it has left.
        assert_eq!(t.install(&["--destdir", "ROOT", "--prefix", prefix, "--no-boot"]).0, 0);
        assert_eq!((t.calls(), t.files()), (String::new(), files));
        let script = format!("root{p}/lib/killer/install.sh");
        let (code, said) = t.run(&script, &["--uninstall", "--destdir", "ROOT", "--prefix", prefix]);
        assert!(code == 0 && said.contains("are kept"), "{said}");
        assert_eq!(t.calls(), "install-boot --remove --root ROOT\n");
        assert_eq!(t.files(), before);
        assert!(!t.path(&format!("root{p}/lib/killer")).exists());
    }
}

#[test]
fn wrong_input_is_said_and_changes_nothing() {
    let t = Unpacked::new();
    let before = t.files();
    for (args, code, words) in [
        (&["--nope"][..], 2, "unknown option '--nope'"),
        (&["web"], 2, "unknown option 'web'"),
        (&["--prefix"], 2, "--prefix needs a directory"),
        (&["--destdir", "relative"], 2, "begins with /"),
        (&["--destdir", "ROOT/none"], 1, "there is no directory"),
        (&["--uninstall", "--destdir", "ROOT"], 1, "nothing was installed"),
    ] {
        let (got, said) = t.install(args);
        assert!(got == code && said.contains(words), "{args:?}: {got} {said}");
        assert_eq!(t.files(), before, "{args:?}");
    }
    assert_eq!(t.install(&["--help"]).0, 0);
    fs::remove_file(t.path("tar/bin/killer")).expect("rm");
    let (code, said) = t.install(&["--destdir", "ROOT"]);
    assert!(code == 1 && said.contains("no unpacked tarball"), "{said}");
    assert_eq!(t.files(), before);
}

#[test]
fn what_is_half_installed_is_removed() {
    let t = Unpacked::new();
    let before = t.files();
    // Something is in the way of all that goes below share/.
    fs::create_dir_all(t.path("root/usr")).expect("mkdir");
    fs::write(t.path("root/usr/share"), "in the way").expect("a file");
    let (code, said) = t.install(&["--destdir", "ROOT"]);
    assert!(code == 1 && said.contains("cannot be written; --uninstall removes the rest"), "{code} {said}");
    assert_eq!(t.install(&["--uninstall", "--destdir", "ROOT"]).0, 0);
    fs::remove_file(t.path("root/usr/share")).expect("rm");
    assert_eq!(t.files(), before);
}

#[test]
fn a_list_that_somebody_wrote_removes_nothing_elsewhere() {
    let t = Unpacked::new();
    assert_eq!(t.install(&["--destdir", "ROOT"]).0, 0);
    let list = t.path("root/usr/lib/killer/installed");
    let text = fs::read_to_string(&list).expect("the list");
    fs::write(&list, format!("{text}/usr/../etc/killer/rules.d/mine.toml\n/etc/killer/rules.d/mine.toml\n"))
        .expect("the list");
    assert_eq!(t.install(&["--uninstall", "--destdir", "ROOT"]).0, 0);
    assert!(t.path("root/etc/killer/rules.d/mine.toml").exists());
}

/// Disks from full to just large enough, by pages and by files: a tmpfs at the root, in mounts of this thread's own.
fn disks() -> impl Iterator<Item = String> {
    let pages = (1..=20).map(|n| format!("size={}k,nr_inodes=200", 4 * n));
    pages.chain((2..=30).map(|n| format!("size=1m,nr_inodes={n}")))
}

impl Unpacked {
    fn mount(&self, options: &str, flags: MsFlags) {
        mount(Some("tmpfs"), &self.path("root"), Some("tmpfs"), flags, Some(options)).expect("a tmpfs");
    }

    /// Every file below the root but the list, with what is in it.
    fn texts(&self) -> Vec<(String, Vec<u8>)> {
        let files = self.files();
        let path = |f: &str| f.rsplit_once(' ').map_or(f, |(p, _)| p).to_owned();
        let files = files.iter().map(|f| path(f)).filter(|f| !f.ends_with("/lib/killer/installed"));
        files.map(|f| (f.clone(), fs::read(self.path(&format!("root{f}"))).expect("a file"))).collect()
    }
}

/// What this thread mounts nobody else sees.
fn own_mounts(test: &str) -> bool {
    let mine = unshare(CloneFlags::CLONE_NEWNS).and_then(|()| {
        mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)
    });
    if let Err(e) = mine {
        skip(test, &format!("no mounts of its own: {e}"));
    }
    mine.is_ok()
}

#[test]
fn a_full_disk_is_said_and_leaves_nothing_half_written() {
    if !own_mounts("a_full_disk_is_said_and_leaves_nothing_half_written") {
        return;
    }
    let t = Unpacked::new();
    let args = ["--destdir", "ROOT", "--no-boot"];
    t.mount("size=1m", MsFlags::empty());
    assert_eq!(t.install(&args).0, 0);
    let whole = t.texts();
    umount(&t.path("root")).expect("umount");
    let mut refused = 0;
    for (n, disk) in disks().enumerate() {
        t.mount(&disk, MsFlags::empty());
        // So that there is one without a single page.
        fs::write(t.path("root/taken"), "x").expect("a page");
        let (code, said) = t.install(&args);
        fs::remove_file(t.path("root/taken")).expect("rm");
        let there = t.texts();
        assert!(there.iter().all(|f| whole.contains(f)), "{disk}: something half written: {there:?}: {said}");
        if code != 0 {
            refused += 1;
            let words = said.contains("No space left") && said.lines().any(|l| l.starts_with("install.sh: "));
            assert!(code == 1 && words, "{disk}: {code} {said}");
            t.mount("size=1m,nr_inodes=200", MsFlags::MS_REMOUNT);
            // Both ways out of it: it is completed, or taken away.
            let installed = t.path("root/usr/lib/killer/installed").exists();
            if n % 2 == 0 || !installed {
                assert_eq!(t.install(&args).0, 0, "{disk}");
            } else {
                assert_eq!(t.install(&["--uninstall", "--destdir", "ROOT"]).0, 0, "{disk}");
                assert_eq!(t.files(), Vec::<String>::new(), "{disk}");
            }
        } else {
            assert_eq!(there, whole, "{disk}: it was no failure: {said}");
        }
        umount(&t.path("root")).expect("umount");
    }
    assert!((5..48).contains(&refused), "{refused}");
}

#[test]
fn a_full_disk_keeps_the_version_before() {
    if !own_mounts("a_full_disk_keeps_the_version_before") {
        return;
    }
    for disk in disks().step_by(4) {
        let t = Unpacked::new();
        let args = ["--destdir", "ROOT", "--no-boot"];
        t.mount("size=1m,nr_inodes=200", MsFlags::empty());
        fs::write(t.path("tar/share/doc/ebpf-killer/docs/OLD.md"), "x").expect("a file");
        assert_eq!(t.install(&args).0, 0);
        let before = t.texts();
        let killer = fs::read_to_string(t.path("tar/bin/killer")).expect("killer");
        fs::write(t.path("tar/bin/killer"), format!("{killer}# {}\n", "x".repeat(9000))).expect("killer");
        fs::remove_file(t.path("tar/share/doc/ebpf-killer/docs/OLD.md")).expect("rm");
        fs::write(t.path("tar/share/doc/ebpf-killer/docs/NEW.md"), "y").expect("a file");
        // What is in use counts.
        let (size, files) = disk.split_once(',').expect("two");
        let pages: usize =
            size.trim_start_matches("size=").trim_end_matches(['k', 'm']).parse().expect("a number");
        let files: usize = files.trim_start_matches("nr_inodes=").parse().expect("a number");
        let size = if size.ends_with('m') { "1m".into() } else { format!("{}k", 44 + pages) };
        t.mount(&format!("size={size},nr_inodes={}", 20 + files), MsFlags::MS_REMOUNT);
        let (code, said) = t.install(&args);
        let there = t.texts();
        let killer = there.iter().find(|f| f.0 == "/usr/bin/killer").expect("killer is gone");
        assert!(killer.1 == before[0].1 || killer.1.len() > 9000, "{disk}: half of a killer: {said}");
        assert!(!there.iter().any(|f| f.0.ends_with(".new")), "{disk}: {there:?}");
        assert!(code == 0 || code == 1 && said.contains("No space left"), "{disk}: {code} {said}");
        t.mount("size=1m,nr_inodes=200", MsFlags::MS_REMOUNT);
        if code != 0 {
            assert_eq!(t.install(&args).0, 0, "{disk}");
        }
        let names: Vec<String> = t.texts().into_iter().map(|f| f.0).collect();
        assert!(
            !names.iter().any(|f| f.ends_with("OLD.md")),
            "{disk}: what the new one has not is left: {names:?}"
        );
        assert_eq!(t.install(&["--uninstall", "--destdir", "ROOT"]).0, 0);
        assert_eq!(t.files(), Vec::<String>::new(), "{disk}");
        umount(&t.path("root")).expect("umount");
    }
}
