//! `killer` dies by SIGKILL at random moments: no service is lost, no CMD runs that nobody knows, no gate stays closed.

use killer_tests::{Journal, Launch, Pidfd, Running, TestEnv, eventually};
use std::time::{Duration, Instant};

/// Spread over `most` so that `n` calls fall evenly, in an order that looks random.
fn moment(n: u32, of: u32, most: Duration) -> Duration {
    // 2654435761 is prime to every `of` here: a permutation of 0..of.
    most * ((u64::from(n) * 2_654_435_761 % u64::from(of)) as u32) / of
}

/// Lets it run for `after`, then kills it; whether it had not ended by itself.
fn cut_short(mut running: Running, after: Duration) -> bool {
    // Sleeps are too coarse for moments below a millisecond.
    let end = Instant::now() + after;
    while Instant::now() < end {
        std::hint::spin_loop();
    }
    let early = matches!(running.child.try_wait(), Ok(None));
    let _ = running.child.kill();
    let _ = running.child.wait();
    early
}

/// How long `command` takes when nobody disturbs it, with the tracker loaded.
fn usual(env: &TestEnv, args: &[&str]) -> Duration {
    let took = |_| env.killer(args).took;
    (0..3).map(took).max().unwrap_or_default().max(Duration::from_millis(2))
}

#[test]
fn in_the_middle_of_run() {
    let Some(env) = TestEnv::new("in_the_middle_of_run") else { return };
    const ROUNDS: u32 = 60;
    env.killer(["up"]).ok();
    let most = usual(&env, &["run", "--name", "usual", "--detach", "--", "true"]) * 5 / 4;
    let (mut early, mut alive) = (0, 0);
    for n in 0..ROUNDS {
        let name = format!("svc{n}");
        let options: &[&str] = if n % 3 == 0 { &["--kill-on-exit"] } else { &[] };
        let mut command = env.command();
        command.args(["run", "--name", &name]).args(options);
        if n % 2 == 0 {
            command.args(["--detach", "--keep-fds"]);
        }
        command.arg("--");
        let (running, mut service) = Launch::new("plain").lease(20).begin(&env, command, &name);
        early += u32::from(cut_short(running, moment(n, ROUNDS, most)));
        // Either it gets ready or nobody is left, and soon.
        let ready = service.ready.next(Duration::from_secs(3)).is_some();
        // In the foreground it ends with its launcher, by itself, when it is to.
        let ends = n % 3 == 0 && n % 2 == 1;
        if ready {
            alive += 1;
            let known = env.killer(["status", &name]).exit();
            assert!(known == 0 || ends && known == 3, "round {n}: {known}");
        }
        if ready && !ends {
            env.killer(["-KILL", "--wait", &name]).ok();
        }
        assert!(service.live.eof_within(Duration::from_secs(3)), "round {n}: somebody nobody knows");
        let ended = || [3, 4].contains(&env.killer(["status", &name]).exit());
        assert!(eventually(Duration::from_secs(5), ended), "round {n}: not known to have ended");
        // The name can be used, whatever the dead one had done with it.
        env.killer(["run", "--name", &name, "--", "true"]).ok();
        env.killer(["forget", &name]).ok();
    }
    eprintln!("run: {early} of {ROUNDS} cut short within {most:?}, {alive} services alive");
    assert!(early > ROUNDS / 4 && alive > 0 && alive < ROUNDS, "the moments miss the point");
}

