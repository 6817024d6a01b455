//! Real services as packaged by Debian, each in a mount namespace of its own with its own configuration, spool and run
//! directories; their jobs hold a FIFO open, because daemons close what they inherit.

use killer_tests::{Bystander, Launch, LivePipe, Service, TestEnv, eventually, get, names_pid, skip};
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The test's world, or `None` after a skip; `program` comes with `package`.
fn world(test: &str, program: &str, package: &str) -> Option<TestEnv> {
    let env = TestEnv::new(test)?;
    if !Path::new(program).exists() {
        skip(test, &format!("no {program}: apt-get install {package}"));
        return None;
    }
    Some(env)
}

/// Starts `script` as a service, in a mount namespace where `/run` is empty; `$D` is the scratch directory.
#[track_caller]
fn start(env: &TestEnv, name: &str, script: &str) -> Service {
    let script = format!(
        "D='{}'; exec unshare -m sh -c 'mount -t tmpfs none /run && {{ {script}\n}} >>$1/daemon.log 2>&1' sh \"$D\"",
        env.dir.path().display()
    );
    Launch::shell(&script).quiet().service(env, name).expect("scripts do not skip")
}

/// A FIFO that a job opens for writing; the read end is there from the start.
fn fifo(env: &TestEnv, name: &str) -> (PathBuf, LivePipe) {
    let path = env.path(name);
    (path.clone(), LivePipe::fifo(&path))
}

/// A file for anybody to read, and to execute where it says how.
fn file(path: &Path, text: &str, mode: u32) {
    std::fs::write(path, text).expect("fixture");
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("chmod");
}

#[track_caller]
fn log_of(env: &TestEnv) -> String {
    std::fs::read_to_string(env.path("daemon.log")).unwrap_or_default()
}

/// The job has begun when its file is there.
#[track_caller]
fn begun(env: &TestEnv, mark: &str, limit: u64) -> i32 {
    let path = env.path(mark);
    let read = || std::fs::read_to_string(&path).ok().and_then(|t| t.trim().parse().ok());
    let there = eventually(Duration::from_secs(limit), || read().is_some());
    assert!(there, "the job never ran: {}", log_of(env));
    read().expect("it was there")
}

/// A daemon by double fork, in a session of its own, that holds the FIFO.
fn daemon_script(env: &TestEnv, fifo: &Path, mark: &str) -> PathBuf {
    let path = env.path(&format!("{mark}.sh"));
    let text = format!(
        "#!/bin/sh\nexec 9>{}\nsetsid sh -c 'sh -c \"echo \\$\\$ >{mark}.tmp; mv {mark}.tmp {mark}; exec sleep 60\" &' \
         </dev/null >/dev/null 2>&1 &\n",
        fifo.display(),
        mark = env.path(mark).display(),
    );
    file(&path, &text, 0o755);
    path
}

#[test]
fn cron() {
    let Some(env) = world("cron", "/usr/sbin/cron", "cron") else { return };
    std::fs::set_permissions(env.dir.path(), std::fs::Permissions::from_mode(0o777)).expect("chmod");
    let bystander = Bystander::new(&env.test);
    let (path, job_live) = fifo(&env, "job.fifo");
    let script = daemon_script(&env, &path, "job");
    for dir in ["spool", "spool/crontabs", "cron.d"] {
        std::fs::create_dir(env.path(dir)).expect("directory");
    }
    // @reboot, so that nobody waits for the next minute.
    let job = format!("SHELL=/bin/sh\n@reboot root {}\n", script.display());
    file(&env.path("crontab"), &job, 0o644);
    let service = start(
        &env,
        "cron",
        "mount --bind $1/spool /var/spool/cron && mount --bind $1/cron.d /etc/cron.d && \
         mount --bind $1/crontab /etc/crontab && exec cron -f",
    );
    let daemon = begun(&env, "job", 20);
    let out = env.killer(["status", "cron"]);
    assert!(names_pid(&out.ok().stdout, daemon), "the job's daemon is not in: {out}");
    env.killer(["-s", "KILL", "--who=all", "--wait", "cron"]).ok().silent();
    service.assert_dead();
    assert!(job_live.eof_within(Duration::from_secs(1)), "the job's daemon lives on");
    bystander.assert_untouched();
    env.killer(["status", "cron"]).code(3);
}

