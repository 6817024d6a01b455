//! `killer top` as a person has it: keys into a terminal of tmux, and what stands on its screen.

mod picture;
mod screen;

use killer_tests::{Launch, eventually};
use rustix::process::Signal;

use screen::{SOON, Screen, chosen, world};

#[test]
fn a_service_is_shown_with_its_tree() {
    let Some(env) = world("a_service_is_shown_with_its_tree") else { return };
    let Some(svc) = Launch::new("plain").service(&env, "svc") else { return };
    let screen = Screen::new(&env, &[], &[]);
    let text = screen.shows(&["killer top: 1 service, 2 processes", "> svc", "q quit"]);
    let line = chosen(&text, "svc").expect("the line");
    let words: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(words[2..6], ["live", &svc.fact("pid").to_string(), "2", "2"], "{text}");
    assert!(text.contains("svc: exact") && line.ends_with("yes"), "{text}");
    assert!(text.lines().all(|l| l.chars().count() <= 80), "{text}");
    // Rates are known from the second look on.
    let rates = || chosen(&screen.text(), "svc").is_some_and(|l| !l.contains(" - "));
    assert!(eventually(SOON, rates), "{}", screen.text());
    screen.keys(&["Enter"]);
    let (main, child) = (svc.fact("pid"), svc.fact("child"));
    screen.shows(&["tree of svc", &format!("└─{main} "), &format!("└─{child} "), "[main]"]);
    screen.keys(&["j", "w"]);
    screen.shows(&[&format!("why {child}"), "of service svc"]);
    screen.keys(&["Escape"]);
    screen.shows(&["tree of svc"]);
    screen.keys(&["q", "?"]);
    screen.shows(&["keys and columns", "PgUp"]);
    screen.keys(&["q", "q"]);
    screen.shows(&["ENDED 0"]);
    screen.is_given_back();
    env.killer(["-KILL", "svc"]).ok();
    svc.assert_dead();
}

#[test]
fn a_signal_is_sent_after_a_yes_and_not_before() {
    let Some(env) = world("a_signal_is_sent_after_a_yes_and_not_before") else { return };
    let Some(other) = Launch::new("plain").service(&env, "other") else { return };
    let Some(svc) = Launch::new("term-ignored").service(&env, "svc") else { return };
    let screen = Screen::new(&env, &[], &[]);
    screen.shows(&["> other", "  svc"]);
    screen.keys(&["j"]);
    screen.shows(&["> svc"]);
    for no in ["n", "Escape", "Enter", "q", "x"] {
        screen.keys(&["s"]);
        screen.shows(&["signal for svc"]);
        screen.keys(&["KILL", "Enter"]);
        screen.shows(&["of svc with KILL? y/n"]);
        screen.keys(&[no]);
        screen.shows(&["nothing was done", "q quit"]);
    }
    screen.keys(&["s", "NOPE", "Enter"]);
    screen.shows(&["NOPE", "nothing was done"]);
    svc.assert_alive();
    screen.keys(&["s", "kill", "Enter"]);
    screen.shows(&["of svc with KILL? y/n"]);
    screen.keys(&["y"]);
    screen.shows(&["svc: ", "signalled in"]);
    svc.assert_dead();
    other.assert_alive();
    // As the command does it: with a receipt.
    let kept = env.killer(["receipts", "-o", "json"]).ok().json();
    let kept = kept["receipts"].as_array().expect("receipts");
    assert_eq!(kept.iter().filter(|r| r["service"] == "svc").count(), 1, "{kept:?}");
    // The line is that of a service that has ended, and nothing is asked about nobody's processes by mistake.
    screen.shows(&["ended"]);
    env.killer(["-KILL", "other"]).ok();
    other.assert_dead();
}

#[test]
fn another_service_of_that_name_is_not_meant() {
    let Some(env) = world("another_service_of_that_name_is_not_meant") else { return };
    let Some(old) = Launch::new("plain").service(&env, "svc") else { return };
    // So seldom it looks that it does not see what happens meanwhile.
    let screen = Screen::new(&env, &[], &["--interval=1h"]);
    screen.shows(&["> svc"]);
    screen.keys(&["s", "KILL", "Enter"]);
    screen.shows(&["of svc with KILL? y/n"]);
    env.killer(["-KILL", "--wait", "svc"]).ok();
    old.assert_dead();
    env.killer(["forget", "svc"]).ok();
    let Some(new) = Launch::new("plain").service(&env, "svc") else { return };
    screen.keys(&["y"]);
    screen.shows(&["not the service any more that was shown"]);
    new.assert_alive();
    env.killer(["-KILL", "svc"]).ok();
    new.assert_dead();
}

