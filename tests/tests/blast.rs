//! What outside of a service depends on it: a dry run says who has the other end of what it holds.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use killer_tests::{Launch, TestEnv, eventually, everywhere, names_pid, skip};
use serde_json::Value;

/// What a dry run finds.
#[track_caller]
fn outside(env: &TestEnv, args: &[&str]) -> Value {
    env.killer([&["-n", "-o", "json"], args].concat()).ok().json()["outside"].clone()
}

fn list<'a>(v: &'a Value, key: &str) -> &'a [Value] {
    v[key].as_array().map_or(&[], Vec::as_slice)
}

/// A link of this kind with a process outside.
fn linked(o: &Value, kind: &str, pid: u32) -> bool {
    let has = |l: &Value| list(l, "outside").iter().any(|s| s["pid"] == pid);
    list(o, "links").iter().any(|l| l["kind"] == kind && has(l))
}

fn there(program: &str) -> bool {
    Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

/// A process of the test's own, which ends with it.
struct Own(Child);

impl Drop for Own {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn own(program: &str, args: &[&str]) -> Own {
    let mut command = Command::new(program);
    Own(command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("a process"))
}

#[test]
fn pipes_to_strangers() {
    everywhere("pipes_to_strangers", |env| {
        // The test holds the other end of its pipe; that between its processes is nobody else's.
        let Some(service) = Launch::shell("sleep 60 | sleep 61 & sleep 0.3; echo ready > $1; exec sleep 60")
            .service(env, "svc")
        else {
            return;
        };
        let o = outside(env, &["svc"]);
        assert!(linked(&o, "pipe", std::process::id()), "{o}");
        let lonely = |l: &&Value| l["kind"] == "pipe" && list(l, "outside").is_empty();
        assert_eq!(list(&o, "links").iter().filter(lonely).count(), 0, "{o}");
        let shown = env.killer(["-n", "svc"]).ok().stdout.clone();
        // Where the tests' output is a pipe, too, that has a line of its own.
        let mut lines = shown.lines().filter(|l| l.starts_with("outside: ") && l.contains(" a pipe of "));
        assert!(lines.any(|l| names_pid(l, std::process::id() as i32)), "{shown}");
        // Others of the service are not outside of it, whoever the signal is for.
        let o = outside(env, &["--whom=main", "svc"]);
        let all = env.killer(["-n", "-o", "json", "svc"]).ok().json();
        let members: Vec<&Value> = list(&all, "targets").iter().map(|t| &t["pid"]).collect();
        assert!(members.len() > 2, "{all}");
        let mut named = list(&o, "links").iter().flat_map(|l| list(l, "outside"));
        assert!(!named.any(|s| members.contains(&&s["pid"])), "{o}");
        // Who really is signalled needs no such look, and a probe has none.
        for args in [&["-o", "json", "-s", "0", "svc"][..], &["-o", "json", "-s", "KILL", "svc"]] {
            assert!(env.killer(args).ok().json()["outside"].is_null());
        }
        service.assert_dead();
        assert_eq!(outside(env, &["-KILL", "svc"])["links"], Value::Array(vec![]));
    });
}

#[test]
fn ports_and_connections() {
    let Some(env) = TestEnv::reusing("ports_and_connections") else { return };
    if !there("python3") {
        return skip(&env.test, "no python3");
    }
    let server = env.path("server.py");
    let path = env.path("socket");
    let listener = UnixListener::bind(&path).expect("a socket");
    let text = format!(
        "import socket\ns = socket.create_server(('127.0.0.1', 0))\nu = socket.socket(socket.AF_UNIX)\nu.connect({:?})\n\
         u.send(str(s.getsockname()[1]).encode() + b'\\n')\nc, _ = s.accept()\nc.recv(1)\n",
        path.display().to_string()
    );
    std::fs::write(&server, text).expect("a program");
    env.killer(["run", "--name", "svc", "--detach", "--", "python3", &server.to_string_lossy()]).ok();
    let (mut end, _) = listener.accept().expect("the server");
    end.set_read_timeout(Some(Duration::from_secs(30))).expect("a limit");
    let mut port = String::new();
    let mut byte = [0];
    while end.read(&mut byte).expect("a port") == 1 && byte[0] != b'\n' {
        port.push(byte[0].into());
    }
    let at = format!("127.0.0.1:{port}");
    let of = |o: &Value| list(o, "ports").iter().find(|p| p["at"] == *at).cloned().unwrap_or_default();
    assert_eq!(
        (&of(&outside(&env, &["svc"]))["established"], &of(&outside(&env, &["svc"]))["protocol"]),
        (&0.into(), &"tcp".into())
    );
    let mut peer = TcpStream::connect(&at).expect("a connection");
    assert!(eventually(Duration::from_secs(20), || linked(
        &outside(&env, &["svc"]),
        "tcp",
        std::process::id()
    )));
    let o = outside(&env, &["svc"]);
    assert_eq!(of(&o)["established"], 1, "{o}");
    assert!(linked(&o, "unix", std::process::id()), "{o}");
    let shown = env.killer(["-n", "svc"]).ok().stdout.clone();
    for words in [
        format!("outside: tcp port {at} of "),
        "1 established connection".into(),
        " the other end of a unix socket of ".into(),
    ] {
        assert!(shown.contains(&words), "no '{words}': {shown}");
    }
    peer.write_all(b"x").expect("the end of the server");
    env.killer(["-s", "KILL", "--wait", "svc"]).ok();
}

/// A member in a network namespace of its own is connected to somebody outside of it.
#[test]
fn sockets_of_another_network() {
    let Some(env) = TestEnv::reusing("sockets_of_another_network") else { return };
    let path = env.path("socket");
    let listener = UnixListener::bind(&path).expect("a socket");
    let launch = Launch::new("evidence-apart").arg(path.to_string_lossy());
    let Some(service) = launch.service(&env, "svc") else { return };
    let (_end, _) = listener.accept().expect("the member");
    let o = outside(&env, &["svc"]);
    assert!(linked(&o, "unix", std::process::id()), "{o}");
    assert!(!o["left_out"].to_string().contains("unix sockets"), "{o}");
    env.killer(["-s", "KILL", "--wait", "svc"]).ok();
    service.assert_dead();
}

#[test]
fn locks_and_who_waits() {
    let Some(env) = TestEnv::reusing("locks_and_who_waits") else { return };
    if !there("flock") {
        return skip(&env.test, "no flock");
    }
    let file = env.path("lock").display().to_string();
    env.killer(["run", "--name", "svc", "--detach", "--", "flock", &file, "sleep", "60"]).ok();
    let held = || list(&outside(&env, &["svc"]), "locks").to_vec();
    assert!(eventually(Duration::from_secs(20), || held().len() == 1));
    let waits = own("flock", &[&file, "true"]);
    let pid = waits.0.id();
    let named =
        || held().iter().any(|l| list(l, "waiting").iter().any(|s| s["pid"] == pid && s["comm"] == "flock"));
    assert!(eventually(Duration::from_secs(20), named), "{:?}", held());
    assert_eq!(held()[0]["kind"], "FLOCK WRITE");
    assert!(env.killer(["-n", "svc"]).ok().stdout.contains("(flock) waits for it"));
    env.killer(["-s", "KILL", "svc"]).ok();
}

#[test]
fn traced_by_a_member() {
    let Some(env) = TestEnv::reusing("traced_by_a_member") else { return };
    if !there("strace") {
        return skip(&env.test, "no strace");
    }
    let stranger = own("sleep", &["60"]);
    let pid = stranger.0.id();
    env.killer([
        "run",
        "--name",
        "svc",
        "--detach",
        "--",
        "strace",
        "-o",
        "/dev/null",
        "-p",
        &pid.to_string(),
    ])
    .ok();
    let traced = || list(&outside(&env, &["svc"]), "traced").iter().any(|t| t["outside"]["pid"] == pid);
    assert!(eventually(Duration::from_secs(20), traced));
    assert!(env.killer(["-n", "svc"]).ok().stdout.contains(&format!("{pid} (sleep) is traced by ")));
    env.killer(["-s", "KILL", "svc"]).ok();
}

#[test]
fn mounts_that_end_with_it() {
    let Some(env) = TestEnv::reusing("mounts_that_end_with_it") else { return };
    env.killer(["run", "--name", "svc", "--detach", "--", "unshare", "--mount", "sleep", "60"]).ok();
    let kinds =
        || list(&outside(&env, &["svc"]), "mounts").iter().map(|m| m["kind"].clone()).collect::<Vec<_>>();
    assert!(
        eventually(Duration::from_secs(20), || kinds().contains(&"mount-namespace".into())),
        "{:?}",
        kinds()
    );
    env.killer(["-s", "KILL", "svc"]).ok();
    if std::fs::File::options().read(true).write(true).open("/dev/fuse").is_err() {
        return skip(&env.test, "no /dev/fuse");
    }
    env.killer(["run", "--name", "fs", "--detach", "--", "sh", "-c", "exec 3<>/dev/fuse; exec sleep 60"])
        .ok();
    let serves = || list(&outside(&env, &["fs"]), "mounts").iter().any(|m| m["kind"] == "fuse-server");
    assert!(eventually(Duration::from_secs(20), serves));
    env.killer(["-s", "KILL", "fs"]).ok();
}

/// A stranger's name is his to choose, and a user is told what he may not look into.
#[test]
fn hostile_and_hidden() {
    let user = 65_000 + std::process::id() % 500;
    let Some(env) = TestEnv::without_programs("hostile_and_hidden", "scan", Some(user)) else { return };
    let bad = env.path("x\u{1b}[31m\n");
    std::fs::copy("/bin/sleep", &bad).expect("a program");
    let mut run = env.command();
    run.args(["run", "--name", "svc", "--", "sleep", "60"]).stdin(Stdio::piped());
    let mut killer = Own(run.spawn().expect("killer"));
    assert!(eventually(Duration::from_secs(20), || env.killer(["-s", "0", "svc"]).exit() == 0));
    // He has the other end of the service's stdin, and is this user.
    let pipe = killer.0.stdin.take().expect("a pipe");
    let mut named = Command::new(Path::new(&bad));
    env.identity(&mut named);
    let named = Own(named.arg("60").stdout(pipe).stdin(Stdio::null()).spawn().expect("a stranger"));
    let shown = || env.killer(["-n", "svc"]).ok().stdout.clone();
    assert!(eventually(Duration::from_secs(20), || names_pid(&shown(), named.0.id() as i32)), "{}", shown());
    let out = shown();
    assert!(!out.chars().any(|c| c.is_control() && c != '\n'), "{out:?}");
    assert!(out.contains("outside: not looked at: ") && out.contains("may not look into"), "{out}");
    env.killer(["-s", "KILL", "svc"]).ok();
}
