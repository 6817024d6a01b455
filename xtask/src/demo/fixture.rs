//! Real cron, atd, Apache and rsyslog, each with its own configuration, spool and run directories in one scratch
//! directory. A service is one shell command for `killer run`, which makes the mount namespace.

use std::fs::{self, Permissions};
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::stat::Mode;
use nix::unistd::{User, mkfifo};

/// A service of the demo.
#[derive(Clone, Copy, Debug)]
pub struct Fixture {
    /// Its name for killer.
    pub name: &'static str,
    /// What ps calls its main process: what a person would give to pkill.
    pub comm: &'static str,
    /// What is mounted and started; `$1` is the scratch directory.
    script: &'static str,
    /// Files in the scratch directory that its jobs write when they have begun, each with a PID.
    pub marks: &'static [&'static str],
}

/// In the order of their start: the others log to rsyslog.
pub const SERVICES: [Fixture; 4] = [
    Fixture {
        name: "rsyslog",
        comm: "rsyslogd",
        script: "exec rsyslogd -n -f $1/etc/rsyslog.conf -i $1/run/rsyslog.pid",
        marks: &[],
    },
    Fixture {
        name: "cron",
        comm: "cron",
        script: "mount --bind $1/spool /var/spool/cron && mount --bind $1/etc/cron.d /etc/cron.d && \
                 mount --bind $1/etc/crontab /etc/crontab && exec cron -f",
        marks: &["cron-daemon", "cron-worker"],
    },
    Fixture {
        name: "at",
        comm: "atd",
        script: "mount --bind $1/spool /var/spool/cron && cd / && \
                 echo $1/jobs/at | at -M now && exec atd -f",
        marks: &["at-child"],
    },
    Fixture {
        name: "apache2",
        comm: "apache2",
        script: "rm -f $1/run/apache2.pid; exec apache2 -f $1/etc/apache2.conf -DFOREGROUND",
        marks: &["cgi-daemon", "app-server", "app-worker"],
    },
];

impl Fixture {
    /// The command that becomes the service's main process.
    pub fn command(&self, scratch: &Path) -> Vec<String> {
        // An empty /run, and messages to our rsyslog, where the host has a log socket of its own.
        let script = format!(
            "mount -t tmpfs -o mode=755 none /run && \
             {{ [ ! -S /dev/log ] || [ ! -S $1/run/log ] || mount --bind $1/run/log /dev/log; }} && {{ {} ; }}",
            self.script
        );
        let log = scratch.join(format!("log/{}.out", self.name)).display().to_string();
        let script = format!("exec >>{log} 2>&1 </dev/null; {script}");
        let words = ["unshare", "--mount", "--propagation", "private", "sh", "-c", &script, self.name];
        words.into_iter().map(str::to_owned).chain([scratch.display().to_string()]).collect()
    }

    /// Read end of the FIFO that the service's jobs hold open for writing: EOF when the last of them is dead.
    pub fn oracle(&self, world: &World) -> Result<fs::File> {
        let mut options = fs::OpenOptions::new();
        options.read(true).custom_flags(libc::O_NONBLOCK);
        options.open(world.dir.path().join(format!("run/{}.fifo", self.name))).context("oracle")
    }
}

/// The scratch directory with everything that the services need.
#[derive(Debug)]
pub struct World {
    /// Removed at the end.
    pub dir: tempfile::TempDir,
    /// Where Apache listens, on the loopback alone.
    pub port: u16,
    /// Where the application server listens, which a CGI script starts.
    pub app_port: u16,
}

