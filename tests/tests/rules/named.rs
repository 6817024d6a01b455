//! Services that get their names at exec, and those that ran before.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use killer_tests::{Pidfd, RuledHost, eventually, mode, names_pid, skip};
use rustix::process::Signal;

pub fn run(program: &Path, args: &[&str]) {
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    assert!(command.status().expect("a script that runs").success(), "{}", program.display());
}

/// A script that leaves a process behind which goes on by itself.
pub const DAEMON: &str = "if [ \"$1\" = start ]; then setsid sleep 55 </dev/null >/dev/null 2>&1 & echo $! > \"$0.pid\"; fi; exit 0";

fn left_by(script: &Path) -> Pidfd {
    let file = PathBuf::from(format!("{}.pid", script.display()));
    let pid = std::fs::read_to_string(&file).expect("a pidfile").trim().parse().expect("a number");
    Pidfd::open(pid).expect("the process that the script has left")
}

/// An exec opens an instance; words that ask open none, nor does an exception; the name of an instance that has ended is gone.
#[test]
fn scripts_open_instances() {
    let Some(h) = RuledHost::ruled("scripts_open_instances", &[]) else { return };
    let header = "### BEGIN INIT INFO\n# Provides: cron kt-clock\n### END INIT INFO";
    let (cron, rcs) = (h.script("cron", &format!("{header}\n{DAEMON}")), h.script("rcS", DAEMON));
    h.write("opt/d/prog", "#!/bin/sh\nexec sleep 55\n");
    mode(&h.path("opt/d/prog"), 0o755);
    // A directory that is looked at takes new scripts in without a load; an exception holds for those that come.
    run(&cron, &["status"]);
    run(&rcs, &["start"]);
    assert_eq!(h.names(), Vec::<String>::new());
    run(&cron, &["start"]);
    let (daemon, other) = (left_by(&cron), left_by(&rcs));
    assert_eq!(h.names(), ["cron"]);
    assert!(h.killer(&["rule", "list"]).ok().stdout.contains("in force: 1 instances opened"));
    // What the script says that it provides, and what is well known for the same thing, are names of it.
    for word in ["kt-clock", "crond"] {
        assert!(h.killer(&["status", word]).ok().stdout.contains("cron"), "{word}");
        assert!(names_pid(&h.killer(&["-n", "-s", "KILL", word]).ok().stdout, daemon.pid), "{word}");
    }
    h.killer(&["-s", "KILL", "--who=all", "--wait", "kt-clock"]).ok();
    assert!(daemon.ends_within(Duration::from_secs(5)) && other.alive());
    h.killer(&["status", "kt-clock"]).code(3);
    other.signal(Signal::KILL);
    assert!(eventually(Duration::from_secs(5), || h.names().is_empty()));
    // A rule that is added is in force at once; one that is wrong changes nothing.
    let add = h.killer(&["rule", "add", "my", "--program", "/opt/d/prog"]);
    assert!(add.ok().stderr.contains("2 rules are in force"), "{add}");
    let mut my = Command::new(h.path("opt/d/prog")).stdin(Stdio::null()).spawn().expect("prog");
    assert!(eventually(Duration::from_secs(5), || h.names() == ["my"]), "{}", h.killer(&["list"]));
    h.rules("bad.toml", "[[rule]]\n\nscripts = 3\n");
    let load = h.killer(&["rule", "load"]);
    assert!(
        load.code(1).stderr.contains("bad.toml:3:11: ") && load.stderr.contains("stay in force"),
        "{load}"
    );
    run(&cron, &["start"]);
    assert_eq!(h.names(), ["cron", "my"]);
    std::fs::remove_file(h.path("etc/killer/rules.d/bad.toml")).expect("rm");
    // Without the rule its services go on, and new ones have no name.
    h.rules("00-defaults.toml", "");
    h.killer(&["rule", "load"]).ok();
    h.killer(&["-s", "KILL", "--wait", "cron", "my"]).ok();
    let _ = my.wait();
    run(&cron, &["start"]);
    left_by(&cron).signal(Signal::KILL);
    assert_eq!(h.names(), Vec::<String>::new());
}

