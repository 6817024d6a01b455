//! Services that rules name: every start is an instance, a name means all of them but the caller's own, and what an
//! older one has left is told and ended apart.

use killer_tests::{Out, Pidfd, RuledHost, eventually};
use std::process::{Command, Stdio};
use std::time::Duration;

/// A script as hosts have them: its daemon leaves it, with a worker that ignores TERM where that is asked for.
const SCRIPT: &str = r#"D=@DIR@
daemon() { (setsid sh -c 'echo $$ >>"$0/mains"; [ -z "$1" ] || (setsid sh -c "trap \"\" TERM; exec sleep 60" &)
    trap "exit 0" TERM; while :; do sleep 0.05; done' "$D" "$1" <&- >&- 2>&- &); n=0
    while [ $n -lt 100 ] && [ ! -s "$D/mains" ]; do n=$((n+1)); sleep 0.05; done; sleep 0.1; }
case $1 in
start) daemon "$2";;
stop) "$KILLER" -v stop --timeout=5s web >>"$D/said" 2>&1; echo "stop $?" >>"$D/said";;
restart) "$KILLER" -v stop --timeout=5s web >>"$D/said" 2>&1; echo "restart $?" >>"$D/said"; daemon "$2";;
job) "$KILLER" run --name job --detach -- sleep 60;;
esac
"#;

struct Host(RuledHost);

impl Host {
    fn new(test: &str) -> Option<Host> {
        let host = RuledHost::ruled(test, &[])?;
        host.script("web", &SCRIPT.replace("@DIR@", &host.root.path().display().to_string()));
        Some(Host(host))
    }

    /// Executes the script, with `before` in front of it.
    #[track_caller]
    fn script(&self, before: &[&str], words: &[&str]) {
        let script = self.0.path("etc/init.d/web").display().to_string();
        let argv: Vec<&str> = before.iter().copied().chain([&*script]).chain(words.iter().copied()).collect();
        let mut command = Command::new(argv[0]);
        command.args(&argv[1..]).env("KILLER", killer_tests::killer()).stdin(Stdio::null());
        let own = self.0.env.command();
        command.envs(own.get_envs().filter_map(|(k, v)| Some((k, v?))));
        let status = command.status().expect("the script");
        assert!(status.success(), "{words:?}: {status}");
    }

    fn killer(&self, args: &[&str]) -> Out {
        self.0.env.killer(args)
    }

    fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.0.path(name)).unwrap_or_default()
    }

    /// The daemons, oldest first.
    fn mains(&self, want: usize) -> Vec<Pidfd> {
        let all = || self.text("mains").lines().filter_map(|l| l.parse().ok()).collect::<Vec<i32>>();
        assert!(eventually(Duration::from_secs(10), || all().len() >= want), "{want} daemons: {:?}", all());
        all().into_iter().filter_map(Pidfd::open).collect()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.0.env.killer(["-q", "-s", "KILL", "*"]);
    }
}

#[test]
fn every_start_is_an_instance_of_one_service() {
    let Some(host) = Host::new("every_start_is_an_instance_of_one_service") else { return };
    host.script(&[], &["start"]);
    host.script(&[], &["start"]);
    let mains = host.mains(2);
    let (old, new) = (mains[0].pid, mains[1].pid);
    let list = host.killer(&["list", "-o", "json"]).ok().json();
    let services = list["services"].as_array().expect("services");
    assert_eq!(services.len(), 1, "one line: {list}");
    assert_eq!(
        (&services[0]["name"], services[0]["main_pid"].as_i64()),
        (&"web".into(), Some(new.into())),
        "{list}"
    );
    assert!(services[0]["left_over"].as_u64() >= Some(1), "{list}");
    assert!(host.killer(&["list"]).ok().stdout.contains("left over"));
    let status = host.killer(&["status", "-o", "json", "web"]).ok().json();
    let instances = status["instances"].as_array().expect("instances");
    assert_eq!(instances.len(), 2, "{status}");
    assert_eq!(
        (&instances[0]["left_over"], &instances[1]["left_over"]),
        (&false.into(), &true.into()),
        "{status}"
    );
    assert!(instances[1]["command"].as_str().is_some_and(|c| c.ends_with("web start")), "{status}");
    let shown = host.killer(&["status", "web"]).ok().stdout.clone();
    assert!(shown.contains(&format!("Found left-over process {old}")), "{shown}");
    host.killer(&["-s", "KILL", "--whom=leftover", "web"]).ok();
    assert!(eventually(Duration::from_secs(5), || !mains[0].alive()) && mains[1].alive());
    // Main is told alone; then all of it ends, and its places are given back.
    host.killer(&["-s", "0", "--whom=main-fail", "web"]).ok();
    host.script(&[], &["start"]);
    let out = host.killer(&["-s", "KILL", "-o", "json", "web"]);
    assert_eq!(out.ok().json()["empty"], true, "{out}");
    assert!(host.mains(3).iter().all(|p| !p.alive()), "{out}");
    assert_eq!(host.0.names(), [] as [&str; 0], "an ended instance is gone");
    host.killer(&["status", "web"]).code(3);
    host.killer(&["-s", "KILL", "web"]).ok();
    host.killer(&["stop", "web"]).ok();
    host.killer(&["status", "webb"]).code(4);
}

