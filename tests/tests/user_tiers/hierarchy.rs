//! What `down` leaves of the named hierarchy in the kernel: nothing, or it says who keeps it and fails.

use super::named;
use killer_tests::{Launch, Pidfd, TestEnv, eventually};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Name of the hierarchy that a member is in, as /proc/PID/cgroup has it.
fn hierarchy_of(pid: i32) -> String {
    let lines = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).expect("a member's cgroups");
    let ours = |l: &&str| l.contains(":name=killer") && !l.ends_with(":/");
    let line = lines.lines().find(ours).expect("a directory of ours");
    line.split(':').nth(1).expect("a name").to_owned()
}

/// Whether every process of this host has a line for it.
fn is_there(name: &str) -> bool {
    std::fs::read_to_string("/proc/self/cgroup").expect("own cgroups").contains(&format!(":{name}:"))
}

fn a_member(env: &TestEnv, service: &str) -> i32 {
    let status = env.killer(["status", "-o", "json", service]).ok().json();
    *killer_tests::pids(&status).first().expect("a member")
}

/// At once after the kill: directories, and the dead in them, go later than KILL --wait returns.
#[test]
fn the_hierarchy_ends_with_down() {
    let Some(env) = named("the_hierarchy_ends_with_down") else { return };
    for _ in 0..3 {
        let script = "for i in 1 2 3 4 5 6 7 8 9; do sleep 50 & done; echo ready > $1; wait";
        let Some(_service) = Launch::shell(script).service(&env, "svc") else { return };
        let name = hierarchy_of(a_member(&env, "svc"));
        assert!(is_there(&name));
        env.killer(["-KILL", "--wait", "svc"]).ok();
        env.killer(["down"]).ok().silent();
        assert!(!is_there(&name), "every process of this host keeps a line for {name}");
        env.killer(["up"]).ok();
    }
}

/// Somebody to whom orphans come, and who never waits for them.
fn never_reaps(env: &TestEnv, then: &str) -> Child {
    let mut command: Command = env.command();
    let killer = command.get_program().to_owned();
    let vars: Vec<_> = command.get_envs().map(|(k, v)| (k.to_owned(), v.map(ToOwned::to_owned))).collect();
    command = Command::new("sh");
    command.args(["-c", &format!("{then}; exec sleep 50"), "sh"]).arg(killer).stdin(Stdio::null());
    command.envs(vars.into_iter().filter_map(|(k, v)| Some((k, v?))));
    // SAFETY: prctl with plain numbers, between fork and exec.
    unsafe {
        command.pre_exec(|| match libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        });
    }
    command.spawn().expect("sh")
}

#[test]
fn who_keeps_the_hierarchy_is_told() {
    let Some(env) = named("who_keeps_the_hierarchy_is_told") else { return };
    let mut parent = never_reaps(&env, "\"$1\" run --name svc --detach -- sleep 50");
    assert!(eventually(Duration::from_secs(10), || env.has_members("svc")));
    let member = a_member(&env, "svc");
    let name = hierarchy_of(member);
    let is_sleep =
        || std::fs::read_to_string(format!("/proc/{}/comm", parent.id())).is_ok_and(|c| c == "sleep\n");
    assert!(eventually(Duration::from_secs(10), is_sleep));
    env.killer(["-KILL", "--wait", "svc"]).ok();
    let (dead, alive) = (format!("{member} (sleep)"), format!("{} (sleep)", parent.id()));
    // Those of other tests may be named before it: all are asked for.
    let out = env.killer(["-vv", "down"]);
    let said = &out.code(1).stderr;
    for word in [&*name, &dead, &alive, "waited for", "'killer down' again"] {
        assert!(said.contains(word), "no '{word}': {out}");
    }
    assert!(is_there(&name));
    // Nothing is worse than before: the place can be used, and given back.
    env.killer(["list"]).ok();
    env.killer(["run", "--name", "again", "--", "sh", "-c", "exit 7"]).code(7);
    let parent_fd = Pidfd::open(parent.id() as i32).expect("our own child");
    parent_fd.signal(rustix::process::Signal::KILL);
    parent.wait().expect("wait");
    let reaped = || !std::path::Path::new("/proc").join(member.to_string()).exists();
    assert!(eventually(Duration::from_secs(20), reaped), "PID 1 leaves zombies");
    env.killer(["down"]).ok().silent();
    assert!(!is_there(&name), "every process of this host keeps a line for {name}");
}

/// Another mount namespace has a copy of the mount.
#[test]
fn a_mount_namespace_that_keeps_it_is_told() {
    let test = "a_mount_namespace_that_keeps_it_is_told";
    let Some(env) = named(test) else { return };
    // Other tests' hierarchies are not its own.
    let script = "while read d m t r; do case \"$t $m\" in cgroup\\ \"$1\"*) ;; cgroup\\ *) umount \"$m\" ;; esac; done \
                  </proc/self/mounts; exec sleep 50";
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-c", script, "sh"]).arg(env.path("run"));
    command.stdin(Stdio::null());
    let Ok(mut other) = command.spawn() else {
        killer_tests::skip(test, "no unshare");
        return;
    };
    let is_sleep =
        || std::fs::read_to_string(format!("/proc/{}/comm", other.id())).is_ok_and(|c| c == "sleep\n");
    assert!(eventually(Duration::from_secs(10), is_sleep));
    let out = env.killer(["down"]);
    let again = |other: &mut Child| {
        let _ = other.kill();
        other.wait().expect("wait");
    };
    if out.exit() != 1 {
        again(&mut other);
        panic!("{out}");
    }
    out.error(1, &[&format!("{} (sleep)", other.id()), "mount namespace"]);
    again(&mut other);
    env.killer(["down"]).ok().silent();
}

/// Who has it as its working directory is told, too.
#[test]
fn who_is_in_its_directory_is_told() {
    let Some(env) = named("who_is_in_its_directory_is_told") else { return };
    let mount = env.path("run/named/mnt");
    let mut other = Command::new("sleep").arg("50").current_dir(&mount).spawn().expect("sleep");
    let who = format!("{} (sleep)", other.id());
    let out = env.killer(["down"]);
    let _ = other.kill();
    other.wait().expect("wait");
    out.error(1, &[&who, "in use"]);
    env.killer(["down"]).ok().silent();
}