/// A script that is an exception is one by any link to it, whether the programs see the file or no more than what was typed.
#[test]
fn links_to_exceptions_name_nothing() {
    let Some(h) = RuledHost::ruled("links_to_exceptions_name_nothing", &[]) else { return };
    for name in ["killer", "umountfs", "cron"] {
        h.script(name, DAEMON);
    }
    std::fs::create_dir_all(h.path("etc/rc2.d")).expect("a directory");
    std::fs::create_dir_all(h.path("etc/rc3.d")).expect("a directory");
    let link = |name: &str, at: &str| {
        let at = h.path(at);
        symlink(format!("../init.d/{name}"), &at).expect("a link");
        at
    };
    let links = [link("killer", "etc/rc2.d/S02killer"), link("umountfs", "etc/rc2.d/S03umountfs")];
    let cron = link("cron", "etc/rc2.d/S04cron");
    // The same name, of another script.
    let own = h.write("etc/rc3.d/S02killer", "#!/bin/sh\nexit 0\n");
    mode(&own, 0o755);
    h.killer(&["rule", "load"]).ok();
    let json = h.killer(&["rule", "list", "-o", "json"]).ok().json();
    assert_eq!(json["rules"][1]["services"], serde_json::json!(["cron", "killer"]), "{json}");
    std::fs::remove_file(&own).expect("rm");
    h.killer(&["rule", "load"]).ok();
    let json = h.killer(&["rule", "list", "-o", "json"]).ok().json();
    assert_eq!(json["rules"][1]["services"], serde_json::json!(["cron"]), "{json}");
    let not = json["rules"][1]["not_covered"].to_string();
    assert!(
        not.contains("/etc/rc2.d/S02killer") && not.contains("which is no service, by built-in/"),
        "{json}"
    );
    assert_eq!(h.killer(&["status", "killer"]).exit(), 4);
    for link in &links {
        let path = link.to_string_lossy();
        assert!(h.says(&[&path, "start"]).contains("an exception"), "{}", h.says(&[&path, "start"]));
        run(link, &["start"]);
        left_by(link).signal(Signal::KILL);
        assert_eq!(h.names(), Vec::<String>::new(), "{path}");
    }
    run(&cron, &["start"]);
    let daemon = left_by(&cron);
    assert_eq!(h.names(), ["cron"]);
    h.killer(&["-s", "KILL", "--who=all", "--wait", "cron"]).ok();
    assert!(daemon.ends_within(Duration::from_secs(5)));
}

/// What ran before the rules were there is adopted by what root has noted; what only looks like it is told, and adopted when that is
/// asked for.
#[test]
fn a_late_start_tells_what_is_certain_from_a_guess() {
    let Some(h) = RuledHost::ruled("a_late_start_tells_what_is_certain_from_a_guess", &[]) else { return };
    let copy = |name: &str| {
        let to = h.path(&format!("sbin/{name}"));
        std::fs::create_dir_all(h.path("sbin")).expect("sbin");
        std::fs::copy("/bin/sleep", &to).expect("a copy of sleep");
        to
    };
    let start = |p: &Path| Command::new(p).arg("55").stdin(Stdio::null()).spawn().expect("a daemon");
    // Their names are nobody's on this host.
    let (noted, alike, lied) = (copy("kt-noted"), copy("kt-alike"), copy("kt-lied"));
    let mut all = [start(&noted), start(&alike), start(&lied)];
    // A supervisor by its name, its user and its directory.
    let web = h.write("etc/sv/kt-web/run", "#!/bin/sh\n");
    let runsv = h.path("sbin/runsv");
    std::fs::copy("/bin/sh", &runsv).expect("a copy of sh");
    let mut supervisor = Command::new(&runsv);
    supervisor
        .args(["-c", "sleep 55; :"])
        .current_dir(web.parent().expect("a directory"))
        .stdin(Stdio::null())
        .stderr(Stdio::null());
    let mut supervisor = supervisor.spawn().expect("a supervisor");
    for s in ["kt-noted", "kt-alike", "kt-lied", "killer"] {
        h.script(s, "exit 0");
    }
    // As its boot file is linked; what is asked here is called the same, and is no guess.
    std::fs::create_dir_all(h.path("etc/rcS.d")).expect("rcS.d");
    symlink("../init.d/killer", h.path("etc/rcS.d/S02killer")).expect("a link");
    h.write("run/kt-noted.pid", &format!("{}\n", all[0].id()));
    // Others could have chosen the process, or the number is that of a process which runs something else.
    mode(&h.write("run/kt-alike.pid", &format!("{}\n", all[1].id())), 0o666);
    h.write("run/kt-lied.pid", &format!("{}\n", all[0].id()));
    all[2].kill().and_then(|()| all[2].wait().map(drop)).expect("the end of one");
    let up = h.killer(&["up", "--rules", "-o", "json"]);
    let notes = up.ok().json()["notes"].to_string();
    assert!(notes.contains(&format!("'kt-noted' is adopted: process {}", all[0].id())), "{up}");
    assert!(
        notes.contains(&format!("'kt-alike' may be process {}", all[1].id())) && !notes.contains("kt-lied"),
        "{up}"
    );
    assert!(notes.contains("'kt-web' is adopted: process "), "{up}");
    assert!(!notes.contains("'killer'"), "{up}");
    assert_eq!(h.names(), ["kt-noted", "kt-web"]);
    // It is the supervisor's child, and not the supervisor.
    h.killer(&["-s", "KILL", "--wait", "kt-web"]).ok();
    assert!(supervisor.wait().expect("the end of the supervisor").code().is_some());
    let up = h.killer(&["up", "--rules", "--guess"]);
    assert!(up.ok().stderr.contains("'kt-alike' is adopted by a guess"), "{up}");
    let unsure = |name: &str| {
        h.killer(&["status", "-o", "json", name]).json()["exactness"].to_string().contains("adopt-unsure")
    };
    assert!(unsure("kt-alike") && !unsure("kt-noted"));
    h.killer(&["-s", "KILL", "kt-alike", "kt-noted"]).ok();
    all.iter_mut().for_each(|c| drop(c.wait()));
}

