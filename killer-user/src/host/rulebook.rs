//! What the rules of the host know of a word that is no tracked service.

use super::failure::Failure;
use super::{rules, unnamed};
use crate::ending::Ending;
use crate::tier::Tracker;

/// The service that a word means, when a rule knows it. Rule files that are wrong know nobody: `killer rule check` says
/// what is wrong with them.
pub fn known(word: &str) -> Option<rules::Known> {
    rules::known(word).inspect_err(|f| log::info!("rules: {}", f.what)).ok().flatten()
}

/// What is said of one of which no process is tracked.
pub fn not_running(t: Option<&Tracker>, word: &str) -> Option<Failure> {
    let k = known(word)?;
    let f = Failure::new(Ending::Dead, format!("no process of '{word}' is tracked"));
    // It may be there without its name.
    let unnamed = t.map(unnamed::reasons).unwrap_or_default();
    let doubts: String = unnamed.iter().map(|r| format!("; {}: {}", r.code, r.text)).collect();
    let file = k.file.display();
    Some(
        f.why(format!("a rule knows '{}' ({file}), and nothing of it is tracked{doubts}", k.name))
            .next("'killer rule list' shows the rules; 'killer up --rules' adopts what ran before them"),
    )
}

/// True while the kernel opens instances by rules.
pub fn in_force(t: &Tracker) -> bool {
    t.rules().is_some_and(|r| r.opened().in_force)
}
