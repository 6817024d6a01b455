//! Names and globs → roots: all of them, before anything is touched. A word that nobody has is refused as a whole: it may be a
//! mistyped verb, and what stands behind it would be signalled.

use super::failure::Failure;
use super::open::Host;
use super::unknown::{unknown, unknown_untracked};
use super::{certainty, elsewhere, instances, main_process, rulebook};
use crate::ask::Names;
use crate::ask::name;
use crate::lookup::{Root, registry};
use crate::report::{escape, message};
use crate::tier::Tracker;

/// What a word that nobody has may have been meant for.
#[derive(Clone, Debug)]
pub enum Meant {
    /// A verb of another tool, and what does that here.
    Foreign(String),
    /// Something else that is no service.
    Other(String),
}

/// Finds that out: the word, the other words, and the service whose name is like it.
pub type Guess<'a> = &'a dyn Fn(&str, &[&str], Option<&str>) -> Option<Meant>;

/// What the names are for, so that a refusal says what did not happen.
#[derive(Clone, Copy)]
pub enum For<'a> {
    /// A signal: a word may be a verb.
    Signal(Guess<'a>),
    /// A verb that does something to services.
    Verb,
    /// The same, to each instance by itself.
    Each,
    /// A verb that only looks.
    Look,
}

/// What the words stand for.
#[derive(Debug)]
pub struct Resolved {
    /// Each root once, in the order of the words.
    pub roots: Vec<Root>,
    /// Likewise those that other tiers keep.
    pub elsewhere: Vec<(Host, Vec<Root>)>,
    /// The words that nobody has; only with `--keep-going`.
    pub unknown: Option<Failure>,
    /// These words.
    pub nobody: Vec<String>,
    /// What is said with `-v`.
    pub remarks: Vec<String>,
    /// What is said.
    pub warnings: Vec<String>,
    /// More than one literal name: documents are a list.
    pub several: bool,
}

/// Opens the tracker for a verb with names, and finds all of them. Errors: what opening says; code 4 for a word that
/// nobody has, nothing has been done then.
pub fn find(names: &Names, what: For<'_>) -> Result<(Host, Resolved), Failure> {
    let t = Host::open()?.ok_or_else(|| none(names, what))?;
    let r = resolve(&t, names, what)?;
    Ok((t, r))
}

/// Opens the tracker and finds a service by its exact name.
pub fn find_one(word: &str) -> Result<(Host, Root), Failure> {
    let t = Host::open()?.ok_or_else(|| unknown_untracked(word))?;
    let here = registry::named(&t, word);
    let mut found = None;
    if !here.as_ref().is_some_and(|r| elsewhere::lives(&t, r)) {
        found = elsewhere::named(&t, word)?.filter(|(o, r)| here.is_none() || elsewhere::lives(o, r));
    }
    let (t, r) = match (found, here) {
        (Some(found), _) => found,
        (None, Some(r)) => (t, r),
        (None, None) => return Err(unknown(&t, word)),
    };
    main_process::settle(&t, &r);
    Ok((t, r))
}

/// The innermost service that a process is a member of.
pub fn of_process(t: &Tracker, pid: u32) -> Result<Option<Root>, Failure> {
    let member = t.member(pid)?;
    Ok(member.and_then(|m| registry::in_slot(t, m.root)).filter(|r| !registry::is_given_up(r)))
}

impl Resolved {
    /// Every root, beside what keeps it.
    pub fn each<'a>(&'a self, t: &'a Tracker) -> impl Iterator<Item = (&'a Tracker, &'a Root)> {
        let others = self.elsewhere.iter().flat_map(|(o, roots)| roots.iter().map(move |r| (&**o, r)));
        self.roots.iter().map(move |r| (t, r)).chain(others)
    }

    /// The roots that one of the trackers keeps.
    pub fn of(&self, t: &Tracker) -> &[Root] {
        let other = self.elsewhere.iter().find(|(o, _)| std::ptr::eq::<Tracker>(&**o, t));
        other.map_or(&self.roots, |(_, roots)| roots)
    }
}

/// The roots of one tracker that a word stands for.
fn meant(t: &Tracker, all: &[Root], word: &str) -> Vec<Root> {
    match registry::named(t, word) {
        Some(r) => vec![r],
        None if name::is_glob(word) => all.iter().filter(|r| name::matches(word, &r.name)).cloned().collect(),
        None => Vec::new(),
    }
}

/// What a word that no root has stands for by the rules: the service that it is an alias of; one that does not run is
/// nobody, to whom anything can be done.
fn by_rule(t: &Tracker, word: &str, what: For<'_>) -> Option<Root> {
    let known = rulebook::known(word)?;
    let acts = !matches!(what, For::Look) && rulebook::in_force(t);
    registry::named(t, &known.name).or_else(|| acts.then(|| registry::nobody(&known.name)))
}

/// Adds what a word stands for in other tiers; true when there was something. What has ended counts where nobody else has it.
fn add(more: &mut [(Host, Vec<Root>)], word: &str, ended: bool) -> bool {
    let mut some = false;
    for (o, their) in more {
        for r in meant(o, &registry::all(o), word) {
            if ended || name::is_glob(word) || elsewhere::lives(o, &r) {
                some = true;
                main_process::settle(o, &r);
                if !their.iter().any(|x| x.slot == r.slot) {
                    their.push(r);
                }
            }
        }
    }
    some
}

