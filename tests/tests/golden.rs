//! What people and programs read, word for word: help, errors, formats. `SNAPSHOTS=overwrite` rewrites the files.

use std::sync::atomic::{AtomicU32, Ordering};

use killer_tests::{Golden, Launch, Service, TestEnv};

static NEXT: AtomicU32 = AtomicU32::new(0);

const VERBS: &[&str] = &[
    "run",
    "exec",
    "stop",
    "freeze",
    "thaw",
    "capture",
    "verify-capture",
    "adopt",
    "wait",
    "list",
    "status",
    "tree",
    "why",
    "watch",
    "verify",
    "set-main",
    "forget",
    "rename",
    "rule",
    "up",
    "down",
    "install-boot",
    "receipts",
    "ledger",
    "serve",
    "doctor",
    "metrics",
    "selftest",
    "generate",
];

fn world(test: &str) -> Option<(TestEnv, Golden)> {
    let env = TestEnv::new(test)?;
    let mut golden = Golden::default();
    golden.known(env.pin_root.display(), "PINS").known(env.dir.path().display(), "DIR");
    golden.known(killer_tests::adversary().display(), "ADVERSARY");
    golden.known(std::process::id(), "TEST");
    Some((env, golden))
}

fn service(env: &TestEnv, golden: &mut Golden) -> Option<Service> {
    // A name of its own: other tests run adversaries at the same time.
    let comm = format!("g-{}", NEXT.fetch_add(1, Ordering::Relaxed) + std::process::id());
    let program = env.path(&comm);
    std::fs::copy(killer_tests::adversary(), &program).expect("a copy of the adversary");
    let service = Launch::new("plain").program(&program).service(env, "svc")?;
    golden.known(service.fact("pid"), "MAIN").known(service.fact("child"), "CHILD").known(comm, "COMM");
    let command = std::fs::read(format!("/proc/{}/cmdline", service.fact("pid"))).expect("command line");
    let deadline = command.split(|b| *b == 0).nth(4).expect("deadline");
    golden.known(String::from_utf8_lossy(deadline), "DEADLINE");
    // What the kernel has decides these.
    let status = env.killer(["status", "-o", "json", "svc"]).ok().json();
    golden.known(format!("tier {}", status["tier"].as_str().expect("a tier")), "TIER");
    Some(service)
}

#[test]
fn help() {
    let Some((env, golden)) = world("help") else { return };
    golden.check("help", env.killer(["--help"]).ok());
    golden.check("help-short", env.killer(["-h"]).ok());
    for verb in VERBS {
        golden.check(&format!("help-{verb}"), env.killer([verb, "--help"]).ok());
    }
}

#[test]
fn errors() {
    let Some((env, mut golden)) = world("errors") else { return };
    let Some(service) = service(&env, &mut golden) else { return };
    let cases: &[(&str, &[&str])] = &[
        ("unknown-name", &["svd"]),
        ("bad-schedule", &["stop", "--retry", "30/TERM", "svc"]),
        ("freeze-unknown", &["freeze", "svd"]),
        ("bad-newborns", &["--newborns=some", "svc"]),
        ("unknown-signal", &["-s", "NOPE", "svc"]),
        ("unknown-whom", &["--whom=everybody", "svc"]),
        ("unknown-option", &["--no-such-option", "svc"]),
        ("bad-span", &["--wait=5parsecs", "svc"]),
        ("bad-value", &["--value=1", "svc"]),
        ("nobody-there", &["--whom=control-fail", "svc"]),
        ("name-taken", &["run", "--name", "svc", "--", "true"]),
        ("not-found", &["run", "--name", "other", "--", "/no/such/program"]),
        ("not-executable", &["run", "--name", "other", "--", "/"]),
        ("unknown-user", &["run", "--name", "other", "--user", "no-such-user-here", "--", "true"]),
        ("bad-name", &["run", "--name", "a\u{1b}b", "--", "true"]),
        ("kernel-thread", &["adopt", "other", "--pid", "2"]),
        ("init", &["adopt", "other", "--pid", "1"]),
        ("no-pidfile", &["adopt", "other", "--pidfile", "/no/such/file"]),
        ("forget-live", &["forget", "svc"]),
        ("down-busy", &["down"]),
        ("survivors", &["-s", "WINCH", "--wait=200ms", "svc"]),
        ("nothing", &[]),
    ];
    for (name, args) in cases {
        golden.check(&format!("error-{name}"), &env.killer(*args));
    }
    env.killer(["-KILL", "svc"]).ok();
    service.assert_dead();
}