#[test]
fn atd() {
    let Some(env) = world("atd", "/usr/sbin/atd", "at") else { return };
    std::fs::set_permissions(env.dir.path(), std::fs::Permissions::from_mode(0o777)).expect("chmod");
    let (path, job_live) = fifo(&env, "job.fifo");
    let mode = std::fs::Permissions::from_mode(0o666);
    std::fs::set_permissions(&path, mode).expect("chmod");
    let script = daemon_script(&env, &path, "job");
    let owner = user("daemon");
    for dir in ["cron", "cron/atjobs", "cron/atspool"] {
        std::fs::create_dir(env.path(dir)).expect("directory");
        if let Some((uid, gid)) = owner {
            chown(env.path(dir), Some(uid), Some(gid)).expect("chown");
        }
    }
    std::fs::set_permissions(env.path("cron/atjobs"), std::fs::Permissions::from_mode(0o1770))
        .expect("chmod");
    file(&env.path("cron/atjobs/.SEQ"), "0\n", 0o600);
    if let Some((uid, gid)) = owner {
        chown(env.path("cron/atjobs/.SEQ"), Some(uid), Some(gid)).expect("chown");
    }
    let service = start(
        &env,
        "atd",
        &format!(
            "mount --bind $1/cron /var/spool/cron && cd / && echo {} | at now; exec atd -f",
            script.display()
        ),
    );
    let daemon = begun(&env, "job", 30);
    let out = env.killer(["status", "atd"]);
    assert!(names_pid(&out.ok().stdout, daemon), "the job's daemon is not in: {out}");
    // The main process alone: what the job left lives on, and is still known.
    env.killer(["-KILL", "--whom=main", "atd"]).ok();
    assert!(job_live.alive());
    env.killer(["-KILL", "--wait", "atd"]).ok().silent();
    service.assert_dead();
    assert!(job_live.eof_within(Duration::from_secs(1)), "the job's daemon lives on");
}

/// uid and gid of a user.
fn user(name: &str) -> Option<(u32, u32)> {
    let user = nix::unistd::User::from_name(name).ok()??;
    Some((user.uid.as_raw(), user.gid.as_raw()))
}

#[track_caller]
fn answers(env: &TestEnv, port: u16, path: &str) -> String {
    let mut last = Err(std::io::ErrorKind::TimedOut.into());
    let ok = eventually(Duration::from_secs(10), || {
        last = get(port, path);
        last.as_ref().is_ok_and(|a| a.starts_with("HTTP/1.1 200"))
    });
    assert!(
        ok,
        "{last:?}\n{}\n{}",
        log_of(env),
        std::fs::read_to_string(env.path("error.log")).unwrap_or_default()
    );
    last.expect("it was ok")
}

