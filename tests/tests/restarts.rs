//! Real services that are ended and started again at once, in a loop as a `restart` has it: files, ports and pidfiles are
//! released when `killer` comes back, and every verb shows what was started.

use killer_tests::{Launch, Service, TestEnv, eventually, free_port, get, skip};
use std::io::Read;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

fn world(test: &str, program: Option<PathBuf>, package: &str) -> Option<(TestEnv, PathBuf)> {
    let env = TestEnv::reusing(test)?;
    let Some(program) = program.filter(|p| p.exists()) else {
        skip(test, &format!("it is not installed: apt-get install {package}"));
        return None;
    };
    std::fs::set_permissions(env.dir.path(), std::fs::Permissions::from_mode(0o777)).expect("chmod");
    Some((env, program))
}

/// The one program of this directory whose name begins so.
fn begins(dir: &str, name: &str) -> Option<PathBuf> {
    let all = std::fs::read_dir(dir).ok()?.flatten();
    all.map(|e| e.path()).find(|p| p.file_name().is_some_and(|n| n.to_string_lossy().starts_with(name)))
}

fn serves(port: u16) -> bool {
    get(port, "/").is_ok_and(|a| a.contains("200"))
}

/// What is started, how it is asked whether it serves, and by which words it is ended.
struct Daemon<'a> {
    argv: Vec<String>,
    options: &'a [&'a str],
    ready: &'a dyn Fn() -> bool,
    ends: &'a [&'a [&'a str]],
}

const ENDS: [&[&str]; 3] =
    [&["-s", "TERM", "--wait=30s"], &["-s", "KILL", "--wait=30s"], &["stop", "--timeout=30s"]];

impl Daemon<'_> {
    fn start(&self, env: &TestEnv) -> Service {
        // Reaped at once: a program takes the zombie in its pidfile for a running one, and not every host's PID 1 is quick.
        let script = "log=$2; shift 2; exec \"$@\" >>\"$log\" 2>&1 </dev/null";
        let mut launch = Launch::shell(script).arg(env.path("daemon.log").to_string_lossy()).quiet().nanny();
        for word in &self.argv {
            launch = launch.arg(word);
        }
        for option in self.options {
            launch = launch.run_option(option);
        }
        launch.service(env, "svc").expect("scripts do not skip")
    }

    /// Twice round all ways to end it; the last time by KILL.
    #[track_caller]
    fn restarts(&self, env: &TestEnv) {
        for round in 0..2 {
            for end in self.ends {
                let service = self.start(env);
                let log = || std::fs::read_to_string(env.path("daemon.log")).unwrap_or_default();
                let up = eventually(Duration::from_secs(30), || (self.ready)());
                assert!(
                    up,
                    "round {round}, before {end:?}: it does not serve: {}\n{}",
                    env.killer(["status", "svc"]),
                    log()
                );
                self.is_shown(env);
                env.killer([end, &["svc"][..]].concat()).ok().silent();
                service.assert_dead();
            }
        }
    }

    /// By what was started, whatever its processes call themselves.
    #[track_caller]
    fn is_shown(&self, env: &TestEnv) {
        let program = self.argv[0].as_str();
        let json = env.killer(["status", "-o", "json", "svc"]).ok().json();
        assert!(json["command"].as_str().is_some_and(|c| c.contains(program)), "{json}");
        let out = env.killer(["status", "svc"]);
        let line =
            out.ok().stdout.lines().find(|l| l.trim_start().starts_with("Command: ")).unwrap_or_default();
        assert!(line.contains(program), "{out}");
    }
}

fn words(all: &[&str]) -> Vec<String> {
    all.iter().map(|w| (*w).to_owned()).collect()
}

#[test]
fn nginx() {
    let Some((env, program)) = world("nginx", Some("/usr/sbin/nginx".into()), "nginx") else { return };
    let (port, dir) = (free_port(), env.dir.path().display().to_string());
    let temp = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let temp: String = temp.iter().map(|t| format!("{t}_temp_path {dir}/{t};\n")).collect();
    let conf = format!(
        "user www-data; worker_processes 2; pid {dir}/nginx.pid; error_log {dir}/error.log;\nevents {{}}\n\
         http {{ access_log off; {temp} server {{ listen 127.0.0.1:{port}; location / {{ return 200 ok; }} }} }}\n"
    );
    let path = env.path("nginx.conf");
    std::fs::write(&path, conf).expect("fixture");
    let (program, path) = (program.to_string_lossy(), path.to_string_lossy());
    let ready = || serves(port);
    // In the foreground, and as the daemon that it is by itself.
    for more in ["daemon off;", "daemon on;"] {
        let argv = words(&[&program, "-c", &path, "-g", more]);
        Daemon { argv, options: &[], ready: &ready, ends: &ENDS }.restarts(&env);
    }
}

