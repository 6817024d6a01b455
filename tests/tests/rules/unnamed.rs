//! Reasons of the host: why a service may run without its name.

use std::time::Duration;

use killer_tests::RuledHost;
use killer_tests::stepper::{self, Act};

use crate::named::{DAEMON, run};

/// Execs that no hook has seen are a reason of the host: it is told once, with the figure, and is none against a service that has
/// its name. Where the hook is there twice, it is told of those only that both may have missed. The figures are a tracer's.
#[test]
fn execs_that_no_hook_has_seen_are_said() {
    let typed = [("KILLER_TIER", "typed")];
    let Some(h) = RuledHost::ruled("execs_that_no_hook_has_seen_are_said", &typed) else { return };
    h.script("lost", "exit 0");
    run(&h.script("web", DAEMON), &["start"]);
    let traced = |names: &'static [&'static str], args: &[&str]| {
        let mut command = h.env.command();
        command.args(args);
        stepper::traced(&h.env, command, Duration::from_secs(30), |_| Act::Skipped(names, 3)).out
    };
    let counted = |names| {
        let list = traced(names, &["list", "-o", "json"]).ok().json();
        assert_eq!(list["services"][0]["exactness"]["exact"], true, "{list}");
        let reasons = list["host_reasons"].as_array().expect("reasons of the host");
        let its = reasons.iter().find(|r| r["code"] == "missed-exec");
        its.map_or(0, |r| r["count"].as_u64().expect("a count"))
    };
    // From 7.0 on the kernel may have skipped some by itself.
    let before = counted(&[]);
    let both = &["on_rule", "on_rule_again"];
    assert!(counted(both) >= before + 3, "{before}");
    if killer_tests::kernel_number() >= (7, 0) && before == 0 {
        assert_eq!(counted(&both[..1]), 0, "the copy has seen them");
    }
    for args in [&["list"][..], &["doctor"], &["rule", "list"], &["-KILL", "--who=all", "lost"]] {
        let out = traced(both, args);
        out.ok();
        let said = format!("{}{}", out.stdout, out.stderr);
        assert_eq!(said.matches("missed-exec").count(), 1, "{args:?}: {said}");
        assert!(said.contains("3 execs") || before > 0, "{args:?}: {said}");
        let silent = h.killer(args);
        silent.ok();
        let said = format!("{}{}", silent.stdout, silent.stderr);
        assert!(!said.contains("missed-exec") || before > 0, "{args:?}: {said}");
    }
    h.killer(&["-KILL", "--wait", "web"]).ok();
}

/// Rules whose hook is gone open nothing, and that is said.
#[test]
fn rules_without_their_hooks_are_said() {
    let Some(h) = RuledHost::ruled("rules_without_their_hooks_are_said", &[]) else { return };
    let codes = || h.killer(&["list", "-o", "json"]).ok().json()["host_reasons"].to_string();
    assert_eq!(codes(), "[]");
    for link in ["on_rule", "on_rule_again", "on_rule_open"] {
        let _ = std::fs::remove_file(h.env.pin_root.join("v1/links").join(link));
    }
    assert!(codes().contains("rules-detached"), "{}", codes());
    for args in [&["list"][..], &["doctor"], &["rule", "list"]] {
        let out = h.killer(args);
        assert_eq!(out.stdout.matches("rules-detached").count(), 1, "{args:?}: {out}");
    }
}
