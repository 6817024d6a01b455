//! The options of `killer rule`.

use std::path::PathBuf;

use clap::Args;

use super::common::choice;
use super::usage::Wrong;
use crate::ask::rule::{Action, Exec, NewRule, Rules};

/// Below the options.
const AFTER: &str = "list: the rules, the services that they cover, and what they do not cover. add NAME: a rule in a file of its own, in \
    /etc/killer/rules.d. remove NAME: that file goes. test PATH [ARG...]: what an exec of it would do, and why. check [FILE]: every \
    error in the rule files, or in FILE as if it were one of them. load: the files are put in force, all or none";

/// What stands behind `killer rule`.
#[derive(Clone, Debug, Args)]
#[command(
    override_usage = "killer rule [OPTIONS] list|add NAME|remove NAME|test PATH [ARG...]|check [FILE]|load",
    after_help = AFTER
)]
pub struct RuleOptions {
    /// What is to be done
    #[arg(value_name = "ACTION", value_parser = choice::<Action>(), hide_possible_values = true)]
    action: Action,
    /// What it is done to
    #[arg(value_name = "WORD")]
    words: Vec<String>,
    /// With list: print the built-in rules, as the file 00-defaults.toml would have them
    #[arg(long)]
    built_in: bool,
    /// The scripts in this directory are services
    #[arg(long, value_name = "DIR", help_heading = "Rule (add)")]
    scripts: Vec<String>,
    /// The first argument of this program names a service
    #[arg(long, value_name = "FILE", help_heading = "Rule (add)")]
    argument: Vec<String>,
    /// A script that this shell is given counts as executed
    #[arg(long, value_name = "FILE", help_heading = "Rule (add)")]
    shell: Vec<String>,
    /// The directories in this one are services, by their ./run
    #[arg(long, value_name = "DIR", help_heading = "Rule (add)")]
    run: Vec<String>,
    /// This program is the service NAME
    #[arg(long, value_name = "FILE", help_heading = "Rule (add)")]
    program: Vec<String>,
    /// Cut this off the names of scripts; ? is any byte
    #[arg(long, value_name = "START", help_heading = "Rule (add)")]
    strip: Option<String>,
    /// This script is no service; umount* are all that begin so
    #[arg(long, value_name = "SCRIPT", help_heading = "Rule (add)")]
    except: Vec<String>,
    /// Another name of the service
    #[arg(long, value_name = "NAME", help_heading = "Rule (add)")]
    alias: Vec<String>,
    /// Where the service notes its main process
    #[arg(long, value_name = "FILE", help_heading = "Rule (add)")]
    pidfile: Option<String>,
    /// How the service is stopped: a command, without a shell
    #[arg(long, value_name = "CMD", help_heading = "Rule (add)")]
    stop: Option<String>,
    /// With add: whose execs match, instead of root's; with test: who executes it, instead of the caller
    #[arg(long, value_name = "USER")]
    user: Option<String>,
}

impl RuleOptions {
    /// What is asked for.
    ///
    /// # Errors
    /// Words that are missing, or too many.
    pub fn asked(&self) -> Result<Rules, Wrong> {
        let one = |what: &str| match &self.words[..] {
            [w] => Ok(w.clone()),
            [] => Err(Wrong::new(
                format!("'killer rule {what}' needs a name"),
                format!("killer rule {what} NAME"),
            )),
            [_, more, ..] => {
                Err(Wrong::new(format!("'{more}' is one word too many"), format!("killer rule {what} NAME")))
            }
        };
        self.no_strangers()?;
        Ok(match self.action {
            Action::List => Rules::List(self.built_in),
            Action::Load => Rules::Load,
            Action::Remove => Rules::Remove(one("remove")?),
            Action::Add => Rules::Add(self.rule(one("add")?)?),
            Action::Check => Rules::Check(self.words.first().map(PathBuf::from)),
            Action::Test => {
                let Some((path, args)) = self.words.split_first() else {
                    return Err(Wrong::new("no file to test", "killer rule test PATH [ARG...]"));
                };
                Rules::Test(Exec { path: path.into(), args: args.to_vec(), user: self.user.clone() })
            }
        })
    }

    /// Options and words that do not go with the action.
    fn no_strangers(&self) -> Result<(), Wrong> {
        use Action::{Add, Check, List, Load, Test};
        let help = "see 'killer rule --help'";
        let fields = self.fields().into_iter().find(|(f, v)| *f != "user" && !v.is_empty());
        if let Some((field, _)) = fields.filter(|_| self.action != Add) {
            let option = if field == "aliases" { "alias" } else { field };
            return Err(Wrong::new(format!("--{option} goes with 'killer rule add'"), help));
        }
        if self.user.is_some() && !matches!(self.action, Add | Test) {
            return Err(Wrong::new("--user goes with 'killer rule add' and 'killer rule test'", help));
        }
        if self.built_in && self.action != List {
            return Err(Wrong::new("--built-in goes with 'killer rule list'", help));
        }
        let most = match self.action {
            List | Load => 0,
            Check => 1,
            _ => return Ok(()),
        };
        match self.words.get(most) {
            Some(w) => Err(Wrong::new(format!("'{}' is one word too many", w.escape_debug()), help)),
            None => Ok(()),
        }
    }

    /// The fields of a rule file, in its order.
    fn fields(&self) -> Vec<(&'static str, Vec<String>)> {
        let one = |o: &Option<String>| o.iter().cloned().collect();
        vec![
            ("scripts", self.scripts.clone()),
            ("argument", self.argument.clone()),
            ("shell", self.shell.clone()),
            ("run", self.run.clone()),
            ("program", self.program.clone()),
            ("strip", one(&self.strip)),
            ("except", self.except.clone()),
            ("aliases", self.alias.clone()),
            ("pidfile", one(&self.pidfile)),
            ("stop", one(&self.stop)),
            ("user", one(&self.user)),
        ]
    }

    fn rule(&self, file: String) -> Result<NewRule, Wrong> {
        let mut fields = self.fields();
        let kinds = [&self.scripts, &self.argument, &self.shell, &self.run, &self.program];
        match kinds.iter().filter(|k| !k.is_empty()).count() {
            1 => {}
            0 => {
                return Err(Wrong::new(
                    "the rule says no file",
                    "give one of --program, --scripts, --run, --argument, --shell",
                ));
            }
            _ => {
                return Err(Wrong::new(
                    "a rule has one of --program, --scripts, --run, --argument, --shell",
                    "add a rule for each, with names of their own",
                ));
            }
        }
        if !self.program.is_empty() {
            let name = file.strip_suffix(".toml").unwrap_or(&file).to_owned();
            fields.insert(5, ("name", vec![name]));
        }
        Ok(NewRule { file, fields })
    }
}
