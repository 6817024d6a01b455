//! Which init, or supervisor, a service belongs to by the files of the host, and how that is asked to stop it. Nothing
//! is run here, and a root directory other than `/` can be looked at.

use std::ffi::OsString;
use std::os::fd::AsFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use super::trusted::{self, Refused};

/// Whose a service is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Init {
    /// A script that is called with `stop`.
    Script,
    /// OpenRC.
    OpenRc,
    /// runit's runsv.
    Runit,
    /// s6-supervise.
    S6,
    /// daemontools' supervise.
    Daemontools,
    /// OpenRC's supervise-daemon.
    SuperviseDaemon,
}

impl Init {
    /// The process that starts the service again when it has ended; `None`: nobody does.
    pub fn again(self) -> Option<&'static str> {
        match self {
            Self::Script | Self::OpenRc => None,
            Self::Runit => Some("runsv"),
            Self::S6 => Some("s6-supervise"),
            Self::Daemontools => Some("supervise"),
            Self::SuperviseDaemon => Some("supervise-daemon"),
        }
    }
}

/// A service as the files of the host have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Official {
    /// Whose it is.
    pub init: Init,
    /// What stops it: program and arguments.
    pub stop: Vec<OsString>,
    /// What has to be root's alone for that, and for the pidfile.
    pub source: PathBuf,
    /// Where the number of its main process stands.
    pub pidfile: Option<PathBuf>,
    /// Its init believes that it is started.
    pub started: bool,
}

impl Official {
    /// What is typed to have that.
    pub fn words(&self) -> String {
        self.stop.iter().map(|w| w.to_string_lossy()).collect::<Vec<_>>().join(" ")
    }
}

/// Where directories of services are found, each with those that are used first of all.
const SERVICE_DIRS: [&str; 7] = [
    "run/service",
    "service",
    "etc/service",
    "var/service",
    "run/runit/service",
    "etc/runit/runsvdir/current",
    "etc/sv",
];
/// Where scripts are found, and what stands before the name of the service.
const SCRIPTS: [(&str, &str); 4] =
    [("etc/init.d", ""), ("etc/rc.d/init.d", ""), ("etc/rc.d", "rc."), ("etc/rc.d", "")];
/// Names in these directories that are no service's.
const NO_SERVICES: [&str; 12] = [
    "rc",
    "rcS",
    "README",
    "skeleton",
    "killer",
    "halt",
    "reboot",
    "single",
    "sendsigs",
    "killprocs",
    "functions",
    "functions.sh",
];
/// So much of a script is read for its header.
const HEADER: usize = 16 << 10;
/// A fifo that its supervisor reads from.
const CONTROL: &str = "supervise/control";

/// True when a name can be that of a file of its own.
fn is_file_name(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\0'])
}

/// Finds out whose a service is; `None`: nobody's, or systemd's, which keeps its services itself. The error says what
/// could not be trusted.
///
/// # Errors
/// It is there, and others than root could choose what is run.
pub fn of(root: &Path, name: &str) -> Result<Option<Official>, Refused> {
    if !is_file_name(name) || root.join("run/systemd/system").is_dir() {
        return Ok(None);
    }
    let below = |d: &&str| Path::new("/").join(d).join(name);
    if let Some(dir) = SERVICE_DIRS.iter().map(below).find(|d| is_supervised(root, d)) {
        return supervised(root, &dir).map(Some);
    }
    script(root, name)
}

/// The script with its place in the order before its name, as Buildroot has them: `S30cron`. One that is there twice is not guessed.
fn ordered(root: &Path, name: &str) -> Option<PathBuf> {
    let dir = Path::new("/").join(SCRIPTS[0].0);
    let is = |file: &[u8]| match file {
        [b'S', a, b, rest @ ..] => a.is_ascii_digit() && b.is_ascii_digit() && rest == name.as_bytes(),
        _ => false,
    };
    let names = std::fs::read_dir(within(root, &dir)).ok()?.flatten().map(|e| e.file_name());
    let mut its = names.filter(|n| is(n.as_bytes()) && within(root, &dir).join(n).is_file());
    its.next().filter(|_| its.next().is_none()).map(|n| dir.join(n))
}

