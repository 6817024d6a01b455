//! Figures over HTTP, for a Prometheus that asks for them: `GET /metrics`, an answer, and the end of the connection. That is a request
//! line of HTTP/1; a crate for it would bring a dozen others. Whoever asks is a stranger: there are few of them at a time, each for
//! a short while, and what they send is read up to the end of its head and no further.

use std::cell::{Cell, RefCell};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

use rustix::fs::Mode;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, UnixListener};

use super::failure::Failure;
use super::{anew, metrics};
use crate::ask::listen::Listen;
use crate::ending::Ending;
use crate::report::message;

/// So many are answered at a time; others are sent away.
const CLIENTS: usize = 16;
/// So long one may take, to ask and to read.
const PATIENCE: Duration = Duration::from_secs(5);
/// The head of a request is no longer.
const HEAD: usize = 8192;
/// Figures of now are so old at most: who asks more often gets them again.
const FRESH: Duration = Duration::from_millis(250);
/// After an error of the listener, such as too few descriptors, it is not asked again at once.
const PAUSE: Duration = Duration::from_millis(100);

/// Text of the format that Prometheus reads (https://prometheus.io/docs/instrumenting/exposition_formats).
const FIGURES: &str = "text/plain; version=0.0.4; charset=utf-8";
const WORDS: &str = "text/plain; charset=utf-8";

/// Who listens.
#[derive(Debug)]
enum Listener {
    Tcp(std::net::TcpListener),
    Unix(std::os::unix::net::UnixListener),
}

/// A place where figures can be asked for, until it is dropped.
#[derive(Debug)]
pub struct Exporter {
    listener: Listener,
    /// The socket's path and inode.
    path: Option<(PathBuf, u64)>,
}

/// What is answered: status line, kind of text, text.
type Answer = (&'static str, &'static str, String);
/// The figures, or why there are none, and when that was.
type Last = Rc<RefCell<Option<(Instant, Answer)>>>;

impl Exporter {
    /// Takes the place.
    pub fn take(at: &Listen) -> Result<Self, Failure> {
        let failed = |e: std::io::Error| {
            Failure::new(Ending::Failed, format!("cannot listen at {at}"))
                .why(e.to_string())
                .next("give another place: PORT, ADDRESS:PORT, or unix:PATH in a directory that exists")
        };
        match at {
            Listen::Tcp(address) => {
                let listener = std::net::TcpListener::bind(address).map_err(failed)?;
                listener.set_nonblocking(true).map_err(failed)?;
                Ok(Self { listener: Listener::Tcp(listener), path: None })
            }
            Listen::Unix(path) => {
                make_room(path).map_err(failed)?;
                // Its group may ask, too: a directory's set-group-ID bit says which one that is.
                let before = rustix::process::umask(Mode::from_raw_mode(0o117));
                let made = std::os::unix::net::UnixListener::bind(path);
                rustix::process::umask(before);
                let listener = made.map_err(failed)?;
                listener.set_nonblocking(true).map_err(failed)?;
                let inode = std::fs::symlink_metadata(path).map_err(failed)?.ino();
                Ok(Self { listener: Listener::Unix(listener), path: Some((path.clone(), inode)) })
            }
        }
    }

    /// Answers whoever asks. It never ends by itself; to be called within a `LocalSet`.
    ///
    /// # Errors
    /// The reactor's.
    pub async fn answer(&self) -> std::io::Result<()> {
        let (clients, last) = (Rc::new(Cell::new(0)), Last::default());
        match &self.listener {
            Listener::Tcp(l) => {
                let l = TcpListener::from_std(l.try_clone()?)?;
                loop {
                    match l.accept().await {
                        Ok((stream, _)) => begin(stream, &clients, &last),
                        Err(_) => tokio::time::sleep(PAUSE).await,
                    }
                }
            }
            Listener::Unix(l) => {
                let l = UnixListener::from_std(l.try_clone()?)?;
                loop {
                    match l.accept().await {
                        Ok((stream, _)) => begin(stream, &clients, &last),
                        Err(_) => tokio::time::sleep(PAUSE).await,
                    }
                }
            }
        }
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        if let Some((path, inode)) = &self.path
            && std::fs::symlink_metadata(path).is_ok_and(|m| m.ino() == *inode)
        {
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Removes a socket at which nobody listens any more; whatever else is there stays.
fn make_room(path: &Path) -> std::io::Result<()> {
    let Ok(there) = std::fs::symlink_metadata(path) else { return Ok(()) };
    if !there.file_type().is_socket() {
        return Err(std::io::Error::other("there is something that is no socket"));
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Err(e) if e.kind() == std::io::ErrorKind::ConnectionRefused => std::fs::remove_file(path),
        Err(e) => Err(e),
        Ok(_) => Err(std::io::Error::other("somebody listens there already")),
    }
}

/// Answers one in a task of its own.
fn begin<S: AsyncRead + AsyncWrite + Unpin + 'static>(stream: S, clients: &Rc<Cell<usize>>, last: &Last) {
    if clients.get() >= CLIENTS {
        return;
    }
    clients.set(clients.get() + 1);
    let (clients, last) = (clients.clone(), last.clone());
    tokio::task::spawn_local(async move {
        // Who is too slow, or has gone, has no answer.
        let _ = tokio::time::timeout(PATIENCE, talk(stream, &last)).await;
        clients.set(clients.get() - 1);
    });
}

async fn talk<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, last: &Last) -> std::io::Result<()> {
    let mut head = Vec::new();
    let mut bytes = [0; 1024];
    while !is_whole(&head) && head.len() <= HEAD {
        match stream.read(&mut bytes).await? {
            0 => return Ok(()),
            n => head.extend_from_slice(&bytes[..n]),
        }
    }
    let (with_text, (status, kind, text)) = match asked(&head) {
        Ok(with_text) => (with_text, figures(last)),
        Err(answer) => (true, answer),
    };
    let allow = if status.starts_with("405") { "Allow: GET, HEAD\r\n" } else { "" };
    let mut answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n{allow}X-Content-Type-Options: nosniff\r\n\
         Cache-Control: no-store\r\nConnection: close\r\n\r\n",
        text.len()
    );
    if with_text {
        answer.push_str(&text);
    }
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await?;
    // Closed with something unread, the answer would be thrown away where it has not been read yet.
    while stream.read(&mut bytes).await? > 0 {}
    Ok(())
}

