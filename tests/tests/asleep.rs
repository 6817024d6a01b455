//! Who sleeps in the kernel is not said to run.

use killer_tests::{Launch, TestEnv, eventually, names_pid, skip};
use std::time::Duration;

/// A directory of a freezer of cgroup v1, thawed and removed at the end: what is in it sleeps, uninterruptibly.
struct Freezer(std::path::PathBuf, Option<std::path::PathBuf>);

impl Freezer {
    fn new(env: &TestEnv) -> Option<Freezer> {
        let mounts = std::fs::read_to_string("/proc/self/mounts").ok()?;
        let is_freezer = |l: &&str| {
            let words: Vec<&str> = l.split(' ').collect();
            words[2] == "cgroup" && words[3].split(',').any(|o| o == "freezer")
        };
        let (mount, own) = match mounts.lines().find(is_freezer).and_then(|l| l.split(' ').nth(1)) {
            Some(at) => (std::path::PathBuf::from(at), None),
            None => {
                let at = env.path("freezer");
                std::fs::create_dir(&at).ok()?;
                let none = rustix::mount::MountFlags::empty();
                rustix::mount::mount("none", &at, "cgroup", none, Some(c"freezer")).ok()?;
                (at.clone(), Some(at))
            }
        };
        let dir = mount.join(format!("killer-test-{}", std::process::id()));
        std::fs::create_dir(&dir).ok()?;
        Some(Freezer(dir, own))
    }

    fn freeze(&self, pid: i32) {
        std::fs::write(self.0.join("cgroup.procs"), pid.to_string()).expect("into the freezer");
        std::fs::write(self.0.join("freezer.state"), "FROZEN").expect("freeze");
        let state = || std::fs::read_to_string(self.0.join("freezer.state"));
        assert!(eventually(Duration::from_secs(5), || state().is_ok_and(|s| s.trim() == "FROZEN")));
    }

    fn thaw(&self) {
        let _ = std::fs::write(self.0.join("freezer.state"), "THAWED");
    }
}

impl Drop for Freezer {
    fn drop(&mut self) {
        self.thaw();
        eventually(Duration::from_secs(2), || std::fs::remove_dir(&self.0).is_ok());
        if let Some(at) = &self.1 {
            let _ = rustix::mount::unmount(at, rustix::mount::UnmountFlags::DETACH);
        }
    }
}

/// One that was sent SIGKILL and cannot take it runs no code of its own again.
#[test]
fn frozen_while_it_sleeps() {
    let Some(env) = TestEnv::new("frozen_while_it_sleeps").map(TestEnv::alone) else { return };
    let Some(freezer) = Freezer::new(&env) else { return skip(&env.test, "no cgroup v1 freezer") };
    for killed in [false, true] {
        let Some(service) = Launch::new("plain").service(&env, "svc") else { return };
        let victim = service.fact("child");
        freezer.freeze(victim);
        if killed {
            let out = env.killer(["-KILL", "--wait=100ms", "svc"]);
            assert!(names_pid(&out.code(124).stderr, victim), "{out}");
        }
        let out = env.killer(["freeze", "svc"]);
        if out.exit() == 1 && out.stderr.contains("cannot freeze") {
            skip(&env.test, "this tier cannot freeze");
        } else {
            out.ok().silent();
            let status = env.killer(["status", "-o", "json", "svc"]).json();
            assert_eq!(status["state"], "frozen", "{status}");
            env.killer(["thaw", "svc"]).ok().silent();
        }
        freezer.thaw();
        env.killer(["-KILL", "--wait", "svc"]).ok();
        service.assert_dead();
    }
}
