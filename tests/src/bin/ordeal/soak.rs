//! Round after round: something that does not want to die, started or adopted, signalled or frozen at random, then
//! killed. Each round: no survivor (the pipe), no stranger hit (the bystanders). At the end: nothing is left behind.

use crate::dice::Dice;
use crate::options::Options;
use killer_tests::{Bystander, Launch, Objects, Out, Pins, TestEnv};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant, SystemTime};

/// What there is; the name, and whether all of it has a living parent inside, so that adoption finds all.
const KINDS: [(&str, bool); 5] =
    [("bomb", true), ("chains", false), ("evasive", false), ("revive-three", true), ("star", true)];

#[derive(Default)]
struct Count {
    rounds: u64,
    adopted: u64,
    terms: u64,
    frozen: u64,
    cut: u64,
    survivors: u64,
    strangers: u64,
    reasons: BTreeMap<String, u64>,
    worst_ms: u64,
    faults: Vec<String>,
}

struct Soak {
    env: TestEnv,
    dice: Dice,
    groups: Vec<PathBuf>,
    freezes: bool,
    bystanders: Vec<Bystander>,
    count: Count,
}

/// Soaks and prints one line.
pub fn main(options: &Options) -> Result<(), String> {
    let rounds = options.number("rounds", 20)?;
    let seconds = options.number("seconds", 540)?;
    let clock = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(1, |d| d.as_nanos() as u64);
    let seed = options.number("seed", clock >> 10)?;
    println!("soak: --seed {seed}");
    let mut env = TestEnv::new("soak").ok_or("cannot run here")?;
    let up = env.killer(["up"]);
    if up.exit() != 0 {
        return Err(up.to_string());
    }
    let groups = groups(&mut env);
    // A verb that is not there is a wrong use; one that is there knows no such service.
    let freezes = env.killer(["freeze", "no-such-service"]).exit() == 4;
    let bystanders = (0..3).filter_map(|_| bystander()).collect();
    // What is loaded when it is first needed is there from here on.
    if let Some(outsider) = Launch::new("plain").direct("soak") {
        env.killer(["adopt", "first", "--pid", &outsider.pid().to_string()]);
        // As a freeze of many does.
        let mut freeze = env.command();
        freeze.env("KILLER_STATES", "kernel").args(["freeze", "first"]);
        env.finish(freeze);
        env.killer(["-s", "KILL", "--wait", "first"]);
    }
    let objects = Objects::new(&env.pin_root);
    let before = objects.pins();
    let own = open_files();
    let mut soak = Soak { env, dice: Dice::new(seed), groups, freezes, bystanders, count: Count::default() };
    let began = Instant::now();
    while soak.count.rounds < rounds && began.elapsed() < Duration::from_secs(seconds) {
        let kind = match options.text("only") {
            Some(only) => *KINDS
                .iter()
                .find(|(k, _)| *k == only)
                .ok_or_else(|| format!("--only {only}: no such kind"))?,
            None => KINDS[soak.dice.below(KINDS.len() as u64) as usize],
        };
        soak.round(kind);
        soak.count.rounds += 1;
        if soak.count.faults.len() > 8 {
            break;
        }
    }
    let took = began.elapsed();
    let leaks = soak.leaks(&objects, &before, own);
    let c = &soak.count;
    let line = json!({
        "kernel": killer_tests::kernel(),
        "label": options.text("label").unwrap_or(""),
        "tier": options.text("tier").unwrap_or(&tier(&soak.env)),
        "seed": seed,
        "rounds": c.rounds,
        "wanted": rounds,
        "kind": options.text("only").unwrap_or("all"),
        "seconds": took.as_secs(),
        "adopted": c.adopted,
        "terms": c.terms,
        "frozen": c.frozen,
        "freezes": soak.freezes,
        "cut": c.cut,
        "survivors": c.survivors,
        "strangers": c.strangers,
        "reasons": c.reasons,
        "worst_ms": c.worst_ms,
        "leaks": leaks,
        "faults": c.faults,
    });
    println!("FIGURES soak {line}");
    if c.faults.is_empty() && leaks.is_empty() {
        return Ok(());
    }
    Err(format!("seed {seed}: {} faults, {} leaks", c.faults.len(), leaks.len()))
}

fn tier(env: &TestEnv) -> String {
    let doctor = env.killer(["doctor", "-o", "json"]);
    let value: serde_json::Value = serde_json::from_str(&doctor.stdout).unwrap_or_default();
    value["tier"].as_str().unwrap_or("-").to_owned()
}

/// Two cgroups to move between, where there is a hierarchy.
fn groups(env: &mut TestEnv) -> Vec<PathBuf> {
    let Some(top) = env.cgroup() else { return Vec::new() };
    let made = ["a", "b"].map(|n| top.join(n));
    made.into_iter().filter(|d| std::fs::create_dir(d).is_ok()).collect()
}

/// Looks like a member; lives longer than any run.
fn bystander() -> Option<Bystander> {
    Launch::new("plain").lease(3600).direct("soak")
}

fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd").map_or(0, |d| d.count())
}

impl Soak {
    fn fault(&mut self, what: String) {
        eprintln!("round {}: {what}", self.count.rounds);
        self.count.faults.push(format!("round {}: {what}", self.count.rounds));
    }

