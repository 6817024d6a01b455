//! A member that may mount puts another process's directory, or nothing, over its own in /proc: what decides is the kernel's
//! word all the same. Test and `killer` live in a mount namespace of this test's own.

use killer_tests::{Launch, Marks, Out, Pidfd, Service, TestEnv, eventually, proc_state, skip};
use rustix::mount::{MountFlags, MountPropagationFlags};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::time::Duration;

/// Each way to keep a set, and what is put over a member's directory.
fn worlds(test: &str, each: impl Fn(&TestEnv, &Cover)) {
    for tier in [None, Some("named"), Some("scan")] {
        let env = match tier {
            None => TestEnv::new(test).map(TestEnv::alone),
            Some(tier) => TestEnv::without_programs(test, tier, None),
        };
        let Some(env) = env else { continue };
        let Some(cover) = Cover::new(test) else { return };
        each(&env, &cover);
    }
}

/// A stopped process whose directory is put over others'.
struct Cover(Child);

impl Cover {
    fn new(test: &str) -> Option<Cover> {
        // This thread, and whom it starts, get a mount namespace of their own.
        // SAFETY: the descriptor table stays shared.
        let own = unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWNS) };
        let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
        if let Err(e) = own.and_then(|()| rustix::mount::mount_change("/", private)) {
            skip(test, &format!("no mount namespace: {e}"));
            return None;
        }
        let child = Command::new("sleep").arg("600").spawn().expect("sleep");
        let pid = child.id() as i32;
        Pidfd::open(pid).expect("our child").signal(rustix::process::Signal::STOP);
        assert!(eventually(Duration::from_secs(5), || proc_state(pid) == Some('T')));
        Some(Cover(child))
    }

    /// Over these.
    fn over(&self, pids: &[i32], nothing: bool) {
        for pid in pids {
            let at = format!("/proc/{pid}");
            let put = match nothing {
                true => rustix::mount::mount("none", &at, "tmpfs", MountFlags::empty(), None),
                false => rustix::mount::mount_bind(format!("/proc/{}", self.0.id()), &at),
            };
            // Who has ended needs none.
            assert!(put.is_ok() || !std::path::Path::new(&at).exists(), "{at}: {put:?}");
        }
    }

    fn away(pids: &[i32]) {
        for pid in pids {
            let _ = rustix::mount::unmount(format!("/proc/{pid}"), rustix::mount::UnmountFlags::DETACH);
        }
    }
}

