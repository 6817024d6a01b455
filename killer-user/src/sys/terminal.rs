//! The terminal as a whole screen: raw, with signals as events, and given back as it was however this process ends.
//!
//! By hand: crossterm starts `tput` where a line does not know its size, reads on for ever where a terminal is gone, and writes
//! without looking whether anybody takes it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, Once, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetwinsize, tcsetattr,
};

use super::signals::{bell, bit, mask, stop_as_by, take};
use super::{inherit, interrupt};

/// What comes as an event while the screen is ours.
const HEARD: [i32; 7] =
    [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM, libc::SIGTSTP, libc::SIGCONT, libc::SIGWINCH];
/// What ends it.
const ENDS: u64 = bit(libc::SIGHUP) | bit(libc::SIGINT) | bit(libc::SIGQUIT) | bit(libc::SIGTERM);

/// The other screen where there is one, without a cursor.
const TAKE: &[u8] = b"\x1b[?1049h\x1b[?25l\x1b[0m\x1b[2J";
/// Where there is no other screen what stands there stays, and the shell goes on below it.
const GIVE_BACK: &[u8] = b"\x1b[0m\x1b[999;1H\r\n\x1b[?25h\x1b[?1049l";
/// A terminal that takes nothing any more is not waited for longer when it is given back.
const LAST_WORDS: Duration = Duration::from_millis(300);
/// The rest of a key's bytes comes within this span, also over a slow serial line.
const REST: Duration = Duration::from_millis(100);
/// A line that does not know its size, as a serial one, is as large as a terminal of old.
const USUAL: (u16, u16) = (80, 24);
/// So much is written at once when somebody takes it.
const BITE: usize = 256;

/// How the terminal was, while it is ours.
static OLD: Mutex<Option<Termios>> = Mutex::new(None);

/// What came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Came {
    /// Bytes of keys.
    Keys(Vec<u8>),
    /// What is shown has to be drawn anew: another size, or somebody else has had the terminal.
    Anew,
    /// It is to end.
    End,
    /// Nothing, so long.
    Nothing,
}

/// The terminal, while it is ours.
#[derive(Debug)]
pub struct Terminal {
    signals: OwnedFd,
    /// What was blocked before.
    before: u64,
    /// Signals that have come, and nobody was told of.
    come: u64,
}

/// Why this process has no terminal to be a screen on, if it has none.
pub fn lacking() -> Option<&'static str> {
    let tty = |fd: BorrowedFd<'_>| rustix::termios::isatty(fd);
    let closed = inherit::was_closed(0) || inherit::was_closed(1);
    if closed || !tty(io::stdin().as_fd()) || !tty(io::stdout().as_fd()) {
        return Some("stdin and stdout are no terminal");
    }
    let dumb = std::env::var_os("TERM").is_none_or(|t| t.is_empty() || t == "dumb" || t == "unknown");
    dumb.then_some("the terminal cannot place its cursor, as TERM says")
}

