//! Names of processes are bytes: no UTF-8, parentheses, a newline.

use killer_tests::{Bystander, Launch, TestEnv};

/// As printf(1) writes them.
const NAMES: [&str; 3] = ["\\377", ")( 1", "a\\nb"];

/// Calls itself `$2`, has a byte in its arguments that is no UTF-8, and does not heed TERM.
const SCRIPT: &str = r#"if [ -z "$4" ]; then exec /bin/sh -c "$3" sh "$1" "$2" "$3" "$(printf 'here\377there')"; fi
    trap '' TERM
    printf "$2" > /proc/$$/comm
    echo ready main=$$ > $1
    while :; do sleep 0.2; done"#;

fn odd_names(env: Option<TestEnv>, test: &str, hidden: &[(libc::c_long, i32)], freezes: bool) {
    let Some(env) = env else { return };
    let bystander = Bystander::new(test);
    let killer = |args: &[&str]| {
        let mut command = env.command();
        command.args(args);
        super::without(&mut command, hidden);
        env.finish(command)
    };
    for name in NAMES {
        let launch = Launch::shell(SCRIPT).arg(name).arg(SCRIPT);
        let Some(service) = launch.service(&env, "svc") else { return };
        let main = service.fact("main");
        let tree = killer(&["tree", "-o", "json", "svc"]).ok().stdout.clone();
        assert!(tree.contains("here\\\\xffthere"), "no command line: {tree}");
        killer(&["tree", "svc"]).ok();
        let status = killer(&["status", "-o", "json", "svc"]).ok().json();
        assert!(killer_tests::pids(&status).contains(&main), "{status}");
        assert_eq!(status["main"]["pid"].as_i64(), Some(i64::from(main)), "{status}");
        // The programs know the name of the last exec.
        if name == "\\377" && ["named", "scan"].contains(&status["tier"].as_str().unwrap_or_default()) {
            assert_eq!(status["main"]["comm"].as_str(), Some("\\xff"), "{status}");
        }
        killer(&["verify", "svc"]).ok();
        // Whichever program is this host's sh.
        let sh = std::fs::read_link(format!("/proc/{main}/exe")).expect("its program");
        let whom = format!("--whom=exe:*{}", sh.file_name().unwrap_or_default().to_string_lossy());
        let picked = killer(&["-n", "-s", "KILL", &whom, "svc"]).ok().stdout.clone();
        assert!(killer_tests::names_pid(&picked, main), "{picked}");
        if freezes {
            killer(&["freeze", "svc"]).ok();
            killer(&["thaw", "svc"]).ok();
        }
        let left = killer(&["-s", "TERM", "--whom=main", "--wait=300ms", "svc"]);
        left.code(124);
        assert!(left.stderr.contains("alive in state"), "another reason: {left}");
        killer(&["-s", "KILL", "--wait", "svc"]).ok().silent();
        service.assert_dead();
        killer(&["forget", "svc"]).ok();
    }
    bystander.assert_untouched();
}

const NO_PIDFDS: [(libc::c_long, i32); 2] =
    [(libc::SYS_pidfd_open, libc::ENOSYS), (libc::SYS_pidfd_send_signal, libc::ENOSYS)];

#[test]
fn odd_names_with_programs() {
    let test = "odd_names_with_programs";
    odd_names(super::programs(test), test, &[], true);
}

#[test]
fn odd_names_with_named() {
    let test = "odd_names_with_named";
    odd_names(super::named(test), test, &[], false);
}

#[test]
fn odd_names_with_scan() {
    let test = "odd_names_with_scan";
    odd_names(super::scan(test), test, &[], false);
}

#[test]
fn odd_names_without_pidfds_with_programs() {
    let test = "odd_names_without_pidfds_with_programs";
    odd_names(super::programs(test), test, &NO_PIDFDS, false);
}

#[test]
fn odd_names_without_pidfds_with_named() {
    let test = "odd_names_without_pidfds_with_named";
    odd_names(super::named(test), test, &NO_PIDFDS, false);
}

#[test]
fn odd_names_without_pidfds_with_scan() {
    let test = "odd_names_without_pidfds_with_scan";
    odd_names(super::scan(test), test, &NO_PIDFDS, false);
}