#[test]
fn in_the_middle_of_a_kill() {
    let Some(env) = TestEnv::new("in_the_middle_of_a_kill") else { return };
    const ROUNDS: u32 = 44;
    env.killer(["up"]).ok();
    let (mut early, mut survived) = (0, 0);
    for n in 0..ROUNDS {
        let beat = env.path(&format!("beat{n}"));
        let launch = Launch::new("fork-beat").arg(beat.to_string_lossy()).arg("150");
        let Some(service) = launch.service(&env, "svc") else { return };
        let beater = Pidfd::open(service.fact("beat")).expect("the one who forks");
        let mut command = env.command();
        command.args(["-KILL", "--wait", "svc"]);
        early += u32::from(cut_short(env.spawn(command), moment(n, ROUNDS, Duration::from_millis(12))));
        std::thread::sleep(Duration::from_millis(20));
        if beater.alive() {
            survived += 1;
            let mut journal = Journal::new(&beat);
            journal.next(0);
            let beats = || std::fs::read_to_string(&beat).is_ok_and(|t| t.ends_with("ok\nok\nok\n"));
            // On a busy machine it may take longer to die of what was sent before the end of the sweeper.
            let open = || beats() || !beater.alive();
            assert!(
                eventually(Duration::from_secs(15), open),
                "round {n}: still gated: {:?}",
                journal.next(1)
            );
        }
        env.killer(["-KILL", "--wait", "svc"]).ok();
        service.assert_dead();
        env.killer(["forget", "svc"]).ok();
    }
    eprintln!("kill: {early} of {ROUNDS} cut short, {survived} survivors went on forking");
    assert!(early > ROUNDS / 8, "the moments miss the point");
}

/// The next call finishes what a dead one began, also where the set does not hold still.
#[test]
fn in_the_middle_of_a_kill_of_chains() {
    let Some(env) = TestEnv::new("in_the_middle_of_a_kill_of_chains") else { return };
    const ROUNDS: u32 = 16;
    env.killer(["up"]).ok();
    for n in 0..ROUNDS {
        let Some(service) = Launch::new("chains").arg("16").service(&env, "svc") else { return };
        let mut command = env.command();
        command.args(["-KILL", "svc"]);
        cut_short(env.spawn(command), moment(n, ROUNDS, Duration::from_millis(12)));
        env.killer(["-KILL", "--wait", "svc"]).ok();
        assert!(service.live.eof_within(Duration::from_millis(500)), "round {n}: survivors after --wait");
    }
}

#[test]
fn in_the_middle_of_loading() {
    const ROUNDS: u32 = 12;
    let Some(env) = TestEnv::new("in_the_middle_of_loading") else { return };
    let begun = Instant::now();
    env.killer(["up"]).ok();
    let most = begun.elapsed();
    for n in 0..ROUNDS {
        env.killer(["down"]).ok();
        let mut command = env.command();
        command.arg("up");
        cut_short(env.spawn(command), moment(n, ROUNDS, most));
        env.killer(["run", "--name", "svc", "--", "true"]).ok();
        let names = std::fs::read_dir(&env.pin_root).expect("pins").flatten();
        let left: Vec<_> =
            names.map(|e| e.file_name()).filter(|n| n.to_string_lossy().starts_with("tmp-")).collect();
        assert!(left.is_empty(), "round {n}: {left:?}");
        env.killer(["forget", "svc"]).ok();
    }
}

#[test]
fn in_the_middle_of_adopting() {
    const ROUNDS: u32 = 20;
    let Some(env) = TestEnv::new("in_the_middle_of_adopting") else { return };
    env.killer(["up"]).ok();
    for n in 0..ROUNDS {
        let Some(whole) = Launch::new("star").arg("20").direct(&env.test) else { return };
        let pid = whole.pid().to_string();
        let mut command = env.command();
        command.args(["adopt", "svc", "--pid", &pid]);
        cut_short(env.spawn(command), moment(n, ROUNDS, Duration::from_millis(10)));
        // Once more, for those who were not taken; a service that is there already says so.
        let again = env.killer(["adopt", "svc", "--pid", &pid]);
        assert!([0, 1].contains(&again.exit()), "round {n}: {again}");
        let out = env.killer(["-KILL", "--wait", "svc"]);
        assert!(out.exit() == 0, "round {n}: {again}{out}");
        assert!(whole.live.eof_within(Duration::from_secs(2)), "round {n}: survivors after {again}{out}");
        env.killer(["forget", "svc"]).ok();
    }
}
