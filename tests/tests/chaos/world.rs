//! One verb, what it finds, and what has to be true afterwards.

use killer_tests::stepper::{Act, Call, Traced, traced};
use killer_tests::{Bystander, Launch, LivePipe, Objects, Out, Service, TestEnv, eventually, proc_state};
use std::process::Command;
use std::time::{Duration, Instant};

/// A call of `killer` that changes or shows something.
#[derive(Debug, Clone, Copy)]
pub struct Verb {
    /// For messages.
    pub name: &'static str,
    /// Arguments; `PID` stands for the outsider's number, `CHILD` for a member's.
    pub args: &'static [&'static str],
    /// What is there before.
    pub scene: Scene,
}

/// What is there before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scene {
    /// `svc` is to be started.
    Nobody,
    /// `svc` lives: a parent and its child.
    Alive,
    /// The same, frozen.
    Frozen,
    /// `svc` lives, and is one process.
    Alone,
    /// `svc` is known and dead.
    Dead,
    /// A parent and its child that belong to nobody.
    Outside,
}

/// How long each test goes on when steps are sampled.
pub const BUDGET: Duration = Duration::from_millis(1500);

/// Everything that works on one service.
pub const VERBS: &[Verb] = &[
    Verb {
        name: "run",
        args: &["run", "--name", "svc", "--detach", "--keep-fds", "--"],
        scene: Scene::Nobody,
    },
    Verb { name: "kill", args: &["-s", "KILL", "svc"], scene: Scene::Alive },
    Verb { name: "kill --wait", args: &["-s", "KILL", "--wait=10s", "svc"], scene: Scene::Alive },
    Verb { name: "signal", args: &["-s", "WINCH", "svc"], scene: Scene::Alive },
    Verb { name: "adopt", args: &["adopt", "svc", "--pid", "PID"], scene: Scene::Outside },
    Verb { name: "freeze", args: &["freeze", "svc"], scene: Scene::Alive },
    Verb { name: "thaw", args: &["thaw", "svc"], scene: Scene::Frozen },
    Verb { name: "stop", args: &["stop", "svc", "--retry=TERM/5/KILL/5"], scene: Scene::Alive },
    Verb {
        name: "wait",
        args: &["wait", "svc", "--until=main-gone", "--timeout=300ms"],
        scene: Scene::Alive,
    },
    Verb { name: "tree", args: &["tree", "svc", "-o", "json"], scene: Scene::Alive },
    Verb { name: "exec", args: &["exec", "--name", "svc", "--", "true"], scene: Scene::Alive },
    Verb { name: "list", args: &["list", "-o", "json"], scene: Scene::Alive },
    Verb { name: "status", args: &["status", "svc", "-o", "json"], scene: Scene::Alive },
    Verb { name: "set-main", args: &["set-main", "svc", "CHILD"], scene: Scene::Alive },
    Verb { name: "forget", args: &["forget", "svc"], scene: Scene::Dead },
    Verb { name: "rename", args: &["rename", "svc", "new"], scene: Scene::Dead },
];

/// A tracker, a service that must never be lost, and processes that must never be hit.
pub struct World {
    /// The tracker.
    pub env: TestEnv,
    /// What the kernel has for it.
    pub objects: Objects,
    other: Service,
    bystander: Bystander,
}

/// `svc`, or what is to become it.
pub struct Actor {
    /// Its pipe.
    pub live: Option<LivePipe>,
    /// Its processes, where they are known.
    pub pids: Vec<i32>,
    outside: Option<Bystander>,
}

impl World {
    /// `None` after a skip.
    pub fn new(test: &str) -> Option<World> {
        let env = TestEnv::new(test)?;
        env.killer(["up"]).ok();
        let other = Launch::new("plain").lease(600).service(&env, "other")?;
        let bystander = Launch::new("plain").lease(600).direct(test)?;
        let objects = Objects::new(&env.pin_root);
        Some(World { env, objects, other, bystander })
    }

    /// Makes the scene and runs the verb under the tracer.
    pub fn act(&self, verb: &Verb, decide: impl FnMut(&Call) -> Act) -> (Actor, Traced) {
        let mut actor = Actor { live: None, pids: Vec::new(), outside: None };
        let plain = || Launch::new("plain").lease(30);
        match verb.scene {
            Scene::Alone => {
                let launch = Launch::new("hold").lease(30);
                let service = launch.service(&self.env, "svc").expect("'hold' never skips");
                actor.pids = vec![service.fact("pid")];
                actor.live = Some(service.live);
            }
            Scene::Alive | Scene::Frozen | Scene::Dead => {
                let service = plain().service(&self.env, "svc").expect("'plain' never skips");
                actor.pids = vec![service.fact("pid"), service.fact("child")];
                actor.live = Some(service.live);
                match verb.scene {
                    Scene::Dead => drop(self.env.killer(["-s", "KILL", "svc"]).ok()),
                    Scene::Frozen => drop(self.env.killer(["freeze", "svc"]).ok()),
                    _ => {}
                }
            }
            Scene::Outside => actor.outside = plain().direct(&self.env.test),
            Scene::Nobody => {}
        }
        let mut command = self.env.command();
        let outside = actor.outside.as_ref().map_or(0, |o| o.pid()).to_string();
        let child = actor.pids.get(1).copied().unwrap_or(0).to_string();
        for arg in verb.args {
            command.arg(match *arg {
                "PID" => &outside,
                "CHILD" => &child,
                other => other,
            });
        }
        let done = match verb.scene {
            Scene::Nobody => self.run(&mut actor, command, decide),
            _ => traced(&self.env, command, Duration::from_secs(20), decide),
        };
        (actor, done)
    }

