use super::*;
use crate::rules::{DirKey, Key, Strip, Value};

fn entry(kind: Kind, strip: &str, name: &str, uid: u32) -> Option<Entry> {
    let strip = Strip::parse(strip).unwrap_or_default();
    let at = Place { file: "f".into(), line: 3, column: 1 };
    let value = Value { kind, uid, strip, name: name.into() };
    Some(Entry { key: Key::begins(DirKey::default(), b""), value, at })
}

fn exec<'a>(file: &'a str, args: &'a [String], entry: Option<Entry>) -> Exec<'a> {
    Exec {
        file: file.as_bytes(),
        args,
        uid: (0, 0),
        host_users: true,
        host_root: true,
        not_roots: None,
        not_executable: None,
        from: From::Nowhere,
        entry,
    }
}

fn args(words: &[&str]) -> Vec<String> {
    words.iter().map(|w| (*w).to_owned()).collect()
}

fn says(x: &Exec<'_>) -> String {
    match verdict(x) {
        Verdict::Opens(name, at) => format!("opens {name} by {}", at.line()),
        Verdict::Stays(name, _) => format!("stays {name}"),
        Verdict::Nothing(why) => why.text(),
    }
}

#[test]
fn what_matches_opens() {
    let (start, script) = (args(&["start"]), args(&["/etc/init.d/cron", "start"]));
    let of = |kind, strip: &str, name: &str| entry(kind, strip, name, 0);
    assert_eq!(says(&exec("cron", &start, of(Kind::Script, "", ""))), "opens cron by f:3");
    assert_eq!(says(&exec("S12nginx", &start, of(Kind::Script, "S??", ""))), "opens nginx by f:3");
    assert_eq!(says(&exec("openrc-run", &script, of(Kind::Argument, "", ""))), "opens cron by f:3");
    assert_eq!(says(&exec("web", &[], of(Kind::Run, "", ""))), "opens web by f:3");
    let mut own = exec("mydaemon", &[], of(Kind::Program, "", "my"));
    assert_eq!(says(&own), "opens my by f:3");
    own.from = From::Service("my".into());
    assert_eq!(says(&own), "stays my");
    own.from = From::Service("ssh".into());
    assert_eq!(says(&own), "opens my by f:3");
    // A script always opens, also inside the same name: `$0 stop; $0 start`.
    let again = Exec { from: From::Service("cron".into()), ..exec("cron", &start, of(Kind::Script, "", "")) };
    assert_eq!(says(&again), "opens cron by f:3");
}

#[test]
fn each_reason_has_its_words() {
    let (none, stop, status, shell) =
        (args(&[]), args(&["stop"]), args(&["/etc/init.d/x", "status"]), args(&["-x", "/etc/init.d/x"]));
    let script = || entry(Kind::Script, "", "", 0);
    let base = || exec("cron", &none, script());
    for (x, words) in [
        (exec("ls", &none, None), "no rule is about this file"),
        (exec("sh", &shell, None), "'/etc/init.d/x' is only read by it"),
        (exec("rc", &none, entry(Kind::Except, "", "", 0)), "it is an exception, at f:3"),
        (exec("K01x", &none, entry(Kind::Script, "S??", "", 0)), "does not begin with 'S??'"),
        (exec("a*", &none, script()), "glob characters"),
        (exec("a b", &none, script()), "'a b' is no name"),
        (exec("openrc-run", &none, entry(Kind::Argument, "", "", 0)), "it is given no script"),
        (exec("cron", &stop, script()), "with 'stop' it starts nothing"),
        (exec("openrc-run", &status, entry(Kind::Argument, "", "", 0)), "with 'status' it starts nothing"),
        (Exec { uid: (1000, 1000), ..base() }, "uid 1000 executes it, and only root's"),
        (Exec { uid: (1000, 0), ..base() }, "uid 1000 and effective uid 0"),
        (
            Exec { entry: entry(Kind::Program, "", "x", 7), ..base() },
            "uid 0 executes it, and the rule is for uid 7",
        ),
        (Exec { host_users: false, ..base() }, "root of a user namespace"),
        (Exec { host_root: false, ..base() }, "in a chroot or a container"),
        (Exec { not_roots: Some("/x is writable by everybody".into()), ..base() }, "writable by everybody"),
        (Exec { not_executable: Some("its mode".into()), ..base() }, "cannot be executed: its mode"),
        (Exec { from: From::Run("ci".into()), ..base() }, "it is in 'ci', which 'killer run' started"),
    ] {
        assert!(says(&x).contains(words), "{x:?}: {}", says(&x));
    }
    assert_eq!(
        says(&Exec { uid: (7, 7), entry: entry(Kind::Program, "", "x", 7), ..base() }),
        "opens x by f:3"
    );
}