#[test]
fn haproxy() {
    let Some((env, program)) = world("haproxy", Some("/usr/sbin/haproxy".into()), "haproxy") else { return };
    let (port, pid) = (free_port(), env.path("haproxy.pid").display().to_string());
    let conf = format!(
        "global\n    nbthread 2\ndefaults\n    mode http\n    timeout client 5s\n    timeout server 5s\n    timeout connect 5s\n\
         frontend f\n    bind 127.0.0.1:{port}\n    http-request return status 200 content-type text/plain string ok\n"
    );
    let path = env.path("haproxy.cfg");
    std::fs::write(&path, conf).expect("fixture");
    let argv = words(&[&program.to_string_lossy(), "-W", "-f", &path.to_string_lossy(), "-p", &pid]);
    Daemon { argv, options: &[], ready: &|| serves(port), ends: &ENDS }.restarts(&env);
}

#[test]
fn php_fpm() {
    let Some((env, program)) = world("php_fpm", begins("/usr/sbin", "php-fpm"), "php-fpm") else { return };
    let (port, dir) = (free_port(), env.dir.path().display().to_string());
    let conf = format!(
        "[global]\npid = {dir}/fpm.pid\nerror_log = {dir}/error.log\n[www]\nuser = www-data\ngroup = www-data\n\
         listen = 127.0.0.1:{port}\npm = static\npm.max_children = 3\n"
    );
    let path = env.path("fpm.conf");
    std::fs::write(&path, conf).expect("fixture");
    let argv = words(&[&program.to_string_lossy(), "--nodaemonize", "--fpm-config", &path.to_string_lossy()]);
    let ready = || TcpStream::connect(("127.0.0.1", port)).is_ok();
    Daemon { argv, options: &[], ready: &ready, ends: &ENDS }.restarts(&env);
}

/// Its pidfile is refused while a process has that number.
#[test]
fn gunicorn() {
    let Some((env, program)) = world("gunicorn", Some("/usr/bin/gunicorn".into()), "gunicorn") else {
        return;
    };
    let (port, dir) = (free_port(), env.dir.path().display().to_string());
    let app =
        "def app(environ, start):\n    start('200 OK', [('Content-Length', '2')])\n    return [b'ok']\n";
    std::fs::write(env.path("shown.py"), app).expect("fixture");
    let bind = format!("127.0.0.1:{port}");
    let pid = format!("{dir}/gunicorn.pid");
    let program = program.to_string_lossy();
    let argv = words(&[
        &program,
        "-w",
        "2",
        "-b",
        &bind,
        "-p",
        &pid,
        "--chdir",
        &dir,
        "--worker-tmp-dir",
        &dir,
        // SIGTERM to all can find a worker that is being started again, which loses it: the master gives it up after so long.
        "--graceful-timeout",
        "5",
        "shown:app",
    ]);
    Daemon { argv, options: &[], ready: &|| serves(port), ends: &ENDS }.restarts(&env);
}

/// A master and its helpers, some of which come with the first who logs in.
#[test]
fn dovecot() {
    let Some((env, program)) = world("dovecot", Some("/usr/sbin/dovecot".into()), "dovecot-imapd") else {
        return;
    };
    let (port, dir) = (free_port(), env.dir.path().display().to_string());
    let conf = format!(
        "protocols = imap\nbase_dir = {dir}/run\nstate_dir = {dir}/run\nlog_path = {dir}/dovecot.log\nlisten = 127.0.0.1\nssl = no\n\
         passdb {{\n driver = static\n args = nopassword=y\n}}\nuserdb {{\n driver = static\n args = uid=1 gid=1 home={dir}\n}}\n\
         service imap-login {{\n inet_listener imap {{\n  port = {port}\n }}\n}}\n"
    );
    let path = env.path("dovecot.conf");
    std::fs::write(&path, conf).expect("fixture");
    let (program, path) = (program.display().to_string(), path.display().to_string());
    let ready = || greets(port, "* OK");
    // In the foreground, and as the daemon that it is by itself.
    for argv in [words(&[&program, "-F", "-c", &path]), words(&[&program, "-c", &path])] {
        Daemon { argv, options: &[], ready: &ready, ends: &ENDS }.restarts(&env);
    }
}