#[test]
fn a_service_is_frozen_and_let_go() {
    let Some(env) = world("a_service_is_frozen_and_let_go") else { return };
    let Some(svc) = Launch::new("plain").service(&env, "svc") else { return };
    let state = || env.killer(["list", "-o", "json"]).ok().json()["services"][0]["state"].to_string();
    let screen = Screen::new(&env, &[], &["s*"]);
    screen.shows(&["> svc"]);
    screen.keys(&["f"]);
    screen.shows(&["freeze 2 processes of svc? y/n"]);
    screen.keys(&["n"]);
    screen.shows(&["nothing was done"]);
    assert_eq!(state(), "\"live\"");
    screen.keys(&["f", "y"]);
    screen.shows(&["frozen"]);
    assert_eq!(state(), "\"frozen\"");
    screen.keys(&["f"]);
    screen.shows(&["let 2 processes of svc go on? y/n"]);
    screen.keys(&["y"]);
    let live = || chosen(&screen.text(), "svc").is_some_and(|l| l.contains(" live "));
    assert!(eventually(SOON, live), "{}", screen.text());
    env.killer(["-KILL", "svc"]).ok();
    svc.assert_dead();
}

#[test]
fn it_does_without_programs() {
    for tier in ["named", "scan"] {
        let Some(_) = world("it_does_without_programs") else { return };
        let test = format!("it_does_without_programs, {tier}");
        let Some(env) = killer_tests::TestEnv::without_programs(&test, tier, None) else { return };
        let Some(svc) = Launch::new("plain").service(&env, "svc") else { return };
        let screen = Screen::new(&env, &[], &[]);
        let text = screen.shows(&["> svc", "killer top: 1 service, 2 processes"]);
        assert!(text.contains(&format!("tier {tier}")), "{text}");
        screen.keys(&["t"]);
        screen.shows(&["tree of svc", &svc.fact("child").to_string()]);
        screen.keys(&["s", "KILL", "Enter"]);
        screen.shows(&["signal 2 processes of svc with KILL? y/n"]);
        screen.keys(&["y"]);
        screen.shows(&["signalled in"]);
        svc.assert_dead();
    }
}

#[test]
fn what_members_write_is_not_obeyed() {
    let Some(env) = world("what_members_write_is_not_obeyed") else { return };
    let evil = "\u{1b}[2J\u{1b}]0;owned\u{7}\u{9b}31m\u{202e}end";
    env.killer(["run", "--name", "evil", "--detach", "--", "sh", "-c", "sleep 60; :", evil]).ok();
    let screen = Screen::new(&env, &[], &[]);
    screen.shows(&["> evil"]);
    screen.keys(&["t"]);
    screen.shows(&["tree of evil", "\\x1b[2J\\x1b]0;owned\\x07\\u{9b}31m\\u{202e}end"]);
    let title = screen.ask(&["display-message", "-p", "#{pane_title}"]);
    assert!(!title.contains("owned"), "{title}");
    screen.keys(&["w"]);
    screen.shows(&["of service evil", "\\x1b[2J"]);
    env.killer(["-KILL", "evil"]).ok();
}

#[test]
fn terminals_of_old_are_enough() {
    let Some(env) = world("terminals_of_old_are_enough") else { return };
    let Some(svc) = Launch::new("plain").service(&env, "svc") else { return };
    env.killer(["freeze", "svc"]).ok();
    for (term, color) in [("vt100", false), ("linux", true), ("linux", false)] {
        // The harness sets NO_COLOR; an empty one says nothing.
        let vars = [("TERM", term), ("LC_ALL", "C"), ("NO_COLOR", if color { "" } else { "1" })];
        let screen = Screen::new(&env, &vars, &[]);
        screen.shows(&["> svc"]);
        screen.keys(&["t"]);
        let text = screen.shows(&["tree of svc", "`-"]);
        assert!(text.is_ascii(), "{term}: {text}");
        let painted = screen.ask(&["capture-pane", "-p", "-e"]);
        assert_eq!(painted.contains("\u{1b}[33m"), color, "{term}: {painted:?}");
        screen.keys(&["q", "q"]);
        screen.is_given_back();
    }
    let dumb = Screen::new(&env, &[("TERM", "dumb")], &[]);
    dumb.shows(&["top needs a terminal", "TERM", "ENDED 2"]);
    drop(dumb);
    env.killer(["top"]).error(2, &["terminal", "killer list"]);
    env.killer(["top", "--interval=0"]).error(2, &["--interval", "100ms"]);
    env.killer(["top", "-o", "json"]).error(2, &["JSON", "killer list"]);
    env.killer(["-KILL", "svc"]).ok();
    svc.assert_dead();
}

