//! `capture` and `verify-capture`: what is in a file, what becomes of the set, and what becomes of both when something goes wrong.

use killer_tests::{Launch, Marks, TestEnv, everywhere, proc_state};
use serde_json::Value;
use std::collections::BTreeMap;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

/// Entries of a capture, the first `most` bytes of each.
fn entries(file: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut archive = tar::Archive::new(std::fs::File::open(file).expect("the capture"));
    let mut all = BTreeMap::new();
    // Sparse files are as they are stored.
    for e in archive.entries().expect("entries").raw(true) {
        let mut e = e.expect("an entry");
        if e.header().entry_type() == tar::EntryType::XHeader {
            continue;
        }
        let name = e.path().expect("a name").to_string_lossy().into_owned();
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut e, &mut bytes).expect("content");
        assert!(all.insert(name.clone(), bytes).is_none(), "{name} is there twice");
    }
    all
}

/// The parts of one member: by their names below its directory.
fn member(all: &BTreeMap<String, Vec<u8>>, pid: i32) -> BTreeMap<&str, &[u8]> {
    let start = format!("members/{pid}-");
    let of = all.iter().filter_map(|(n, b)| Some((n.strip_prefix(&start)?.split_once('/')?.1, &b[..])));
    let of: BTreeMap<_, _> = of.collect();
    assert!(!of.is_empty(), "{pid} is not in {:?}", all.keys());
    of
}

fn lines(bytes: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(bytes).expect("UTF-8");
    text.lines().map(|l| serde_json::from_str(l).expect("JSON")).collect()
}

fn whole(env: &TestEnv, file: &Path) {
    let out = env.killer(["verify-capture", "-o", "json", file.to_str().expect("a path")]);
    assert_eq!(out.ok().json()["state"], "whole", "{out}");
}

#[test]
fn what_is_in_it() {
    everywhere("what_is_in_it", |env| {
        let Some(service) = Launch::new("plain").service(env, "svc") else { return };
        let file = env.path("svc.tar");
        let out = env.killer(["capture", "-o", "json", "svc", "--out", file.to_str().expect("a path")]);
        let doc = out.json();
        // A tier that cannot freeze says so.
        let frozen = env.tier() != Some("scan");
        out.ok();
        assert_eq!(doc["then"], if frozen { "thawed" } else { "not-frozen" }, "{doc}");
        assert_eq!(doc["manifest"]["doubts"].as_array().expect("doubts").is_empty(), frozen, "{doc}");
        whole(env, &file);
        let all = entries(&file);
        let outside: Value = serde_json::from_slice(&all["outside.json"]).expect("JSON");
        assert!(outside.is_object(), "{outside}");
        for pid in [service.fact("pid"), service.fact("child")] {
            let of = member(&all, pid);
            let command = std::fs::read(format!("/proc/{pid}/cmdline")).expect("command line");
            assert_eq!(of["cmdline"], command);
            for part in ["status", "maps", "environ", "links.json", "cgroup", "limits", "identity.json"] {
                assert!(of.contains_key(part), "{part}: {:?}", of.keys());
            }
            let fds = lines(of["descriptors/0001.ndjson"]);
            assert!(
                fds.iter().any(|f| f["kind"] == "fifo" && f["target"].as_str().unwrap().starts_with("pipe:"))
            );
            let threads = lines(of["threads/0001.ndjson"]);
            assert_eq!(threads[0]["tid"], pid);
            let state = threads[0]["files"]["status"].as_str().expect("status");
            assert_eq!(state.contains("T (stopped)"), frozen && env.tier().is_none(), "{state}");
            assert_eq!(threads[0]["registers"].is_object(), frozen && env.tier().is_none(), "{}", threads[0]);
        }
        let program = std::fs::read(killer_tests::adversary()).expect("the program");
        assert!(all.iter().any(|(n, b)| n.starts_with("contents/") && *b == program), "its program");
        let manifest: Value = serde_json::from_slice(&all["manifest.json"]).expect("JSON");
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").expect("boot id");
        assert_eq!(manifest["host"]["boot_id"], boot.trim());
        // It goes on.
        for pid in [service.fact("pid"), service.fact("child")] {
            let runs = || matches!(proc_state(pid), Some('S' | 'R'));
            assert!(killer_tests::eventually(Duration::from_secs(10), runs), "{pid}: {:?}", proc_state(pid));
        }
        env.killer(["-KILL", "--wait", "svc"]).ok();
        service.assert_dead();
    });
}

