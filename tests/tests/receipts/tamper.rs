//! A line that was changed, removed or put in is found, and a crash is told from that.

use std::fs;
use std::path::Path;

use killer_tests::TestEnv;

use super::*;

#[test]
fn what_was_changed_is_found() {
    let Some(env) = TestEnv::reusing("what_was_changed_is_found") else { return };
    let Some(_service) = some(&env, 5) else { return };
    let (path, good) = (current(&env), lines(&current(&env)));
    assert_eq!(good.len(), 5);
    assert!(
        verify(&env, &[]).ok().stdout.starts_with("5 receipts in 5 lines of 1 file: as they were written\n")
    );
    let change = |edit: &dyn Fn(&mut Vec<String>)| {
        let mut l = good.clone();
        edit(&mut l);
        l.concat()
    };
    let doctored = |l: &str| l.replacen("\"outcome\":\"done\"", "\"outcome\":\"nope\"", 1);
    let cases: &[(&str, String, &[&str])] = &[
        ("removed", change(&|l| drop(l.remove(2))), &["line 3", "lines 3 to 3 are missing"]),
        ("first removed", change(&|l| drop(l.remove(0))), &["lines 1 to 1 are missing"]),
        ("changed", change(&|l| l[1] = doctored(&l[1])), &["line 3", "not the one that was there"]),
        ("first changed", change(&|l| l[0] = doctored(&l[0])), &["line 2", "not the one that was there"]),
        ("reordered", change(&|l| l.swap(1, 2)), &["line 2", "missing"]),
        ("twice", change(&|l| l.insert(2, l[1].clone())), &["line 3", "says that it is line 2"]),
        ("put in", change(&|l| l.insert(1, "{\"a\":1}\n".into())), &["line 2", "no line of the ledger"]),
        ("garbage", change(&|l| l[3] = "\u{1b}[31mx\n".into()), &["line 4", "no line of the ledger"]),
        (
            "another kind",
            change(&|l| l[3] = l[3].replacen("kept-receipt", "kept\u{9b}", 1)),
            &["line 4", "kind"],
        ),
        ("blank", change(&|l| l.insert(2, "\n".into())), &["line 3"]),
        ("joined", change(&|l| l[1] = l[1].trim_end().into()), &["line 2"]),
        ("big", change(&|l| l[4] = format!("{}\n", "9".repeat(100_000))), &["line 5"]),
    ];
    for (what, text, words) in cases {
        fs::write(&path, text).expect("a changed ledger");
        let out = verify(&env, &[]);
        assert!(!out.stderr.is_empty(), "{what}: {out}");
        out.error(1, words);
        let json = verify(&env, &["-o", "json"]);
        assert_eq!((json.exit(), json.json()["exit_code"].as_u64()), (1, Some(1)), "{what}: {json}");
        // A kill is never in its way, and what was wrong stays wrong.
        env.killer(["-s", "WINCH", "svc"]).ok().silent();
        verify(&env, &[]).error(1, &["not as they were written"]);
    }
    fs::write(&path, good.concat()).expect("the ledger");
    env.killer(["-s", "WINCH", "svc"]).ok().silent();
    verify(&env, &[]).ok();
}

/// Only a head that was kept elsewhere tells that the end was cut off.
#[test]
fn a_cut_end_needs_a_head() {
    let Some(env) = TestEnv::reusing("a_cut_end_needs_a_head") else { return };
    let Some(_service) = some(&env, 2) else { return };
    let early = head(&env);
    let json = env.killer(["-s", "WINCH", "-o", "json", "svc"]).ok().json();
    let last = head(&env);
    assert_eq!(json["kept"]["head"], last.as_str());
    assert!(verify(&env, &["--head", &early]).ok().stdout.contains("1 line since the given head"));
    assert!(
        verify(&env, &["--head", &last.to_uppercase()]).ok().stdout.contains("nothing is missing at the end")
    );
    let good = lines(&current(&env));
    fs::write(current(&env), good[..2].concat()).expect("a cut ledger");
    assert!(verify(&env, &[]).ok().stdout.contains("only a head"));
    verify(&env, &["--head", &last]).error(1, &["no line has the hash", "cut off"]);
    verify(&env, &["--head", &early]).ok();
    // Others in its place.
    env.killer(["-s", "WINCH", "svc"]).ok();
    verify(&env, &[]).ok();
    verify(&env, &["--head", &last]).error(1, &["written anew"]);
    verify(&env, &["--head", "12"]).error(2, &["64 digits"]);
    env.killer(["receipts", "--head", &last]).error(2, &["--verify"]);
}