impl Terminal {
    /// Takes it.
    ///
    /// # Errors
    /// The terminal's.
    pub fn take() -> io::Result<Self> {
        let old = tcgetattr(io::stdin())?;
        raw(&old, false)?;
        *OLD.lock().unwrap_or_else(PoisonError::into_inner) = Some(old);
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            let told = std::panic::take_hook();
            // What is said of a panic is to be read.
            std::panic::set_hook(Box::new(move |panic| {
                give_back();
                told(panic);
            }));
        });
        let set = HEARD.into_iter().map(bit).fold(0, |all, one| all | one);
        let before = mask(libc::SIG_BLOCK, Some(set));
        let mut it = Self {
            signals: bell(set).inspect_err(|_| {
                give_back();
                mask(libc::SIG_SETMASK, Some(before));
            })?,
            before,
            come: 0,
        };
        it.print(TAKE)?;
        Ok(it)
    }

    /// Columns and lines.
    pub fn size(&self) -> (u16, u16) {
        match tcgetwinsize(io::stdout()) {
            Ok(s) if s.ws_col != 0 && s.ws_row != 0 => (s.ws_col, s.ws_row),
            _ => USUAL,
        }
    }

    /// Sleeps until something comes, or so long.
    pub fn wait(&mut self, most: Duration) -> Came {
        let until = Instant::now() + most;
        loop {
            if self.hear() {
                return Came::End;
            }
            if self.heard(libc::SIGTSTP) {
                self.rest();
                return Came::Anew;
            }
            // Not an "or": each is to be forgotten.
            if self.heard(libc::SIGCONT) | self.heard(libc::SIGWINCH) {
                return if self.again().is_ok() { Came::Anew } else { Came::End };
            }
            let stdin = io::stdin();
            match self.ready(Some((stdin.as_fd(), PollFlags::IN)), until) {
                Ok(Some(true)) => match keys() {
                    Ok(bytes) => return Came::Keys(bytes),
                    Err(Errno::INTR | Errno::AGAIN) => {}
                    Err(_) => return Came::End,
                },
                Ok(Some(false)) => {}
                Ok(None) => return Came::Nothing,
                Err(_) => return Came::End,
            }
        }
    }

    /// Stops this process as ^Z does, with the terminal as it was; comes back when somebody continues it.
    pub fn rest(&mut self) {
        give_back_for_now();
        stop_as_by(libc::SIGTSTP);
        let _ = self.again();
    }

    /// Lets ^C, SIGINT and SIGTERM interrupt what `does`, which looks for that by itself. Answers what came of it, and whether
    /// all is to end: by ^C only that ends.
    pub fn interruptible<T>(&mut self, does: impl FnOnce() -> T) -> (T, bool) {
        let signals = bit(libc::SIGINT) | bit(libc::SIGTERM);
        if let Some(old) = &*OLD.lock().unwrap_or_else(PoisonError::into_inner) {
            let _ = raw(old, true);
        }
        interrupt::catch();
        mask(libc::SIG_UNBLOCK, Some(signals));
        let done = does();
        let came = interrupt::came();
        interrupt::hold();
        let _ = self.again();
        (done, came == Some(libc::SIGTERM))
    }

    /// Writes all of it.
    ///
    /// # Errors
    /// The terminal's; `Interrupted` when this process is to end and the terminal takes nothing.
    pub fn print(&mut self, mut text: &[u8]) -> io::Result<()> {
        while !text.is_empty() {
            let out = io::stdout();
            let soon = Instant::now() + Duration::from_secs(3600);
            match self.ready(Some((out.as_fd(), PollFlags::OUT)), soon)? {
                Some(true) => match rustix::io::write(&out, &text[..text.len().min(BITE)]) {
                    Ok(n) => text = &text[n..],
                    Err(Errno::INTR | Errno::AGAIN) => {}
                    Err(e) => return Err(e.into()),
                },
                // Only one that ends is no reason to go on.
                _ if self.hear() => return Err(io::ErrorKind::Interrupted.into()),
                _ => {}
            }
        }
        Ok(())
    }

    /// Raw again, and the screen ours: somebody else may have had it.
    fn again(&mut self) -> io::Result<()> {
        if let Some(old) = &*OLD.lock().unwrap_or_else(PoisonError::into_inner) {
            raw(old, false)?;
        }
        self.print(TAKE)
    }

    /// Takes the signals that have come; true when it is to end.
    fn hear(&mut self) -> bool {
        let set = HEARD.into_iter().map(bit).fold(0, |all, one| all | one);
        while let Some(info) = take(set, Some(Duration::ZERO)) {
            self.come |= bit(info.signal());
        }
        self.come & ENDS != 0
    }

    /// One of them came, which is forgotten.
    fn heard(&mut self, signal: i32) -> bool {
        let is = self.come & bit(signal) != 0;
        self.come &= !bit(signal);
        is
    }

    /// Sleeps until `what` is ready (true) or a signal is there (false), `None`: until then.
    fn ready(&self, what: Option<(BorrowedFd<'_>, PollFlags)>, until: Instant) -> io::Result<Option<bool>> {
        let mut fds = vec![PollFd::new(&self.signals, PollFlags::IN)];
        fds.extend(what.as_ref().map(|(fd, flags)| PollFd::new(fd, *flags)));
        let left = until.saturating_duration_since(Instant::now());
        let left = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() };
        match poll(&mut fds, Some(&left)) {
            Ok(0) => Ok(None),
            // A signal that was seen before, of which only one was taken, does not hide the other.
            Ok(_) => Ok(Some(fds[0].revents().is_empty())),
            Err(Errno::INTR) => Ok(Some(false)),
            Err(e) => Err(e.into()),
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        give_back();
        // What has come was for the screen, which is there no more.
        let _ = self.hear();
        mask(libc::SIG_SETMASK, Some(self.before));
    }
}