/// Nobody takes a step while it is read, registers included, and all go on afterwards.
#[test]
fn no_step_while_it_is_read() {
    let Some(env) = TestEnv::reusing("no_step_while_it_is_read") else { return };
    let Some((service, marks)) = Marks::ticking(&env, "families+threads+spin") else { return };
    let file = |n: u32| env.path(&format!("{n}.tar")).to_str().expect("a path").to_owned();
    let out = env.killer(["freeze", "svc"]);
    if out.exit() == 1 && out.stderr.contains("cannot freeze") {
        return killer_tests::skip(&env.test, "this tier cannot freeze");
    }
    out.ok();
    let before = marks.steps();
    // What was frozen before stays so.
    let doc = env.killer(["capture", "-o", "json", "svc", "--out", &file(1)]).ok().json();
    assert!(doc["then"] == "kept" && doc["manifest"]["frozen_before"] == true, "{doc}");
    std::thread::sleep(Duration::from_millis(150));
    assert_eq!(marks.steps(), before, "somebody ran while it was read");
    whole(&env, Path::new(&file(1)));
    env.killer(["thaw", "svc"]).ok().silent();
    assert!(marks.moves(), "it does not go on");
    let doc = env.killer(["capture", "-o", "json", "svc", "--out", &file(2), "--then=keep"]).ok().json();
    assert_eq!(doc["then"], "kept", "{doc}");
    let status = env.killer(["status", "-o", "json", "svc"]).ok().json();
    assert_eq!(status["frozen"]["state"], "frozen", "{status}");
    let before = marks.steps();
    std::thread::sleep(Duration::from_millis(150));
    assert_eq!(marks.steps(), before, "it was to stay frozen");
    let doc = env.killer(["capture", "-o", "json", "svc", "--out", &file(3), "--then=thaw"]).ok().json();
    assert_eq!(doc["then"], "thawed", "{doc}");
    assert!(marks.moves(), "it does not go on");
    let doc = env.killer(["capture", "-o", "json", "svc", "--out", &file(4), "--then=kill"]).ok().json();
    assert_eq!(doc["then"], "killed", "{doc}");
    service.assert_dead();
    whole(&env, Path::new(&file(4)));
}

/// Captures `svc` and answers the document; the capture has to be whole.
#[track_caller]
fn captured(env: &TestEnv, more: &[&str]) -> (Value, std::path::PathBuf) {
    let file = env.path("svc.tar");
    let _ = std::fs::remove_file(&file);
    let path = file.to_str().expect("a path");
    let doc = env.killer([&["capture", "-o", "json", "svc", "--out", path], more].concat()).ok().json();
    whole(env, &file);
    (doc, file)
}

#[track_caller]
fn end(env: &TestEnv, service: &killer_tests::Service) {
    env.killer(["-KILL", "--wait", "svc"]).ok();
    service.assert_dead();
}

const MARK: &[u8] = b"evidence-of-the-adversary";

