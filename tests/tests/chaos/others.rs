//! Others at work at the same time: a second loader that comes and goes, `down` in the middle of a kill.

use killer_tests::{Bystander, Launch, TestEnv};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Hooks of another tracker are attached and detached all the time.
#[test]
fn a_second_loader_comes_and_goes() {
    let Some(env) = TestEnv::new("a_second_loader_comes_and_goes") else { return };
    let Some(second) = TestEnv::new("a_second_loader_comes_and_goes") else { return };
    env.killer(["up"]).ok();
    let bystander = Bystander::new(&env.test);
    let (stop, loads) = (AtomicBool::new(false), AtomicU32::new(0));
    let mut rounds = 0;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                second.killer(["up"]).ok();
                second.killer(["down"]).ok();
                loads.fetch_add(1, Ordering::Relaxed);
            }
        });
        let end = Instant::now() + Duration::from_secs(6);
        while Instant::now() < end {
            rounds += 1;
            let Some(service) = Launch::new("chains").arg("6").service(&env, "svc") else { break };
            let list = env.killer(["list", "-o", "json"]).ok().json();
            let kill = env.killer(["-s", "KILL", "svc"]);
            let dead = service.live.eof_within(Duration::from_secs(2));
            let exact = list["services"][0]["exactness"]["exact"] == true;
            if kill.exit() != 0 || !dead || !exact {
                stop.store(true, Ordering::Relaxed);
                panic!("round {rounds}: dead {dead}: {list} {kill}");
            }
            env.killer(["forget", "svc"]).ok();
        }
        stop.store(true, Ordering::Relaxed);
    });
    bystander.assert_untouched();
    eprintln!("{rounds} kills while a tracker was loaded {} times", loads.load(Ordering::Relaxed));
}

/// `down` refuses while somebody lives; `down --force` takes the tracker away under a kill: that one must not say "done"
/// with survivors.
#[test]
fn down_in_the_middle_of_a_kill() {
    let Some(env) = TestEnv::new("down_in_the_middle_of_a_kill") else { return };
    for round in 0..14u32 {
        env.killer(["up"]).ok();
        let (kind, size) = if round % 2 == 0 { ("chains", "8") } else { ("bomb", "150") };
        let Some(service) = Launch::new(kind).arg(size).lease(6).service(&env, "svc") else { return };
        env.killer(["down"]).code(1);
        let mut command = env.command();
        command.args(["-s", "KILL", "--wait=2s", "svc"]);
        let running = env.spawn(command);
        std::thread::sleep(Duration::from_micros(u64::from(round) * 900));
        let down = env.killer(["down", "--force"]);
        let kill = running.finish(Duration::from_secs(20));
        let what = format!("round {round} ({kind}): {kill}{down}");
        assert_eq!(down.exit(), 0, "{what}");
        let dead = service.live.eof_within(Duration::from_millis(500));
        assert!(dead || kill.exit() != 0, "survivors after a success: {what}");
        let lines = kill.stderr.lines().count();
        assert!(kill.exit() == 0 || lines > 0, "a failure without a word: {what}");
        assert!(service.live.eof_within(Duration::from_secs(10)), "the lease did not end it: {what}");
    }
}