fn within(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

/// True when somebody supervises a directory now: its control fifo has a reader.
fn is_supervised(root: &Path, dir: &Path) -> bool {
    let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    // Without a reader: ENXIO. What is no fifo has not been made by a supervisor.
    let opened = rustix::fs::open(within(root, dir).join(CONTROL), flags, Mode::empty());
    opened.is_ok_and(|fd| {
        rustix::fs::fstat(fd.as_fd())
            .is_ok_and(|s| rustix::fs::FileType::from_raw_mode(s.st_mode) == rustix::fs::FileType::Fifo)
    })
}

/// A directory that a supervisor runs a service from.
///
/// # Errors
/// Others than root may write to it.
pub fn supervised(root: &Path, dir: &Path) -> Result<Official, Refused> {
    if !trusted::open(root, dir)?.is_dir() {
        return Err(Refused::Kind(dir.to_owned(), "no directory"));
    }
    let real = within(root, dir);
    let (init, words): (_, [&str; 2]) = match () {
        () if real.join("supervise/stat").exists() => (Init::Runit, ["sv", "down"]),
        () if real.join("event").is_dir() => (Init::S6, ["s6-svc", "-d"]),
        () => (Init::Daemontools, ["svc", "-d"]),
    };
    let mut stop: Vec<OsString> = words.map(OsString::from).to_vec();
    stop.push(dir.into());
    let pidfile = (init == Init::Runit).then(|| dir.join("supervise/pid"));
    Ok(Official { init, stop, source: dir.to_owned(), pidfile, started: true })
}

fn script(root: &Path, name: &str) -> Result<Option<Official>, Refused> {
    if NO_SERVICES.contains(&name) {
        return Ok(None);
    }
    let mut paths =
        SCRIPTS.iter().map(|(dir, before)| Path::new("/").join(dir).join(format!("{before}{name}")));
    let path = paths.find(|p| within(root, p).is_file()).or_else(|| ordered(root, name));
    let Some(path) = path else { return Ok(None) };
    let file = trusted::open(root, &path)?;
    if !file.is_program() {
        // Slackware and others switch a service off so.
        return Ok(None);
    }
    let header = file.head(HEADER).unwrap_or_default();
    // Either of them is there while OpenRC runs the host: the second one on hosts with another place for its state.
    let state = ["run/openrc", "lib/rc/init.d", "libexec/rc/init.d"].map(|d| root.join(d));
    let openrc = state.iter().find(|d| d.join("softlevel").exists() || d.join("started").is_dir());
    let Some(state) = openrc else {
        let stop = vec![path.clone().into_os_string(), "stop".into()];
        return Ok(Some(Official {
            init: Init::Script,
            stop,
            source: path,
            pidfile: header_pidfile(&header),
            started: true,
        }));
    };
    let child = state.join("options").join(name).join("child_pid");
    let (init, pidfile) = match child.is_file() {
        true => (Init::SuperviseDaemon, child.strip_prefix(root).ok().map(|p| Path::new("/").join(p))),
        false => (Init::OpenRc, daemons_pidfile(&state.join("daemons").join(name))),
    };
    Ok(Some(Official {
        init,
        stop: vec!["rc-service".into(), name.into(), "stop".into()],
        source: path,
        pidfile: pidfile.or_else(|| header_pidfile(&header)),
        started: ["started", "inactive", "starting"]
            .iter()
            .any(|s| state.join(s).join(name).symlink_metadata().is_ok()),
    }))
}

/// `# pidfile: /run/crond.pid`, as chkconfig's headers have it.
fn header_pidfile(text: &[u8]) -> Option<PathBuf> {
    text.split(|b| *b == b'\n').find_map(|line| {
        let line = line.strip_prefix(b"#")?.trim_ascii();
        path_of(line.strip_prefix(b"pidfile:")?)
    })
}

/// What start-stop-daemon has noted for OpenRC: files `001` and so on, of `key=value` lines.
fn daemons_pidfile(dir: &Path) -> Option<PathBuf> {
    let text = std::fs::read(dir.join("001")).ok()?;
    text.split(|b| *b == b'\n').find_map(|line| path_of(line.strip_prefix(b"pidfile=")?))
}

/// An absolute path without anything that a shell would have put in its place.
fn path_of(bytes: &[u8]) -> Option<PathBuf> {
    let bytes = bytes.trim_ascii();
    let plain = bytes.starts_with(b"/") && !bytes.iter().any(|b| b" \t$`*?".contains(b));
    plain.then(|| PathBuf::from(OsString::from_vec(bytes.to_vec())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    struct Host(tempfile::TempDir);

    impl Host {
        /// Only root can make files that are trusted, and only where nobody else may.
        fn new() -> Option<Self> {
            let dir = tempfile::Builder::new().prefix("killer-official-").tempdir_in("/run").ok()?;
            rustix::process::geteuid().is_root().then_some(Self(dir))
        }

        fn put(&self, path: &str, text: &str, mode: u32) -> &Self {
            let at = self.0.path().join(path);
            std::fs::create_dir_all(at.parent().expect("a parent")).expect("directories");
            std::fs::write(&at, text).expect("a file");
            std::fs::set_permissions(&at, std::fs::Permissions::from_mode(mode)).expect("a mode");
            self
        }

        fn of(&self, name: &str) -> Option<Official> {
            of(self.0.path(), name).expect("trusted")
        }
    }

    #[test]
    fn a_script_has_its_place_before_its_name() {
        let Some(h) = Host::new() else { return };
        h.put("etc/init.d/S30cron", "#!/bin/sh\n", 0o755).put("etc/init.d/rcS", "", 0o755);
        h.put("etc/init.d/S40killer", "", 0o755).put("etc/init.d/Sabatd", "", 0o755);
        assert_eq!(h.of("cron").expect("found").words(), "/etc/init.d/S30cron stop");
        for nobody in ["ron", "30cron", "0cron", "killer", "atd", "batd", "S"] {
            assert_eq!(h.of(nobody), None, "{nobody}");
        }
        // Its own name goes first.
        h.put("etc/init.d/S50cron", "", 0o755);
        assert_eq!(h.of("cron"), None, "which of the two is not known");
        h.put("etc/init.d/cron", "", 0o755);
        assert_eq!(h.of("cron").expect("found").words(), "/etc/init.d/cron stop");
    }

    #[test]
    fn a_script_stops_what_is_called_as_it() {
        let Some(h) = Host::new() else { return };
        h.put("etc/init.d/cron", "#!/bin/sh\n# chkconfig: 2345\n# pidfile:  /var/run/crond.pid\n", 0o755);
        let o = h.of("cron").expect("found");
        assert_eq!((o.init, o.words().as_str()), (Init::Script, "/etc/init.d/cron stop"));
        assert_eq!(o.pidfile.as_deref(), Some(Path::new("/var/run/crond.pid")));
        for nobody in ["crond", "", "..", "../init.d/cron", "rc", "README"] {
            assert_eq!(h.of(nobody), None, "{nobody}");
        }
        h.put("etc/rc.d/rc.sshd", "# pidfile: $X/a.pid\n", 0o755).put("etc/rc.d/rc.off", "", 0o644);
        let o = h.of("sshd").expect("Slackware's");
        assert_eq!((o.words().as_str(), o.pidfile), ("/etc/rc.d/rc.sshd stop", None));
        assert_eq!(h.of("off"), None, "it is switched off");
        h.put("etc/init.d/cron", "", 0o777);
        assert!(of(h.0.path(), "cron").expect_err("others may write").to_string().contains("everybody"));
        std::fs::create_dir_all(h.0.path().join("run/systemd/system")).expect("systemd");
        assert_eq!(h.of("sshd"), None, "systemd's");
    }

    #[test]
    fn openrc_is_asked_through_its_own_command() {
        let Some(h) = Host::new() else { return };
        h.put("etc/init.d/cron", "#!/sbin/openrc-run\n", 0o755).put("run/openrc/softlevel", "default", 0o644);
        h.put("run/openrc/daemons/cron/001", "exec=/usr/sbin/cron\npidfile=/run/crond.pid\n", 0o644);
        let o = h.of("cron").expect("found");
        assert_eq!((o.init, o.words().as_str(), o.started), (Init::OpenRc, "rc-service cron stop", false));
        assert_eq!(o.pidfile.as_deref(), Some(Path::new("/run/crond.pid")));
        h.put("run/openrc/started/cron", "", 0o644);
        assert!(h.of("cron").expect("found").started);
        h.put("run/openrc/options/cron/child_pid", "77", 0o644);
        let o = h.of("cron").expect("found");
        assert_eq!((o.init, o.init.again()), (Init::SuperviseDaemon, Some("supervise-daemon")));
        assert_eq!(o.pidfile.as_deref(), Some(Path::new("/run/openrc/options/cron/child_pid")));
    }

    #[test]
    fn supervised_is_what_a_supervisor_listens_for() {
        let Some(h) = Host::new() else { return };
        let dir = h.0.path().join("etc/sv/web");
        h.put("etc/sv/web/run", "#!/bin/sh\n", 0o755).put("etc/sv/web/supervise/stat", "run\n", 0o644);
        assert_eq!(h.of("web"), None, "nobody supervises it");
        let fifo = dir.join("supervise/control");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::from_bits_truncate(0o600)).expect("a fifo");
        assert_eq!(h.of("web"), None, "nobody listens");
        let listens =
            rustix::fs::open(&fifo, OFlags::RDONLY | OFlags::NONBLOCK, Mode::empty()).expect("listens");
        let o = h.of("web").expect("found");
        assert_eq!(
            (o.init, o.words().as_str(), o.init.again()),
            (Init::Runit, "sv down /etc/sv/web", Some("runsv"))
        );
        assert_eq!(o.pidfile.as_deref(), Some(Path::new("/etc/sv/web/supervise/pid")));
        std::fs::remove_file(dir.join("supervise/stat")).expect("stat");
        assert_eq!(h.of("web").expect("found").words(), "svc -d /etc/sv/web");
        std::fs::create_dir(dir.join("event")).expect("event");
        assert_eq!(h.of("web").expect("found").words(), "s6-svc -d /etc/sv/web");
        std::os::unix::fs::chown(&dir, Some(4321), None).expect("chown");
        assert!(of(h.0.path(), "web").is_err());
        drop(listens);
    }
}