/// Each end of a pair names the other one, also in a network namespace of its own; and one that is connected to somebody outside has a
/// peer that no member has.
#[test]
fn sockets_of_another_network() {
    let Some(env) = TestEnv::reusing("sockets_of_another_network") else { return };
    let path = env.path("socket");
    let listener = std::os::unix::net::UnixListener::bind(&path).expect("a socket");
    let launch = Launch::new("evidence-apart").arg(path.to_string_lossy());
    let Some(service) = launch.service(&env, "svc") else { return };
    let (outside, _) = listener.accept().expect("the member");
    let (_, file) = captured(&env, &[]);
    let all = entries(&file);
    let fds = lines(member(&all, service.fact("pid"))["descriptors/0001.ndjson"]);
    let of = |key: &str| {
        let fd = fds.iter().find(|f| f["fd"] == service.fact(key)).expect("a descriptor");
        (fd["inode"].clone(), fd["socket"]["peer"].clone())
    };
    let (one, two, far) = (of("one"), of("two"), of("far"));
    if one.1.is_null() && std::env::var_os("KILLER_GUEST").is_some() {
        killer_tests::skip(&env.test, "this kernel does not tell which sockets are connected");
    } else {
        assert!(one.1 == two.0 && two.1 == one.0, "{one:?} {two:?}");
        let inode =
            std::fs::metadata(format!("/proc/self/fd/{}", outside.as_raw_fd())).expect("a socket").ino();
        assert_eq!(far.1, inode);
    }
    end(&env, &service);
}

/// Files without names, and what is not to be opened.
#[test]
fn files_without_names() {
    let Some(env) = TestEnv::reusing("files_without_names") else { return };
    let dir = env.path("world");
    std::fs::create_dir(&dir).expect("a directory");
    let launch = Launch::new("evidence-files").arg(dir.to_str().expect("a path"));
    let Some(service) = launch.service(&env, "svc") else { return };
    let (doc, file) = captured(&env, &[]);
    let all = entries(&file);
    let of = member(&all, service.fact("pid"));
    let fds = lines(of["descriptors/0001.ndjson"]);
    let fd = |key: &str| fds.iter().find(|f| f["fd"] == service.fact(key)).expect("a descriptor");
    assert!(fd("deleted")["links"] == 0 && fd("deleted")["size"] == MARK.len(), "{}", fd("deleted"));
    assert_eq!(fd("fifo")["kind"], "fifo");
    let port = service.fact("port");
    assert_eq!(fd("peer")["socket"]["remote"], format!("127.0.0.1:{port}"), "{}", fd("peer"));
    assert_eq!(fd("listener")["socket"]["local"], format!("127.0.0.1:{port}"));
    // Each end of a pair names the other one, where the kernel tells it.
    let pair = ["one", "two"].map(|key| (fd(key)["inode"].clone(), fd(key)["socket"]["peer"].clone()));
    assert!(pair[0].1.is_null() || pair[0].1 == pair[1].0 && pair[1].1 == pair[0].0, "{pair:?}");
    assert!(!pair[0].1.is_null() || std::env::var_os("KILLER_GUEST").is_some(), "{pair:?}");
    let content = |key: &str| {
        let f = fd(key);
        let device = f["filesystem"].as_str().expect("a device").replace(':', "-");
        all.get(&format!("contents/{device}-{}", f["inode"])).unwrap_or_else(|| panic!("{key}: {doc}"))
    };
    assert_eq!(content("deleted"), MARK);
    // A terabyte of holes: a map, and two pages.
    let sparse = content("memfd");
    assert!(
        sparse.len() < 1 << 16 && sparse.starts_with(b"3\n0\n4096\n1073741824\n4096\n"),
        "{}",
        sparse.len()
    );
    assert!(sparse.windows(MARK.len()).filter(|w| *w == MARK).count() == 2);
    end(&env, &service);
    // Others' tools read it, too.
    let python =
        "import tarfile,sys; t=tarfile.open(sys.argv[1]); print([m.size for m in t if m.issparse()])";
    if let Ok(out) =
        std::process::Command::new("python3").args(["-c", python, file.to_str().unwrap()]).output()
    {
        assert_eq!(String::from_utf8_lossy(&out.stdout).trim(), format!("[{}]", 1u64 << 40), "{out:?}");
    }
}

