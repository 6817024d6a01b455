//! Daemons whose first process ends, as packaged: the example of the help, and that a service that was ended can be started
//! again at once on the same port with the same pidfile.

use killer_tests::{Launch, Service, TestEnv, eventually, free_port, get, skip};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

fn world(test: &str, program: &str, package: &str) -> Option<TestEnv> {
    let env = TestEnv::new(test)?;
    if !Path::new(program).exists() {
        skip(test, &format!("no {program}: apt-get install {package}"));
        return None;
    }
    std::fs::set_permissions(env.dir.path(), std::fs::Permissions::from_mode(0o777)).expect("chmod");
    Some(env)
}

#[track_caller]
fn answers(env: &TestEnv, port: u16) {
    let mut last = Err(std::io::ErrorKind::TimedOut.into());
    let ok = eventually(Duration::from_secs(20), || {
        last = get(port, "/");
        last.as_ref().is_ok_and(|a| a.starts_with("HTTP/1"))
    });
    let read = |n: &str| std::fs::read_to_string(env.path(n)).unwrap_or_default();
    assert!(ok, "{last:?}\n{}\n{}", read("daemon.log"), read("error.log"));
}

/// Starts a script as a service whose `/run` is its own.
#[track_caller]
fn start(env: &TestEnv, name: &str, script: &str, options: &[&str]) -> Service {
    let script = format!(
        "D='{}'; exec unshare -m sh -c 'mount -t tmpfs none /run && {{ {script}\n}} >>$1/daemon.log 2>&1' sh \"$D\"",
        env.dir.path().display()
    );
    let launch = options.iter().fold(Launch::shell(&script).quiet(), |l, o| l.run_option(o));
    launch.service(env, name).expect("scripts do not skip")
}

fn main_pid(env: &TestEnv, name: &str) -> Option<i64> {
    env.killer(["status", "-o", "json", name]).json()["main_pid"].as_i64()
}

/// `killer run --name web --detach -- apache2ctl start`, `-s HUP --whom=main web`, as the help prints it.
#[test]
fn apache_as_in_the_help() {
    let Some(env) = world("apache_as_in_the_help", "/usr/sbin/apache2ctl", "apache2") else { return };
    let (port, dir) = (free_port(), env.dir.path().display().to_string());
    let modules = ["mpm_event", "authz_core"]
        .map(|m| format!("LoadModule {m}_module /usr/lib/apache2/modules/mod_{m}.so\n"))
        .concat();
    let conf = format!(
        "ServerRoot {dir}\nServerName localhost\nPidFile {dir}/apache.pid\nErrorLog {dir}/error.log\n\
         DefaultRuntimeDir {dir}\nListen 127.0.0.1:{port}\nUser www-data\nGroup www-data\n{modules}\
         DocumentRoot {dir}\n<Directory {dir}>\nRequire all denied\n</Directory>\n"
    );
    std::fs::write(env.path("apache2.conf"), conf).expect("fixture");
    let envvars = format!("export APACHE_RUN_DIR={dir} APACHE_LOCK_DIR={dir} APACHE_LOG_DIR={dir} LANG=C\n");
    std::fs::write(env.path("envvars"), envvars).expect("fixture");
    let said = env.path("mainpid");
    let stop = format!("--exec-stop=echo $MAINPID >{}; kill -s WINCH $MAINPID", said.display());
    for round in 0..2 {
        let service =
            start(&env, "web", "export APACHE_CONFDIR=$1; exec /usr/sbin/apache2ctl start", &[&stop]);
        answers(&env, port);
        // The first process may still be on its way out.
        let read = || std::fs::read_to_string(env.path("apache.pid")).ok()?.trim().parse::<i64>().ok();
        let master = read();
        assert!(
            eventually(Duration::from_secs(10), || master.is_some() && main_pid(&env, "web") == master),
            "apache's main process is {master:?}: {}",
            env.killer(["status", "web"])
        );
        env.killer(["-s", "HUP", "--whom=main", "web"]).ok().silent();
        let restarted = || std::fs::read_to_string(env.path("error.log")).unwrap_or_default();
        assert!(
            eventually(Duration::from_secs(20), || restarted().contains("SIGHUP received")),
            "HUP never came: {}",
            restarted()
        );
        answers(&env, port);
        assert_eq!(main_pid(&env, "web"), master);
        if round == 0 {
            // Its stop command asks the main process to go gracefully.
            env.killer(["stop", "--timeout=30s", "web"]).ok().silent();
            let text = std::fs::read_to_string(&said).unwrap_or_default();
            assert_eq!(text.trim().parse::<i64>().ok(), master, "MAINPID");
        } else {
            env.killer(["-s", "KILL", "--who=all", "--wait", "web"]).ok().silent();
        }
        service.assert_dead();
        let _ = std::fs::remove_file(env.path("error.log"));
        // Apache takes a zombie for a running one, and not every host's PID 1 reaps at once.
        let _ = std::fs::remove_file(env.path("apache.pid"));
    }
}
