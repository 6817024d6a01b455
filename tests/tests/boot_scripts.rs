//! The scripts that `killer install-boot` writes, run by a real shell with a `killer` that only notes how it was called.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output};

use killer_tests::{TestEnv, skip};
use tempfile::TempDir;

const TEXTS: [(&str, &str); 3] = [
    ("killer.lsb", include_str!("../../killer-user/src/boot/files/killer.lsb")),
    ("killer.core-services", include_str!("../../killer-user/src/boot/files/killer.core-services")),
    ("50-killer", include_str!("../../killer-user/src/boot/files/50-killer")),
];
const OPENRC: &str = include_str!("../../killer-user/src/boot/files/killer.openrc");

/// A place with the scripts, the false `killer`, and a run directory.
struct Place(TempDir);

impl Place {
    fn new() -> Place {
        let place = Place(tempfile::tempdir().expect("a directory"));
        fs::create_dir(place.path("run")).expect("run");
        for (name, text) in TEXTS {
            let text = text.replace("@KILLER@", &place.shown("killer")).replace("/run", &place.shown("run"));
            fs::write(place.path(name), text).expect("a script");
        }
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn shown(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    fn script(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("a script");
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o755)).expect("chmod");
    }

    /// A `killer` that notes its arguments, and does this.
    fn killer(&self, does: &str) {
        self.script("killer", &format!("#!/bin/sh\necho \"$*\" >>'{}'\n{does}\n", self.shown("calls")));
    }

    /// What it was called with since the last time.
    fn calls(&self) -> Vec<String> {
        let text = fs::read_to_string(self.path("calls")).unwrap_or_default();
        let _ = fs::remove_file(self.path("calls"));
        text.lines().map(String::from).collect()
    }

    fn run(&self, words: &[&str]) -> (i32, String) {
        let start = || Command::new(words[0]).args(&words[1..]).current_dir(self.0.path()).output();
        // A child that another test has forked meanwhile has the script open for writing, until its own exec.
        let busy = |r: &std::io::Result<Output>| {
            r.as_ref().is_err_and(|e| e.kind() == std::io::ErrorKind::ExecutableFileBusy)
        };
        let mut out = start();
        while busy(&out) {
            std::thread::sleep(std::time::Duration::from_millis(10));
            out = start();
        }
        let out = out.expect("runs");
        let said = [out.stdout, out.stderr].map(|o| String::from_utf8_lossy(&o).into_owned()).concat();
        (out.status.code().unwrap_or(255), said)
    }
}

fn which(shell: &str) -> Option<PathBuf> {
    ["/bin", "/usr/bin"].iter().map(|d| PathBuf::from(d).join(shell)).find(|p| p.is_file())
}

/// The shells that are here.
fn shells() -> Vec<&'static str> {
    let all: Vec<_> = ["dash", "bash"].into_iter().filter(|s| which(s).is_some()).collect();
    if all.is_empty() {
        skip("boot_scripts", "neither dash nor bash");
    }
    all
}

#[test]
fn every_shell_reads_them() {
    let place = Place::new();
    fs::write(place.path("killer.openrc"), OPENRC).expect("a script");
    for shell in shells() {
        for name in TEXTS.map(|(n, _)| n).into_iter().chain(["killer.openrc"]) {
            assert_eq!(place.run(&[shell, "-n", name]), (0, String::new()), "{shell} {name}");
        }
    }
}

#[test]
fn the_lsb_header_says_when() {
    let text = TEXTS[0].1;
    let head = text.split("### BEGIN INIT INFO\n").nth(1).and_then(|t| t.split("### END INIT INFO\n").next());
    let head = head.expect("a header");
    let value = |key: &str| {
        let line = head.lines().find_map(|l| l.strip_prefix(&format!("# {key}:")));
        line.unwrap_or_else(|| panic!("no {key}")).split_whitespace().collect::<Vec<_>>()
    };
    assert_eq!(value("Provides"), ["killer"]);
    assert_eq!(value("Required-Start"), ["mountkernfs"]);
    assert_eq!(value("X-Start-Before"), ["udev", "hostname", "hwclock"]);
    assert_eq!(value("Default-Start"), ["S"]);
    assert!(value("Default-Stop").is_empty() && value("Required-Stop").is_empty());
    assert!(!value("Short-Description").is_empty() && !value("Description").is_empty());
    assert!(head.lines().all(|l| l.starts_with("# ") && l.len() <= 80), "{head}");
}

