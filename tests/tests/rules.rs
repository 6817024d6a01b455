//! Rules: files with mistakes, files that others can change, and services that get their names by them.

use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use killer_tests::{Out, Pidfd, TestEnv, eventually, skip};
use rustix::process::Signal;

/// A host of its own: a directory in the place of the root directory, that only root can change.
struct Host {
    env: TestEnv,
    root: tempfile::TempDir,
}

impl Host {
    fn of(mut env: TestEnv) -> Host {
        let root =
            tempfile::Builder::new().prefix("killer-rules-").tempdir_in("/run").expect("a directory in /run");
        mode(root.path(), 0o755);
        // The list of variables is the harness's, for names that it knows at compile time.
        let at: &'static str = Box::leak(root.path().display().to_string().into_boxed_str());
        env.vars.push(("KILLER_RULES_ROOT", at));
        Host { env, root }
    }

    /// Without a tracker.
    fn bare(test: &str) -> Option<Host> {
        TestEnv::without_programs(test, "scan", None).map(Host::of)
    }

    /// With one that has rules.
    fn ruled(test: &str) -> Option<Host> {
        let host = Host::of(TestEnv::new(test)?);
        host.script("first", "exit 0");
        let up = host.killer(&["up", "--rules"]);
        if up.exit() == 1 && up.stderr.contains("the tier") {
            skip(test, &up.stderr.replace('\n', " "));
            return None;
        }
        up.ok();
        Some(host)
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.path().join(path)
    }

    fn write(&self, path: &str, text: &str) -> PathBuf {
        let at = self.path(path);
        std::fs::create_dir_all(at.parent().expect("a parent")).expect("directories");
        std::fs::write(&at, text).expect("a file");
        at
    }

    fn rules(&self, name: &str, text: &str) {
        self.write(&format!("etc/killer/rules.d/{name}"), text);
    }

    /// An init script.
    fn script(&self, name: &str, text: &str) -> PathBuf {
        let at = self.write(&format!("etc/init.d/{name}"), &format!("#!/bin/sh\n{text}\n"));
        mode(&at, 0o755);
        at
    }

    fn killer(&self, args: &[&str]) -> Out {
        self.env.killer(args)
    }

    /// What `rule test` says.
    fn says(&self, args: &[&str]) -> String {
        self.killer(&[&["rule", "test"], args].concat()).stdout
    }

    fn names(&self) -> Vec<String> {
        self.env.names()
    }
}

fn mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("chmod");
}

fn run(program: &Path, args: &[&str]) {
    let status = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    assert!(status.expect("a script that runs").success(), "{}", program.display());
}

/// A script that leaves a process behind which goes on by itself.
const DAEMON: &str = "if [ \"$1\" = start ]; then setsid sleep 55 </dev/null >/dev/null 2>&1 & echo $! > \"$0.pid\"; fi; exit 0";

fn left_by(script: &Path) -> Pidfd {
    let file = PathBuf::from(format!("{}.pid", script.display()));
    let pid = std::fs::read_to_string(&file).expect("a pidfile").trim().parse().expect("a number");
    Pidfd::open(pid).expect("the process that the script has left")
}

#[test]
fn every_mistake_is_told_with_its_line() {
    let Some(h) = Host::bare("every_mistake_is_told_with_its_line") else { return };
    h.script("cron", "exit 0");
    h.killer(&["rule", "check"]).ok();
    h.rules("a.toml", "# ours\n[[rule]]\nprogam = \"/sbin/a\"\n[[rule]]\nprogram = \"sbin/b\"\nuser = \"no-such-user-here\"\n");
    h.rules(
        "b.toml",
        "[[rule]]\nscripts = \"/etc/init.d\"\n[[rule]]\nprogram = \"/etc/init.d\"\nname = \"x\"\n",
    );
    h.rules("c.toml", "[[rule]]\nscripts = /etc\n");
    let wrong = [
        "a.toml:3:1: a rule has no field 'progam': did you mean 'program'?",
        "a.toml:5:11: 'sbin/b' is no absolute path",
        "b.toml:2:11: '/etc/init.d' has a rule already at built-in/00-defaults.toml:",
        "c.toml:2:11: this is no TOML",
    ];
    let check = h.killer(&["rule", "check"]);
    check.code(1);
    let list = h.killer(&["rule", "list"]);
    list.code(1);
    for w in wrong {
        assert!(check.stdout.contains(w) && list.stderr.contains(w), "{w}: {check}{list}");
    }
    let json = h.killer(&["rule", "check", "-o", "json"]).json();
    assert!(json["good"] == false && json["errors"].as_array().is_some_and(|e| e.len() >= 4), "{json}");
    assert!(
        json["errors"].as_array().expect("errors").iter().any(|e| e["line"] == 3 && e["column"] == 1),
        "{json}"
    );
    // One that is not in force yet.
    std::fs::remove_dir_all(h.path("etc/killer")).expect("rm");
    let new = h.write("tmp/new.toml", "[[rule]]\nprogram = \"/etc/init.d\"\nname = \"x\"\n");
    let new = new.to_string_lossy();
    assert!(
        h.killer(&["rule", "check", &new])
            .code(1)
            .stdout
            .contains("new.toml:2:11: /etc/init.d is a directory")
    );
    h.killer(&["rule", "check"]).ok();
    h.killer(&["rule", "check", "/no/such.toml"]).error(1, &["cannot read /no/such.toml"]);
}

