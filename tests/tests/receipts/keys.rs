//! Signatures: what they prove, and to whom.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use killer_tests::{TestEnv, killer, skip};

use super::*;

fn copy(env: &TestEnv) -> PathBuf {
    let to = env.path("copy");
    let _ = fs::remove_dir_all(&to);
    fs::create_dir(&to).expect("a directory");
    for f in files(env) {
        let at = to.join(f.file_name().expect("a name"));
        fs::copy(&f, &at).expect("a copy");
        fs::set_permissions(&at, PermissionsExt::from_mode(0o644)).expect("chmod");
    }
    to
}

#[test]
fn signatures_prove_who_wrote() {
    let Some(env) = TestEnv::reusing("signatures_prove_who_wrote") else { return };
    let Some(_service) = some(&env, 2) else { return };
    let key = env.path("key").display().to_string();
    let public = format!("{key}.pub");
    env.killer(["receipts", "--new-key", &key]).ok().silent();
    env.killer(["receipts", "--new-key", &key]).error(1, &["no key was made", "exists"]);
    verify(&env, &["--key", &public]).error(1, &["no signature vouches for the last lines (2"]);
    let json = env.killer(["-s", "WINCH", "--sign-key", &key, "-o", "json", "svc"]).ok().json();
    assert_eq!(json["kept"]["signed"], true, "{json}");
    let mut command = env.command();
    command.args(["-s", "WINCH", "svc"]).env("KILLER_SIGN_KEY", &key);
    env.finish(command).ok().silent();
    assert!(verify(&env, &["--key", &public]).ok().stdout.contains("signatures: 2, each of that key"));
    assert!(verify(&env, &[]).ok().stdout.contains("signatures: 2, not checked"));
    // Elsewhere, by anybody.
    let there = copy(&env);
    let mut command = Command::new(killer());
    std::os::unix::process::CommandExt::uid(&mut command, 65_534);
    command.args(["receipts", "--verify", "--key", &public, "--dir"]).arg(&there).current_dir("/");
    match command.output() {
        Ok(out) => assert!(out.status.success(), "{out:?}"),
        Err(_) => skip(&env.test, "another user cannot execute what was built here"),
    }
    openssl(&env, &public);
    let good = fs::read_to_string(current(&env)).expect("a ledger");
    // A line is changed, and the hashes after it are made anew: the signature is not.
    let l = lines(&current(&env));
    fs::write(
        current(&env),
        [&l[..3].concat(), &l[3].replacen("\"exit_code\":0", "\"exit_code\":1", 1)].map(|s| &**s).concat(),
    )
    .expect("changed");
    verify(&env, &[]).ok();
    verify(&env, &["--key", &public]).error(1, &["line 4", "its signature is not that of the key"]);
    fs::write(current(&env), &good).expect("the ledger");
    // Another key, no key, and a key that others can read.
    let other = env.path("other").display().to_string();
    env.killer(["receipts", "-v", "--new-key", &other]).ok();
    verify(&env, &["--key", &format!("{other}.pub")]).error(1, &["line 3", "signature"]);
    verify(&env, &["--key", &key]).error(1, &["no public Ed25519 key"]);
    fs::set_permissions(&key, PermissionsExt::from_mode(0o644)).expect("chmod");
    env.killer(["-s", "WINCH", "--receipt=required", "--sign-key", &key, "svc"])
        .error(1, &["others may use it", "nothing was signalled"]);
    let json = env.killer(["-s", "WINCH", "--sign-key", &key, "-o", "json", "svc"]).ok().json();
    assert!(
        json["kept"]["id"].is_string()
            && json["kept"]["error"].as_str().is_some_and(|e| e.contains("not signed")),
        "{json}"
    );
    verify(&env, &["--key", &public]).error(1, &["it is not signed, and lines before it are"]);
    verify(&env, &[]).ok();
}

/// The same with nothing of killer's: what stands before the signature, and a brace.
fn openssl(env: &TestEnv, public: &str) {
    if Command::new("openssl").arg("version").output().is_err() {
        return skip(&env.test, "no openssl");
    }
    let line = lines(&current(env))[3].trim_end().to_owned();
    let (text, sig) = line.rsplit_once(",\"sig\":\"").expect("a signature");
    let sig = sig.strip_suffix("\"}").expect("the end");
    let bytes: Vec<u8> =
        (0..64).map(|i| u8::from_str_radix(&sig[2 * i..2 * i + 2], 16).expect("hex")).collect();
    fs::write(env.path("text"), format!("{text}}}")).expect("a file");
    fs::write(env.path("sig"), bytes).expect("a file");
    let mut command = Command::new("openssl");
    command.args(["pkeyutl", "-verify", "-pubin", "-rawin", "-inkey", public, "-in"]).arg(env.path("text"));
    let out = command.arg("-sigfile").arg(env.path("sig")).output().expect("openssl");
    assert!(out.status.success(), "{out:?}");
}
