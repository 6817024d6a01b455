//! The commands of docs/CASE.md, run in their order on the case that it describes, print what the page says.
//!
//! `SNAPSHOTS=overwrite` writes what they print into the page, and the pictures beside it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use killer_tests::{Bystander, Launch, Pidfd, TestEnv, adversary, eventually, killer, skip};

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs")
}

/// Numbers that the page has of the run that was written down, by name: `<!-- beacon=4711 port=4444 -->`.
fn written(page: &str) -> BTreeMap<String, String> {
    let line =
        page.lines().find_map(|l| l.strip_prefix("<!-- run: ")?.strip_suffix(" -->")).expect("the run");
    line.split(' ').filter_map(|w| w.split_once('=')).map(|(k, v)| (k.into(), v.into())).collect()
}

/// Text without what differs from run to run: hashes, the boot, numbers, spans, the width of columns, the tier.
fn plain(text: &str) -> String {
    let mut out = String::new();
    for word in text.split([' ', '\n']).filter(|w| !w.is_empty()) {
        let hash = |w: &str| w.len() > 12 && w.bytes().all(|b| b.is_ascii_hexdigit());
        // The boot has an identity like this.
        let uuid = word.len() == 36 && word.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
        if uuid {
            out.push_str("UUID ");
            continue;
        }
        let mut part = String::new();
        for piece in word.split_inclusive(|c: char| !c.is_ascii_alphanumeric()) {
            let (body, end) =
                piece.split_at(piece.trim_end_matches(|c: char| !c.is_ascii_alphanumeric()).len());
            match body {
                b if hash(b) => part.push('H'),
                b => b.chars().for_each(|c| match (c.is_ascii_digit(), part.ends_with('N')) {
                    (true, true) => {}
                    (true, false) => part.push('N'),
                    (false, _) => part.push(c),
                }),
            }
            part.push_str(end);
        }
        let part = part.replace("N.N", "N").replace("typed", "TIER").replace("witnessed", "TIER");
        // A span is a number and a unit.
        if ["ns", "µs", "ms", "s", "KiB", "MiB", "B"].contains(&part.trim_end_matches([',', ';', ']', ')']))
        {
            continue;
        }
        out.push_str(&part);
        out.push(' ');
    }
    out
}

/// One command of the page, and what it prints there.
struct Step {
    command: String,
    printed: String,
}

/// The blocks of commands, and the text around them.
fn steps(page: &str) -> Vec<Step> {
    let mut all: Vec<Step> = Vec::new();
    let mut inside = false;
    for line in page.lines() {
        match (line, inside) {
            ("```console", _) => inside = true,
            ("```", _) => inside = false,
            (l, true) if l.starts_with("# ") => {
                all.push(Step { command: l[2..].into(), printed: String::new() });
            }
            (l, true) => {
                let step = all.last_mut().expect("a command above its output");
                step.printed.push_str(l);
                step.printed.push('\n');
            }
            _ => {}
        }
    }
    all
}

/// The same page with what was printed now; `words` puts the numbers of now into the text.
fn renewed(page: &str, now: &[Step], run: &str, words: impl Fn(&str) -> String) -> String {
    let mut out = String::new();
    let (mut inside, mut next) = (false, now.iter());
    for line in page.lines() {
        if line.starts_with("<!-- run: ") {
            out.push_str(&format!("<!-- run: {run} -->\n"));
            continue;
        }
        match line {
            "```console" => inside = true,
            "```" => inside = false,
            l if inside && l.starts_with("# ") => {
                let step = next.next().expect("a step");
                out.push_str(&format!("# {}\n{}", step.command, step.printed));
                continue;
            }
            _ if inside => continue,
            _ => {}
        }
        out.push_str(&words(line));
        out.push('\n');
    }
    out
}

/// `killer` as the page calls it, in a directory of its own.
struct Desk<'a> {
    env: &'a TestEnv,
    dir: PathBuf,
    /// What stands in the page, and what it is now.
    now: Vec<(String, String)>,
}

impl Desk<'_> {
    fn words(&self, command: &str) -> String {
        self.now.iter().fold(command.to_owned(), |c, (was, is)| c.replace(was, is))
    }

    /// Names of files and directories of the test are none of the page's.
    fn shown(&self, text: &str) -> String {
        let names = [
            (self.dir.clone(), "/evidence"),
            (self.env.path(""), "/srv/"),
            (killer().canonicalize().expect("killer"), "/usr/bin/killer"),
            (adversary(), "/usr/sbin/webd"),
        ];
        let text =
            names.iter().fold(text.to_owned(), |t, (is, shown)| t.replace(&*is.to_string_lossy(), shown));
        // Who asked: the test, and whoever runs it.
        let mut first = true;
        let kept = text
            .split_inclusive('\n')
            .filter(|l| !l.trim_start().starts_with("Process: ") || std::mem::take(&mut first));
        kept.map(|l| format!("{}{}", l.trim_end(), if l.ends_with('\n') { "\n" } else { "" })).collect()
    }

    fn run(&self, command: &str) -> (String, i32) {
        let like = self.env.command();
        let mut sh = Command::new("sh");
        sh.args(["-c", &format!("{command} 2>&1")]).current_dir(&self.dir);
        for (name, value) in like.get_envs() {
            sh.env(name, value.unwrap_or_default());
        }
        let path =
            format!("{}:{}", self.dir.join("bin").display(), std::env::var("PATH").unwrap_or_default());
        let out = sh.env("PATH", path).output().expect("sh");
        (self.shown(&String::from_utf8_lossy(&out.stdout)), out.status.code().unwrap_or(-1))
    }
}

