//! Rule files: what is wrong with them, whose they are, what they say.

use std::os::unix::fs::{chown, symlink};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use killer_tests::{RuledHost, mode};

#[test]
fn every_mistake_is_told_with_its_line() {
    let Some(h) = RuledHost::bare("every_mistake_is_told_with_its_line") else { return };
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
    let Some(h) = RuledHost::bare("files_that_others_can_change_are_refused") else { return };
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
        // ELOOP, in the words of whichever libc.
        "(os error 40)",
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
    let Some(h) = RuledHost::bare("files_take_the_place_of_others") else { return };
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

/// Directories that are links to others are other words for them; service directories are looked at where they are.
#[test]
fn directories_may_have_several_names() {
    let Some(h) = RuledHost::bare("directories_may_have_several_names") else { return };
    h.script("cron", "exit 0");
    h.script("README", "");
    let links = [
        ("../init.d", "etc/rc.d/init.d"),
        ("/etc/sv/web", "etc/service/web"),
        ("/opt/x", "etc/service/x"),
        ("loop", "etc/sv/loop"),
    ];
    for d in ["etc/rc.d", "etc/service", "opt/x"] {
        std::fs::create_dir_all(h.path(d)).expect("a directory");
    }
    for run in ["etc/sv/web/run", "opt/x/run"] {
        mode(&h.write(run, "#!/bin/sh\n"), 0o755);
    }
    for (to, at) in links {
        symlink(to, h.path(at)).expect("a link");
    }
    let json = h.killer(&["rule", "list", "-o", "json"]).ok().json();
    let rules = json["rules"].as_array().expect("rules");
    assert_eq!(rules[0]["paths"], serde_json::json!(["/etc/init.d", "/etc/rc.d/init.d"]));
    assert_eq!(rules[0]["services"], serde_json::json!(["cron"]));
    assert_eq!(rules[0]["not_covered"].as_array().map(Vec::len), Some(1), "{json}");
    assert_eq!(rules[1]["services"], serde_json::json!(["web"]));
    let not = rules[1]["not_covered"].to_string();
    assert!(not.contains("run = \\\"/opt\\\"") && !not.contains("service/web"), "{json}");
}

#[test]
fn rules_are_added_and_removed_whole() {
    let Some(h) = RuledHost::bare("rules_are_added_and_removed_whole") else { return };
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

/// A disk without room, and one that is read-only: the words say so, and every file is as it was.
#[test]
fn what_cannot_be_written_changes_nothing() {
    let Some(h) = RuledHost::bare("what_cannot_be_written_changes_nothing") else { return };
    let within = |script: &str| {
        let make = "mount -t tmpfs -o size=64k,mode=755 tmpfs $2 && mkdir -p $2/etc/init.d && \
                    $1 -q rule add my --program /sbin/my && exec 2>&1 &&";
        let end = "; echo left: $(find $2/etc -type f)";
        let mut command = Command::new("unshare");
        let own = h.env.command();
        command.envs(own.get_envs().filter_map(|(k, v)| Some((k, v?))));
        command.args(["-m", "--", "sh", "-c", &format!("{make} {{ {script}; }}{end}"), "sh"]);
        let out = command.arg(killer_tests::killer()).arg(h.root.path()).output().expect("unshare");
        String::from_utf8_lossy(&out.stdout).into_owned()
    };
    let left = format!("left: {}\n", h.path("etc/killer/rules.d/my.toml").display());
    let fill = "cat /dev/zero >$2/filler 2>/dev/null";
    let said = within(&format!("{fill}; $1 rule add two --program /sbin/two; echo code $?"));
    assert!(
        ["two.toml could not be changed", "No space left", "make room", "code 1", &left]
            .iter()
            .all(|w| said.contains(w)),
        "{said}"
    );
    let ro = "mount -o remount,ro $2";
    let said = within(&format!(
        "{ro}; $1 rule add two --program /sbin/two; echo code $?; $1 rule remove my; echo code $?"
    ));
    assert!(
        ["two.toml could", "my.toml could", "Read-only", "remount,rw", &left]
            .iter()
            .all(|w| said.contains(w)),
        "{said}"
    );
    assert_eq!(said.matches("code 1\n").count(), 2, "{said}");
    // To take a file away needs no room.
    let said = within(&format!("{fill}; $1 -q rule remove my; echo code $?"));
    assert_eq!(said, "code 0\nleft:\n");
}

/// Files, directories and links that others change meanwhile: each look sees them whole, or says that they change.
#[test]
fn what_changes_while_it_is_read_is_said() {
    let Some(h) = RuledHost::bare("what_changes_while_it_is_read_is_said") else { return };
    for side in ["one", "two"] {
        h.write(&format!("etc/{side}/{side}"), "#!/bin/sh\n");
        mode(&h.path(&format!("etc/{side}/{side}")), 0o755);
    }
    let on = AtomicBool::new(true);
    std::thread::scope(|s| {
        s.spawn(|| {
            // It ends by itself, too, when a look has failed.
            let end = Instant::now() + Duration::from_secs(10);
            let mut side = ["one", "two"].into_iter().cycle();
            while on.load(Ordering::Relaxed) && Instant::now() < end {
                let side = side.next().expect("one of two");
                let _ = symlink(side, h.path("etc/next"));
                std::fs::rename(h.path("etc/next"), h.path("etc/init.d")).expect("rename");
                h.rules("x.toml", &format!("[[rule]]\nprogram = \"/sbin/{side}\"\n{}", "#\n".repeat(3000)));
                h.write("etc/one/README", side);
                std::fs::remove_file(h.path("etc/one/README")).expect("remove");
            }
        });
        for _ in 0..60 {
            let out = h.killer(&["rule", "list", "-o", "json"]);
            match out.exit() {
                0 => {
                    let said = out.json().to_string();
                    let seen = ["one", "two"].map(|s| said.contains(&format!("\"{s}\"")));
                    assert!(seen[0] || seen[1], "{said}");
                }
                1 => assert!(out.stderr.contains("changes while it is read"), "{out}"),
                _ => panic!("{out}"),
            }
        }
        on.store(false, Ordering::Relaxed);
    });
}

#[test]
fn what_an_exec_would_do_is_said_with_the_reason() {
    let Some(h) = RuledHost::bare("what_an_exec_would_do_is_said_with_the_reason") else { return };
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
    // From a user namespace of somebody else's no file is root's, the rules' neither: that is not what is wrong.
    let mut inside = Command::new("setpriv");
    inside.args(["--reuid=65534", "--regid=65534", "--clear-groups", "unshare", "-Ur"]).arg(&killer);
    inside.args(["rule", "test", &cron]).env("KILLER_RULES_ROOT", h.root.path());
    if let Ok(out) = inside.output()
        && !String::from_utf8_lossy(&out.stderr).starts_with("unshare:")
    {
        let text = [&*out.stdout, &out.stderr].concat();
        let text = String::from_utf8_lossy(&text);
        assert!(out.status.code() == Some(1) && text.contains("root of a user namespace"), "{text}");
    }
}

#[test]
fn tiers_without_rules_say_what_to_do() {
    let Some(h) = RuledHost::bare("tiers_without_rules_say_what_to_do") else { return };
    h.script("cron", "exit 0");
    h.killer(&["up", "--rules"]).error(1, &["no rule is in force", "the tier", "killer run --name NAME"]);
    h.killer(&["up", "--guess"]).error(2, &["--rules"]);
}