#[test]
fn files_that_others_can_change_are_refused() {
    let Some(h) = Host::bare("files_that_others_can_change_are_refused") else { return };
    h.script("cron", "exit 0");
    let good = "[[rule]]\nprogram = \"/sbin/a\"\n";
    let said = |words: &str| {
        let out = h.killer(&["rule", "check"]);
        assert!(out.code(1).stdout.contains(words), "{words}: {out}");
    };
    h.rules("a.toml", good);
    h.killer(&["rule", "check"]).ok();
    let (file, dir) = (h.path("etc/killer/rules.d/a.toml"), h.path("etc/killer/rules.d"));
    mode(&file, 0o666);
    said("a.toml is writable by everybody");
    mode(&file, 0o644);
    chown(&file, Some(12345), None).expect("chown");
    said("a.toml belongs to uid 12345");
    chown(&file, Some(0), None).expect("chown");
    mode(&dir, 0o775);
    said("rules.d is writable by its group");
    mode(&dir, 0o755);
    mode(&h.path("etc"), 0o777);
    said("/etc is writable by everybody");
    mode(&h.path("etc"), 0o755);
    // What is no file, or no small one, holds nobody.
    rustix::fs::mknodat(rustix::fs::CWD, dir.join("pipe.toml"), rustix::fs::FileType::Fifo, 0o644.into(), 0)
        .expect("a pipe");
    std::fs::File::create(dir.join("huge.toml")).expect("a file").set_len(1 << 40).expect("a hole");
    std::fs::write(dir.join("bytes.toml"), b"\xff\n").expect("a file");
    symlink("loop.toml", dir.join("loop.toml")).expect("a link");
    symlink("/dev/null", dir.join("off.toml")).expect("a link");
    for words in [
        "pipe.toml is a pipe",
        "huge.toml has more than",
        "bytes.toml: it is no text: byte 0",
        "loop.toml: Too many",
    ] {
        said(words);
    }
    for f in ["pipe", "huge", "bytes", "loop", "off"] {
        std::fs::remove_file(dir.join(format!("{f}.toml"))).expect("rm");
    }
    // And what rules are about.
    h.rules("a.toml", "[[rule]]\nscripts = \"/opt/x\"\n[[rule]]\nprogram = \"/opt/y/p\"\n");
    let (x, p) = (h.write("opt/x/s", ""), h.write("opt/y/p", ""));
    h.killer(&["rule", "check"]).ok();
    mode(x.parent().expect("x"), 0o777);
    mode(&p, 0o777);
    said("a.toml:2:11: ");
    said("a.toml:4:11: ");
}

