//! Completions for shells: options and verbs from their one definition, and services, which a shell asks `killer` for.

use clap::builder::PossibleValuesParser;
use clap::{Arg, Command};
use clap_complete::Shell;

use super::{Entry, main_command};
use crate::ask::{signal, whom};

/// Prints the names of services, one a line. A name has no quotes.
const SERVICES: &str =
    r#"killer list -o json 2>/dev/null | grep -o '{"name":"[^"]*","state"' | cut -d'"' -f4"#;

/// For stdout.
pub fn completions<A>(verbs: &[Entry<A>], shell: Shell) -> Vec<u8> {
    let mut command = offering(whole(verbs));
    let mut out = Vec::new();
    clap_complete::generate(shell, &mut command, "killer", &mut out);
    let without: Vec<&str> = verbs.iter().filter(|v| !names_services(v)).map(|v| v.name).collect();
    match shell {
        Shell::Bash => out.extend(bash(&command, &without).into_bytes()),
        Shell::Fish => out = fish(&String::from_utf8_lossy(&out), &without).into_bytes(),
        Shell::Zsh => out = zsh(&String::from_utf8_lossy(&out)).into_bytes(),
        _ => {}
    }
    out
}

/// The main form with the verbs below it, and without its names: zsh would expect a name first, and a verb only behind it.
fn whole<A>(verbs: &[Entry<A>]) -> Command {
    let main = main_command(verbs);
    let options = main.get_arguments().filter(|a| !a.is_positional()).cloned();
    Command::new("killer")
        .args(options.collect::<Vec<_>>())
        .version(env!("CARGO_PKG_VERSION"))
        .disable_help_subcommand(true)
        .subcommands(verbs.iter().map(Entry::command))
}

/// With the words that an option takes, so that a shell offers them and not files. What has no end (numbers, users) is left out.
fn offering(command: Command) -> Command {
    let words = |arg: Arg| match arg.get_id().as_str() {
        "signal" => arg.value_parser(PossibleValuesParser::new(signal::plain())),
        "whom" => arg.value_parser(PossibleValuesParser::new(whom::PLAIN)),
        _ => arg,
    };
    command.mut_args(words).mut_subcommands(offering)
}

/// Do names of services stand behind it? Behind `run` and `exec` stands a command.
fn names_services<A>(verb: &Entry<A>) -> bool {
    verb.takes_names && !verb.command().get_positionals().any(Arg::is_last_set)
}

/// Where a name of a service may stand it is offered beside what clap's function offers.
fn bash(command: &Command, without: &[&str]) -> String {
    let mut values: Vec<String> = Vec::new();
    for one in std::iter::once(command).chain(command.get_subcommands()) {
        let with_value = |a: &&Arg| a.get_action().takes_values() && !a.is_require_equals_set();
        for option in one.get_opts().filter(with_value) {
            let long = option.get_long_and_visible_aliases().unwrap_or_default();
            values.extend(long.iter().map(|l| format!("--{l}")));
            values.extend(option.get_short().map(|s| format!("-{s}")));
        }
    }
    values.sort();
    values.dedup();
    format!(
        r#"
# Services are asked of killer itself.
_killer_services() {{
    {SERVICES}
}}

_killer_and_services() {{
    _killer "$@"
    local cur="${{COMP_WORDS[COMP_CWORD]}}"
    case "${{cur}}" in
        -*) return 0 ;;
    esac
    case "${{COMP_WORDS[COMP_CWORD-1]}}" in
        {}) return 0 ;;
    esac
    if [[ ${{COMP_CWORD}} -gt 1 ]]; then
        case "${{COMP_WORDS[1]}}" in
            {}) return 0 ;;
        esac
    fi
    COMPREPLY+=( $(compgen -W "$(_killer_services)" -- "${{cur}}") )
}}

complete -F _killer_and_services -o bashdefault -o default killer
"#,
        values.join("|"),
        without.join("|"),
    )
}

/// clap's function does not know a line whose last option has no value yet.
const FISH_PARSES: &str = "argparse -s (__fish_killer_global_optspecs) -- $cmd 2>/dev/null\n";

fn fish(text: &str, without: &[&str]) -> String {
    let again = FISH_PARSES.replace("$cmd", "$cmd[1..-2]");
    let text = text.replace(FISH_PARSES, &format!("{FISH_PARSES}    or {again}"));
    format!(
        "{text}complete -c killer -n \"not __fish_seen_subcommand_from {}\" -f -a \"({})\" -d 'Service'\n",
        without.join(" "),
        SERVICES.replace('"', "\\\""),
    )
}

/// What clap has as a positional name is a service, and a service may stand where a verb may.
fn zsh(text: &str) -> String {
    let is_name = |l: &str| {
        ["'*::words -- Names of services", "':old -- ", "':name -- "].iter().any(|b| l.starts_with(b))
    };
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines() {
        match line.strip_suffix(":_default' \\") {
            Some(begin) if is_name(line) => lines.push(format!("{begin}:_killer_services' \\")),
            _ => lines.push(line.to_owned()),
        }
        if line.starts_with("    _describe -t commands 'killer commands'") {
            lines.push("    _killer_services".into());
        }
        if line == "(( $+functions[_killer_commands] )) ||" {
            let at = lines.len() - 1;
            let ask = format!(
                "# Services are asked of killer itself.\n_killer_services() {{\n    local -a services\n    services=(${{(f)\"$({SERVICES})\"}})\n    _describe -t services 'service' services\n}}\n"
            );
            lines.insert(at, ask);
        }
    }
    lines.join("\n") + "\n"
}
