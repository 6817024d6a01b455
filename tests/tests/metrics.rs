//! `killer metrics`: figures for Prometheus.

use killer_tests::{Launch, TestEnv, everywhere};

/// A line of the format: a name, labels, a number.
fn is_sample(line: &str) -> bool {
    let Some((name, value)) = line.rsplit_once(' ') else { return false };
    let word = name.split('{').next().unwrap_or_default();
    let named = word.starts_with("killer_") && word.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    named && value.parse::<f64>().is_ok()
}

#[test]
fn figures_of_services() {
    everywhere("figures_of_services", |env| {
        let Some(service) = Launch::new("plain").service(env, "svc") else { return };
        let out = env.killer(["metrics"]).ok().stdout.clone();
        assert!(out.lines().all(|l| l.starts_with("# ") || is_sample(l)), "{out}");
        let exact = env.killer(["status", "-o", "json", "svc"]).ok().json()["exactness"]["exact"] == true;
        for line in [
            "killer_tracker_loaded 1",
            "killer_service_processes{service=\"svc\"} 2",
            &format!("killer_service_exact{{service=\"svc\"}} {}", u8::from(exact)),
            "killer_service_frozen{service=\"svc\"} 0",
        ] {
            assert!(out.lines().any(|l| l == line), "{}: {line}: {out}", env.test);
        }
        let reasons = out.lines().filter(|l| l.starts_with("killer_service_reasons_total{")).count();
        assert_eq!(reasons == 0, exact, "{}: {out}", env.test);
        env.killer(["-s", "KILL", "--wait", "svc"]).ok();
        service.assert_dead();
        let out = env.killer(["metrics"]).ok().stdout.clone();
        assert!(out.contains("killer_service_processes{service=\"svc\"} 0\n"), "{}: {out}", env.test);
    });
}

#[test]
fn a_file_is_whole_or_as_it_was() {
    let Some(env) = TestEnv::new("a_file_is_whole_or_as_it_was") else { return };
    let out = env.killer(["metrics"]).ok().stdout.clone();
    assert!(out.contains("killer_tracker_loaded 0\n"), "{out}");
    let file = env.path("killer.prom");
    std::fs::write(&file, "before\n").expect("a file");
    let path = file.to_string_lossy().into_owned();
    env.killer(["metrics", "--out", &path]).ok().silent();
    assert_eq!(std::fs::read_to_string(&file).expect("the file"), out);
    let dir = env.path("dir");
    std::fs::create_dir(&dir).expect("a directory");
    env.killer(["metrics", "--out", &dir.to_string_lossy()]).error(1, &["could not be written"]);
    env.killer(["metrics", "--out", "/no/such/directory/x"]).error(1, &["could not be written"]);
    let left: Vec<_> =
        std::fs::read_dir(env.dir.path()).expect("files").flatten().map(|e| e.file_name()).collect();
    assert!(!left.iter().any(|n| n.to_string_lossy().starts_with("killer.prom.")), "{left:?}");
    env.killer(["metrics", "-o", "json"]).code(2);
    env.killer(["metrics", "svc"]).code(2);
}