#[test]
fn the_lsb_script_does_what_is_asked() {
    let place = Place::new();
    for shell in shells() {
        let lsb = |word: &str| place.run(&[shell, "killer.lsb", word]);
        let _ = fs::remove_file(place.path("killer"));
        // Half removed: a boot goes on.
        assert_eq!(lsb("start"), (0, String::new()), "{shell}");
        for (code, word, calls) in [
            (0, "start", &["up --rules"][..]),
            (1, "start", &["up --rules"]),
            (0, "restart", &["up --rules"]),
            (0, "force-reload", &["up --rules"]),
            (0, "stop", &[]),
            (3, "status", &["list"]),
        ] {
            place.killer(&format!("exit {code}"));
            assert_eq!(
                (lsb(word).0, place.calls()),
                (code, calls.iter().map(|c| (*c).to_owned()).collect()),
                "{word}"
            );
        }
        let (code, said) = lsb("");
        assert!(code == 2 && said.contains("Usage"), "{said}");
    }
}

#[test]
fn stage_1_of_runit_goes_on() {
    let place = Place::new();
    for shell in shells() {
        for killer in [None, Some("exit 1"), Some("kill -9 $$")] {
            let _ = fs::remove_file(place.path("killer"));
            if let Some(does) = killer {
                place.killer(does);
            }
            let out = place.run(&[shell, "-ec", ". ./killer.core-services; echo goes on"]);
            assert!(out.0 == 0 && out.1.contains("goes on"), "{shell} {killer:?}: {out:?}");
        }
    }
}

/// A `killer` that finds nothing alive, and runs what stands behind `--`.
const RUNS: &str = r#"[ "$2" = status ] && exit 4; while [ "$1" != -- ]; do shift; done; shift; "$@""#;

/// An init script that says what it was started with.
fn service(place: &Place, shell: &str) {
    let shell = which(shell).expect("a shell").display().to_string();
    let hook = place.shown("50-killer");
    place.script(
        "S12web",
        &format!("#!{shell} -e\n. '{hook}'\necho \"$0 $* in ${{KILLER_SCRIPT-none}}\"\nexit 7\n"),
    );
}

#[test]
fn a_script_starts_itself_in_its_service() {
    let place = Place::new();
    for shell in shells() {
        service(&place, shell);
        place.killer(RUNS);
        let once = "./S12web start now in none\n";
        // Rules act: nothing decides otherwise.
        let _ = fs::remove_file(place.path("run/killer-by-script"));
        assert_eq!(place.run(&["./S12web", "start", "now"]), (7, once.into()), "{shell}");
        assert!(place.calls().is_empty());

        fs::write(place.path("run/killer-by-script"), "").expect("a file");
        assert_eq!(place.run(&["./S12web", "start", "now"]), (7, once.into()), "{shell}");
        assert_eq!(place.calls(), ["-q status web", "run --service --name web -- ./S12web start now"]);
        // A live service's.
        place.killer(&RUNS.replace("exit 4", "exit 0"));
        assert_eq!(place.run(&["./S12web", "restart", "a b"]).0, 7, "{shell}");
        assert_eq!(place.calls(), ["-q status web", "exec --name web -- ./S12web restart a b"]);
        // What starts nothing is nobody's.
        for word in ["stop", "status", "reload", ""] {
            assert_eq!(place.run(&["./S12web", word]).0, 7, "{shell}");
            assert!(place.calls().is_empty(), "{word}");
        }
        assert_eq!(fs::read_dir(place.path("run")).expect("run").count(), 1, "nothing is left");
    }
}