/// A core that readelf reads; of a terabyte the pages that are there.
#[test]
fn memory_as_a_core() {
    let Some(env) = TestEnv::reusing("memory_as_a_core") else { return };
    let Some(service) = Launch::new("evidence-memory").service(&env, "svc") else { return };
    let begun = std::time::Instant::now();
    for which in ["private", "all"] {
        let (doc, file) = captured(&env, &["--memory", which]);
        let pid = service.fact("pid");
        let all = entries(&file);
        let of = member(&all, pid);
        let core = of.get("core").unwrap_or_else(|| panic!("{doc}"));
        assert!(core.len() < 64 << 20, "{} bytes", core.len());
        assert!(core.windows(MARK.len()).filter(|w| *w == MARK).count() >= 2, "{which}");
        let path = env.path("core");
        std::fs::write(&path, core).expect("write");
        let Ok(out) = std::process::Command::new("readelf").args(["-n", "-l", "-W"]).arg(&path).output()
        else {
            continue;
        };
        let text = String::from_utf8_lossy(&out.stdout);
        assert!(out.stderr.is_empty(), "{}", String::from_utf8_lossy(&out.stderr));
        for word in ["NT_PRSTATUS", "NT_PRPSINFO", "NT_AUXV", "NT_FILE", "NT_FPREGSET"] {
            assert!(text.contains(word), "{word}: {text}");
        }
        assert_eq!(text.matches("NT_PRSTATUS").count(), 2, "threads");
        let at = |key: &str| {
            let facts = service.facts.concat();
            let hex =
                facts.split(&format!("{key}=")).nth(1).expect("a fact").split(' ').next().unwrap().to_owned();
            u64::from_str_radix(hex.trim(), 16).expect("an address")
        };
        for key in ["huge", "far"] {
            assert!(text.contains(&format!("0x{:016x}", at(key))), "{key} {:x}: {text}", at(key));
        }
    }
    // Nobody made pages of that terabyte.
    assert!(begun.elapsed() < Duration::from_secs(120), "{:?}", begun.elapsed());
    let status = std::fs::read_to_string(format!("/proc/{}/status", service.fact("pid"))).expect("status");
    let pte: u64 = status
        .lines()
        .find_map(|l| l.strip_prefix("VmPTE:")?.trim().split(' ').next()?.parse().ok())
        .unwrap();
    assert!(pte < 4096, "{pte} kB of page tables");
    end(&env, &service);
}

/// One range only.
#[test]
fn a_range_of_memory() {
    let Some(env) = TestEnv::reusing("a_range_of_memory") else { return };
    let Some(service) = Launch::new("evidence-memory").service(&env, "svc") else { return };
    let facts = service.facts.concat();
    let far = facts.split("far=").nth(1).expect("a fact").trim();
    let at = u64::from_str_radix(far, 16).expect("an address");
    let range = format!("{}:{at:x}-{:x}", service.fact("pid"), at + 10);
    let (_, file) = captured(&env, &["--memory=all", "--range", &range]);
    let all = entries(&file);
    let core = member(&all, service.fact("pid"))["core"];
    assert_eq!(core.windows(MARK.len()).filter(|w| *w == MARK).count(), 1);
    assert!(core.len() < 1 << 20, "{}", core.len());
    end(&env, &service);
}

/// One whose first thread has ended: its files are those of a thread that lives.
#[test]
fn a_leader_that_has_ended() {
    let Some(env) = TestEnv::reusing("a_leader_that_has_ended") else { return };
    let Some(service) = Launch::new("leader-exits").service(&env, "svc") else { return };
    let (_, file) = captured(&env, &["--memory=private"]);
    let all = entries(&file);
    let mut seen = 0;
    for (name, bytes) in all.iter().filter(|(n, _)| n.ends_with("/threads/0001.ndjson")) {
        let of = lines(bytes);
        let ended = of[0]["files"]["stat"].as_str().is_some_and(|s| s.contains(") Z "));
        if !ended || of.len() < 2 {
            continue;
        }
        seen += 1;
        let place = name.trim_end_matches("threads/0001.ndjson");
        let fds = lines(&all[&format!("{place}descriptors/0001.ndjson")]);
        assert!(!fds.is_empty() && !all[&format!("{place}maps")].is_empty(), "{place}");
        assert!(all[&format!("{place}core")].len() > 4096);
    }
    assert!(seen > 0, "{:?}", all.keys());
    end(&env, &service);
}

