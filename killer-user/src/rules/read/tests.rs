use super::*;
use proptest::prelude::*;

fn wrong(text: &str) -> Vec<String> {
    read("f", text).unwrap_err().iter().map(Wrong::to_string).collect()
}

/// The file of the documentation.
const ALL: &str = r#"
[[rule]]                                  # SysV
scripts = "/etc/init.d"
except  = ["rc", "rcS", "umount*"]
[[rule]]
scripts = ["/etc/rcS.d", "/etc/rc2.d/"]
strip   = "S??"
[[rule]]
argument = "/sbin/openrc-run"
[[rule]]
run = "/etc/sv"
[[rule]]
program = "/usr/local/sbin/mydaemon"
name = "my"
aliases = ["mydaemon"]
pidfile = "/run/my.pid"
stop = "/usr/local/sbin/myctl stop"
user = "postgres"
"#;

#[test]
fn what_is_documented_is_read() {
    let rules = read("f", ALL).unwrap();
    let kinds: Vec<&str> = rules.iter().map(Rule::kind).collect();
    assert_eq!(kinds, ["scripts", "scripts", "argument", "run", "program"]);
    assert_eq!(rules[1].at.to_string(), "f:5:1");
    assert_eq!(rules[1].paths()[1].value.to_str(), Some("/etc/rc2.d"));
    assert_eq!(rules[1].paths()[1].at.to_string(), "f:6:26");
    let What::Program(p) = &rules[4].what else { panic!("{rules:?}") };
    assert_eq!(p.name_of(&p.files[0].value).as_deref(), Some("my"));
    assert_eq!(p.stop, ["/usr/local/sbin/myctl", "stop"]);
    assert_eq!(rules[4].user.as_ref().map(|u| &*u.value), Some("postgres"));
    assert_eq!(read("f", "# nothing\n"), Ok(vec![]));
    let list = read(
        "f",
        "[[rule]]\nprogram = [\"/a/x\", \"/a/y\"]\nname = \"z\"\nstop = [\"/bin/sh\", \"-c\", \"a; b\"]\n",
    )
    .unwrap();
    assert!(matches!(&list[0].what, What::Program(p) if p.stop.len() == 3 && p.files.len() == 2));
}

#[test]
fn every_error_has_its_place() {
    let text = r#"
[[rule]]
scripts = "etc/init.d"
excpt = ["rc"]
strip = 3
[[rule]]
program = "/sbin/a"
run = "/etc/sv"
[[rule]]
name = "x"
[[rule]]
program = ["/sbin/b", 7, "/sbin/../c", "/sbin/b"]
name = "a*"
except = "x"
stop = "kill $(cat /run/x)"
"#;
    let said = wrong(text);
    let all = [
        "f:3:11: 'etc/init.d' is no absolute path",
        "f:4:1: a rule has no field 'excpt': did you mean 'except'?",
        "f:5:9: 'strip' is a string, not a number",
        "f:8:7: a rule has one of 'scripts', 'argument', 'run', 'program', 'shell', not 'run' and 'program': make two",
        "f:9:1: the rule says no file: it needs one of 'scripts', 'argument', 'run', 'program', 'shell'",
        "f:12:23: 'program' is a list of strings, and of nothing else, not a number",
        "f:12:26: the path '/sbin/../c' goes up again with '..'",
        "f:12:40: '/sbin/b' stands here twice",
        "f:13:8: the service name 'a*' has glob characters (* ? [)",
        "f:14:1: 'except' goes with 'scripts', not with 'program'",
        "f:15:8: 'stop' begins with a program: 'kill' is no absolute path",
        "f:15:8: 'stop' has a '$', and no shell reads it: give a list of words instead",
    ];
    assert_eq!(said, all);
}

