//! Every way of slipping away, as the root of a service of its own: killed by name with no survivor, while a bystander
//! that looks the same lives on.

use killer_tests::{Bystander, Launch, Manager, TestEnv, skip};

fn adversary(test: &str, launch: Launch) {
    let Some(env) = TestEnv::reusing(test) else { return };
    let bystander = Bystander::new(test);
    let Some(service) = launch.service(&env, test) else { return };
    service.kill_whole(&env, &bystander);
}

macro_rules! adversaries {
    ($($test:ident: $behaviour:literal;)*) => {
        $(#[test]
        fn $test() {
            adversary(stringify!($test), Launch::new($behaviour));
        })*
    };
}

killer_tests::with_behaviours!(adversaries);

#[test]
fn leaves_its_cgroup() {
    in_cgroup("leaves_its_cgroup", "leaves-cgroup");
}

#[test]
fn born_in_another_cgroup() {
    in_cgroup("born_in_another_cgroup", "clone-into-cgroup");
}

fn in_cgroup(test: &str, behaviour: &str) {
    let Some(mut env) = TestEnv::reusing(test) else { return };
    let mut launch = Launch::new(behaviour);
    if let Some(dir) = env.cgroup() {
        launch = launch.arg(dir.to_string_lossy());
    }
    let bystander = Bystander::new(test);
    let Some(service) = launch.service(&env, test) else { return };
    service.kill_whole(&env, &bystander);
}

/// By somebody who is no member, as `systemd-run --scope` has it done.
#[test]
fn moved_by_a_manager() {
    let test = "moved_by_a_manager";
    let Some(mut env) = TestEnv::reusing(test) else { return };
    let Some(dir) = env.cgroup() else { return skip(test, "no cgroup v2 hierarchy") };
    let name = dir.file_name().expect("a name").to_string_lossy().into_owned();
    let manager = Manager::start(&env.path("ask"), &dir);
    let launch = Launch::new("moved-by-a-manager").arg(manager.ask.to_string_lossy()).arg(name);
    let bystander = Bystander::new(test);
    let Some(service) = launch.service(&env, test) else { return };
    service.kill_whole(&env, &bystander);
}

/// A number that was a member's is now somebody else's: the number is nothing, the process is all.
#[test]
fn pid_taken_by_an_outsider() {
    let test = "pid_taken_by_an_outsider";
    let Some(env) = TestEnv::reusing(test) else { return };
    let Some(service) = Launch::new("pid-reuse").service(&env, test) else { return };
    let dead = service.fact("dead");
    let Some(outsider) = Launch::new("claim-pid").arg(dead.to_string()).direct(test) else { return };
    assert_eq!(outsider.facts, [format!("pid={dead}")]);
    service.kill_whole(&env, &outsider);
}

/// Two services with the same program, user and session: each is its own.
#[test]
fn twin_services() {
    let Some(env) = TestEnv::reusing("twin_services") else { return };
    let Some(a) = Launch::new("daemon").service(&env, "twin-a") else { return };
    let Some(b) = Launch::new("daemon").service(&env, "twin-b") else { return };
    env.killer(["-s", "KILL", "--who=all", "twin-a"]).ok();
    a.assert_dead();
    b.assert_alive();
    env.killer(["status", "twin-a"]).code(3);
    env.killer(["status", "twin-b"]).ok();
    env.killer(["-s", "KILL", "--who=all", "twin-b"]).ok();
    b.assert_dead();
}
