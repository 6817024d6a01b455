//! `killer serve --metrics`: figures for a Prometheus that asks, and nothing for anybody else.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Duration;

use killer_tests::{Launch, Running, TestEnv, eventually, free_port};
use rustix::process::Signal;

const SOON: Duration = Duration::from_secs(20);

fn serve(env: &TestEnv, place: &str) -> Running {
    let mut command = env.command();
    command.args(["serve", "--metrics", place]);
    let running = env.spawn(command);
    let ready = || running.so_far().contains("figures at");
    assert!(eventually(SOON, ready), "not ready: {}", running.so_far());
    running
}

#[track_caller]
fn ended(running: Running) {
    running.pidfd().signal(Signal::TERM);
    running.finish(SOON).ok();
}

/// The whole answer to these bytes.
fn ask(mut stream: impl Read + Write, request: &str) -> String {
    stream.write_all(request.as_bytes()).expect("a request");
    let mut answer = Vec::new();
    // It is closed with something unread when a request was too long.
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn tcp(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a limit");
    stream
}

/// Status, head and text.
fn parts(answer: &str) -> (&str, &str, &str) {
    let (head, text) = answer.split_once("\r\n\r\n").unwrap_or((answer, ""));
    (head.split_whitespace().nth(1).unwrap_or_default(), head, text)
}

#[test]
fn figures_are_read_and_that_is_all() {
    let Some(env) = TestEnv::reusing("figures_are_read_and_that_is_all") else { return };
    let Some(svc) = Launch::new("plain").service(&env, "svc") else { return };
    let port = free_port();
    let running = serve(&env, &port.to_string());
    let get = ask(tcp(port), "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let (status, head, text) = parts(&get);
    assert!(status == "200" && head.contains("Content-Type: text/plain; version=0.0.4"), "{get}");
    assert!(head.contains(&format!("Content-Length: {}", text.len())), "{get}");
    assert!(text.contains("killer_service_processes{service=\"svc\"} 2\n"), "{get}");
    let head_only = ask(tcp(port), "HEAD /metrics HTTP/1.0\r\n\r\n");
    assert!(parts(&head_only).0 == "200" && parts(&head_only).2.is_empty(), "{head_only}");
    for (request, status) in [
        ("POST /metrics HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", "405"),
        ("DELETE /metrics HTTP/1.1\r\n\r\n", "405"),
        ("GET / HTTP/1.1\r\n\r\n", "404"),
        ("GET /metrics/../../etc/passwd HTTP/1.1\r\n\r\n", "404"),
        ("\u{1b}[2J\r\n\r\n", "400"),
        ("GET /metrics HTTP/9\r\n\r\n", "505"),
    ] {
        let answer = ask(tcp(port), request);
        assert_eq!(parts(&answer).0, status, "{request:?}: {answer}");
    }
    let long = format!("GET /metrics HTTP/1.1\r\nX: {}", "x".repeat(20_000));
    let answer = ask(tcp(port), &long);
    assert!(["431", ""].contains(&parts(&answer).0), "{answer}");
    // Those that say nothing are held up, and nobody else.
    let silent: Vec<TcpStream> = (0..10).map(|_| tcp(port)).collect();
    assert_eq!(parts(&ask(tcp(port), "GET /metrics HTTP/1.1\r\n\r\n")).0, "200");
    let many: Vec<TcpStream> = (0..100).map(|_| tcp(port)).collect();
    drop(many);
    for mut s in silent {
        let mut nothing = Vec::new();
        let _ = s.read_to_end(&mut nothing);
        assert!(nothing.is_empty(), "an answer to nothing");
    }
    assert_eq!(parts(&ask(tcp(port), "GET /metrics HTTP/1.1\r\n\r\n")).0, "200");
    env.killer(["-KILL", "--wait", "svc"]).ok();
    svc.assert_dead();
    let gone = || ask(tcp(port), "GET /metrics HTTP/1.1\r\n\r\n").contains("processes{service=\"svc\"} 0\n");
    assert!(eventually(SOON, gone), "figures of old");
    ended(running);
}

#[test]
fn without_a_tracker_there_are_words() {
    let Some(env) = TestEnv::new("without_a_tracker_there_are_words") else { return };
    let port = free_port();
    let running = serve(&env, &format!("127.0.0.1:{port}"));
    assert_eq!(parts(&ask(tcp(port), "GET /metrics HTTP/1.1\r\n\r\n")).0, "200");
    env.killer(["down", "--force"]).ok();
    let told = || {
        let answer = ask(tcp(port), "GET /metrics HTTP/1.1\r\n\r\n");
        parts(&answer).0 == "503"
            && parts(&answer).2 == "killer: no tracker is loaded, so nothing is tracked\n"
    };
    assert!(eventually(SOON, told), "{}", ask(tcp(port), "GET /metrics HTTP/1.1\r\n\r\n"));
    env.killer(["up"]).ok();
    let back = || parts(&ask(tcp(port), "GET /metrics HTTP/1.1\r\n\r\n")).0 == "200";
    assert!(eventually(SOON, back), "it does not see the new one");
    ended(running);
}

#[test]
fn a_socket_is_there_as_long_as_somebody_listens() {
    let Some(env) = TestEnv::reusing("a_socket_is_there_as_long_as_somebody_listens") else { return };
    let path = env.path("metrics.sock");
    let place = format!("unix:{}", path.display());
    // Left by one that has gone.
    drop(UnixListener::bind(&path).expect("a socket"));
    let running = serve(&env, &place);
    let there = std::fs::symlink_metadata(&path).expect("the socket");
    assert!(there.file_type().is_socket() && there.permissions().mode() & 0o777 == 0o660, "{there:?}");
    let stream = UnixStream::connect(&path).expect("a connection");
    assert_eq!(parts(&ask(stream, "GET /metrics HTTP/1.1\r\n\r\n")).0, "200");
    env.killer(["serve", "--metrics", &place]).error(1, &["cannot listen", "somebody listens"]);
    ended(running);
    assert!(!path.exists(), "the socket is left");
    std::fs::write(&path, "a file").expect("a file");
    env.killer(["serve", "--metrics", &place]).error(1, &["cannot listen", "no socket"]);
    assert_eq!(std::fs::read_to_string(&path).expect("the file"), "a file");
    for wrong in ["unix:metrics", "localhost", "host:80", "0", "1.2.3.4"] {
        env.killer(["serve", "--metrics", wrong]).error(2, &["--metrics", "unix:/PATH"]);
    }
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port().to_string();
    env.killer(["serve", "--metrics", &port]).error(1, &["cannot listen", "EADDRINUSE"]);
}
