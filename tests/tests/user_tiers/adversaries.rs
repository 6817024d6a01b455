//! The adversaries of `adversaries.rs`, in the tiers without programs.

use killer_tests::{Bystander, Launch, Manager, TestEnv, skip};

use super::{named, scan_as_root, scan_for};

fn adversary(test: &str, env: Option<TestEnv>, launch: Launch) {
    let Some(env) = env else { return };
    let bystander = Bystander::new(test);
    let Some(service) = launch.service(&env, "svc") else { return };
    service.kill_whole(&env, &bystander);
}

macro_rules! adversaries {
    ($($test:ident: $behaviour:literal;)*) => {
        mod with_named {
            $(#[test]
            fn $test() {
                let test = concat!("with_named::", stringify!($test));
                super::adversary(test, super::named(test), killer_tests::Launch::new($behaviour));
            })*
        }
        mod with_scan {
            $(#[test]
            fn $test() {
                let test = concat!("with_scan::", stringify!($test));
                super::adversary(test, super::scan_for(test, $behaviour), killer_tests::Launch::new($behaviour));
            })*
        }
    };
}

killer_tests::with_behaviours!(adversaries);

/// Neither tier rests on the cgroups of others.
fn in_cgroup(test: &str, env: Option<TestEnv>, behaviour: &str) {
    let Some(mut env) = env else { return };
    let mut launch = Launch::new(behaviour);
    if let Some(dir) = env.cgroup() {
        launch = launch.arg(dir.to_string_lossy());
    }
    let bystander = Bystander::new(test);
    let Some(service) = launch.service(&env, "svc") else { return };
    service.kill_whole(&env, &bystander);
}

#[test]
fn leaves_its_cgroup() {
    in_cgroup("leaves_its_cgroup", named("leaves_its_cgroup"), "leaves-cgroup");
    in_cgroup("leaves_its_cgroup", scan_as_root("leaves_its_cgroup"), "leaves-cgroup");
}

#[test]
fn born_in_another_cgroup() {
    in_cgroup("born_in_another_cgroup", named("born_in_another_cgroup"), "clone-into-cgroup");
    in_cgroup("born_in_another_cgroup", scan_as_root("born_in_another_cgroup"), "clone-into-cgroup");
}

/// By somebody who is no member.
#[test]
fn moved_by_a_manager() {
    let test = "moved_by_a_manager";
    for env in [named(test), scan_as_root(test)] {
        let Some(mut env) = env else { continue };
        let Some(dir) = env.cgroup() else { return skip(test, "no cgroup v2 hierarchy") };
        let name = dir.file_name().expect("a name").to_string_lossy().into_owned();
        let manager = Manager::start(&env.path("ask"), &dir);
        let launch = Launch::new("moved-by-a-manager").arg(manager.ask.to_string_lossy()).arg(name);
        let bystander = Bystander::new(test);
        let Some(service) = launch.service(&env, "svc") else { return };
        service.kill_whole(&env, &bystander);
    }
}