impl World {
    /// Writes configurations, jobs and directories.
    pub fn new() -> Result<World> {
        let dir = tempfile::Builder::new().prefix("killer-demo-").tempdir()?;
        let (port, app_port) = {
            // Both held at the same time, so that they differ.
            let both = [TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?];
            (both[0].local_addr()?.port(), both[1].local_addr()?.port())
        };
        let world = World { dir, port, app_port };
        world.directories()?;
        world.configurations()?;
        world.jobs()?;
        Ok(world)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn directories(&self) -> Result<()> {
        mode(self.dir.path(), 0o755)?;
        for (name, bits) in [
            ("etc", 0o755),
            ("etc/cron.d", 0o755),
            ("jobs", 0o755),
            ("log", 0o755),
            // CGI scripts run as www-data.
            ("run", 0o1777),
            ("cgi", 0o755),
            ("spool", 0o755),
            ("spool/crontabs", 0o1730),
            ("spool/atjobs", 0o1770),
            ("spool/atspool", 0o1770),
        ] {
            fs::create_dir(self.path(name)).with_context(|| name.to_owned())?;
            mode(&self.path(name), bits)?;
        }
        self.file("spool/atjobs/.SEQ", "0\n", 0o600)?;
        // The user that `at` and `atd` become.
        if let Some(user) = User::from_name("daemon")? {
            for name in ["spool/atjobs", "spool/atspool", "spool/atjobs/.SEQ"] {
                chown(self.path(name), Some(user.uid.as_raw()), Some(user.gid.as_raw()))?;
            }
        }
        for service in SERVICES {
            let fifo = self.path(&format!("run/{}.fifo", service.name));
            mkfifo(&fifo, Mode::S_IRUSR | Mode::S_IWUSR)?;
            mode(&fifo, 0o666)?;
        }
        Ok(())
    }

    fn configurations(&self) -> Result<()> {
        let d = self.dir.path().display();
        self.file(
            "etc/rsyslog.conf",
            &format!(
                "global(workDirectory=\"{d}/run\")\n\
                 module(load=\"imuxsock\" SysSock.Use=\"off\")\ninput(type=\"imuxsock\" Socket=\"{d}/run/log\")\n\
                 action(type=\"omfile\" file=\"{d}/log/messages\")\n"
            ),
            0o644,
        )?;
        // @reboot, so that nobody waits for the next minute.
        self.file(
            "etc/crontab",
            &format!("SHELL=/bin/sh\nMAILTO=\"\"\n@reboot root {d}/jobs/cron\n"),
            0o644,
        )?;
        let modules = ["mpm_event", "authz_core", "alias", "cgid"];
        let modules: String = modules
            .iter()
            .map(|m| format!("LoadModule {m}_module /usr/lib/apache2/modules/mod_{m}.so\n"))
            .collect();
        self.file(
            "etc/apache2.conf",
            &format!(
                "ServerRoot {d}\nServerName localhost\nPidFile {d}/run/apache2.pid\nErrorLog {d}/log/apache2.log\n\
                 DefaultRuntimeDir {d}/run\nListen 127.0.0.1:{}\nUser www-data\nGroup www-data\n{modules}\
                 ScriptSock {d}/run/cgid.sock\nDocumentRoot {d}/cgi\nScriptAlias /cgi/ {d}/cgi/\nStartServers 1\n\
                 <Directory {d}/cgi>\nRequire all granted\n</Directory>\n",
                self.port
            ),
            0o644,
        )
    }

    /// The jobs hold their service's FIFO (descriptor 9), say so in a file, and do what makes them hard to find.
    fn jobs(&self) -> Result<()> {
        let d = self.dir.path().display();
        let leave = |mark: &str| format!("sh -c 'echo $$ >{d}/run/{mark}; exec sleep 600' {mark}");
        self.file(
            "jobs/cron",
            &format!(
                "#!/bin/sh\n# A daemon by double fork in a session of its own, and a worker under another name.\n\
                 exec 9>{d}/run/cron.fifo\n\
                 setsid sh -c \"{} &\" </dev/null >/dev/null 2>&1 &\n\
                 setsid perl -e '$0 = \"nightly-backup\"; open my $m, \">\", \"{d}/run/cron-worker\"; print $m \"$$\\n\"; \
                 close $m; sleep 600' </dev/null >/dev/null 2>&1 &\n",
                leave("cron-daemon").replace('$', "\\$")
            ),
            0o755,
        )?;
        self.file(
            "jobs/at",
            &format!(
                "#!/bin/sh\n# A child that outlives the job.\nexec 9>{d}/run/at.fifo\n\
                 {} </dev/null >/dev/null 2>&1 &\n",
                leave("at-child")
            ),
            0o755,
        )?;
        self.file(
            "jobs/app-server",
            &format!(
                "#!/usr/bin/perl\n# A small application server: forks two workers that accept.\n\
                 use strict; use IO::Socket::INET;\n\
                 sub mark {{ open my $m, '>', \"{d}/run/$_[0]\"; print $m \"$$\\n\" }}\n\
                 my $s = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => {}, Listen => 9, ReuseAddr => 1) \
                 or die;\n\
                 $0 = 'app-server'; mark('app-server');\n\
                 for my $n (1, 2) {{\n  next if fork;\n  $0 = \"app-worker $n\"; mark('app-worker');\n\
                   while (my $c = $s->accept) {{ print $c \"HTTP/1.0 200 OK\\r\\n\\r\\napp\\n\"; close $c }}\n  exit;\n}}\n\
                 sleep 600;\n",
                self.app_port
            ),
            0o755,
        )?;
        self.file(
            "cgi/hello",
            &format!(
                "#!/bin/sh\n# Answers, and leaves a daemon and an application server behind.\n\
                 exec 9>{d}/run/apache2.fifo\n\
                 if mkdir {d}/run/once 2>/dev/null; then\n\
                 setsid sh -c \"{} &\" </dev/null >/dev/null 2>&1 &\n\
                 setsid setsid {d}/jobs/app-server </dev/null >/dev/null 2>&1\nfi\n\
                 printf 'Content-Type: text/plain\\n\\nhello\\n'\n",
                leave("cgi-daemon").replace('$', "\\$")
            ),
            0o755,
        )
    }

    fn file(&self, name: &str, text: &str, bits: u32) -> Result<()> {
        fs::write(self.path(name), text).with_context(|| name.to_owned())?;
        mode(&self.path(name), bits)
    }

    /// The PID that a job has written.
    pub fn mark(&self, mark: &str) -> Option<i32> {
        fs::read_to_string(self.path("run").join(mark)).ok()?.trim().parse().ok()
    }

    /// What a service has said, for when it does not start.
    pub fn said(&self) -> String {
        let files = fs::read_dir(self.path("log")).into_iter().flatten().flatten();
        let texts = files.filter_map(|f| {
            let text = fs::read_to_string(f.path()).ok().filter(|t| !t.is_empty())?;
            Some(format!("--- {}\n{text}", f.file_name().to_string_lossy()))
        });
        texts.collect()
    }

    /// Asks Apache for the CGI script.
    pub fn get(&self) -> io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(b"GET /cgi/hello HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        match answer.starts_with("HTTP/1.1 200") {
            true => Ok(answer),
            false => Err(io::Error::other(answer.lines().next().unwrap_or("nothing").to_owned())),
        }
    }

    /// Sends a line to the demo's rsyslog.
    pub fn log(&self, text: &str) -> io::Result<()> {
        let socket = std::os::unix::net::UnixDatagram::unbound()?;
        socket.send_to(format!("<13>demo: {text}").as_bytes(), self.path("run/log")).map(drop)
    }
}

fn mode(path: &Path, bits: u32) -> Result<()> {
    fs::set_permissions(path, Permissions::from_mode(bits)).with_context(|| path.display().to_string())
}