/// Whether who listens there says this first.
fn greets(port: u16, words: &str) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return false };
    let mut said = vec![0; words.len()];
    stream.set_read_timeout(Some(Duration::from_secs(5))).expect("a time limit");
    stream.read_exact(&mut said).is_ok_and(|()| said == words.as_bytes())
}

/// Its processes give themselves names (`smbd-notifyd`, `cleanupd`), and its databases are locked.
#[test]
fn samba() {
    let Some((env, program)) = world("samba", Some("/usr/sbin/smbd".into()), "samba") else { return };
    let (port, dir) = (free_port(), env.dir.path().display().to_string());
    let mut conf = format!(
        "[global]\nworkgroup = T\nnetbios name = T\nserver role = standalone server\nsmb ports = {port}\n\
         interfaces = 127.0.0.1\nbind interfaces only = yes\ndisable netbios = yes\nlog file = {dir}/smbd.log\n\
         load printers = no\nprinting = bsd\nprintcap name = /dev/null\n"
    );
    for each in [
        "pid directory",
        "lock directory",
        "state directory",
        "cache directory",
        "private dir",
        "ncalrpc dir",
    ] {
        let own = env.path(each.split(' ').next().expect("a word"));
        std::fs::create_dir(&own).expect("fixture");
        std::fs::set_permissions(&own, std::fs::Permissions::from_mode(0o755)).expect("chmod");
        conf.push_str(&format!("{each} = {}\n", own.display()));
    }
    let path = env.path("smb.conf");
    std::fs::write(&path, conf).expect("fixture");
    let argv =
        words(&[&program.to_string_lossy(), "-F", "--no-process-group", "-s", &path.to_string_lossy()]);
    let ready = || TcpStream::connect(("127.0.0.1", port)).is_ok();
    Daemon { argv, options: &[], ready: &ready, ends: &ENDS }.restarts(&env);
}

/// In Apache: a watchdog in a session of its own starts again what ends, and an application is forked by its preloader. (With
/// stdin closed it does not come up as a daemon, under whomever.)
#[test]
fn passenger() {
    let module = Path::new("/usr/lib/apache2/modules/mod_passenger.so");
    let program = module.exists().then(|| PathBuf::from("/usr/sbin/apache2"));
    let Some((env, program)) = world("passenger", program, "libapache2-mod-passenger") else { return };
    let (port, dir) = (free_port(), env.dir.path().display().to_string());
    for each in ["app", "app/public", "instances"] {
        std::fs::create_dir(env.path(each)).expect("fixture");
    }
    std::fs::write(
        env.path("app/config.ru"),
        "run lambda { |_| [200, {'Content-Type' => 'text/plain'}, ['ok']] }\n",
    )
    .expect("fixture");
    let conf = format!(
        "ServerRoot {dir}\nServerName localhost\nPidFile {dir}/apache.pid\nListen 127.0.0.1:{port}\nErrorLog {dir}/error.log\n\
         LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so\n\
         LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so\n\
         LoadModule passenger_module {}\nUser www-data\nGroup www-data\n\
         PassengerRoot /usr/lib/ruby/vendor_ruby/phusion_passenger/locations.ini\nPassengerRuby /usr/bin/ruby\n\
         PassengerInstanceRegistryDir {dir}/instances\nPassengerDisableSecurityUpdateCheck on\n\
         PassengerDisableAnonymousTelemetry on\nDocumentRoot {dir}/app/public\n\
         <Directory {dir}/app>\nRequire all granted\n</Directory>\n",
        module.display()
    );
    let path = env.path("apache.conf");
    std::fs::write(&path, conf).expect("fixture");
    let (program, path) = (program.display().to_string(), path.display().to_string());
    // The application runs when it has answered.
    let ready = || serves(port);
    for argv in [words(&[&program, "-f", &path, "-DFOREGROUND"]), words(&[&program, "-f", &path])] {
        Daemon { argv, options: &[], ready: &ready, ends: &ENDS }.restarts(&env);
    }
}