/// Debian's scripts whose interpreter is a script: it has been started, and has the service's as its first argument.
#[test]
fn a_script_that_init_d_script_runs_starts_itself() {
    let place = Place::new();
    fs::write(place.path("run/killer-by-script"), "").expect("a file");
    let (hook, runs) = (place.shown("50-killer"), place.shown("init-d-script"));
    let says = "echo \"$__init_d_script_name $* in ${KILLER_SCRIPT-none}\"; exit 7";
    place
        .script("init-d-script", &format!("#!/bin/sh\n__init_d_script_name=$1\nshift\n. '{hook}'\n{says}\n"));
    place.script("webd", &format!("#!/usr/bin/env {runs}\n"));
    place.killer(RUNS);
    assert_eq!(place.run(&["./webd", "start", "now"]), (7, "./webd start now in none\n".into()));
    assert_eq!(place.calls(), ["-q status webd", "run --service --name webd -- ./webd start now"]);
}

/// As with rules: what a login restarts is not the login's, and is not ended with it.
#[test]
fn a_service_started_in_another_one_is_beside_it() {
    let test = "a_service_started_in_another_one_is_beside_it";
    for env in [TestEnv::new(test), TestEnv::named(test)].into_iter().flatten() {
        let env = env.alone();
        let place = Place::new();
        fs::write(place.path("run/killer-by-script"), "").expect("a file");
        let command = env.command();
        let set = command.get_envs().filter_map(|(k, v)| Some((k.to_str()?, v?.to_str()?)));
        let set: String = set.map(|(k, v)| format!("export {k}='{v}'\n")).collect();
        let killer = killer_tests::killer().canonicalize().expect("killer");
        place.script("killer", &format!("#!/bin/sh\n{set}exec '{}' \"$@\"\n", killer.display()));
        let daemon = "[ $1 = stop ] || sleep 55 </dev/null >/dev/null 2>&1 &";
        for name in ["S12login", "web"] {
            place.script(name, &format!("#!/bin/sh\n. '{}'\n{daemon}\n", place.shown("50-killer")));
        }
        assert_eq!(place.run(&["./S12login", "start"]), (0, String::new()));
        env.killer(["exec", "--name", "login", "--", &place.shown("web"), "start"]).ok();
        let web = env.killer(["status", "web", "-o", "json"]).ok().json();
        assert!(web["inside"].is_null(), "{web}");
        env.killer(["-q", "-s", "KILL", "--wait", "login"]).ok();
        env.killer(["status", "login"]).code(3);
        env.killer(["status", "web"]).ok();
        // It lives: its script runs in it once more.
        assert_eq!(place.run(&["./web", "restart"]), (0, String::new()));
        env.killer(["-q", "-s", "KILL", "--wait", "web"]).ok();
        env.killer(["status", "web"]).code(3);
    }
}

#[test]
fn a_script_starts_whatever_killer_does() {
    let place = Place::new();
    fs::write(place.path("run/killer-by-script"), "").expect("a file");
    for shell in shells() {
        service(&place, shell);
        for does in ["exit 125", "exit 1", "exit 0", "kill -9 $$", "[ \"$2\" = status ] && exit 77; exit 77"]
        {
            place.killer(does);
            let (code, said) = place.run(&["./S12web", "start"]);
            assert!(
                code == 7 && said.matches("./S12web start in none").count() == 1,
                "{shell} {does}: {said}"
            );
        }
        fs::remove_file(place.path("killer")).expect("killer is gone");
        assert_eq!(place.run(&["./S12web", "start"]), (7, "./S12web start in none\n".into()), "{shell}");
        // Names that are none, and init's own.
        place.calls();
        place.killer(RUNS);
        for name in ["rc", "umountfs", "-x", "a b"] {
            fs::copy(place.path("S12web"), place.path(name)).expect("a copy");
            assert_eq!(place.run(&[&format!("./{name}"), "start"]).0, 7, "{shell} {name}");
            assert!(place.calls().is_empty(), "{name}");
        }
    }
}
