//! Ed25519 keys in the files that OpenSSL writes, and signatures of lines.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use ed25519_compact::{KeyPair, PublicKey, SecretKey, Seed, Signature};
use rustix::fs::{FileType, Mode, OFlags};

use super::digest;

/// Where root's key is looked for.
const USUAL: &str = "/etc/killer/receipts.key";
/// Environment variable that names another one; empty: none.
const KEY: &str = "KILLER_SIGN_KEY";
/// No key has more bytes.
const MOST: u64 = 4096;

/// What stands before a signature, which is the end of a line.
const FIELD: &[u8] = b",\"sig\":\"";
/// What stands behind it.
const END: &[u8] = b"\"}";

/// A key that signs.
pub struct Signer {
    secret: SecretKey,
    /// What it is called in the lines.
    pub name: String,
}

/// A key that checks.
#[derive(Debug)]
pub struct Checker {
    public: PublicKey,
    /// What it is called in the lines.
    pub name: String,
}

fn name(public: &PublicKey) -> String {
    digest::of(&public[..])[..16].to_owned()
}

/// The file of a caller's key: the given one, that of the environment, or root's usual one. `true`: it has to be there.
fn file(given: Option<&Path>) -> Option<(PathBuf, bool)> {
    if let Some(given) = given {
        return Some((given.to_owned(), true));
    }
    match std::env::var_os(KEY) {
        Some(k) => Some((k.into(), true)).filter(|(k, _): &(PathBuf, bool)| !k.as_os_str().is_empty()),
        // A user's own receipts are not signed in root's name.
        None => rustix::process::geteuid().is_root().then(|| (USUAL.into(), false)),
    }
}

/// The key that a caller's receipts are signed with; `None`: there is none. The error is text.
pub fn signer(given: Option<&Path>) -> Result<Option<Signer>, String> {
    let Some((path, must)) = file(given) else { return Ok(None) };
    let why = |e: String| format!("the key {} cannot be used: {e}", path.display());
    let text = match read(&path, true) {
        Err(e) if !must && e.raw_os_error() == Some(libc::ENOENT) => return Ok(None),
        r => r.map_err(|e| why(e.to_string()))?,
    };
    let secret =
        SecretKey::from_pem(&text).map_err(|_| why("it is no Ed25519 key in PEM (PKCS#8)".into()))?;
    let name = name(&secret.public_key());
    Ok(Some(Signer { secret, name }))
}

/// A key that checks signatures, from its file. The error is text.
pub fn checker(path: &Path) -> Result<Checker, String> {
    let why = |e: String| format!("the key {} cannot be used: {e}", path.display());
    let text = read(path, false).map_err(|e| why(e.to_string()))?;
    let public = PublicKey::from_pem(&text).map_err(|_| why("it is no public Ed25519 key in PEM".into()))?;
    let name = name(&public);
    Ok(Checker { public, name })
}

/// A small file; a `secret` one is the caller's alone.
fn read(path: &Path, secret: bool) -> std::io::Result<String> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    let st = rustix::fs::fstat(file.as_fd())?;
    if FileType::from_raw_mode(st.st_mode) != FileType::RegularFile {
        return Err(std::io::Error::other("it is no file"));
    }
    if secret && st.st_uid != rustix::process::geteuid().as_raw() {
        return Err(std::io::Error::other(format!("it belongs to uid {}", st.st_uid)));
    }
    if secret && st.st_mode & 0o077 != 0 {
        return Err(std::io::Error::other(format!(
            "others may use it (mode {:o}, not 600)",
            st.st_mode & 0o777
        )));
    }
    let mut text = String::new();
    file.take(MOST).read_to_string(&mut text)?;
    Ok(text)
}

/// Makes a pair: the secret key in `path`, for its owner alone, and the public one in `path.pub`. The error is text.
pub fn make(path: &Path) -> Result<PathBuf, String> {
    let mut seed = [0; Seed::BYTES];
    // The device, and not the program's own getrandom, which answers before the kernel has any.
    let random = File::open("/dev/random").and_then(|mut f| f.read_exact(&mut seed));
    random.map_err(|e| format!("no random bytes from /dev/random: {e}"))?;
    let pair = KeyPair::from_seed(Seed::new(seed));
    let mut public = path.as_os_str().to_owned();
    public.push(".pub");
    let public = PathBuf::from(public);
    put(path, 0o600, &pair.sk.to_pem())?;
    put(&public, 0o644, &pair.pk.to_pem()).inspect_err(|_| drop(std::fs::remove_file(path)))?;
    Ok(public)
}

fn put(path: &Path, mode: u32, text: &str) -> Result<(), String> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let done = rustix::fs::open(path, flags, Mode::from_raw_mode(mode)).map_err(std::io::Error::from);
    let done = done.and_then(|fd| {
        let mut file = File::from(fd);
        file.write_all(text.as_bytes())?;
        file.write_all(if text.ends_with('\n') { b"" } else { b"\n" })?;
        file.sync_all()
    });
    done.map_err(|e| format!("{}: {e}", path.display()))
}

impl Signer {
    /// Adds the signature to a line (an object of JSON) that is to be the end of `before`.
    pub fn sign(&self, before: &[u8], line: &mut String) {
        let signed = [before, line.as_bytes()].concat();
        let sig = self.secret.sign(&signed, None);
        line.pop();
        line.push_str(&String::from_utf8_lossy(FIELD));
        line.push_str(&digest::hex(&sig[..]));
        line.push_str(&String::from_utf8_lossy(END));
    }
}

/// What of a line is signed, and the signature; `None`: it has none.
pub fn split(line: &[u8]) -> Option<(Vec<u8>, [u8; Signature::BYTES])> {
    let at = line.len().checked_sub(FIELD.len() + 2 * Signature::BYTES + END.len())?;
    let rest = line[at..].strip_prefix(FIELD)?.strip_suffix(END)?;
    Some(([&line[..at], b"}"].concat(), digest::bytes(rest)?))
}

impl Checker {
    /// True when the signature of a line is this key's.
    pub fn is_signed(&self, line: &[u8]) -> bool {
        let signed = split(line);
        signed.is_some_and(|(text, sig)| self.public.verify(text, &Signature::new(sig)).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_signs_and_checks() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("k");
        let public = make(&path).expect("a pair");
        assert!(make(&path).is_err(), "a key is never written over");
        let (signer, checker) =
            (signer(Some(&path)).expect("a key").expect("it is there"), checker(&public).expect("a key"));
        assert_eq!(signer.name, checker.name);
        let mut line = "{\"a\":1}".to_owned();
        signer.sign(b"", &mut line);
        assert!(line.starts_with("{\"a\":1,\"sig\":\"") && checker.is_signed(line.as_bytes()), "{line}");
        serde_json::from_str::<serde_json::Value>(&line).expect("JSON");
        assert!(!checker.is_signed(line.replace("\"a\":1", "\"a\":2").as_bytes()));
        assert!(!checker.is_signed(b"{\"a\":1}") && !checker.is_signed(b""));
        // The secret key is no public one, and one that others can read is not used.
        assert!(super::checker(&path).is_err());
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o640)).expect("chmod");
        assert!(super::signer(Some(&path)).is_err_and(|e| e.contains("640")));
    }
}