/// Roots for every word, or a failure when a word stands for none. With `keep_going` the failure comes back beside the roots.
pub fn resolve(t: &Tracker, names: &Names, what: For<'_>) -> Result<Resolved, Failure> {
    let mut nobody: Vec<&str> = Vec::new();
    let all = registry::all(t);
    // What is alive here need not be looked for elsewhere.
    let here = |w: &str| registry::named(t, w).is_some_and(|r| elsewhere::lives(t, &r));
    let others = match names.words.iter().all(|w| here(w)) {
        true => Vec::new(),
        false => elsewhere::trackers(t)?.0,
    };
    let mut roots: Vec<Root> = Vec::new();
    let mut more: Vec<(Host, Vec<Root>)> = others.into_iter().map(|o| (o, Vec::new())).collect();
    for word in &names.words {
        let mut found = meant(t, &all, word);
        // Of one name the live one is meant.
        if found.is_empty() && !name::is_glob(word) {
            found.extend(by_rule(t, word, what));
        }
        let live = found.iter().any(|r| elsewhere::lives(t, r));
        if (name::is_glob(word) || !live) && add(&mut more, word, found.is_empty()) {
            found.retain(|_| name::is_glob(word));
        } else if found.is_empty() && !nobody.contains(&word.as_str()) {
            nobody.push(word);
        }
        for r in found {
            main_process::settle(t, &r);
            if !roots.iter().any(|x| x.slot == r.slot) {
                roots.push(r);
            }
        }
    }
    if !nobody.is_empty() {
        certainty::sound(t)?;
    }
    let unknown = nobody.first().map(|first| {
        let services: Vec<String> = all.into_iter().map(|r| r.name).collect();
        refusal(unknown(t, first), &nobody, names, &services, what)
    });
    let (roots, remarks, warnings) = of_caller(t, roots, what);
    match unknown {
        Some(f) if !names.keep_going => Err(f),
        unknown => Ok(Resolved {
            roots,
            elsewhere: more,
            unknown,
            nobody: nobody.into_iter().map(String::from).collect(),
            remarks,
            warnings,
            several: names.several(),
        }),
    }
}

/// Services as this caller means them: for what is done to them without the instances that its own ancestors have opened.
fn of_caller(t: &Tracker, roots: Vec<Root>, what: For<'_>) -> (Vec<Root>, Vec<String>, Vec<String>) {
    let (mut remarks, mut warnings) = (Vec::new(), Vec::new());
    if matches!(what, For::Look) {
        return (roots, remarks, warnings);
    }
    let mut meant = Vec::new();
    for r in roots {
        if r.is_nobody() {
            let f = rulebook::not_running(Some(t), &r.name)
                .map(|f| message::render(&f.what, f.why.as_deref(), None));
            warnings.extend(f);
        }
        let instances::Meant { service: others, left_out, unsure } = instances::of_others(t, &r);
        if left_out > 0 {
            remarks.push(instances::left_out(&r.name, left_out));
        }
        warnings.extend(unsure);
        match what {
            For::Each if !others.others.is_empty() => meant.extend(instances::each(t, &others)),
            _ => meant.push(others),
        }
    }
    (meant, remarks, warnings)
}

/// The failure when no tracker is loaded: every word stands for nobody.
pub fn none(names: &Names, what: For<'_>) -> Failure {
    let mut nobody: Vec<&str> = Vec::new();
    for w in &names.words {
        if !nobody.contains(&w.as_str()) {
            nobody.push(w);
        }
    }
    let first = nobody.first().copied().unwrap_or_default();
    refusal(unknown_untracked(first), &nobody, names, &[], what)
}

/// Makes the words of a failure about one name say which words stand for nobody, what was not done, and what may be meant.
fn refusal(base: Failure, nobody: &[&str], names: &Names, services: &[String], what: For<'_>) -> Failure {
    let undone = match (names.words.len(), names.keep_going, what) {
        (1, ..) | (_, true, _) => "",
        (.., For::Signal(_)) => "; nothing was signalled",
        (.., For::Verb | For::Each | For::Look) => "; nothing was done",
    };
    let mut f = base;
    let kept = f.what.clone();
    f.what = match nobody {
        [one] if name::is_glob(one) => {
            f.next = Some("see 'killer list'; a pattern is for whole names, as in a shell".into());
            format!("no service matches '{one}'{undone}")
        }
        [_] | [] => format!("{kept}{undone}"),
        many => {
            let quoted: Vec<String> = many.iter().map(|w| format!("'{w}'")).collect();
            format!("no such services: {}{undone}", escape::cut(&quoted.join(", "), 200))
        }
    };
    let For::Signal(guess) = what else { return f };
    // Behind or before a verb of another tool, or a mistyped one, stand services.
    let meant = nobody.iter().find_map(|w| {
        let rest: Vec<&str> = names.words.iter().map(String::as_str).filter(|x| x != w).collect();
        let alike = name::suggest(w, services.iter().map(String::as_str));
        Some((*w, guess(w, &rest, alike)?))
    });
    match meant {
        Some((word, Meant::Foreign(next))) => {
            f.what = format!("'{word}' is no verb of killer, and no service{undone}");
            f.next = Some(next);
        }
        Some((_, Meant::Other(next))) => f.next = Some(next),
        None => {}
    }
    f
}