/// A script may end its own service: its own instance, which its ancestors have opened, is none of those that it means.
#[test]
fn a_script_stops_its_own_service() {
    let Some(host) = Host::new("a_script_stops_its_own_service") else { return };
    host.script(&[], &["start", "stubborn"]);
    for round in 1..4 {
        host.script(&[], &["restart"]);
        let mains = host.mains(round + 1);
        assert!(mains[..mains.len() - 1].iter().all(|p| !p.alive()), "{}", host.text("said"));
        assert!(mains[mains.len() - 1].alive(), "{}", host.text("said"));
        let status = host.killer(&["status", "-o", "json", "web"]).ok().json();
        assert_eq!(status["instances"].as_array().map(Vec::len), Some(1), "{status}");
    }
    let said = host.text("said");
    assert!(said.contains("an instance is left out") && said.matches("restart 0").count() == 3, "{said}");
    host.script(&[], &["stop"]);
    assert!(host.text("said").contains("stop 0"), "{}", host.text("said"));
    assert!(host.mains(4).iter().all(|p| !p.alive()));
    host.killer(&["status", "web"]).code(3);
}

/// Stopped, or between its vfork and the exec of a child that is stopped: a shell starts its commands so, and the kernel
/// wakes it for no stop signal then (`kernel/fork.c:wait_for_vfork_done`).
fn is_held(pid: i32) -> bool {
    match killer_tests::proc_state(pid) {
        Some('T' | 't') => true,
        Some('D') => {
            let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
            let children: Vec<i32> =
                children.unwrap_or_default().split_whitespace().filter_map(|c| c.parse().ok()).collect();
            !children.is_empty() && children.into_iter().all(is_held)
        }
        _ => false,
    }
}

#[test]
fn all_instances_are_signalled_waited_for_and_held() {
    let Some(host) = Host::new("all_instances_are_signalled_waited_for_and_held") else { return };
    host.script(&[], &["start"]);
    host.script(&[], &["start"]);
    let mains = host.mains(2);
    host.killer(&["freeze", "web"]).ok();
    let states = || mains.iter().map(|p| (p.pid, killer_tests::proc_state(p.pid))).collect::<Vec<_>>();
    let all = || mains.iter().all(|p| is_held(p.pid));
    assert!(eventually(Duration::from_secs(5), all), "not all are held: {:?}", states());
    host.killer(&["thaw", "web"]).ok();
    host.killer(&["wait", "--timeout=200ms", "web"]).code(124);
    let out = host.killer(&["-s", "TERM", "--wait=20s", "-o", "json", "web"]);
    assert_eq!(out.ok().json()["released"], true, "{out}");
    assert!(mains.iter().all(|p| !p.alive()), "{out}");
    host.killer(&["wait", "--timeout=5s", "web"]).ok();
}

/// What is typed in a session of an instance stands beside it; a plain `run` keeps what is started in it, and says so.
#[test]
fn inside_and_beside() {
    let Some(host) = Host::new("inside_and_beside") else { return };
    let inside = |name: &str| {
        let list = host.killer(&["list", "-o", "json"]).ok().json();
        let all = list["services"].as_array().expect("services").clone();
        let one = all.iter().find(|s| s["name"] == name).unwrap_or_else(|| panic!("no {name}: {list}"));
        one["inside"].as_str().map(String::from)
    };
    host.script(&[], &["job"]);
    assert_eq!(inside("job"), None);
    host.killer(&["-s", "KILL", "job"]).ok();
    let killer = killer_tests::killer().display().to_string();
    host.script(&[&killer, "run", "--name", "ci", "--"], &["start"]);
    let status = host.killer(&["status", "-o", "json", "ci"]).ok().json();
    assert_eq!(
        (&status["stayed"][0]["name"], &status["stayed"][0]["times"]),
        (&"web".into(), &1.into()),
        "{status}"
    );
    assert!(host.killer(&["status", "ci"]).ok().stdout.contains("web: started in it"));
    host.killer(&["status", "web"]).code(3);
    host.killer(&["-s", "KILL", "ci"]).ok();
    host.script(&[&killer, "run", "--service", "--name", "login", "--"], &["start"]);
    assert_eq!(inside("web"), None);
    host.mains(2);
    host.killer(&["status", "web"]).ok();
}