    /// `run` has the pipe and gives it to CMD.
    fn run(&self, actor: &mut Actor, command: Command, decide: impl FnMut(&Call) -> Act) -> Traced {
        let mut done = None;
        let launch = Launch::new("plain").lease(30);
        let service = launch.around(command, "svc", |command| {
            done = Some(traced(&self.env, command, Duration::from_secs(20), decide));
        });
        actor.live = Some(service.live);
        done.expect("it ran")
    }

    /// What has to hold whatever happened; `what` is for the message. Afterwards nobody is called `svc` any more.
    pub fn check(&self, verb: &Verb, actor: Actor, out: &Out, what: &str) {
        let said = || format!("{} {what}: {out}", verb.name);
        let gates = self.objects.closed_gates();
        assert!(
            gates.iter().all(|(_, ns)| *ns <= 2_000_000_000),
            "a gate without a lease: {gates:?} {}",
            said()
        );
        let list = self.env.killer(["list", "-o", "json"]);
        assert_eq!(list.exit(), 0, "list afterwards: {list}{}", said());
        let list = list.json();
        let other = service(&list, "other").unwrap_or_else(|| panic!("'other' is lost: {list} {}", said()));
        assert_eq!(other["counts"]["processes"], 2, "{list} {}", said());
        assert_eq!(other["exactness"]["exact"], true, "{list} {}", said());
        assert!(self.other.live.alive(), "'other' was killed: {}", said());
        assert!(self.bystander.untouched(), "the bystander was hit: {}", said());
        if matches!(verb.name, "freeze" | "thaw") {
            let thaw = self.env.killer(["thaw", "svc"]);
            assert_eq!(thaw.exit(), 0, "thaw afterwards: {thaw}{}", said());
        }
        for pid in &actor.pids {
            let state = proc_state(*pid);
            assert!(!matches!(state, Some('T' | 't')), "{pid} is stopped: {}", said());
        }
        let name = ["svc", "new"].into_iter().find(|n| service(&list, n).is_some());
        match (verb.scene, name) {
            (Scene::Alive | Scene::Frozen | Scene::Alone | Scene::Dead, None) if verb.name != "forget" => {
                panic!("'svc' is lost: {list} {}", said())
            }
            (_, Some(name)) => {
                let kill = self.env.killer(["-s", "KILL", "--wait=10s", name]);
                assert_eq!(kill.exit(), 0, "kill afterwards: {kill}{}", said());
                let forget = self.env.killer(["forget", name]);
                assert_eq!(forget.exit(), 0, "forget afterwards: {forget}{}", said());
            }
            _ => {}
        }
        if let Some(outside) = &actor.outside {
            let taken = name.is_some();
            let gone = outside.live.eof_within(if taken { Duration::from_secs(3) } else { Duration::ZERO });
            // Nobody is killed who was not taken in, and everybody who was.
            assert!(gone || !taken || verb.name != "adopt", "survivors of an adopted service: {}", said());
            assert!(taken || !gone, "a process that was not adopted was killed: {}", said());
        } else if let Some(live) = &actor.live {
            assert!(live.eof_within(Duration::from_secs(3)), "somebody nobody knows: {}", said());
        }
        let again = self.env.killer(["run", "--name", "svc", "--", "true"]);
        assert_eq!(again.exit(), 0, "the name is spoilt: {again}{}", said());
        self.env.killer(["forget", "svc"]).ok();
    }

    /// At the very end: leases are over, nothing is left in the maps.
    pub fn finish(self) {
        self.env.killer(["-s", "KILL", "--wait", "other"]).ok();
        self.env.killer(["forget", "other"]).ok();
        let clean = eventually(Duration::from_secs(4), || self.objects.residue().is_empty());
        assert!(clean, "left behind: {:?}", self.objects.residue());
        self.env.killer(["down"]).ok();
    }
}

/// One service of a list.
pub fn service<'a>(list: &'a serde_json::Value, name: &str) -> Option<&'a serde_json::Value> {
    list["services"].as_array()?.iter().find(|s| s["name"] == name)
}

/// The numbers from 1 to `of`: all of them when `KILLER_CHAOS=all`, else evenly spread until `budget` is used up.
pub fn sample(first: u64, of: u64, budget: Duration, mut each: impl FnMut(u64)) -> u64 {
    let all = std::env::var("KILLER_CHAOS").is_ok_and(|v| v == "all");
    let span = of + 1 - first;
    // A stride that is prime to the span visits each once; near the golden ratio it is even at every moment.
    let mut stride = ((span as f64 * 0.618) as u64).max(1);
    while gcd(stride, span) != 1 {
        stride += 1;
    }
    let start = u64::from(std::process::id()) % span;
    let (begun, mut done) = (Instant::now(), 0);
    while done < span && (all || begun.elapsed() < budget) {
        each(first + (start + done * stride) % span);
        done += 1;
    }
    done
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}
