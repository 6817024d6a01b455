//! Who sleeps in the kernel is not said to run.

use killer_tests::{Freezer, Launch, TestEnv, names_pid, skip};

/// One that was sent SIGKILL and cannot take it runs no code of its own again.
#[test]
fn frozen_while_it_sleeps() {
    let Some(env) = TestEnv::new("frozen_while_it_sleeps").map(TestEnv::alone) else { return };
    let Some(freezer) = Freezer::new(&env) else { return skip(&env.test, "no cgroup v1 freezer") };
    let sources = ["kernel", "proc"];
    for (killed, source) in sources.into_iter().flat_map(|s| [(false, s), (true, s)]) {
        let Some(service) = Launch::new("plain").service(&env, "svc") else { return };
        let victim = service.fact("child");
        freezer.freeze(victim);
        if killed {
            let out = env.killer(["-KILL", "--wait=100ms", "svc"]);
            assert!(names_pid(&out.code(124).stderr, victim), "{out}");
        }
        let mut command = env.command();
        command.env("KILLER_STATES", source).args(["freeze", "svc"]);
        let out = env.finish(command);
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
