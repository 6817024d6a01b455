//! `rule list`: the rules on this host.

use std::path::Path;

use super::check::told;
use super::find::{Covered, Known, Trouble, by_stat, find};
use super::{place, source};
use crate::ending::Ending;
use crate::host::{Failure, Host, Tell, unnamed};
use crate::report::model::{Rule, Rules, RulesInForce, SCHEMA_VERSION, Uncovered};
use crate::rules::What;

/// The text of the built-in rules for this host.
pub fn built_in() -> Result<String, Failure> {
    Ok(source::defaults(&place::top()?))
}

/// All rules, as the files are now.
pub fn list(tell: &dyn Tell) -> Result<Rules, Failure> {
    let top = place::top()?;
    let wrong = |t| told(t, "what is in force stays in force", tell);
    let sources = source::read(&top, None).map_err(|w| wrong(Trouble::Wrong(w)))?;
    let found = find(&top, &sources, &by_stat).map_err(wrong)?;
    let off = sources.iter().filter(|s| s.rules.is_empty() && s.replaces.is_some());
    let (state, now, why) = match in_force() {
        Ok(Some(now)) => ("in-force", Some(now), None),
        Ok(None) => ("not-in-force", None, None),
        Err(f) => ("unknown", None, Some(f.why.map_or(f.what.clone(), |w| format!("{}: {w}", f.what)))),
    };
    Ok(Rules {
        version: SCHEMA_VERSION,
        kind: "rules",
        state,
        why,
        in_force: now,
        rules: found.rules.iter().map(rule).collect(),
        switched_off: off.map(|s| s.shown.clone()).collect(),
    })
}

/// What the kernel does by rules; `None`: none is in force.
///
/// # Errors
/// It cannot be asked.
pub fn in_force() -> Result<Option<RulesInForce>, Failure> {
    let Some(host) = Host::open()? else { return Ok(None) };
    if let Some(why) = host.passed_by() {
        return Err(Failure::new(Ending::NotPermitted, why).next("run it as root"));
    }
    let Some(rules) = host.rules() else { return Ok(None) };
    let o = rules.opened();
    if !o.in_force {
        return Ok(None);
    }
    Ok(Some(RulesInForce {
        by_file: rules.by_file(),
        opened: o.opened,
        given_back: o.given_back,
        no_slots: o.no_slots,
        skipped: o.skipped,
        host_reasons: unnamed::of(&o),
    }))
}

fn text(p: &Path) -> String {
    p.display().to_string()
}

fn rule(c: &Covered) -> Rule {
    let mut r = Rule {
        source: c.rule.paths().first().map_or(&c.rule.at, |p| &p.at).line(),
        origin: c.origin.word(),
        match_kind: c.rule.kind(),
        paths: c.rule.paths().iter().map(|p| text(&p.value)).collect(),
        user: c.rule.user.as_ref().map(|u| u.value.clone()),
        services: c.services.iter().map(|k: &Known| k.name.clone()).collect(),
        not_covered: c
            .uncovered
            .iter()
            .map(|(p, why)| Uncovered { path: text(p), text: why.clone() })
            .collect(),
        absent: c.absent.iter().map(|p| text(p)).collect(),
        ..Rule::default()
    };
    match &c.rule.what {
        What::Scripts { strip, except, .. } => {
            r.strip = Some(strip.text()).filter(|s| !s.is_empty());
            r.except = except.iter().map(|e| e.value.text()).collect();
        }
        What::Program(p) => {
            r.aliases = p.aliases.iter().map(|a| a.value.clone()).collect();
            r.pidfile = p.pidfile.as_deref().map(text);
            r.stop = p.stop.clone();
        }
        What::Argument { .. } | What::Shell { .. } | What::Run { .. } => {}
    }
    r
}