fn is_whole(head: &[u8]) -> bool {
    head.windows(4).any(|w| w == b"\r\n\r\n") || head.windows(2).any(|w| w == b"\n\n")
}

/// Whether the text is wanted (GET), or its length only (HEAD); else what is answered.
fn asked(head: &[u8]) -> Result<bool, Answer> {
    let no = |status, words: &str| Err((status, WORDS, format!("killer: {words}\n")));
    if !is_whole(head) {
        return no("431 Request Header Fields Too Large", "a request's head has 8192 bytes at most");
    }
    let line = head.split(|&b| b == b'\n').next().unwrap_or_default();
    let line = std::str::from_utf8(line).unwrap_or_default().trim_end_matches('\r');
    let words: Vec<&str> = line.split(' ').collect();
    let [method, path, version] = words[..] else {
        return no("400 Bad Request", "that is no request of HTTP/1");
    };
    if !["HTTP/1.0", "HTTP/1.1"].contains(&version) {
        return no("505 HTTP Version Not Supported", "only HTTP/1 is spoken here");
    }
    match (method, path.split('?').next()) {
        ("GET" | "HEAD", Some("/metrics")) => Ok(method == "GET"),
        ("GET" | "HEAD", _) => no("404 Not Found", "there is nothing but /metrics"),
        _ => no("405 Method Not Allowed", "figures can be read, and that is all"),
    }
}

/// The figures of now, or of a moment ago.
fn figures(last: &Last) -> Answer {
    if let Some((at, answer)) = &*last.borrow()
        && at.elapsed() < FRESH
    {
        return answer.clone();
    }
    anew::begin();
    let none = |text| ("503 Service Unavailable", WORDS, text);
    let answer = match metrics::figures() {
        Ok((text, true)) => ("200 OK", FIGURES, text),
        Ok((_, false)) => none("killer: no tracker is loaded, so nothing is tracked\n".to_owned()),
        Err(f) => none(message::render(&f.what, f.why.as_deref(), f.next.as_deref())),
    };
    *last.borrow_mut() = Some((Instant::now(), answer.clone()));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn requests() {
        let status = |text: &str| asked(text.as_bytes()).map_err(|a| a.0[..3].to_owned());
        assert_eq!(status("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"), Ok(true));
        assert_eq!(status("GET /metrics?name[]=x HTTP/1.0\r\n\r\n"), Ok(true));
        assert_eq!(status("HEAD /metrics HTTP/1.1\n\n"), Ok(false));
        for (line, is) in [
            ("POST /metrics HTTP/1.1", "405"),
            ("GET / HTTP/1.1", "404"),
            ("GET /metrics/../x HTTP/1.1", "404"),
            ("GET http://x/metrics HTTP/1.1", "404"),
            ("GET /metrics HTTP/2", "505"),
            ("GET /metrics", "400"),
            ("", "400"),
            ("PRI * HTTP/2.0", "505"),
        ] {
            assert_eq!(status(&format!("{line}\r\n\r\n")), Err(is.to_owned()), "{line}");
        }
        assert_eq!(status(&"x".repeat(HEAD + 1)), Err("431".to_owned()));
    }

    proptest! {
        #[test]
        fn any_bytes_have_an_answer(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Err((status, _, text)) = asked(&bytes) {
                prop_assert!(status.starts_with(['4', '5']) && text.starts_with("killer: "));
            }
        }
    }
}
