//! What this killer cannot see: services of another version's tracker, and those whose pins are gone. It is never "none".

use std::path::{Path, PathBuf};

use killer_tests::{Launch, Service, TestEnv};

/// Our version's directory of pins.
fn version(env: &TestEnv) -> PathBuf {
    let dir = std::fs::read_dir(&env.pin_root).expect("pins").flatten();
    let mut found = dir.filter(|e| e.file_name().to_string_lossy().starts_with('v')).map(|e| e.path());
    found.next().expect("a version")
}

fn service(env: &TestEnv) -> Option<Service> {
    Launch::new("plain").service(env, "svc")
}

/// An upgrade: the tracker is another version's now, and its services are alive.
#[test]
fn of_another_version() {
    let Some(env) = TestEnv::new("of_another_version") else { return };
    let env = env.alone();
    let Some(live) = service(&env) else { return };
    let (ours, theirs) = (version(&env), env.pin_root.join("v77"));
    std::fs::rename(&ours, &theirs).expect("another version");
    // What is remembered beside the pins is that version's, too.
    for e in std::fs::read_dir(env.path("run")).expect("run root").flatten() {
        let name = e.file_name().to_string_lossy().into_owned();
        if let Some(begin) = name.strip_suffix("v1") {
            std::fs::rename(e.path(), env.path("run").join(format!("{begin}v77"))).expect("its memory");
        }
    }

    let list = env.killer(["list"]);
    list.error(1, &["svc", "v77", "down"]);
    for verb in [&["status", "svc"][..], &["-s", "KILL", "svc"], &["stop", "svc"], &["tree", "svc"]] {
        env.killer(verb).error(1, &["'svc'", "v77"]);
    }
    env.killer(["status", "other"]).error(4, &["other"]);
    env.killer(["run", "--name", "svc", "--", "true"]).error(125, &["'svc'", "v77"]);
    live.assert_alive();

    // No name of theirs is taken, any other is free; what is here is shown, and that it is not all.
    env.killer(["run", "--name", "other", "--", "true"]).ok();
    let list = env.killer(["list"]);
    assert!(list.exit() == 1 && list.stdout.contains("other") && list.stderr.contains("svc"), "{list}");
    env.killer(["rename", "other", "svc"]).error(1, &["'svc'", "v77"]);
    env.killer(["-s", "KILL", "svc"]).error(1, &["'svc'", "v77"]);
    let old = Launch::new("plain").direct(&env.test).expect("'plain' never skips");
    env.killer(["adopt", "svc", "--pid", &old.pid().to_string()]).error(1, &["'svc'", "v77"]);

    // Whose registry cannot be read: then no name is known to be free.
    std::fs::remove_file(theirs.join("maps/ROOTS")).expect("a pin");
    env.killer(["list"]).code(1);
    env.killer(["status", "another"]).error(1, &["not known", "v77"]);
    env.killer(["run", "--name", "another", "--", "true"]).error(125, &["not known", "v77"]);
    assert!(env.killer(["doctor"]).stdout.contains("v77"));

    // What has no programs attached keeps nobody.
    std::fs::remove_dir_all(theirs.join("links")).expect("links");
    env.killer(["list"]).ok();
    env.killer(["run", "--name", "another", "--", "true"]).ok();
    live.assert_alive();
}

/// What is said of a tracker that is gone, until it is taken note of.
fn all_is_lost(env: &TestEnv, live: &Service) {
    for verb in
        [&["list"][..], &["status", "svc"], &["-s", "KILL", "svc"], &["stop", "svc"], &["wait", "svc"]]
    {
        env.killer(verb).error(1, &["lost", "svc", "down --force"]);
    }
    for name in ["svc", "other"] {
        env.killer(["run", "--name", name, "--", "true"]).error(125, &["lost", "svc"]);
    }
    env.killer(["up"]).error(1, &["lost"]);
    env.killer(["down"]).error(1, &["lost"]);
    live.assert_alive();
    env.killer(["down", "--force"]).ok();
    env.killer(["list"]).ok();
}

#[test]
fn pins_removed() {
    let Some(env) = TestEnv::new("pins_removed") else { return };
    let env = env.alone();
    let Some(live) = service(&env) else { return };
    std::fs::remove_dir_all(version(&env)).expect("pins");
    all_is_lost(&env, &live);
    env.killer(["run", "--name", "svc", "--", "true"]).ok();
    // Nobody was alive: nothing is lost.
    std::fs::remove_dir_all(version(&env)).expect("pins");
    env.killer(["list"]).ok();
    let Some(live) = service(&env) else { return };
    env.killer(["-s", "KILL", "--wait", "svc"]).ok();
    live.assert_dead();
    std::fs::remove_dir_all(version(&env)).expect("pins");
    env.killer(["status", "svc"]).code(4);
    env.killer(["run", "--name", "svc", "--", "true"]).ok();
}

/// A mount of its own, unmounted at the end.
struct Bpffs(PathBuf);

impl Bpffs {
    fn at(dir: &Path) -> Option<Self> {
        use rustix::mount::{MountFlags, mount};
        std::fs::create_dir(dir).expect("a mount point");
        mount("bpf", dir, "bpf", MountFlags::empty(), None).ok().map(|()| Self(dir.to_owned()))
    }
}

impl Drop for Bpffs {
    fn drop(&mut self) {
        let _ = rustix::mount::unmount(&self.0, rustix::mount::UnmountFlags::DETACH);
    }
}

#[test]
fn bpffs_unmounted() {
    let Some(env) = TestEnv::new("bpffs_unmounted") else { return };
    let mut env = env.alone();
    let dir = env.path("fs");
    let Some(fs) = Bpffs::at(&dir) else { return };
    env.pin_root = dir.join("killer");
    let Some(live) = service(&env) else { return };
    drop(fs);
    all_is_lost(&env, &live);
}

/// By force, what lives on is named with where to find it.
fn down_by_force(env: &TestEnv) {
    let Some(live) = service(env) else { return };
    let main = live.fact("pid").to_string();
    let out = env.killer(["down", "--force"]);
    assert!(out.ok().stderr.contains(&format!("svc (main process {main})")), "{out}");
    live.assert_alive();
    env.killer(["down", "--force"]).ok().silent();
}

#[test]
fn forced_down() {
    let Some(env) = TestEnv::new("forced_down") else { return };
    down_by_force(&env.alone());
}

#[test]
fn forced_down_named() {
    let Some(env) = TestEnv::without_programs("forced_down_named", "named", None) else { return };
    down_by_force(&env);
}

#[test]
fn forced_down_scan() {
    let Some(env) = TestEnv::without_programs("forced_down_scan", "scan", None) else { return };
    down_by_force(&env);
}