#[test]
fn any_size_is_bearable() {
    let Some(env) = world("any_size_is_bearable") else { return };
    let Some(svc) = Launch::new("plain").service(&env, "svc") else { return };
    let screen = Screen::new(&env, &[], &[]);
    screen.shows(&["> svc", "TASKS"]);
    for (x, y, words) in [
        ("40", "10", &["too small", "q quits"][..]),
        ("60", "12", &["> svc", "RSS", "q quit"]),
        ("8", "2", &["too"]),
        ("200", "50", &["> svc", "TASKS", "o order"]),
    ] {
        screen.ask(&["resize-window", "-x", x, "-y", y]);
        screen.shows(words);
    }
    screen.keys(&["t"]);
    screen.shows(&["tree of svc"]);
    screen.ask(&["resize-window", "-x", "40", "-y", "10"]);
    screen.shows(&["too small"]);
    screen.ask(&["resize-window", "-x", "80", "-y", "24"]);
    screen.shows(&["tree of svc"]);
    screen.keys(&["q", "q"]);
    screen.is_given_back();
    env.killer(["-KILL", "svc"]).ok();
    svc.assert_dead();
}

#[test]
fn the_terminal_is_given_back() {
    let Some(env) = world("the_terminal_is_given_back") else { return };
    for signal in [Signal::TERM, Signal::INT, Signal::HUP, Signal::QUIT] {
        let screen = Screen::new(&env, &[], &[]);
        screen.shows(&["killer top:"]);
        screen.killer().signal(signal);
        screen.shows(&["ENDED 0"]);
        screen.is_given_back();
    }
    let screen = Screen::new(&env, &[], &[]);
    screen.shows(&["killer top:"]);
    screen.keys(&["C-c"]);
    screen.shows(&["ENDED 0"]);
    screen.is_given_back();
}

#[test]
fn it_is_suspended_and_goes_on() {
    let Some(env) = world("it_is_suspended_and_goes_on") else { return };
    let script = r#"set -m; "$@"; echo "ENDED $?"; echo STTY $(stty -a); read -r _; clear; fg; echo "AGAIN $?"; sleep 60"#;
    for by_key in [true, false] {
        let screen = Screen::script(&env, script, &[], (80, 24), &[]);
        screen.shows(&["killer top:", "q quit"]);
        match by_key {
            true => screen.keys(&["C-z"]),
            false => screen.killer().signal(Signal::TSTP),
        }
        screen.shows(&["ENDED"]);
        screen.is_given_back();
        screen.keys(&["Enter"]);
        screen.shows(&["killer top:", "q quit"]);
        screen.keys(&["?"]);
        screen.shows(&["keys and columns"]);
        screen.keys(&["q", "q"]);
        screen.shows(&["AGAIN 0"]);
    }
}

#[test]
fn a_tracker_that_goes_is_told() {
    let Some(env) = world("a_tracker_that_goes_is_told") else { return };
    let env = env.alone();
    let screen = Screen::new(&env, &[], &["--interval=200ms"]);
    screen.shows(&["no tracker is loaded"]);
    let Some(svc) = Launch::new("plain").service(&env, "svc") else { return };
    screen.shows(&["> svc"]);
    env.killer(["-KILL", "svc"]).ok();
    svc.assert_dead();
    env.killer(["down", "--force"]).ok();
    screen.shows(&["no tracker is loaded", "nothing is tracked"]);
    screen.keys(&["q"]);
    screen.shows(&["ENDED 0"]);
}

#[test]
fn a_terminal_that_takes_nothing_holds_nobody_up() {
    let Some(env) = killer_tests::TestEnv::reusing("a_terminal_that_takes_nothing_holds_nobody_up") else {
        return;
    };
    let Some(svc) = Launch::new("plain").service(&env, "svc") else { return };
    for hangs_up in [false, true] {
        let (main, line) = screen::pty();
        let mut command = env.command();
        command.arg("top").env("TERM", "vt100");
        let stdio = |fd: &std::os::fd::OwnedFd| fd.try_clone().expect("a descriptor");
        let mut child = command.stdin(stdio(&line)).stdout(stdio(&line)).spawn().expect("killer top");
        drop((command, line));
        let top = killer_tests::Pidfd::open(child.id() as i32).expect("our own child");
        // Each ^L is a whole screen, which nobody reads.
        let draws = || rustix::io::write(&main, &[0x0c; 64]).is_ok() && asleep_in_a_poll(child.id());
        assert!(eventually(SOON, || draws() && draws() && draws()), "it does not wait for the terminal");
        assert!(top.alive());
        env.killer(["list"]).ok();
        env.killer(["-s", "WINCH", "svc"]).ok();
        if hangs_up {
            drop(main);
        } else {
            top.signal(Signal::TERM);
        }
        assert!(top.ends_within(SOON), "it waits for a terminal for ever");
        child.wait().expect("wait");
    }
    env.killer(["-KILL", "svc"]).ok();
    svc.assert_dead();
}

/// It sleeps; what for cannot be told by /proc on every kernel.
fn asleep_in_a_poll(pid: u32) -> bool {
    killer_tests::proc_state(pid as i32) == Some('S')
}