#[test]
fn apache() {
    let Some(env) = world("apache", "/usr/sbin/apache2", "apache2") else { return };
    std::fs::set_permissions(env.dir.path(), std::fs::Permissions::from_mode(0o777)).expect("chmod");
    let port = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port").port();
    let (path, cgi_live) = fifo(&env, "cgi.fifo");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).expect("chmod");
    let script = daemon_script(&env, &path, "cgi");
    std::fs::create_dir(env.path("bin")).expect("directory");
    let hello = format!(
        "#!/bin/sh\n{} >/dev/null 2>&1\nprintf 'Content-Type: text/plain\\n\\nhello\\n'\n",
        script.display()
    );
    file(&env.path("bin/hello"), &hello, 0o755);
    let dir = env.dir.path().display();
    let conf = format!(
        "ServerRoot {dir}\nServerName localhost\nPidFile {dir}/apache.pid\nErrorLog {dir}/error.log\n\
         DefaultRuntimeDir {dir}\nListen 127.0.0.1:{port}\nUser www-data\nGroup www-data\n\
         LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so\n\
         LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so\n\
         LoadModule alias_module /usr/lib/apache2/modules/mod_alias.so\n\
         LoadModule cgid_module /usr/lib/apache2/modules/mod_cgid.so\n\
         ScriptSock {dir}/cgid.sock\nDocumentRoot {dir}/bin\nScriptAlias /cgi/ {dir}/bin/\n\
         <Directory {dir}/bin>\nRequire all granted\n</Directory>\n"
    );
    file(&env.path("apache.conf"), &conf, 0o644);
    // Apache takes a zombie for a running one, and not every host's PID 1 reaps at once.
    let run = || start(&env, "apache", "rm -f $1/apache.pid; exec apache2 -f $1/apache.conf -DFOREGROUND");
    let service = run();
    assert!(answers(&env, port, "/cgi/hello").contains("hello"));
    let daemon = begun(&env, "cgi", 10);
    assert!(
        names_pid(&env.killer(["-n", "-KILL", "apache"]).ok().stdout, daemon),
        "the CGI's daemon is not in"
    );
    env.killer(["-s", "KILL", "--wait", "apache"]).ok().silent();
    let listener = TcpListener::bind(("127.0.0.1", port));
    assert!(listener.is_ok(), "the port is not free: {listener:?}");
    drop(listener);
    service.assert_dead();
    assert!(cgi_live.eof_within(Duration::from_secs(1)), "the CGI's daemon lives on");

    // Again, on the same port, at once.
    for _ in 0..2 {
        let begun = Instant::now();
        let service = run();
        answers(&env, port, "/cgi/hello");
        assert!(begun.elapsed() < Duration::from_secs(60));
        env.killer(["-s", "KILL", "--wait", "apache"]).ok().silent();
        service.assert_dead();
    }
}

#[test]
fn rsyslog() {
    let Some(env) = world("rsyslog", "/usr/sbin/rsyslogd", "rsyslog") else { return };
    let dir = env.dir.path().display();
    let conf = format!(
        "global(workDirectory=\"{dir}\")\n\
         module(load=\"imuxsock\" SysSock.Use=\"off\")\ninput(type=\"imuxsock\" Socket=\"{dir}/log.sock\")\n\
         action(type=\"omfile\" file=\"{dir}/messages\")\n"
    );
    file(&env.path("rsyslog.conf"), &conf, 0o644);
    let service = start(&env, "rsyslog", "exec rsyslogd -n -f $1/rsyslog.conf -i $1/rsyslog.pid");
    let socket = UnixDatagram::unbound().expect("socket");
    let log = env.path("messages");
    let say =
        |text: &str| socket.send_to(format!("<13>test: {text}").as_bytes(), env.path("log.sock")).is_ok();
    let has = |path: &Path, text: &str| std::fs::read_to_string(path).is_ok_and(|t| t.contains(text));
    let heard = eventually(Duration::from_secs(10), || say("one") && has(&log, "one"));
    assert!(heard, "rsyslog does not log: {}", log_of(&env));

    std::fs::rename(&log, env.path("messages.1")).expect("rotate");
    assert!(eventually(Duration::from_secs(5), || say("two") && has(&env.path("messages.1"), "two")));
    assert!(!log.exists(), "the file was opened again without being asked to");
    env.killer(["-s", "HUP", "--whom=main", "rsyslog"]).ok().silent();
    let opened = eventually(Duration::from_secs(10), || say("three") && has(&log, "three"));
    assert!(opened, "HUP did not open the file again: {}", log_of(&env));
    service.assert_alive();

    // TERM ends it in good order, and `--wait` sees that.
    env.killer(["--wait=20s", "rsyslog"]).ok().silent();
    assert!(service.live.eof_within(Duration::ZERO));
    env.killer(["status", "rsyslog"]).code(3);
}
