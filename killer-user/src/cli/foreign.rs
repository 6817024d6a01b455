//! Words that are verbs: ours when they are typed right, and those of other tools, with what does that here.

use super::entry::{Entry, names as all};
use crate::ask::{name, signal, span};
use crate::ending::{self, Ending};

/// The verb that a word is, or nearly is, as a command with `names` behind it.
pub fn meant<A>(verbs: &[Entry<A>], word: &str, names: &[&str]) -> Option<String> {
    let all = all(verbs);
    // "ru" may be anything.
    let near = |w: &str| all.contains(&w) || w.chars().count() > 2;
    let verb = name::suggest(&word.to_lowercase(), all.iter().copied()).filter(|_| near(word))?;
    let alone = verbs.iter().any(|v| v.name == verb && !v.takes_names);
    Some(match names {
        [] => format!("killer {verb}"),
        _ if alone => format!("killer {verb}"),
        names => format!("killer {verb} {}", shown(names)),
    })
}

/// At most three of them: it is an example.
fn shown(names: &[&str]) -> String {
    let more = if names.len() > 3 { " ..." } else { "" };
    format!("{}{more}", names[..names.len().min(3)].join(" "))
}

/// What a word may be that is a signal or a span in the place of a name.
pub fn misplaced(word: &str, names: &[&str]) -> Option<String> {
    let n = if names.is_empty() { "NAME".to_owned() } else { shown(names) };
    let signal =
        signal::parse(word).is_ok().then(|| format!("a signal goes with -s: 'killer -s {word} {n}'"));
    let span = word.starts_with(|c: char| c.is_ascii_digit()) && span::parse(word).is_ok();
    let span = span.then(|| format!("a span goes with '=': --wait={word}"));
    match (signal, span) {
        (Some(a), Some(b)) => Some(format!("{a}; {b}")),
        (a, b) => a.or(b),
    }
}

/// What a verb of service managers, of containers or of kill(1)'s family would be here; `None` for other words.
pub fn instead(word: &str, names: &[&str]) -> Option<String> {
    let n = if names.is_empty() { "NAME".to_owned() } else { shown(names) };
    let one = names.first().copied().unwrap_or("NAME");
    Some(match &*word.to_ascii_lowercase() {
        "restart"
        | "try-restart"
        | "condrestart"
        | "cond-restart"
        | "reload-or-restart"
        | "try-reload-or-restart"
        | "force-restart"
        | "respawn" => {
            format!("'killer stop {n}', then start it again: 'killer run --name {one} -- CMD'")
        }
        "reload" | "force-reload" | "daemon-reload" | "hup" => {
            format!("most daemons read their settings again at 'killer -s HUP --whom=main {n}'")
        }
        "start" | "create" | "new" | "spawn" => format!("'killer run --name {one} -- CMD' starts one"),
        "enable" | "disable" | "mask" | "unmask" | "is-enabled" | "preset" | "edit" | "cat" => {
            format!("the init system decides what starts at boot; 'killer status {n}' shows what runs")
        }
        "is-active" | "is-failed" | "is-running" | "show" | "info" | "inspect" | "stat" | "state" => {
            let codes = ending::codes_of(&[Ending::Done, Ending::Dead, Ending::Unknown]);
            format!("'killer status {n}' says it, and so does its exit code ({codes})")
        }
        "kill" | "pkill" | "killall" | "terminate" | "term" | "signal" | "end" | "destroy" => {
            format!("a signal is sent without a verb: 'killer -s KILL {n}'")
        }
        "quit" | "halt" | "shutdown" | "poweroff" => format!("'killer stop {n}' ends it"),
        "ps" | "top" | "htop" | "pstree" | "pgrep" | "pidof" => {
            format!("'killer tree {n}' and 'killer status {n}' show its processes")
        }
        "ls" | "list-units" | "list-services" | "services" => "'killer list' shows every service".to_owned(),
        "pause" | "suspend" | "hold" | "sigstop" => format!("'killer freeze {n}' holds it still"),
        "unpause" | "resume" | "continue" | "cont" | "unfreeze" | "sigcont" => {
            format!("'killer thaw {n}' lets it go on")
        }
        "rm" | "remove" | "delete" | "del" | "clean" | "reset-failed" | "reset" => {
            format!("'killer forget {n}' forgets what has ended")
        }
        "add" | "attach" | "track" => format!("'killer adopt {one} --pid PID' takes a running process in"),
        "mv" | "move" => "'killer rename OLD NEW' changes a name".to_owned(),
        "logs" | "log" | "journal" => {
            "killer keeps no logs; the signals that it sent are in the system's log".to_owned()
        }
        "watch" | "why" | "events" => format!("'killer tree {n}' shows which process forked which"),
        "help" => "'killer --help' says what there is".to_owned(),
        "version" => "'killer --version' says it".to_owned(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_and_spans_in_the_place_of_names() {
        let is = |w| misplaced(w, &["web"]).unwrap_or_default();
        assert_eq!(is("HUP"), "a signal goes with -s: 'killer -s HUP web'");
        assert_eq!(is("5s"), "a span goes with '=': --wait=5s");
        assert!(is("30").contains("-s 30 web") && is("30").contains("--wait=30"));
        assert_eq!(is("web2"), "");
    }

    #[test]
    fn other_tools_verbs_are_none_of_ours() {
        for word in ["restart", "reload", "start", "enable", "kill", "ps", "version", "help"] {
            assert!(instead(word, &["web"]).is_some(), "{word}");
        }
        for word in ["cron", "apache2", "web"] {
            assert_eq!(instead(word, &[]), None, "{word}");
        }
    }
}
