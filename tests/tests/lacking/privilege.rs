//! Root without CAP_SYS_ADMIN (a default container), services in several tiers at once, no place for a registry.

use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::process::Command;
use std::time::Duration;

use killer_tests::{Bystander, Launch, Out, Service, TestEnv, skip};

/// As root in a default container: what follows gets no CAP_SYS_ADMIN, CAP_BPF, CAP_PERFMON over its exec.
fn contained(command: &mut Command) {
    use std::os::unix::process::CommandExt;
    // SAFETY: prctl with plain numbers, between fork and exec.
    unsafe {
        command.pre_exec(|| {
            for cap in [21, 38, 39] {
                if libc::prctl(libc::PR_CAPBSET_DROP, cap, 0, 0, 0) != 0 {
                    return Err(std::io::Error::last_os_error());
                }
            }
            Ok(())
        });
    }
}

/// A world in which no tier is asked for.
fn free(test: &str) -> Option<TestEnv> {
    if std::env::var_os("KILLER_TIER").is_some() {
        skip(test, "a tier is asked for");
        return None;
    }
    TestEnv::new(test).map(TestEnv::alone)
}

fn as_contained(env: &TestEnv, args: &[&str]) -> Out {
    let mut command = env.command();
    command.args(args);
    contained(&mut command);
    env.finish(command)
}

fn start(env: &TestEnv, name: &str, prepare: impl Fn(&mut Command)) -> Option<Service> {
    let mut run = env.command();
    run.args(["run", "--name", name, "--detach", "--keep-fds", "--"]);
    prepare(&mut run);
    let (running, service) = Launch::new("daemon").under(env, run, name)?;
    running.finish(Duration::from_secs(90)).ok();
    Some(service)
}

#[test]
fn root_without_cap_sys_admin() {
    let test = "root_without_cap_sys_admin";
    let Some(env) = free(test) else { return };
    let bystander = Bystander::new(test);
    let Some(web) = start(&env, "web", contained) else { return };
    let left = || {
        let names = std::fs::read_dir(env.path("run")).into_iter().flatten().flatten();
        names.map(|e| e.file_name().to_string_lossy().into_owned()).collect::<Vec<_>>()
    };
    assert_eq!(left(), ["scan-0"], "a try that failed leaves a directory");
    assert!(as_contained(&env, &["list"]).ok().stdout.contains("web"));
    for args in [&["tree", "web"][..], &["status", "web"], &["verify", "web"], &["-s", "0", "web"]] {
        as_contained(&env, args).ok();
    }
    as_contained(&env, &["run", "--name", "web", "--", "true"]).error(125, &["alive"]);
    as_contained(&env, &["exec", "--name", "web", "--", "sh", "-c", "exit 7"]).code(7);
    as_contained(&env, &["status", "nobody"]).error(4, &["nobody"]);
    as_contained(&env, &["rename", "web", "site"]).ok();
    as_contained(&env, &["-s", "KILL", "--wait", "site"]).ok().silent();
    web.assert_dead();
    let Some(web) = start(&env, "web", contained) else { return };
    as_contained(&env, &["down"]).error(1, &["web"]);
    as_contained(&env, &["stop", "web"]).ok();
    web.assert_dead();
    as_contained(&env, &["forget", "--ended"]).ok();
    as_contained(&env, &["down"]).ok();
    assert_eq!(left(), Vec::<String>::new());
    bystander.assert_untouched();
}

