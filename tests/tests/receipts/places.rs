//! Where receipts are kept, and that a kill does not fail because they cannot be.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::PathBuf;
use std::process::Command;

use killer_tests::{TestEnv, killer, skip};

use super::*;

/// A mount that goes with the test.
struct Mount(PathBuf);

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_kill_needs_no_receipt() {
    let Some(env) = TestEnv::reusing("a_kill_needs_no_receipt") else { return };
    let Some(service) = some(&env, 0) else { return };
    let place = env.receipts();
    let unwritten = |what: &str| {
        env.killer(["-s", "WINCH", "svc"]).ok().silent();
        let out = env.killer(["-v", "-s", "WINCH", "svc"]);
        assert!(out.ok().stderr.contains("no receipt was written"), "{what}: {out}");
        let json = env.killer(["-s", "WINCH", "-o", "json", "svc"]).ok().json();
        assert!(json["kept"]["error"].is_string() && json["kept"]["id"].is_null(), "{what}: {json}");
        let words = &["no receipt could be written", "nothing was signalled"];
        env.killer(["-s", "KILL", "--receipt=required", "svc"]).error(1, words);
        env.killer(["stop", "--receipt=required", "svc"]).error(1, words);
        service.assert_alive();
    };
    fs::write(&place, "").expect("a file in its place");
    unwritten("a file");
    fs::remove_file(&place).expect("nothing");
    std::os::unix::fs::symlink("/tmp", &place).expect("a link in its place");
    unwritten("a link");
    fs::remove_file(&place).expect("nothing");
    fs::create_dir(&place).expect("a directory");
    fs::set_permissions(&place, PermissionsExt::from_mode(0o777)).expect("chmod");
    unwritten("anybody's");
    fs::set_permissions(&place, PermissionsExt::from_mode(0o700)).expect("chmod");
    chown(&place, Some(12345), None).expect("chown");
    unwritten("another's");
    chown(&place, Some(0), None).expect("chown");
    Command::new("mkfifo").arg(current(&env)).status().expect("mkfifo");
    unwritten("a pipe");
    fs::remove_file(current(&env)).expect("nothing");
    let mut limited = Command::new("prlimit");
    let like = env.command();
    limited.arg("--fsize=10").arg(killer()).args(["-s", "WINCH", "-o", "json", "svc"]);
    limited.envs(like.get_envs().filter_map(|(k, v)| Some((k, v?))));
    let out = limited.output().expect("prlimit");
    assert!(out.status.success() && String::from_utf8_lossy(&out.stdout).contains("\"error\":"), "{out:?}");
    let mounted =
        Command::new("mount").args(["-t", "tmpfs", "-o", "size=64k,mode=700", "none"]).arg(&place).status();
    if !mounted.is_ok_and(|s| s.success()) {
        return skip(&env.test, "no tmpfs can be mounted");
    }
    let mount = Mount(place.clone());
    env.killer(["-s", "WINCH", "svc"]).ok();
    let before = fs::read(current(&env)).expect("a ledger");
    let _ = fs::write(place.join("fill"), vec![0; 1 << 20]);
    unwritten("a full disk");
    // Nothing of it is left half-written.
    let now = fs::read(current(&env)).expect("a ledger");
    assert!(now.starts_with(&before) && now.ends_with(b"\n"), "a torn end");
    fs::remove_file(place.join("fill")).expect("room");
    verify(&env, &[]).ok();
    Command::new("mount").args(["-o", "remount,ro"]).arg(&place).status().expect("remount");
    unwritten("a disk that is read-only");
    verify(&env, &[]).ok();
    drop(mount);
    env.killer(["-s", "KILL", "--receipt=required", "svc"]).ok().silent();
    service.assert_dead();
    assert_eq!(all(&env).len(), 1);
}

/// A killer that is stopped while it writes holds up nobody for ever.
#[test]
fn the_lock_is_not_waited_for_for_ever() {
    let Some(env) = TestEnv::reusing("the_lock_is_not_waited_for_for_ever") else { return };
    let Some(service) = some(&env, 1) else { return };
    let lock = fs::File::options().write(true).open(env.receipts().join("lock")).expect("the lock");
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).expect("held");
    let json = env.killer(["-s", "KILL", "-o", "json", "svc"]).ok().json();
    service.assert_dead();
    assert!(json["kept"]["error"].as_str().is_some_and(|e| e.contains("lock")), "{json}");
    // Who only looks needs none.
    verify(&env, &[]).ok();
}

#[test]
fn a_user_has_his_own() {
    let user = 64_000 + std::process::id() % 1000;
    let Some(env) = TestEnv::without_programs("a_user_has_his_own", "scan", Some(user)) else { return };
    let home = env.path("home");
    fs::create_dir(&home).expect("a home");
    chown(&home, Some(user), Some(user)).expect("chown");
    let killer = |args: &[&str]| {
        let mut command = env.command();
        command.args(args).env_remove("KILLER_RECEIPTS").env_remove("XDG_STATE_HOME").env("HOME", &home);
        env.finish(command)
    };
    killer(&["run", "--name", "svc", "--detach", "--", "sleep", "60"]).ok();
    killer(&["receipts"]).error(1, &["nothing was kept there yet"]);
    killer(&["-s", "KILL", "--receipt=required", "--wait", "svc"]).ok();
    let place = home.join(".local/state/killer");
    assert_eq!(lines(&place.join("receipts.ndjson")).len(), 1);
    killer(&["receipts", "--verify"]).ok();
    assert!(killer(&["receipts"]).ok().stdout.contains(&format!("uid {user}")));
    // Root's are not for him.
    let roots = env.path("roots");
    fs::create_dir(&roots).expect("a directory");
    fs::set_permissions(&roots, PermissionsExt::from_mode(0o700)).expect("chmod");
    killer(&["receipts", "--dir", &roots.to_string_lossy()])
        .error(77, &["no receipts can be read", "denied"]);
}