/// `postmaster.pid` is refused while a process has that number, and shared memory while somebody is attached to it.
#[test]
fn postgresql() {
    let dir = || {
        let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?.flatten();
        versions.map(|e| e.path().join("bin")).find(|b| b.join("postgres").exists())
    };
    let Some((env, bin)) = world("postgresql", dir(), "postgresql") else { return };
    let Some(user) = uid("postgres") else { return skip("postgresql", "no user postgres") };
    let (port, home) = (free_port().to_string(), env.dir.path().display().to_string());
    let data = format!("{home}/data");
    let run = |program: &str, args: &[&str]| {
        let mut c = Command::new(bin.join(program));
        c.args(args)
            .uid(user.0)
            .gid(user.1)
            .current_dir("/")
            .env("LC_ALL", "C.UTF-8")
            .output()
            .expect("it runs")
    };
    let made = run("initdb", &["--no-sync", "-A", "trust", "-D", &data]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let file = std::fs::File::create(env.path("daemon.log")).expect("a log");
    file.set_permissions(std::fs::Permissions::from_mode(0o666)).expect("chmod");
    let program = bin.join("postgres").display().to_string();
    let argv =
        words(&[&program, "-F", "-D", &data, "-p", &port, "-k", &home, "-c", "listen_addresses=127.0.0.1"]);
    let ready = || run("pg_isready", &["-q", "-h", &home, "-p", &port]).status.success();
    // Smart, fast, and as after a power failure: it recovers.
    let ends: [&[&str]; 4] = [
        &["stop", "--mode=mixed", "--signal=INT", "--timeout=30s"],
        &["-s", "KILL", "--wait=30s"],
        &["-s", "INT", "--whom=main", "--wait=30s"],
        &["stop", "--timeout=30s"],
    ];
    Daemon { argv, options: &["--user=postgres"], ready: &ready, ends: &ends }.restarts(&env);
}

fn uid(name: &str) -> Option<(u32, u32)> {
    let passwd = std::fs::read_to_string("/etc/passwd").ok()?;
    let line = passwd.lines().find(|l| l.split(':').next() == Some(name))?;
    let mut fields = line.split(':').skip(2).map(|f| f.parse().ok());
    Some((fields.next()??, fields.next()??))
}

/// The program that was given stays what is shown, also where another one runs in its place.
#[test]
fn what_was_started_is_shown() {
    killer_tests::everywhere("what_was_started_is_shown", |env| {
        let script = "echo ready a=1 >\"$1\"; exec sleep 40";
        let Some(service) = Launch::shell(script).arg("b\x1b\u{e9}").service(env, "svc") else { return };
        let json = env.killer(["list", "-o", "json"]).ok().json();
        let command = json["services"][0]["command"].as_str().unwrap_or_default().to_owned();
        assert!(
            command.starts_with("/bin/sh -c echo ready") && command.ends_with("b\u{1b}\u{e9}"),
            "{command}"
        );
        let main = || {
            let json = env.killer(["status", "-o", "json", "svc"]).ok().json();
            json["main"]["comm"].as_str().unwrap_or_default().to_owned()
        };
        assert!(eventually(Duration::from_secs(5), || main() == "sleep"), "{}", main());
        for verb in [&["list"][..], &["status", "svc"]] {
            let text = env.killer(verb).ok().stdout.clone();
            assert!(text.contains("sh -c echo ready"), "{text}");
        }
        env.killer(["-KILL", "--wait", "svc"]).ok();
        service.assert_dead();
        assert!(env.killer(["list"]).ok().stdout.contains("sh -c echo"), "of who has ended, too");

        // Of an adopted one: what it was then.
        let Some(it) = Launch::shell("echo ready a=1 >\"$1\"; sleep 50; exit 0").direct(&env.test) else {
            return;
        };
        let out = env.killer(["adopt", "taken", "--pid", &it.pid().to_string()]);
        if out.exit() == 1 {
            return skip(&env.test, "this tier cannot adopt");
        }
        let text = env.killer(["status", "taken"]).stdout;
        assert!(text.contains("Command: /bin/sh -c echo ready"), "{text}");
        env.killer(["-KILL", "--wait", "taken"]).ok();
    });
}
