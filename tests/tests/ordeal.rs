//! The long runs, short. `KILLER_EXACTNESS` and `KILLER_SOAK` hold other arguments for them; `cargo xtask exactness` and
//! `cargo xtask soak` are the long ones.

use std::process::{Command, Stdio};

fn ordeal(verb: &str, variable: &str, usual: &str) {
    let program = std::env::var_os("KILLER_ORDEAL")
        .map_or_else(|| killer_tests::adversary().with_file_name("ordeal"), Into::into);
    let args = std::env::var(variable).unwrap_or_else(|_| usual.to_owned());
    let mut command = Command::new(&program);
    command.arg(verb).args(args.split_whitespace()).stdin(Stdio::null());
    command.env("KILLER_BIN", killer_tests::killer()).env("KILLER_ADVERSARY", killer_tests::adversary());
    let out = command.output().unwrap_or_else(|e| panic!("cannot start {}: {e}", program.display()));
    let text = [out.stdout, out.stderr].map(|b| String::from_utf8_lossy(&b).into_owned()).concat();
    print!("{text}");
    let skipped = text.contains("SKIP: ") && !text.contains("FIGURES ");
    assert!(out.status.success() || skipped, "ordeal {verb} {args}: {}", out.status);
}

#[test]
fn exactness() {
    ordeal("exactness", "KILLER_EXACTNESS", "--forks 8000 --seconds 40 --kills 3");
}

#[test]
fn soak() {
    ordeal("soak", "KILLER_SOAK", "--rounds 15 --seconds 15");
}