/// What is asked of ranges of somebody else is said.
#[test]
fn a_range_of_nobody() {
    let Some(env) = TestEnv::reusing("a_range_of_nobody") else { return };
    let Some(service) = Launch::new("plain").service(&env, "svc") else { return };
    let (doc, _) = captured(&env, &["--memory=all", "--range=1:1000-2000"]);
    assert!(doc["manifest"]["left_out"].to_string().contains("no member"), "{doc}");
    end(&env, &service);
}

/// Packed: smaller, whole, known when it is cut or changed, and with the digest that others find for the file.
#[test]
fn packed() {
    let Some(env) = TestEnv::reusing("packed") else { return };
    let Some(service) = Launch::new("plain").service(&env, "svc") else { return };
    let (_, plain) = captured(&env, &["--memory=private"]);
    let file = env.path("svc.tar.zst");
    let path = file.to_str().expect("a path");
    let doc = env.killer(["capture", "-o", "json", "svc", "--out", path, "--memory=private"]).ok().json();
    whole(&env, &file);
    let size = |f: &Path| std::fs::metadata(f).expect("a file").len();
    assert!(size(&file) * 2 < size(&plain), "{} of {}", size(&file), size(&plain));
    assert_eq!(doc["file_bytes"], size(&file), "{doc}");
    let sum = std::process::Command::new("sha256sum").arg(&file).output().expect("sha256sum").stdout;
    let sum = String::from_utf8_lossy(&sum[..64]).into_owned();
    assert_eq!(doc["sha256"], sum, "{doc}");
    env.killer(["verify-capture", "--sha256", &sum, path]).ok();
    env.killer(["capture", "--export", path]).ok();
    assert!(size(&env.path("svc.tar.zst.body")) > 0);
    // As far as it came, and no further.
    let bytes = std::fs::read(&file).expect("the capture");
    for (n, cut) in [(bytes.len() - 7, "incomplete"), (bytes.len() / 2, "incomplete"), (9, "no capture")] {
        let part = env.path("part.tar.zst");
        std::fs::write(&part, &bytes[..n]).expect("a file");
        let out = env.killer(["verify-capture", part.to_str().expect("a path")]);
        assert!(out.code(1).stdout.contains(cut), "{n}: {out}");
    }
    let mut other = bytes.clone();
    let middle = other.len() / 2;
    other[middle] ^= 0x10;
    let changed = env.path("changed.tar.zst");
    std::fs::write(&changed, &other).expect("a file");
    let out = env.killer(["verify-capture", changed.to_str().expect("a path")]);
    assert!(out.code(1).stdout.contains("changed"), "{out}");
    let out = env.killer(["verify-capture", "--sha256", &sum, changed.to_str().expect("a path")]);
    out.code(1);
    end(&env, &service);
}

/// Whoever has zstd reads it, too.
#[test]
fn others_unpack_it() {
    let Some(env) = TestEnv::reusing("others_unpack_it") else { return };
    if std::process::Command::new("zstd").arg("--version").output().is_err() {
        return killer_tests::skip(&env.test, "no program zstd here");
    }
    let Some(service) = Launch::new("plain").service(&env, "svc") else { return };
    let file = env.path("svc.tar.zst");
    env.killer(["capture", "svc", "--out", file.to_str().expect("a path"), "--memory=private"]).ok();
    let unpacked = std::process::Command::new("zstd").args(["-q", "-d"]).arg(&file).output().expect("zstd");
    assert!(unpacked.status.success(), "{}", String::from_utf8_lossy(&unpacked.stderr));
    let tar = env.path("svc.tar");
    whole(&env, &tar);
    assert!(!member(&entries(&tar), service.fact("pid")).is_empty());
    end(&env, &service);
}