#[test]
fn files_take_the_place_of_others() {
    let Some(h) = Host::bare("files_take_the_place_of_others") else { return };
    h.script("cron", "exit 0");
    h.script("rcS", "exit 0");
    h.script("a b", "exit 0");
    mode(&h.script("not", "exit 0"), 0o644);
    mode(&h.script("open", "exit 0"), 0o757);
    std::fs::create_dir_all(h.path("sbin")).expect("a directory");
    h.write("usr/lib/killer/rules.d/my.toml", "[[rule]]\nprogram = \"/sbin/one\"\naliases = [\"uno\"]\n");
    let list = h.killer(&["rule", "list", "-o", "json"]);
    let json = list.ok().json();
    let rules = json["rules"].as_array().expect("rules");
    assert_eq!(rules.len(), 2, "{json}");
    assert!(
        rules[0]["origin"] == "built-in" && rules[0]["services"] == serde_json::json!(["cron"]),
        "{json}"
    );
    let uncovered = rules[0]["not_covered"].to_string();
    for why in ["a b", "an exception at built-in/00-defaults.toml", "not executable", "writable by everybody"]
    {
        assert!(uncovered.contains(why), "{why}: {uncovered}");
    }
    assert!(rules[1]["origin"] == "package" && rules[1]["services"] == serde_json::json!(["one"]), "{json}");
    assert!(list.ok().stdout.contains("\"absent\":[\""), "{list}");
    h.rules("my.toml", "[[rule]]\nprogram = \"/sbin/two\"\n");
    h.rules("00-defaults.toml", "");
    let out = h.killer(&["rule", "list"]);
    let text = &out.ok().stdout;
    assert!(text.contains("my.toml:2  program /sbin/two") && !text.contains("/sbin/one"), "{out}");
    assert!(text.contains("00-defaults.toml: without a rule") && !text.contains("cron"), "{out}");
    assert!(h.killer(&["rule", "list", "--built-in"]).ok().stdout.contains("scripts = [\"/etc/init.d\"]"));
}

#[test]
fn rules_are_added_and_removed_whole() {
    let Some(h) = Host::bare("rules_are_added_and_removed_whole") else { return };
    h.script("cron", "exit 0");
    h.write("sbin/my\"d", "");
    let program = "/sbin/my\"d";
    let add =
        h.killer(&["rule", "add", "my", "--program", program, "--alias", "mine", "--stop", "/sbin/ctl stop"]);
    assert!(add.ok().stderr.contains("my.toml' has the rule"), "{add}");
    let file = h.path("etc/killer/rules.d/my.toml");
    let text = std::fs::read_to_string(&file).expect("the file");
    assert!(text.contains("program = \"/sbin/my\\\"d\"") && text.contains("name    = \"my\""), "{text}");
    h.killer(&["rule", "add", "my", "--program", "/sbin/other"]).error(1, &["already", "rule remove my"]);
    // Nothing is written that would be wrong.
    for args in [
        &["rule", "add", "two", "--program", program][..],
        &["rule", "add", "two", "--scripts", "/etc/init.d"],
        &["rule", "add", "two", "--program", "relative"],
        &["rule", "add", "two", "--program", "/sbin/x", "--alias", "my"],
    ] {
        assert!(h.killer(args).code(1).stderr.contains("nothing was written"), "{args:?}");
    }
    for (args, words) in [
        (&["rule", "add", "two"][..], "the rule says no file"),
        (&["rule", "add", "../two", "--program", "/sbin/x"], "no name of a rule file"),
        (&["rule", "add", "two", "--program", "/a", "--run", "/b"], "a rule has one of"),
        (&["rule", "list", "cron"], "one word too many"),
        (&["rule", "remove"], "needs a name"),
        (&["rule", "load", "--user", "x"], "--user goes with"),
        (&["rule", "frob"], "frob"),
        (&["rule"], "ACTION"),
    ] {
        h.killer(args).error(2, &[words]);
    }
    let left: Vec<_> = std::fs::read_dir(file.parent().expect("rules.d")).expect("rules.d").collect();
    assert_eq!(left.len(), 1, "{left:?}");
    h.killer(&["rule", "remove", "00-defaults"]).error(1, &["built in", "touch"]);
    h.killer(&["rule", "remove", "none"]).error(1, &["there is no", "none.toml"]);
    assert!(h.killer(&["rule", "remove", "my"]).ok().stderr.contains("is gone") && !file.exists());
    h.killer(&["rule", "load"]).error(1, &["not in force", "no rule is in force"].map(|_| "no rule"));
}

