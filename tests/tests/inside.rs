//! From a session below a tracked listener: who leaves the session alone is not refused, who does not is.

use killer_tests::{Launch, Pidfd, Service, TestEnv, eventually};
use std::time::Duration;

/// A listener that notes HUP, with another session and ours below it; ours gives the orders that it finds.
const LISTENER: &str = r#"
    trap 'echo hup >>"$3.log"' HUP
    setsid sh -c 'echo other=$$ >>"$1.f"; exec sleep 50' sh "$3" &
    setsid sh -c 'echo session=$$ >>"$2.f"; n=1; while :; do
        while [ ! -e "$2.$n" ]; do sleep 0.05; done
        "$1" $(cat "$2.$n") >"$2.out" 2>"$2.err"; echo $? >"$2.code$n.tmp"; mv "$2.code$n.tmp" "$2.code$n"; n=$((n + 1))
    done' sh "$2" "$3" &
    until [ "$(cat "$3.f" 2>/dev/null | wc -l)" -ge 2 ]; do sleep 0.02; done
    echo ready pid=$$ $(cat "$3.f") >"$1"; while :; do sleep 0.05; done"#;

struct Session<'a> {
    env: &'a TestEnv,
    service: Service,
    orders: std::cell::Cell<u32>,
}

impl<'a> Session<'a> {
    fn new(env: &'a TestEnv) -> Option<Self> {
        let killer = killer_tests::killer().to_string_lossy().into_owned();
        let launch = Launch::shell(LISTENER).arg(killer).arg(env.path("x").to_string_lossy());
        Some(Self { env, service: launch.service(env, "sshd")?, orders: 0.into() })
    }

    /// Runs a `killer` in the session; its exit code and what it said on stderr.
    fn orders(&self, args: &str) -> (String, String) {
        let n = self.orders.get() + 1;
        self.orders.set(n);
        let at = |what: &str| self.env.path(&format!("x.{what}"));
        std::fs::write(at("tmp"), args).expect("order");
        std::fs::rename(at("tmp"), at(&n.to_string())).expect("order");
        let code = at(&format!("code{n}"));
        assert!(eventually(Duration::from_secs(30), || code.exists()), "{args}: no answer");
        let read = |p| std::fs::read_to_string(p).unwrap_or_default();
        (read(code).trim().to_owned(), read(at("err")))
    }

    fn alive(&self, key: &str) -> bool {
        Pidfd::open(self.service.fact(key)).is_some_and(|p| p.alive())
    }
}

#[test]
fn who_is_left_alone_may_be_told() {
    let worlds = [
        TestEnv::reusing("who_is_left_alone_may_be_told"),
        TestEnv::without_programs("who_is_left_alone_may_be_told", "named", None),
        TestEnv::without_programs("who_is_left_alone_may_be_told", "scan", None),
    ];
    for env in worlds.into_iter().flatten() {
        let Some(s) = Session::new(&env) else { return };
        let ok = (String::from("0"), String::new());
        assert_eq!(s.orders("-s 0 sshd"), ok);
        assert_eq!(s.orders("-s HUP --whom=main sshd"), ok);
        let log = env.path("x.log");
        let heard = || std::fs::read_to_string(&log).is_ok_and(|t| t == "hup\n");
        assert!(eventually(Duration::from_secs(10), heard), "HUP never came");
        // Everybody, or everybody but the main process: the session is among them.
        for args in
            ["-KILL sshd", "-s TERM sshd", "stop sshd", "stop --mode=mixed sshd", "-KILL --whom=!main sshd"]
        {
            let (code, said) = s.orders(args);
            assert_eq!(code, "1", "{args}: {said}");
            assert!(said.contains("--include-self"), "{args}: {said}");
        }
        assert!(s.alive("session") && s.alive("other") && s.alive("pid"));
        let others = format!("-KILL --whom=!main,!subtree:{} sshd", s.service.fact("session"));
        assert_eq!(s.orders(&others), ok);
        assert!(eventually(Duration::from_secs(10), || !s.alive("other")));
        // The listener alone; the session goes on.
        let (code, said) = s.orders("stop --mode=process sshd");
        assert_eq!(code, "0", "{said}");
        assert!(said.contains("on, as --mode=process has it"), "{said}");
        assert!(!s.alive("pid") && s.alive("session"));
        env.killer(["-KILL", "--wait", "sshd"]).ok();
        s.service.assert_dead();
    }
}

/// A main process that holds the caller's terminal is not far away.
#[test]
fn who_holds_the_terminal_is_refused() {
    let Some(env) = TestEnv::reusing("who_holds_the_terminal_is_refused") else { return };
    if !std::path::Path::new("/usr/bin/script").exists() {
        killer_tests::skip(&env.test, "no script(1)");
        return;
    }
    let (killer, err) = (killer_tests::killer(), env.path("err"));
    let inner =
        format!("{} -KILL --whom=main svc 2>{1}; echo $? >>{1}; sleep 50", killer.display(), err.display());
    let script = format!("exec script -qc '{inner}' /dev/null >/dev/null");
    let Some(service) = Launch::shell(&script).quiet().service(&env, "svc") else { return };
    let said = || std::fs::read_to_string(&err).unwrap_or_default();
    assert!(eventually(Duration::from_secs(20), || said().ends_with("1\n")), "{}", said());
    assert!(said().contains("ancestor"), "{}", said());
    service.assert_alive();
    env.killer(["-KILL", "--wait", "svc"]).ok();
    service.assert_dead();
}