impl Drop for Cover {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn members(env: &TestEnv) -> Vec<i32> {
    killer_tests::pids(&env.killer(["status", "-o", "json", "svc"]).json()).into_iter().collect()
}

#[track_caller]
fn end(env: &TestEnv, service: &Service) {
    env.killer(["-KILL", "--wait", "svc"]).ok();
    service.assert_dead();
}

/// "Frozen" is said of who takes no step, "woken" of who does.
#[test]
fn frozen_is_frozen() {
    for nothing in [false, true] {
        worlds("frozen_is_frozen", |env, cover| {
            let Some((service, marks)) = Marks::ticking(env, "threads+spin") else { return };
            assert!(marks.moves());
            let pids = members(env);
            assert!(!pids.is_empty());
            cover.over(&pids, nothing);
            let listed = members(env);
            // Some come and go.
            let lost = |p: &i32| !listed.contains(p) && Pidfd::open(*p).is_some_and(|p| p.alive());
            assert!(!pids.iter().any(lost), "nothing: {nothing}: {pids:?}, {listed:?}");
            let out = env.killer(["freeze", "svc"]);
            if out.exit() == 1 && out.stderr.contains("cannot freeze") {
                Cover::away(&pids);
                return end(env, &service);
            }
            out.ok().silent();
            let before = marks.steps();
            std::thread::sleep(Duration::from_millis(200));
            assert_eq!(marks.steps(), before, "it goes on, nothing: {nothing}");
            let status = env.killer(["status", "-o", "json", "svc"]).json();
            assert_eq!(
                (&status["state"], &status["frozen"]["awake"]),
                (&"frozen".into(), &serde_json::Value::Null)
            );
            env.killer(["thaw", "svc"]).ok().silent();
            assert!(marks.moves(), "it does not go on");
            end(env, &service);
            Cover::away(&pids);
        });
    }
}

/// A signal reaches everybody, KILL ends everybody, and nobody is called ended or released who is not.
#[test]
fn ended_is_ended() {
    for nothing in [false, true] {
        worlds("ended_is_ended", |env, cover| {
            let Some(service) = Launch::new("term-ignored").service(env, "svc") else { return };
            let pids = members(env);
            cover.over(&pids, nothing);
            let out = env.killer(["list", "-o", "json"]).ok().json();
            assert_eq!(out["services"][0]["counts"]["processes"], pids.len(), "{out}");
            env.killer(["-TERM", "--wait=50ms", "svc"]).code(124);
            env.killer(["wait", "--timeout=50ms", "svc"]).code(124);
            service.assert_alive();
            let out = env.killer(["verify", "-o", "json", "svc"]).ok().json();
            assert_eq!(out["counts"]["processes"], pids.len(), "{out}");
            end(env, &service);
            Cover::away(&pids);
        });
    }
}

/// As `killer` is where it may not mount: no procfs of its own.
fn confined(env: &TestEnv, args: &[&str]) -> Out {
    let mut command = env.command();
    command.args(args);
    // SAFETY: prctl on data of this closure, in a child that has one thread.
    unsafe {
        command.pre_exec(|| {
            let stmt = |code: u32, k: u32| libc::sock_filter { code: code as u16, jt: 0, jf: 0, k };
            let is = |call: libc::c_long, jt| libc::sock_filter {
                code: (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16,
                jt,
                jf: 0,
                k: call as u32,
            };
            let mut filter = [
                stmt(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0),
                is(libc::SYS_fsopen, 2),
                is(libc::SYS_mount, 1),
                stmt(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW),
                stmt(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ERRNO | libc::EPERM as u32),
            ];
            let prog = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
            let done = libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
                && libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &prog) == 0;
            if done { Ok(()) } else { Err(std::io::Error::last_os_error()) }
        });
    }
    env.finish(command)
}

/// Without a procfs of its own `killer` does not see them, and says so: soon, in true words, and without a storm of signals.
#[test]
fn what_cannot_be_looked_at() {
    for nothing in [false, true] {
        let Some(env) = TestEnv::new("what_cannot_be_looked_at").map(TestEnv::alone) else { return };
        let Some(cover) = Cover::new(&env.test) else { return };
        let Some((service, marks)) = Marks::ticking(&env, "threads+spin") else { return };
        assert!(marks.moves());
        let pids = members(&env);
        cover.over(&pids, nothing);
        let out = confined(&env, &["freeze", "-o", "json", "svc"]);
        if out.exit() == 1 && out.stderr.contains("cannot freeze") {
            Cover::away(&pids);
            return end(&env, &service);
        }
        out.code(124);
        assert!(out.stderr.contains("could not be looked at") && !out.stderr.contains("run on"), "{out}");
        let json = out.json();
        assert_eq!(json["outcome"], "doubtful", "{out}");
        assert_eq!(json["survivors"][0]["code"], "unknown", "{out}");
        let sent = json["targets"].as_array().map_or(0, Vec::len);
        assert!(sent <= 3 * pids.len(), "{sent} signals for {} processes", pids.len());
        let status = confined(&env, &["status", "-o", "json", "svc"]);
        let unknown: Vec<i64> =
            serde_json::from_value(status.json()["frozen"]["unknown"].clone()).expect("a list");
        assert!(!unknown.is_empty() && unknown.iter().all(|p| pids.contains(&(*p as i32))), "{status}");
        confined(&env, &["thaw", "svc"]);
        assert!(marks.moves(), "it does not go on");
        confined(&env, &["-TERM", "--wait=10ms", "svc"]);
        confined(&env, &["-KILL", "--wait", "svc"]).ok();
        service.assert_dead();
        Cover::away(&pids);
    }
}

/// The same in the tiers that know members by /proc alone: nobody who is there is called gone.
#[test]
fn what_cannot_be_looked_at_without_programs() {
    for (tier, nothing) in [("named", false), ("named", true), ("scan", false), ("scan", true)] {
        let test = "what_cannot_be_looked_at_without_programs";
        let Some(env) = TestEnv::without_programs(test, tier, None) else { return };
        let Some(cover) = Cover::new(&env.test) else { return };
        let Some(service) = Launch::new("term-ignored").service(&env, "svc") else { continue };
        let pids = members(&env);
        cover.over(&pids, nothing);
        for args in [
            &["list"][..],
            &["status", "svc"],
            &["wait", "--timeout=50ms", "svc"],
            &["-KILL", "--wait=1s", "svc"],
        ] {
            let out = confined(&env, args);
            if out.exit() == 0 && args[0] == "-KILL" {
                service.assert_dead();
            }
            assert!(!out.stdout.contains("ended"), "{tier}, nothing: {nothing}: {out}");
            if args[0] == "wait" && !service.live.eof_within(Duration::ZERO) {
                assert_ne!(out.exit(), 0, "{tier}, nothing: {nothing}: {out}");
            }
        }
        Cover::away(&pids);
        env.killer(["-KILL", "--wait", "svc"]).ok();
        service.assert_dead();
    }
}