/// A supervised service by its directory, OpenRC's by the first argument, a program by its file, also behind a link.
#[test]
fn directories_arguments_and_programs_open_instances() {
    let Some(h) = RuledHost::ruled("directories_arguments_and_programs_open_instances", &[]) else { return };
    let native = h.script("native", DAEMON);
    let web = h.write("etc/sv/web/run", "#!/bin/sh\nexec sleep 55\n");
    let real = h.write("opt/real/prog", "#!/bin/sh\nexec sleep 55\n");
    let openrc = h.path("sbin/openrc-run");
    std::fs::create_dir_all(h.path("sbin")).expect("sbin");
    std::fs::copy("/bin/sh", &openrc).expect("a copy of sh");
    symlink("../opt/real/prog", h.path("sbin/linked")).expect("a link");
    [&web, &real, &openrc].iter().for_each(|p| mode(p, 0o755));
    h.rules("lk.toml", "[[rule]]\nprogram = \"/sbin/linked\"\nname = \"lk\"\n");
    assert!(h.killer(&["rule", "load"]).ok().stderr.contains("4 rules are in force"));
    let is = |names: &[&str]| {
        assert!(
            eventually(Duration::from_secs(5), || h.names() == names),
            "{names:?}: {}",
            h.killer(&["list"])
        );
    };
    let kill = |mut c: std::process::Child, name: &str| {
        h.killer(&["-s", "KILL", "--wait", name]).ok();
        let _ = c.wait();
        is(&[]);
    };
    let start = |p: &Path, dir: &Path| {
        Command::new(p).current_dir(dir).stdin(Stdio::null()).spawn().expect("a service")
    };
    let dir = web.parent().expect("a service directory");
    let c = start(Path::new("./run"), dir);
    is(&["web"]);
    kill(c, "web");
    for p in [&real, &h.path("sbin/linked")] {
        let c = start(p, Path::new("/"));
        is(&["lk"]);
        kill(c, "lk");
    }
    let script = native.to_string_lossy();
    run(&openrc, &[&script, "status"]);
    is(&[]);
    run(&openrc, &[&script, "start"]);
    is(&["native"]);
    h.killer(&["-s", "KILL", "--wait", "native"]).ok();
}

/// A load changes the rules in one step: a service that starts meanwhile has its name, and so has the next one.
#[test]
fn services_start_while_rules_are_loaded() {
    let Some(h) = RuledHost::ruled("services_start_while_rules_are_loaded", &[]) else { return };
    let cron = h.script("cron", "exit 0");
    let before =
        h.killer(&["rule", "list", "-o", "json"]).json()["in_force"]["opened"].as_u64().expect("a number");
    let done = std::sync::atomic::AtomicBool::new(false);
    let starts = std::thread::scope(|s| {
        let starts = s.spawn(|| {
            let mut n = 0;
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                run(&cron, &["start"]);
                n += 1;
            }
            n
        });
        for n in 0..8 {
            h.rules("other.toml", &format!("[[rule]]\nprogram = \"/opt/p{n}\"\n"));
            h.killer(&["rule", "load"]).ok();
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        starts.join().expect("the starts")
    });
    let after = || h.killer(&["rule", "list", "-o", "json"]).json()["in_force"].clone();
    let (opened, skipped) = (after()["opened"].as_u64(), after()["skipped"].as_u64());
    // What is missing is told: from 7.0 on the kernel can skip a hook.
    let missing =
        (before + starts).checked_sub(opened.expect("a number")).expect("no more than were started");
    assert!(missing <= skipped.expect("a number"), "{starts} starts: {}", after());
    assert!(eventually(Duration::from_secs(5), || after()["given_back"] == after()["opened"]), "{}", after());
    assert!(h.killer(&["doctor"]).ok().stdout.contains("rules: in force: "));
}

