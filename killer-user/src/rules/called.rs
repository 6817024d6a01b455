//! Which service a word means: its name, an alias of a rule, what its script says that it provides, or a name that is well known for
//! the same thing.

use crate::ask::name;

/// Names that distributions and programs have for one service, each line for one.
const SAME: [&[&str]; 25] = [
    &["cron", "crond", "cronie", "dcron", "fcron", "vixie-cron", "busybox-crond"],
    &["ssh", "sshd", "openssh-server"],
    &["apache2", "httpd", "apache"],
    &["rsyslog", "rsyslogd"],
    &["syslog", "syslogd", "sysklogd", "inetutils-syslogd", "socklog", "syslog-ng"],
    &["atd", "at"],
    &["bind9", "named", "bind"],
    &["mysql", "mysqld", "mariadb", "mariadbd"],
    &["postgresql", "postgres"],
    &["smbd", "samba", "smb"],
    &["nmbd", "nmb"],
    &["isc-dhcp-server", "dhcpd"],
    &["ntp", "ntpd", "ntpsec", "openntpd"],
    &["chrony", "chronyd"],
    &["dbus", "messagebus", "dbus-daemon"],
    &["udev", "udevd", "eudev", "eudevd"],
    &["exim4", "exim"],
    &["cups", "cupsd"],
    &["bluetooth", "bluetoothd"],
    &["avahi-daemon", "avahi", "avahi-dnsconfd"],
    &["nfs-kernel-server", "nfs-server", "nfs", "nfsd"],
    &["snmpd", "net-snmp"],
    &["acpid", "acpi"],
    &["network-manager", "NetworkManager", "networkmanager"],
    &["tor", "tor@default"],
];

/// The names that are well known for the same thing as this one, itself left out.
pub fn same(word: &str) -> impl Iterator<Item = &'static str> {
    let line = SAME.iter().find(|l| l.contains(&word)).copied().unwrap_or_default();
    let own = word.to_owned();
    line.iter().copied().filter(move |w| *w != own)
}

/// A service: its name, the aliases of its rule, and what its script provides.
pub type Named<'a> = (&'a str, &'a [String], &'a [String]);

/// What a word is as the name of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Called {
    /// The name of this service, itself or by another word.
    Service(String),
    /// Several services say that they are called so.
    Several(Vec<String>),
    /// No service is called so.
    Nobody,
}

impl Called {
    /// Which of these services a word means. The nearer meaning counts: a name before an alias, that before what a script says, that
    /// before what is well known.
    pub fn among<'a>(word: &str, services: impl IntoIterator<Item = Named<'a>>) -> Self {
        let all: Vec<Named<'_>> = services.into_iter().collect();
        let word = name::parse(word).unwrap_or_else(|_| word.to_owned());
        if all.iter().any(|s| s.0 == word) {
            return Self::Service(word);
        }
        let by_rule = |s: &Named<'_>| s.1.contains(&word);
        let by_script = |s: &Named<'_>| s.2.contains(&word);
        let well_known = |s: &Named<'_>| same(&word).any(|w| w == s.0);
        let near: [&dyn Fn(&Named<'_>) -> bool; 3] = [&by_rule, &by_script, &well_known];
        for is in near {
            let mut found: Vec<String> = all.iter().filter(|s| is(s)).map(|s| s.0.to_owned()).collect();
            found.sort();
            found.dedup();
            match found.len() {
                0 => {}
                1 => return Self::Service(found.remove(0)),
                _ => return Self::Several(found),
            }
        }
        Self::Nobody
    }
}

/// What the head of an init script says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Header {
    /// Names of the service, from `# Provides:` of its LSB header; facilities (`$network`) are none.
    pub provides: Vec<String>,
    /// From `# pidfile:`, as Red Hat's scripts have it.
    pub pidfile: Option<String>,
}

/// Reads the beginning of a script. What is no name is left out: the text is for people, and others have written it.
pub fn provided(script: &[u8]) -> Header {
    let text = String::from_utf8_lossy(script);
    let mut header = Header::default();
    let mut inside = false;
    for line in text.lines().filter_map(|l| l.strip_prefix('#')) {
        match line.trim() {
            "## BEGIN INIT INFO" => inside = true,
            "## END INIT INFO" => inside = false,
            line => {
                let Some((field, value)) = line.split_once(':') else { continue };
                match field.trim() {
                    "Provides" if inside => {
                        let names = value.split_whitespace().filter(|w| !w.starts_with('$'));
                        header.provides.extend(names.filter_map(|w| name::parse_new(w).ok()));
                    }
                    "pidfile" if header.pidfile.is_none() => {
                        let path = value.trim();
                        header.pidfile = path.starts_with('/').then(|| path.to_owned());
                    }
                    _ => {}
                }
            }
        }
    }
    header
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_name_is_on_one_line_only() {
        let all: Vec<&str> = SAME.iter().flat_map(|l| l.iter().copied()).collect();
        for (i, w) in all.iter().enumerate() {
            assert!(!all[..i].contains(w) && name::parse_new(w).is_ok(), "{w}");
        }
        assert!(same("crond").any(|w| w == "cron") && same("nobody-knows").next().is_none());
    }

    #[test]
    fn the_nearer_meaning_counts() {
        let s = |words: &[&str]| words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>();
        let (mta, mine, none) = (s(&["mail-transport-agent", "exim4"]), s(&["my", "crond"]), s(&[]));
        let all = || {
            [
                ("cron", &none[..], &none[..]),
                ("exim4", &none[..], &mta[..]),
                ("postfix", &none[..], &mta[..1]),
                ("mydaemon", &mine[..], &none[..]),
            ]
        };
        let ask = |w: &str| Called::among(w, all());
        assert_eq!(ask("cron.service"), Called::Service("cron".into()));
        assert_eq!(
            ask("crond"),
            Called::Service("mydaemon".into()),
            "an alias is nearer than what is well known"
        );
        assert_eq!(ask("exim"), Called::Service("exim4".into()));
        assert_eq!(ask("my"), Called::Service("mydaemon".into()));
        assert_eq!(ask("mail-transport-agent"), Called::Several(s(&["exim4", "postfix"])));
        assert_eq!(ask("sshd"), Called::Nobody);
    }

    #[test]
    fn headers_of_scripts() {
        let lsb = b"#!/bin/sh\n# Provides: no\n### BEGIN INIT INFO\n# Provides:  cron $time a/* crond\n\
                    # Required-Start: x\n### END INIT INFO\n# Provides: no\n# pidfile: /var/run/crond.pid\n# pidfile: /x\n";
        let h = provided(lsb);
        assert_eq!(
            (h.provides, h.pidfile.as_deref()),
            (vec!["cron".into(), "crond".into()], Some("/var/run/crond.pid"))
        );
        assert_eq!(provided(b"\xff\0\n# pidfile: x"), Header::default());
    }

    proptest! {
        #[test]
        fn any_script(text in prop::collection::vec(any::<u8>(), 0..200), line in "# Provides: .{0,40}") {
            let whole = [&text[..], b"\n### BEGIN INIT INFO\n", line.as_bytes()].concat();
            for n in provided(&whole).provides {
                prop_assert_eq!(name::parse_new(&n), Ok(n.clone()));
            }
        }
    }
}