/// Counts what reaches the collector.
fn beats(file: &Path) -> u64 {
    std::fs::read_to_string(file).ok().and_then(|t| t.trim().parse().ok()).unwrap_or(0)
}

/// The break-in, and where its beacon goes.
fn broken_into(env: &TestEnv) -> Option<(killer_tests::Service, Bystander, PathBuf)> {
    let counted = env.path("counted");
    let collector = Launch::new("collector").arg(counted.to_string_lossy()).direct(&env.test)?;
    let facts = collector.facts.join(" ");
    let port = facts.split("port=").nth(1).expect("a port").split(' ').next().expect("a number").to_owned();
    let dir = env.path("");
    let service = Launch::new("dropper").arg(dir.to_string_lossy()).arg(port).service(env, "web")?;
    Some((service, collector, counted))
}

#[test]
fn the_page_is_true() {
    let Some(env) = TestEnv::new("the_page_is_true") else { return };
    let tier = env.killer(["doctor", "-o", "json"]).json()["tier"].clone();
    if tier != "typed" && tier != "witnessed" {
        return skip(&env.test, "older tiers show less");
    }
    let Some((service, collector, counted)) = broken_into(&env) else { return };
    let file = docs().join("CASE.md");
    let page = std::fs::read_to_string(&file).expect("the page");
    let dir = env.path("desk");
    std::fs::create_dir_all(dir.join("bin")).expect("a directory");
    std::os::unix::fs::symlink(killer(), dir.join("bin/killer")).expect("killer");
    let is = |key: &str| service.fact(key).to_string();
    let was = written(&page);
    let now = ["beacon"].map(|k| (was[k].clone(), is(k))).to_vec();
    let mut desk = Desk { env: &env, dir, now };
    let beacon = Pidfd::open(service.fact("beacon")).expect("the beacon");
    let (mut said, mut wrong) = (Vec::new(), Vec::new());
    for step in steps(&page) {
        let command = desk.words(&step.command);
        let (printed, code) = desk.run(&command);
        assert_eq!(code, 0, "{command}\n{printed}");
        if plain(&desk.words(&step.printed)) != plain(&printed) {
            wrong.push(format!("# {command}\n--- the page\n{}--- now\n{printed}", step.printed));
        }
        // What a step after it names.
        for (key, before) in [("receipt", "\"id\":\""), ("head", "\"head\":\"")] {
            let word = printed.split(before).nth(1).and_then(|r| r.split('"').next());
            desk.now.extend(word.map(|w| (was[key].clone(), w.to_owned())));
        }
        if command.starts_with("killer freeze") {
            let held = beats(&counted);
            assert!(held > 0, "nothing has reached the collector");
            std::thread::sleep(Duration::from_millis(500));
            // One may have been on its way.
            assert!(beats(&counted) <= held + 1, "it goes on");
        }
        said.push(Step { command, printed });
    }
    service.assert_dead();
    assert!(!beacon.alive(), "the beacon lives");
    assert!(eventually(Duration::from_secs(1), || collector.untouched()), "a stranger was hit");
    if std::env::var("SNAPSHOTS").is_ok_and(|v| v == "overwrite") {
        let run: Vec<String> = was
            .iter()
            .map(|(k, v)| {
                let now = desk.now.iter().find(|(w, _)| w == v).map_or(v, |(_, is)| is);
                format!("{k}={now}")
            })
            .collect();
        std::fs::write(&file, renewed(&page, &said, &run.join(" "), |l| desk.words(l))).expect("the page");
        for name in ["why.svg", "tree.svg"] {
            std::fs::copy(desk.dir.join(name), docs().join("pictures").join(format!("case-{name}")))
                .expect("a picture");
        }
        return;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for name in ["why.svg", "tree.svg"] {
        let [page, now] = [docs().join("pictures").join(format!("case-{name}")), desk.dir.join(name)]
            .map(|f| std::fs::read_to_string(f).expect("a picture"));
        // Where things stand depends on how long the numbers are.
        let words = |svg: &str| svg.matches("<text").count();
        assert_eq!(words(&page), words(&now), "{name}");
    }
}
