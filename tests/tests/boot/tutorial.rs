//! `docs/TUTORIAL.md`, typed line by line as it stands there: on a host where services run already that nobody has named.

use crate::jobs::Job;
use crate::machine::{Machine, SOON};
use crate::rules::{OLD, in_force};
use killer_tests::{Pidfd, eventually, names_pid, skip};

const PAGE: &str = include_str!("../../../docs/TUTORIAL.md");

/// The commands of the page with the exit codes that it names: every line of its blocks.
fn commands() -> Vec<(&'static str, i32)> {
    let blocks = PAGE.lines().filter_map(|l| l.strip_prefix("    ")).filter(|l| !l.is_empty());
    let parts = blocks.map(|l| l.split_once("  #").unwrap_or((l, "")));
    let code = |note: &str| note.split_once("exit code ").and_then(|(_, rest)| rest.get(..1)?.parse().ok());
    parts.map(|(line, note)| (line.trim_end(), code(note).unwrap_or(0))).collect()
}

/// Runs a line by `step`, and looks at what the page promises of it beyond its exit code.
fn shown(m: &Machine, line: &str, step: &mut dyn FnMut() -> String) {
    let job = line.starts_with("killer cron").then(|| Job::of_cron(m, 4331));
    let left = line.starts_with("service apache2 stop").then(|| m.cgi_leaves(4332));
    let of = |name: &str| m.main_of(name).and_then(Pidfd::open);
    let (cron, apache, sshd) = (of("cron"), of("apache2"), m.main("ssh"));
    let said = step();
    match line {
        "killer cron" | "killer -s SIGKILL cron" | "killer stop cron" => {
            assert!(cron.expect("cron ran").ends_within(SOON), "{line}: cron lives on: {said}");
            assert!(job.is_none_or(|j| j.process.ends_within(SOON)), "{line}: a job lives on: {said}");
        }
        "killer -s HUP --kill-who=main cron" => assert!(cron.expect("cron ran").alive(), "{line}: {said}"),
        "service cron start" | "service cron restart" => drop(m.main("cron")),
        "killer list" => assert!(said.contains("cron") && said.contains("ssh"), "{line}: {said}"),
        "killer tree cron" => assert!(names_pid(&said, m.main("cron")), "{line}: {said}"),
        "service apache2 stop" => {
            assert!(apache.expect("apache2 ran").ends_within(SOON), "{line}: {said}");
            assert!(left.expect("a left-over").alive(), "{line}: it has reached the left-over");
        }
        "killer status apache2" => assert!(said.contains("Found left-over process"), "{line}: {said}"),
        "killer -s KILL --whom=leftover apache2" => {
            assert!(eventually(SOON, || m.sh("pgrep -x -f 'sleep 4332'").code == 1), "{line}: {said}");
            assert!(apache.is_some_and(|p| p.alive()), "{line}: apache2 has ended: {said}");
            m.answers();
        }
        _ => {}
    }
    assert_eq!(m.main("ssh"), sshd, "{line}: sshd is another");
}

#[test]
fn every_command_of_the_page_does_what_it_says() {
    let test = "every_command_of_the_page_does_what_it_says";
    let Some(m) = Machine::here(test) else { return };
    let commands = commands();
    assert!(commands.len() > 15, "{commands:?}");
    for (line, code) in commands {
        let mut old = false;
        shown(&m, line, &mut || {
            let said = m.sh(line);
            old = line.starts_with("killer up --rules") && said.code == 1 && !in_force(&m);
            assert!(old || said.code == code, "{line}: {} {}", said.code, said.text);
            said.text
        });
        if old {
            return skip(test, OLD);
        }
    }
}
