//! `freeze` in the tier `named`: by the freezer of cgroup v1.

use std::time::Duration;

use killer_tests::stepper::{Act, traced};
use killer_tests::{Bystander, Marks, TestEnv, skip};

/// A world of the tier, unless the kernel has no such freezer, or does not let it be mounted.
fn named(test: &str) -> Option<TestEnv> {
    let env = TestEnv::without_programs(test, "named", None)?;
    let up = env.killer(["up"]);
    if up.exit() != 0 {
        skip(test, up.stderr.trim());
        return None;
    }
    Some(env)
}

/// `freeze`, or false after a skip, with words that say what is missing.
fn freezes(env: &TestEnv) -> bool {
    let out = env.killer(["freeze", "svc"]);
    if out.exit() == 1 && out.stderr.contains("freezer") {
        skip(&env.test, out.stderr.trim());
        return false;
    }
    out.ok();
    true
}

#[test]
fn nobody_takes_a_step() {
    let test = "nobody_takes_a_step";
    let Some(env) = named(test) else { return };
    let bystander = Bystander::new(test);
    let Some((service, marks)) = Marks::ticking(&env, "families+threads+chains") else { return };
    for _ in 0..2 {
        assert!(marks.moves());
        if !freezes(&env) {
            return;
        }
        let before = marks.steps();
        std::thread::sleep(Duration::from_millis(300));
        assert_eq!(marks.steps(), before, "somebody runs");
        let status = env.killer(["status", "svc"]);
        assert!(status.ok().stdout.contains("frozen"), "{status}");
        env.killer(["freeze", "svc"]).ok();
        env.killer(["exec", "--name", "svc", "--", "true"]).code(125);
        env.killer(["thaw", "svc"]).ok();
        assert!(marks.moves(), "nobody was let go");
    }
    assert_eq!(marks.errors().0, 0, "the program saw an error");
    // What is frozen can be killed.
    assert!(freezes(&env));
    env.killer(["-s", "KILL", "--who=all", "--wait", "svc"]).ok();
    service.assert_dead();
    bystander.assert_untouched();
    env.killer(["forget", "--ended"]).ok();
    env.killer(["down"]).ok();
}

/// `killer` dies after each of its first moves into the freezer: the next call lets everybody go.
#[test]
fn a_freeze_that_is_cut_short() {
    let test = "a_freeze_that_is_cut_short";
    let Some(env) = named(test) else { return };
    let Some((service, marks)) = Marks::ticking(&env, "families") else { return };
    if !freezes(&env) {
        return;
    }
    env.killer(["thaw", "svc"]).ok();
    for (args, calls) in [(["freeze", "svc"], [1, 2, 4]), (["thaw", "svc"], [1, 2, 3])] {
        for nth in calls {
            assert!(marks.moves());
            if args[0] == "thaw" {
                env.killer(["freeze", "svc"]).ok();
            }
            let mut command = env.command();
            command.args(args);
            let mut seen = 0;
            // Directories are made and removed in the freezer only.
            let mark = if args[0] == "thaw" { libc::SYS_rmdir } else { libc::SYS_mkdir };
            let cut = traced(&env, command, Duration::from_secs(60), |call| {
                seen += u32::from(call.number == mark || seen > 0);
                if seen == nth { Act::Kill } else { Act::Go }
            });
            assert!(cut.killed, "{args:?} makes no call {nth}");
            let status = env.killer(["status", "svc"]);
            assert!(!status.ok().stdout.contains("State: frozen"), "{status}");
            assert!(marks.moves(), "{args:?} was cut short at call {nth}, and nobody was let go");
        }
    }
    env.killer(["-s", "KILL", "--who=all", "--wait", "svc"]).ok();
    service.assert_dead();
    env.killer(["forget", "--ended"]).ok();
    env.killer(["down"]).ok();
}