    fn launch(&mut self, kind: &str) -> Launch {
        let size = 4 + self.dice.below(12);
        let launch = Launch::new(kind).lease(30);
        match kind {
            "bomb" => launch.arg((40 + size * 10).to_string()),
            "star" => launch.arg((size * 8).to_string()),
            "chains" => launch.arg(size.to_string()),
            "evasive" => {
                let launch = launch.arg(size.to_string());
                self.groups.iter().fold(launch, |l, g| l.arg(g.to_string_lossy()))
            }
            _ => launch,
        }
    }

    /// One of them, from its start to its end.
    fn round(&mut self, (kind, whole): (&str, bool)) {
        let launch = self.launch(kind);
        let name = format!("soak-{kind}");
        let adopt = whole && self.dice.one_in(3);
        if adopt {
            self.adopted(&launch, &name)
        } else {
            self.started(&launch, &name)
        }
        for bystander in 0..self.bystanders.len() {
            if !self.bystanders[bystander].untouched() {
                self.count.strangers += 1;
                self.fault(format!("{kind}: a bystander was hit"));
                self.bystanders.extend(self::bystander());
                self.bystanders.swap_remove(bystander);
            }
        }
    }

    fn started(&mut self, launch: &Launch, name: &str) {
        let Some(service) = launch.service(&self.env, name) else { return };
        let list = self.env.killer(["list", "-o", "json"]);
        self.expect(&list, &[0]);
        for reason in list.json()["services"][0]["exactness"]["reasons"].as_array().into_iter().flatten() {
            let code = reason["code"].as_str().unwrap_or("?").to_owned();
            *self.count.reasons.entry(code).or_insert(0) += reason["count"].as_u64().unwrap_or(0);
        }
        self.end(name, &service.live);
    }

    fn adopted(&mut self, launch: &Launch, name: &str) {
        let Some(outsider) = launch.direct("soak") else { return };
        let pid = outsider.pid().to_string();
        self.count.adopted += 1;
        let adopt = self.env.killer(["adopt", name, "--pid", &pid]);
        if adopt.exit() != 0 {
            self.fault(adopt.to_string());
        }
        self.end(name, &outsider.live);
    }

    /// What may come before, then KILL, and what has to hold then.
    fn end(&mut self, name: &str, live: &killer_tests::LivePipe) {
        if self.dice.one_in(3) {
            self.count.terms += 1;
            let out = self.env.killer(["-s", "TERM", name]);
            self.expect(&out, &[0]);
        }
        if self.freezes && self.dice.one_in(4) {
            self.count.frozen += 1;
            self.frozen(name, live);
        }
        if self.dice.one_in(5) {
            self.count.cut += 1;
            self.cut_short(name);
        }
        let args: &[&str] =
            if self.dice.one_in(2) { &["-s", "KILL", name] } else { &["-s", "KILL", "--wait", name] };
        let begun = Instant::now();
        let out = self.env.killer(args);
        self.expect(&out, &[0]);
        if !live.eof_within(Duration::from_secs(5)) {
            self.count.survivors += 1;
            self.fault(format!("{name}: somebody survived {out}"));
            let out = self.env.killer(["-s", "KILL", "--wait", name]);
            let left = if live.eof_within(Duration::from_secs(35)) { "none" } else { "some" };
            self.fault(format!("{name}: after another one {left} {out}"));
        }
        self.count.worst_ms = self.count.worst_ms.max(begun.elapsed().as_millis() as u64);
        let out = self.env.killer(["forget", name]);
        self.expect(&out, &[0]);
    }

    fn frozen(&mut self, name: &str, live: &killer_tests::LivePipe) {
        let out = self.env.killer(["freeze", name]);
        // TERM may have ended them all before. Then the pipe says so, too.
        let dead = out.exit() == 3;
        self.expect(&out, &[0, 3]);
        if dead && !live.eof_within(Duration::from_secs(1)) {
            self.fault(format!("somebody lives: {out}"));
        }
        if !dead && self.dice.one_in(2) {
            let out = self.env.killer(["thaw", name]);
            self.expect(&out, &[0]);
        }
    }

    /// A kill that is itself killed, at some moment.
    fn cut_short(&mut self, name: &str) {
        let mut command = self.env.command();
        command.args(["-s", "KILL", name]);
        let mut running = self.env.spawn(command);
        std::thread::sleep(Duration::from_micros(self.dice.below(12_000)));
        let _ = running.child.kill();
        let _ = running.child.wait();
    }

    fn expect(&mut self, out: &Out, codes: &[i32]) {
        if !codes.contains(&out.exit()) {
            self.fault(out.to_string());
        }
    }

    /// What is left behind, with the tracker up and after it went down.
    fn leaks(&mut self, objects: &Objects, before: &Pins, own: usize) -> Vec<String> {
        // The last exits and leases are over by then.
        std::thread::sleep(Duration::from_millis(2500));
        let mut leaks = objects.residue();
        let after = objects.pins();
        if after != *before {
            leaks.push(format!("pins and objects were {before:?} and are {after:?}"));
        }
        let now = open_files();
        if now > own {
            leaks.push(format!("{own} files were open here, {now} are"));
        }
        let roots = std::fs::read_dir(&self.env.pin_root).into_iter().flatten().flatten();
        let extra =
            roots.map(|e| e.file_name().to_string_lossy().into_owned()).filter(|n| n.starts_with("tmp-"));
        leaks.extend(extra);
        let down = self.env.killer(["down"]);
        if down.exit() != 0 {
            leaks.push(down.to_string());
        }
        // Objects go after a grace period.
        let gone = killer_tests::eventually(Duration::from_secs(5), || before.ids.left().is_empty());
        if !gone {
            leaks.push(format!("the kernel still has {:?}", before.ids.left()));
        }
        leaks
    }
}
