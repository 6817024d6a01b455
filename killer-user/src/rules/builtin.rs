//! The rules that are built in, as the text of a file: an administrator's file of the same name takes their place.

/// The name of the file that they are.
pub const FILE: &str = "00-defaults.toml";

/// Scripts that start or end everything else, or nothing: an instance of theirs would hold half the host.
const EXCEPT: &str = r#"except  = ["rc", "rcS", "rcK", "rc.sysinit", "README", "skeleton", "functions", "functions.sh",
           "killer", "halt", "reboot", "single", "sendsigs", "killall", "killprocs", "umount*"]"#;

/// What a Slackware's scripts in `/etc/rc.d` are that are no services.
const SLACKWARE: &str = r#"except  = ["rc.0", "rc.4", "rc.6", "rc.K", "rc.M", "rc.S", "rc.sysvinit", "rc.inet2", "rc.local*",
           "rc.modules*", "rc.killer"]"#;

/// Directories that hold links to scripts, by run level.
const LEVELS: [&str; 7] = ["rcS.d", "rc0.d", "rc1.d", "rc2.d", "rc3.d", "rc4.d", "rc5.d"];

/// Directories of service directories: Void, Debian's runit, daemontools, s6.
const RUN: [&str; 8] = [
    "/etc/sv",
    "/etc/runit/sv",
    "/etc/s6/sv",
    "/etc/service",
    "/var/service",
    "/service",
    "/run/service",
    "/run/s6-rc/servicedirs",
];

/// The text for what is there. `is` tells whether a path is there. systemd keeps services in
/// cgroups of its own and executes no script: nothing is built in for it.
pub fn text(systemd: bool, is: impl Fn(&str) -> bool) -> String {
    let mut out =
        String::from("# Built into killer. A file of this name in /etc/killer/rules.d takes its place.\n");
    if systemd {
        out.push_str("# This host's init is systemd, which starts services by units: there is no rule.\n");
        return out;
    }
    let mut rule = |about: &str, fields: &[&str]| {
        out.push_str(&format!("\n[[rule]]  # {about}\n"));
        fields.iter().for_each(|f| out.push_str(&format!("{f}\n")));
    };
    let list = |field: &str, paths: &[String]| {
        let words = paths.iter().map(|p| format!("\"{p}\"")).collect::<Vec<_>>().join(", ");
        format!("{field} = [{words}]")
    };
    let there = |all: &[&str]| all.iter().filter(|p| is(p)).map(|p| (*p).to_owned()).collect::<Vec<_>>();
    // Buildroot's scripts have their place in the order in their names.
    let ordered = is("/etc/init.d/rcS") && is("/etc/init.d/rcK") && !is("/etc/init.d/rc");
    let scripts = there(&["/etc/init.d", "/etc/rc.d/init.d"]);
    if !scripts.is_empty() && ordered {
        rule(
            "init scripts, which begin with their place in the order",
            &[&list("scripts", &scripts), "strip = \"S??\""],
        );
    } else if !scripts.is_empty() {
        rule("init scripts", &[&list("scripts", &scripts), EXCEPT]);
    }
    if is("/etc/rc.d/rc.S") && is("/etc/rc.d/rc.M") {
        rule("Slackware's scripts", &["scripts = \"/etc/rc.d\"", "strip   = \"rc.\"", SLACKWARE]);
    }
    let levels: Vec<String> = ["/etc", "/etc/rc.d"]
        .iter()
        .flat_map(|d| LEVELS.iter().map(move |l| format!("{d}/{l}")))
        .filter(|p| is(p))
        .collect();
    if !levels.is_empty() {
        rule(
            "the same scripts by the names of links to them",
            &[&list("scripts", &levels), "strip   = \"S??\""],
        );
    }
    let openrc = there(&["/sbin/openrc-run"]);
    if !openrc.is_empty() {
        rule("OpenRC does not execute the script itself at boot", &[&list("argument", &openrc)]);
    }
    let run = there(&RUN);
    if !run.is_empty() {
        rule("supervised services: ./run in a directory of that name", &[&list("run", &run)]);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::{What, check, read};

    fn of(paths: &[&str]) -> Vec<crate::rules::Rule> {
        let text = text(false, |p| paths.contains(&p));
        let rules = read(FILE, &text).unwrap_or_else(|e| panic!("{text}\n{e:?}"));
        assert!(check(&rules).is_empty(), "{text}");
        rules
    }

    #[test]
    fn each_init_has_its_rules() {
        assert!(of(&[]).is_empty() && read(FILE, &text(true, |_| true)).unwrap().is_empty());
        let debian = of(&["/etc/init.d", "/etc/init.d/rc", "/etc/init.d/rcS", "/etc/rcS.d", "/etc/rc2.d"]);
        let kinds = |r: &[crate::rules::Rule]| r.iter().map(|r| r.kind()).collect::<Vec<_>>();
        assert_eq!(kinds(&debian), ["scripts", "scripts"]);
        let What::Scripts { except, .. } = &debian[0].what else { panic!() };
        assert!(except.iter().any(|e| e.value.is_about(b"umountnfs.sh")));
        assert_eq!(kinds(&of(&["/etc/init.d", "/sbin/openrc-run"])), ["scripts", "argument"]);
        assert_eq!(kinds(&of(&["/etc/sv", "/service"])), ["run"]);
        assert_eq!(
            kinds(&of(&["/etc/rc.d/rc.S", "/etc/rc.d/rc.M", "/etc/rc.d/init.d"])),
            ["scripts", "scripts"]
        );
        let buildroot = of(&["/etc/init.d", "/etc/init.d/rcS", "/etc/init.d/rcK"]);
        assert!(matches!(&buildroot[0].what, What::Scripts { strip, .. } if strip.text() == "S??"));
        // Everything at once is no conflict.
        let all = read(FILE, &text(false, |_| true)).unwrap();
        assert!(check(&all).is_empty() && all.len() == 5, "{all:?}");
    }
}
