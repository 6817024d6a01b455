//! Links, files of others, and what is no small file.

use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;

/// A directory of root's alone; `None` where this user is not root, or there is no such place.
fn place() -> Option<(tempfile::TempDir, Top)> {
    let dir = tempfile::Builder::new().prefix("killer-trusted-").tempdir_in("/run").ok()?;
    let top = Top::of(dir.path()).ok()?;
    Some((dir, top))
}

#[test]
fn links_are_followed_and_go_no_higher() {
    let Some((dir, top)) = place() else { return };
    std::fs::create_dir_all(dir.path().join("a/b")).unwrap();
    std::fs::write(dir.path().join("a/b/f"), "x").unwrap();
    symlink("/a", dir.path().join("l")).unwrap();
    symlink("../../../../a/b/f", dir.path().join("a/up")).unwrap();
    symlink("loop", dir.path().join("loop")).unwrap();
    let f = top.walk(Path::new("/l/up")).unwrap();
    assert_eq!((f.path.as_path(), f.text(9).unwrap()), (Path::new("/a/b/f"), b"x".to_vec()));
    assert_eq!(top.walk(Path::new("/l/b/..")).unwrap().names(9).unwrap(), ["b", "up"]);
    assert!(matches!(top.walk(Path::new("/loop")), Err(Refused::Io(_, Errno::LOOP))));
    assert!(matches!(top.walk(Path::new("/a/x")), Err(Refused::Missing(_))));
    assert!(matches!(top.walk(Path::new("/a/b/f/x")), Err(Refused::Missing(_))));
}

#[test]
fn what_others_can_change_is_refused() {
    let Some((dir, top)) = place() else { return };
    let mode = |p: &str, m| {
        std::fs::set_permissions(dir.path().join(p), std::fs::Permissions::from_mode(m)).unwrap()
    };
    std::fs::create_dir_all(dir.path().join("a/b")).unwrap();
    std::fs::write(dir.path().join("a/b/f"), "x").unwrap();
    let walk = |p: &str| top.walk(Path::new(p));
    mode("a", 0o777);
    assert!(matches!(walk("/a/b/f"), Err(Refused::Writable(_, "everybody"))));
    mode("a", 0o1775);
    assert!(matches!(walk("/a/b/f"), Err(Refused::Writable(_, "its group"))));
    mode("a", 0o755);
    mode("a/b/f", 0o646);
    assert!(matches!(walk("/a/b/f").unwrap().root_s(), Err(Refused::Writable(..))));
    std::os::unix::fs::chown(dir.path().join("a/b"), Some(1234), None).unwrap();
    assert!(matches!(walk("/a/b/f"), Err(Refused::Owner(_, 1234))));
}

#[test]
fn a_link_is_roots_and_the_end_a_file_or_a_directory() {
    let Some((dir, _)) = place() else { return };
    let at = |p: &str| dir.path().join(p);
    let open = |p: &str| open(dir.path(), Path::new(p));
    std::fs::create_dir(at("etc")).unwrap();
    std::fs::write(at("etc/cron"), "#!/bin/sh\n").unwrap();
    symlink("etc/cron", at("crond")).unwrap();
    let cron = open("/crond").unwrap();
    assert!(!cron.is_program() && !cron.is_dir() && open("/etc").unwrap().is_dir());
    assert_eq!(cron.head(5).unwrap(), b"#!/bi");
    std::fs::set_permissions(at("etc/cron"), std::fs::Permissions::from_mode(0o755)).unwrap();
    assert!(open("/crond").unwrap().is_program());
    // With an access list the group's bits are the list's: whose group it is says nothing.
    std::fs::set_permissions(at("etc/cron"), std::fs::Permissions::from_mode(0o775)).unwrap();
    assert!(matches!(open("/crond"), Err(Refused::Writable(_, "its group"))));
    let other = Some(rustix::fs::Uid::from_raw(4321));
    let itself = rustix::fs::AtFlags::SYMLINK_NOFOLLOW;
    rustix::fs::chownat(rustix::fs::CWD, at("crond"), other, None, itself).unwrap();
    assert!(matches!(open("/crond"), Err(Refused::Owner(_, 4321))));
    rustix::fs::mkfifoat(rustix::fs::CWD, at("fifo"), Mode::RUSR).unwrap();
    assert!(matches!(open("/fifo"), Err(Refused::Kind(_, "a pipe"))));
}

#[test]
fn what_is_no_small_file_is_refused() {
    let Some((dir, top)) = place() else { return };
    rustix::fs::mkfifoat(rustix::fs::CWD, dir.path().join("pipe"), Mode::RUSR).unwrap();
    std::fs::File::create(dir.path().join("huge")).unwrap().set_len(1 << 40).unwrap();
    assert!(matches!(top.walk(Path::new("/pipe")).unwrap().text(9), Err(Refused::Kind(_, "a pipe"))));
    assert!(matches!(top.walk(Path::new("/huge")).unwrap().text(9), Err(Refused::Large(..))));
    assert!(matches!(top.walk(Path::new("/")).unwrap().names(1), Err(Refused::Large(..))));
    let f = top.walk(Path::new("/huge")).unwrap();
    std::fs::write(dir.path().join("huge"), "y").unwrap();
    assert!(matches!(f.text(9), Err(Refused::Changes(_))));
    let d = top.walk(Path::new("/")).unwrap();
    std::fs::write(dir.path().join("new"), "y").unwrap();
    assert!(matches!(d.names(9), Err(Refused::Changes(_))));
}