#[test]
fn services_in_several_tiers_at_once() {
    let test = "services_in_several_tiers_at_once";
    let Some(env) = free(test) else { return };
    env.killer(["up"]).ok();
    let tier = |word: &'static str| {
        move |command: &mut Command| {
            command.env("KILLER_TIER", word);
        }
    };
    let Some(by_scan) = start(&env, "by-scan", tier("scan")) else { return };
    let Some(by_programs) = start(&env, "by-programs", |_| {}) else { return };
    let Some(by_named) = start(&env, "by-named", tier("named")) else { return };
    let all = ["by-named", "by-programs", "by-scan"];
    let list = env.killer(["list"]).ok().stdout.clone();
    assert!(all.iter().all(|n| list.contains(n)), "{list}");
    for (name, tier) in [("by-named", "tier named"), ("by-scan", "tier scan")] {
        let status = env.killer(["status", name]).ok().stdout.clone();
        assert!(status.contains(tier), "{status}");
        env.killer(["tree", name]).ok();
        env.killer(["exec", "--name", name, "--", "sh", "-c", "exit 7"]).code(7);
        env.killer(["run", "--name", name, "--", "true"]).error(125, &["alive"]);
    }
    env.killer(["rename", "by-programs", "by-scan"]).error(1, &["already"]);
    env.killer(["status", "by-nobody"]).error(4, &["by-named", "by-programs", "by-scan"]);
    as_contained(&env, &["status", "by-scan"]).ok();
    env.killer(["down"]).code(1);
    let dry = env.killer(["-n", "-s", "KILL", "by-*"]).ok().stdout.clone();
    assert!(all.iter().all(|n| dry.contains(n)), "{dry}");
    env.killer(["-s", "KILL", "--wait", "by-scan", "by-programs"]).ok().silent();
    by_scan.assert_dead();
    by_programs.assert_dead();
    by_named.assert_alive();
    // The live one of two with one name.
    let Some(again) = start(&env, "by-scan", |_| {}) else { return };
    env.killer(["-s", "KILL", "--wait", "*"]).ok().silent();
    again.assert_dead();
    by_named.assert_dead();
    env.killer(["down"]).ok();
    assert_eq!(env.killer(["list"]).ok().stdout.matches("by-").count(), 0);
}

#[test]
fn no_place_for_the_registry() {
    let Some(env) = free("no_place_for_the_registry") else { return };
    let mut run = env.command();
    run.args(["run", "--name", "web", "--", "true"]).env("KILLER_RUN_ROOT", "/proc/killer");
    contained(&mut run);
    env.finish(run).error(125, &["registry", "/proc/killer", "KILLER_RUN_ROOT"]);
}

/// Whoever makes our directory first has not made it for us.
#[test]
fn a_squatted_place_is_told() {
    let test = "a_squatted_place_is_told";
    let user = 62_000 + std::process::id() % 1000;
    let Some(env) = TestEnv::without_programs(test, "scan", Some(user)) else { return };
    let place = env.path("run").join(format!("scan-{user}"));
    let refused = |why: &str| {
        env.killer(["list"]).error(1, &[why, "KILLER_RUN_ROOT"]);
        env.killer(["-s", "KILL", "web"]).error(1, &[why]);
        env.killer(["run", "--name", "web", "--", "true"]).error(125, &[why]);
        env.killer(["status", "web"]).error(1, &[why]);
    };
    std::fs::create_dir(&place).expect("another's directory");
    std::fs::set_permissions(&place, PermissionsExt::from_mode(0o700)).expect("chmod");
    refused("belongs to user 0");
    chown(&place, Some(user), Some(user)).expect("chown");
    std::fs::set_permissions(&place, PermissionsExt::from_mode(0o755)).expect("chmod");
    refused("open to others");
    std::fs::remove_dir(&place).expect("rmdir");
    let real = env.path("run").join("real");
    std::fs::create_dir(&real).expect("a directory");
    std::fs::set_permissions(&real, PermissionsExt::from_mode(0o700)).expect("chmod");
    chown(&real, Some(user), Some(user)).expect("chown");
    symlink(&real, &place).expect("a link");
    refused("symbolic link");
    std::fs::remove_file(&place).expect("unlink");
    env.killer(["run", "--name", "web", "--", "sh", "-c", "exit 7"]).code(7);
}

/// A login has a runtime directory, a job of cron has none.
#[test]
fn a_service_is_found_from_another_login() {
    let test = "a_service_is_found_from_another_login";
    let user = 63_000 + std::process::id() % 1000;
    let Some(env) = TestEnv::without_programs(test, "scan", Some(user)) else { return };
    let runtime = env.path("runtime");
    std::fs::create_dir(&runtime).expect("a runtime directory");
    chown(&runtime, Some(user), Some(user)).expect("chown");
    let killer = |args: &[&str], login: bool| {
        let mut command = env.command();
        command.args(args).env_remove("KILLER_RUN_ROOT").env_remove("XDG_RUNTIME_DIR");
        if login {
            command.env("XDG_RUNTIME_DIR", &runtime);
        }
        env.finish(command)
    };
    killer(&["run", "--name", "web", "--detach", "--", "sleep", "100"], false).ok();
    killer(&["status", "web"], true).ok();
    killer(&["run", "--name", "web", "--", "true"], true).error(125, &["alive"]);
    killer(&["-s", "KILL", "--wait", "web"], true).ok().silent();
    killer(&["status", "web"], false).code(3);
    killer(&["down"], true).ok();
}