#[test]
fn a_crash_is_no_tampering() {
    let Some(env) = TestEnv::reusing("a_crash_is_no_tampering") else { return };
    let Some(_service) = some(&env, 3) else { return };
    let (path, good) = (current(&env), fs::read(current(&env)).expect("a ledger"));
    let last = good.len() - lines(&path)[2].len();
    let add = |bytes: &[u8]| fs::write(&path, [&good[..], bytes].concat()).expect("a torn ledger");
    // Cut anywhere, or without its newline, or with what a file system leaves after a loss of power.
    let again = &good[last..good.len() - 1];
    for cut in [&again[..1], &again[..40], &again[..again.len() / 2], again, &[0; 4096][..], b"\xff\xfe{"] {
        add(cut);
        let out = verify(&env, &[]);
        assert!(out.ok().stdout.contains("line 4: ") && out.stdout.contains("a crash"), "{out}");
        env.killer(["-s", "WINCH", "svc"]).ok().silent();
        let out = verify(&env, &[]);
        assert!(out.ok().stdout.contains(&format!("{} bytes that a crash has cut", cut.len())), "{out}");
        let check = verify(&env, &["-o", "json"]).ok().json();
        assert_eq!((check["lines"].as_u64(), check["receipts"].as_u64()), (Some(5), Some(4)), "{check}");
        let torn = fs::read(&path).expect("a ledger");
        assert!(torn.starts_with(&good) && torn[good.len()..].starts_with(cut), "what was there stays");
        // Another crash, in what closed the first one.
        let at = good.len() + cut.len();
        add(&torn[good.len()..at + 30]);
        env.killer(["-s", "WINCH", "svc"]).ok().silent();
        verify(&env, &[]).ok();
        // What a crash has cut cannot be changed, either.
        let mut bad = torn;
        bad[good.len()] ^= 1;
        fs::write(&path, bad).expect("a changed ledger");
        verify(&env, &[]).error(1, &["line 4"]);
    }
    // Of the very first line.
    fs::write(&path, &good[..20]).expect("a torn ledger");
    env.killer(["-s", "WINCH", "svc"]).ok().silent();
    verify(&env, &[]).ok();
}

#[test]
fn files_become_full() {
    let Some(mut env) = TestEnv::reusing("files_become_full") else { return };
    env.vars.push(("KILLER_RECEIPTS_FULL", "6000"));
    let Some(_service) = some(&env, 40) else { return };
    let there = files(&env);
    assert_eq!(there.len(), 8, "{there:?}");
    let check = verify(&env, &["-o", "json"]).ok().json();
    assert!(check["first"].as_u64() > Some(1) && check["files"] == 8, "{check}");
    assert!(verify(&env, &[]).ok().stdout.contains("older ones were dropped"));
    let put_back = |path: &Path, text: &[u8]| fs::write(path, text).expect("the file");
    for (at, words) in [
        (0, "no line says that their files were dropped"),
        (3, "missing before it"),
        (6, "missing before it"),
    ] {
        let text = fs::read(&there[at]).expect("a file");
        fs::remove_file(&there[at]).expect("a file less");
        verify(&env, &[]).error(1, &[words]);
        put_back(&there[at], &text);
        verify(&env, &[]).ok();
    }
    // The last line of a full file.
    let text = fs::read(&there[2]).expect("a file");
    let cut: Vec<String> = lines(&there[2]);
    put_back(&there[2], cut[..cut.len() - 1].concat().as_bytes());
    verify(&env, &[]).error(1, &["what stood behind that is missing"]);
    put_back(&there[2], &text);
    // A killer that died between two files, and one that died before it had removed the oldest.
    let last = all(&env).last().and_then(|l| l["number"].as_u64()).expect("a number");
    fs::rename(current(&env), env.receipts().join(format!("receipts-{last:012}.ndjson")))
        .expect("a full file");
    env.killer(["-s", "WINCH", "svc"]).ok().silent();
    verify(&env, &[]).ok();
    assert_eq!(files(&env).len(), 8);
    assert!(env.killer(["receipts"]).ok().stdout.lines().count() > 8);
}

#[test]
fn two_killers_write_one_chain() {
    let Some(mut env) = TestEnv::reusing("two_killers_write_one_chain") else { return };
    env.vars.push(("KILLER_RECEIPTS_FULL", "20000"));
    let Some(_service) = some(&env, 0) else { return };
    for _ in 0..4 {
        let running: Vec<_> = (0..6)
            .map(|_| {
                let mut command = env.command();
                command.args(["-s", "WINCH", "svc"]);
                env.spawn(command)
            })
            .collect();
        for r in running {
            r.finish(std::time::Duration::from_secs(60)).ok();
        }
    }
    let check = verify(&env, &["-o", "json"]).ok().json();
    assert_eq!(check["receipts"], 24, "{check}");
    let ids: std::collections::BTreeSet<String> =
        all(&env).iter().filter_map(|l| Some(l["id"].as_str()?.to_owned())).collect();
    assert_eq!(ids.len(), 24);
}