#[test]
fn formats() {
    let Some((env, mut golden)) = world("formats") else { return };
    let Some(service) = service(&env, &mut golden) else { return };
    let cases: &[(&str, &[&str])] = &[
        ("list", &["list"]),
        ("list-json", &["list", "-o", "json"]),
        ("status", &["status", "svc"]),
        ("status-json", &["status", "-o", "json", "svc"]),
        ("tree", &["tree", "svc"]),
        ("tree-json", &["tree", "-o", "json", "svc"]),
        ("tree-dot", &["tree", "-o", "dot", "svc"]),
        ("tree-mermaid", &["tree", "-o", "mermaid", "svc"]),
        ("verify", &["verify", "svc"]),
        ("verify-json", &["verify", "-o", "json", "svc"]),
        ("dry-run", &["--dry-run", "-KILL", "svc"]),
        ("dry-run-json", &["--dry-run", "-o", "json-pretty", "svc"]),
        ("freeze", &["freeze", "svc"]),
        ("list-frozen", &["list"]),
        ("thaw-json", &["thaw", "-o", "json-pretty", "svc"]),
        ("verbose", &["-v", "-s", "WINCH", "svc"]),
        ("signals", &["-l"]),
        ("signals-table", &["-L"]),
        ("kill-json", &["-o", "json-pretty", "-KILL", "--wait", "svc"]),
        ("stop-nothing-json", &["stop", "-o", "json-pretty", "svc"]),
        ("kill-nobody-json", &["-o", "json-pretty", "-KILL", "svc"]),
        ("status-dead", &["status", "svc"]),
        ("list-dead", &["list"]),
    ];
    for (name, args) in cases {
        golden.check(&format!("format-{name}"), &env.killer(*args));
    }
    service.assert_dead();
}

#[test]
fn schema() {
    let Some((env, golden)) = world("schema") else { return };
    golden.check("schema", env.killer(["generate", "schema"]).ok());
}

#[test]
fn rules() {
    let Some(mut env) = TestEnv::without_programs("rules", "scan", None) else { return };
    let root = killer_tests::of_root("killer-rules-");
    let mode = |path: &std::path::Path, m| {
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(m)).expect("chmod");
    };
    mode(root.path(), 0o755);
    env.vars.push(("KILLER_RULES_ROOT", Box::leak(root.path().display().to_string().into_boxed_str())));
    let write = |path: &str, text: &str| {
        let at = root.path().join(path);
        std::fs::create_dir_all(at.parent().expect("a parent")).expect("directories");
        std::fs::write(&at, text).expect("a file");
        mode(&at, 0o755);
        at.display().to_string()
    };
    let script = write(
        "etc/init.d/cron",
        "#!/bin/sh\n### BEGIN INIT INFO\n# Provides: cron crond\n### END INIT INFO\n",
    );
    write("etc/init.d/README", "");
    write("etc/sv/web/run", "#!/bin/sh\n");
    let own = "[[rule]]\nprogram = \"/opt/my/d\"\nname = \"my\"\naliases = [\"mine\"]\npidfile = \"/run/my.pid\"\nstop = \"/opt/my/ctl stop\"\n";
    write("etc/killer/rules.d/my.toml", own);
    write("etc/killer/rules.d/none.toml", "# nothing\n");
    let mut golden = Golden::default();
    golden.known(root.path().display(), "ROOT");
    golden.check("rule-list", env.killer(["rule", "list"]).ok());
    golden.check("rule-list-json", env.killer(["rule", "list", "-o", "json-pretty"]).ok());
    golden.check("rule-test", env.killer(["rule", "test", &script, "start"]).ok());
    golden.check("rule-test-nothing", env.killer(["rule", "test", &script, "stop"]).code(1));
    golden
        .check("rule-test-json", env.killer(["rule", "test", "-o", "json-pretty", &script, "stop"]).code(1));
    golden.check("rule-up-no-tier", &env.killer(["up", "--rules"]));
    write(
        "etc/killer/rules.d/bad.toml",
        "[[rule]]\nprogam = \"/a\"\n[[rule]]\nprogram = \"/opt/my/d\"\nuser = 3\n",
    );
    golden.check("rule-check", env.killer(["rule", "check"]).code(1));
    golden.check("rule-check-json", env.killer(["rule", "check", "-o", "json-pretty"]).code(1));
    golden.check("error-rule-load", &env.killer(["rule", "list"]));
}