/// As it was, without line editing; `interrupts`: ^C sends SIGINT.
fn raw(old: &Termios, interrupts: bool) -> io::Result<()> {
    let mut new = old.clone();
    new.make_raw();
    if interrupts {
        new.local_modes |= LocalModes::ISIG;
        // `_POSIX_VDISABLE`, include/uapi/asm-generic/termios.h
        for code in [SpecialCodeIndex::VSUSP, SpecialCodeIndex::VQUIT] {
            new.special_codes[code] = 0;
        }
    }
    Ok(tcsetattr(io::stdin(), OptionalActions::Now, &new)?)
}

/// Bytes of one key at least, and of no half.
fn keys() -> Result<Vec<u8>, Errno> {
    let stdin = io::stdin();
    let mut bytes = [0; 256];
    let n = rustix::io::read(&stdin, &mut bytes)?;
    if n == 0 {
        // The terminal is gone.
        return Err(Errno::IO);
    }
    let mut all = bytes[..n].to_vec();
    let began = Instant::now();
    while is_half(&all) && began.elapsed() < REST {
        let rest = Timespec { tv_sec: 0, tv_nsec: REST.subsec_nanos().into() };
        let more = poll(&mut [PollFd::new(&stdin, PollFlags::IN)], Some(&rest))?;
        if more == 0 {
            break;
        }
        let n = rustix::io::read(&stdin, &mut bytes)?;
        all.extend(&bytes[..n]);
        if n == 0 || all.len() > 4096 {
            break;
        }
    }
    Ok(all)
}

/// The last key's bytes may not be all of it: ESC, ESC O, or ESC [ and what follows it up to a letter.
fn is_half(bytes: &[u8]) -> bool {
    let Some(at) = bytes.iter().rposition(|&b| b == 0x1b) else { return false };
    match &bytes[at + 1..] {
        [] | [b'O'] => true,
        [b'[', rest @ ..] => rest.len() < 16 && !rest.iter().any(|b| (0x40..=0x7e).contains(b)),
        _ => false,
    }
}

/// The terminal as it was, for good. A second time nothing is done.
fn give_back() {
    let old = OLD.lock().unwrap_or_else(PoisonError::into_inner).take();
    last_words(old.as_ref());
}

/// The same until it is continued.
fn give_back_for_now() {
    let old = OLD.lock().unwrap_or_else(PoisonError::into_inner).clone();
    last_words(old.as_ref());
}

fn last_words(old: Option<&Termios>) {
    let Some(old) = old else { return };
    let out = io::stdout();
    let patience = Timespec { tv_sec: 0, tv_nsec: LAST_WORDS.subsec_nanos().into() };
    let takes = poll(&mut [PollFd::new(&out, PollFlags::OUT)], Some(&patience));
    if takes == Ok(1) {
        let _ = rustix::io::write(&out, GIVE_BACK);
    }
    let _ = tcsetattr(io::stdin(), OptionalActions::Now, old);
}

#[cfg(test)]
mod tests {
    use super::super::signals::each;
    use super::*;

    #[test]
    fn halves_of_keys() {
        for half in ["\x1b", "q\x1b", "\x1bO", "\x1b[", "\x1b[1;5"] {
            assert!(is_half(half.as_bytes()), "{half:?}");
        }
        for whole in ["", "q", "\x1b[A", "\x1bOB", "\x1b[1;5A", "\x1bx", "\x1b[Aq", "\x1b[99999999999999999"]
        {
            assert!(!is_half(whole.as_bytes()), "{whole:?}");
        }
    }

    #[test]
    fn every_end_is_heard() {
        assert!(each(ENDS).all(|s| HEARD.contains(&s)));
    }
}