/// With a rule about the shell, what it is given is the script; without one, or with `-c`, it is a shell.
#[test]
fn a_script_that_a_shell_is_given() {
    let Some(h) = RuledHost::ruled("a_script_that_a_shell_is_given", &[]) else { return };
    let script = h.script("native", DAEMON);
    let sh = h.path("sbin/sh");
    std::fs::create_dir_all(h.path("sbin")).expect("sbin");
    std::fs::copy("/bin/sh", &sh).expect("a copy of sh");
    mode(&sh, 0o755);
    let path = script.to_string_lossy().into_owned();
    let command = format!("{path} start; :");
    let none = |what: &str| assert_eq!(h.names(), [""; 0], "{what}: {}", h.killer(&["list"]));
    let opens = |args: &[&str], dir: &str| {
        let mut shell = Command::new(&sh);
        let ok = shell
            .args(args)
            .current_dir(h.path(dir))
            .stdin(Stdio::null())
            .status()
            .expect("a shell")
            .success();
        assert!(ok, "{args:?}");
        assert!(
            eventually(Duration::from_secs(5), || h.names() == ["native"]),
            "{args:?}: {}",
            h.killer(&["list"])
        );
        h.killer(&["-s", "KILL", "--wait", "native"]).ok();
    };
    h.killer(&["rule", "load"]).ok();
    run(&sh, &[&path, "status"]);
    assert!(
        h.says(&[&sh.to_string_lossy(), &path, "start"]).contains("no rule is about both"),
        "{}",
        h.says(&[&path])
    );
    h.rules("shells.toml", "[[rule]]\nshell = \"/sbin/sh\"\n");
    h.killer(&["rule", "load"]).ok();
    let says = h.killer(&["rule", "test", "--", &sh.to_string_lossy(), "-e", &path, "start"]);
    assert!(says.stdout.contains("native"), "{says}");
    for quiet in ["status", "stop"] {
        run(&sh, &[&path, quiet]);
        none(quiet);
    }
    run(&sh, &["-c", "exit 0", &path]);
    none("-c");
    opens(&[&path, "start"], "etc");
    opens(&["-e", &path, "start"], "etc");
    opens(&["./native", "start"], "etc/init.d");
    opens(&["native", "start"], "etc/init.d");
    opens(&["-c", &command], "etc");
}

/// Directories that lie on an overlay, as in images and on live systems: what is below and what has come on top of it have
/// their names, also when a script has gone from one to the other.
#[test]
fn scripts_on_an_overlay() {
    let Some(h) = RuledHost::ruled("scripts_on_an_overlay", &[]) else { return };
    let below = h.script("below", DAEMON);
    let layers = tempfile::tempdir().expect("a directory");
    let Some(_mounts) = Overlay::over(below.parent().expect("init.d"), layers.path()) else {
        return skip("scripts_on_an_overlay", "this kernel mounts no overlay");
    };
    let above = h.script("above", DAEMON);
    h.killer(&["rule", "load"]).ok();
    let starts = |script: &Path, name: &str| {
        run(script, &["start"]);
        let daemon = left_by(script);
        assert_eq!(h.names(), [name], "{}", h.killer(&["list"]));
        h.killer(&["-s", "KILL", "--who=all", "--wait", name]).ok();
        assert!(daemon.ends_within(Duration::from_secs(5)));
    };
    starts(&below, "below");
    starts(&above, "above");
    // As an upgrade does it: now it is a file of the upper layer.
    h.script("below", DAEMON);
    starts(&below, "below");
    let tested = h.says(&[&below.to_string_lossy(), "start"]);
    assert!(tested.contains("below"), "{tested}");
}

/// An overlay of a directory and of one in memory, unmounted at the end.
struct Overlay(Vec<PathBuf>);

impl Overlay {
    fn over(dir: &Path, layers: &Path) -> Option<Overlay> {
        use rustix::mount::{MountFlags, mount};
        mount("none", layers, "tmpfs", MountFlags::empty(), None).ok()?;
        let mut mounts = Overlay(vec![layers.to_owned()]);
        let [upper, work] = ["upper", "work"].map(|n| layers.join(n));
        [&upper, &work].iter().for_each(|d| std::fs::create_dir(d).expect("a layer"));
        let options =
            format!("lowerdir={},upperdir={},workdir={}", dir.display(), upper.display(), work.display());
        let options = std::ffi::CString::new(options).expect("options");
        mount("none", dir, "overlay", MountFlags::empty(), Some(options.as_c_str())).ok()?;
        mounts.0.push(dir.to_owned());
        Some(mounts)
    }
}

impl Drop for Overlay {
    fn drop(&mut self) {
        for at in self.0.iter().rev() {
            let _ = rustix::mount::unmount(at, rustix::mount::UnmountFlags::DETACH);
        }
    }
}