#[test]
fn what_an_exec_would_do_is_said_with_the_reason() {
    let Some(h) = Host::bare("what_an_exec_would_do_is_said_with_the_reason") else { return };
    let cron = h.script("cron", "exit 0");
    let cron = cron.to_string_lossy();
    let (rc, not) = (h.script("rc", ""), h.script("not", ""));
    mode(&not, 0o644);
    h.write("etc/sv/web/run", "");
    mode(&h.path("etc/sv/web/run"), 0o755);
    let opens = h.killer(&["rule", "test", &cron, "start"]);
    assert!(
        opens.ok().stdout.contains("opens an instance of 'cron'\n  rule: built-in/00-defaults.toml:4"),
        "{opens}"
    );
    let link = h.path("link");
    symlink(&*cron, &link).expect("a link");
    assert!(h.says(&[&link.to_string_lossy()]).contains("instance of 'cron'"));
    assert!(h.says(&[&h.path("etc/sv/web/run").to_string_lossy()]).contains("instance of 'web'"));
    for (args, why) in [
        (&[&*cron, "status"][..], "with 'status' it starts nothing"),
        (&["--user", "nobody", &cron], "only root's execs name a service"),
        (&[&rc.to_string_lossy(), "start"], "an exception, at built-in/00-defaults.toml"),
        (&[&not.to_string_lossy()], "cannot be executed: nobody may"),
        (&["/bin/sh", &cron, "start"], "is only read by it"),
        (&["/bin/true"], "no rule is about this file"),
    ] {
        let out = h.killer(&[&["rule", "test"], args].concat());
        assert!(out.code(1).stdout.contains("opens nothing") && out.stdout.contains(why), "{why}: {out}");
    }
    let json = h.killer(&["rule", "test", "-o", "json", &cron, "stop"]).json();
    assert!(json["outcome"] == "nothing" && json["why"].is_string() && json["service"].is_null(), "{json}");
    h.killer(&["rule", "test", "/no/such"]).error(1, &["no file /no/such"]);
    h.killer(&["rule", "test"]).error(2, &["no file to test"]);
    // Root of a user namespace, and of another root directory.
    let killer = killer_tests::killer();
    let mut inside = Command::new("unshare");
    inside.args(["-Ur"]).arg(&killer).args(["rule", "test", &cron]).env("KILLER_RULES_ROOT", h.root.path());
    if let Ok(out) = inside.output()
        && !out.stdout.is_empty()
    {
        let text = String::from_utf8_lossy(&out.stdout);
        assert!(text.contains("a user namespace") || text.contains("not root's alone"), "{text}");
    }
}

#[test]
fn tiers_without_rules_say_what_to_do() {
    let Some(h) = Host::bare("tiers_without_rules_say_what_to_do") else { return };
    h.script("cron", "exit 0");
    h.killer(&["up", "--rules"]).error(1, &["no rule is in force", "the tier", "killer run --name NAME"]);
    h.killer(&["up", "--guess"]).error(2, &["--rules"]);
}

/// An exec opens an instance; words that ask open none, nor does an exception; the name of an instance that has ended is gone.
#[test]
fn scripts_open_instances() {
    let Some(h) = Host::ruled("scripts_open_instances") else { return };
    let (cron, rcs) = (h.script("cron", DAEMON), h.script("rcS", DAEMON));
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
    h.killer(&["-s", "KILL", "--who=all", "--wait", "cron"]).ok();
    assert!(daemon.ends_within(Duration::from_secs(5)) && other.alive());
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

/// What ran before the rules were there is adopted by what root has noted; what only looks like it is told, and adopted when that is
/// asked for.
#[test]
fn a_late_start_tells_what_is_certain_from_a_guess() {
    let Some(h) = Host::ruled("a_late_start_tells_what_is_certain_from_a_guess") else { return };
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
    for s in ["kt-noted", "kt-alike", "kt-lied"] {
        h.script(s, "exit 0");
    }
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
    assert_eq!(h.names(), ["kt-noted"]);
    let up = h.killer(&["up", "--rules", "--guess"]);
    assert!(up.ok().stderr.contains("'kt-alike' is adopted by a guess"), "{up}");
    assert_eq!(h.names(), ["kt-alike", "kt-noted"]);
    let unsure = |name: &str| {
        h.killer(&["status", "-o", "json", name]).json()["exactness"].to_string().contains("adopt-unsure")
    };
    assert!(unsure("kt-alike") && !unsure("kt-noted"));
    h.killer(&["-s", "KILL", "kt-alike", "kt-noted"]).ok();
    all.iter_mut().for_each(|c| drop(c.wait()));
}
