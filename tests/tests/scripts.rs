//! CMD as execvp(3) takes it: scripts that do not say who runs them, names that are none.

use killer_tests::everywhere;
use std::os::unix::fs::PermissionsExt;

#[test]
fn a_script_without_a_first_line_runs_in_the_shell() {
    everywhere("a_script_without_a_first_line", |env| {
        let script = env.path("script");
        std::fs::write(&script, "echo \"$0 $# $2\"; exit 7\n").expect("script");
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).expect("chmod");
        let path = script.to_string_lossy().into_owned();
        let out = env.killer(["run", "--name", "svc", "--", &path, "a", "b c"]);
        assert_eq!(out.code(7).stdout, format!("{path} 2 b c\n"), "{}", env.test);
        // Along PATH, too.
        let option = format!("PATH=/no/such:{}:/bin:/usr/bin", env.dir.path().display());
        let out = env.killer(["run", "--name", "svc", "--env", &option, "--", "script", "a", "b c"]);
        assert_eq!(out.code(7).stdout, format!("{path} 2 b c\n"), "{}", env.test);
        env.killer(["run", "--name", "svc", "--detach", "--", "sleep", "60"]).ok();
        let out = env.killer(["exec", "--name", "svc", "--", &path]);
        assert_eq!(out.code(7).stdout, format!("{path} 0 \n"), "{}", env.test);
    });
}

#[test]
fn an_empty_name_is_not_found() {
    everywhere("an_empty_name_is_not_found", |env| {
        for options in [&[][..], &["--detach"], &["--detach", "--kill-on-exit"]] {
            let args = [&["run", "--name", "svc"], options, &["--", ""]].concat();
            env.killer(args).error(127, &["''"]);
            env.killer(["status", "svc"]).code(4);
        }
        env.killer(["run", "--name", "svc", "--detach", "--", "sleep", "60"]).ok();
        env.killer(["exec", "--name", "svc", "--", "", "x"]).error(127, &["''"]);
    });
}