#[test]
fn errors_of_form_are_all_told() {
    let said =
        wrong("[[rule]]\nscripts = /etc/init.d\n[[rule]]\nprogram = \"/x\nname = \"y\"\nname = \"z\"\n");
    assert!(said.len() >= 3 && said[0].starts_with("f:2:11: this is no TOML: "), "{said:#?}");
    assert!(
        said.iter().any(|s| s.starts_with("f:4:")) && said.iter().any(|s| s.starts_with("f:6:1: ")),
        "{said:#?}"
    );
    for (text, begins) in [
        ("[rule]\nscripts = \"/a\"", "f:1:2: a rule begins with [[rule]]"),
        ("scripts = \"/a\"", "f:1:1: 'scripts' stands before"),
        ("[[rules]]\nscripts = \"/a\"", "f:1:3: 'rules' is unknown"),
        ("rule = [3]", "f:1:9: a rule is a table"),
        ("[[rule]]\nprogram = \"/\"", "f:2:11: '/' names no service"),
        ("[[rule]]\nprogram = []", "f:2:11: 'program' is an empty list"),
        ("[[rule]]\nprogram = \"/a/b*\"", "f:2:11: the service name 'b*'"),
        ("[[rule]]\nprogram = \"/a/b\"\nstop = \" \"", "f:3:8: 'stop' has no command"),
        ("[[rule]]\nprogram = [\"/a/b\", \"/a/c\"]\npidfile = \"/run/x\"", "f:3:11: this is of one service"),
        ("[[rule]]\nprogram = \"/a/b\"\nuser = \"\"", "f:3:8: the user is empty"),
        ("[[rule]]\nargument = \"/bin/sh\"", "f:2:12: whatever a shell is given"),
    ] {
        let said = wrong(text);
        assert!(said.iter().any(|s| s.starts_with(begins)), "{text}: {said:#?}");
    }
}

fn words() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "[[rule]]\n",
        "[rule]\n",
        "scripts",
        "program",
        "run",
        "argument",
        "name",
        "stop",
        "strip",
        "except",
        "user",
        "aliases",
        " = ",
        "=",
        "\"/etc/init.d\"",
        "\"/a/b\"",
        "\"x\"",
        "[",
        "]",
        ", ",
        "\n",
        "# x\n",
        "3",
        "true",
        "{",
        "}",
        "'",
        "\"",
        "\\",
        "é",
        "\0",
        ".",
    ])
    .prop_map(String::from)
}

proptest! {
    /// Whatever the text: rules, or errors that stand in the text, in order, one a place and reason.
    #[test]
    fn any_text(parts in prop::collection::vec(words(), 0..30)) {
        let text = parts.concat();
        match read("f", &text) {
            Ok(rules) => for r in rules {
                prop_assert!(!r.paths().is_empty() && r.paths().iter().all(|p| p.value.is_absolute()));
            },
            Err(wrong) => {
                let lines = text.matches('\n').count() as u32 + 1;
                prop_assert!(!wrong.is_empty() && wrong.iter().all(|w| (1..=lines).contains(&w.at.line) && w.at.column >= 1));
                prop_assert!(wrong.windows(2).all(|w| w[0] < w[1]));
                prop_assert!(!wrong.iter().any(|w| w.why.contains('\n')), "{wrong:?}");
            }
        }
    }

    #[test]
    fn any_bytes(text in any::<String>()) {
        let _ = read("f", &text);
    }

    /// What is written is read again.
    #[test]
    fn what_is_written_is_read(name in "[a-z\"\\\\é]{1,12}", file in "/[a-z\"\\\\' é]{1,20}", more in prop::collection::vec("/[a-z]{1,9}/x", 0..3)) {
        let files: Vec<String> = std::iter::once(file).chain(more).collect();
        let mut once = files.clone();
        once.sort();
        once.dedup();
        prop_assume!(once.len() == files.len());
        let text = crate::rules::written(&[("program", files.clone()), ("name", vec![name.clone()]), ("user", vec![])]);
        let rules = read("f", &text).unwrap();
        let What::Program(p) = &rules[0].what else { panic!() };
        prop_assert_eq!(p.name.as_ref().map(|n| &n.value), Some(&name));
        let paths: Vec<String> = p.files.iter().map(|f| f.value.to_str().unwrap().to_owned()).collect();
        prop_assert_eq!(paths, files);
    }
}
