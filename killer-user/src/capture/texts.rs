//! Files of /proc as they are, under the same names.

use std::io;

use super::reader::Reader;

/// What the scheduler and the memory management change.
pub fn early(r: &mut Reader<'_>) -> io::Result<()> {
    texts(r, &["stat", "status", "statm", "io", "oom_score", "maps", "smaps"])
}

/// What changes by the process's own calls.
pub fn late(r: &mut Reader<'_>) -> io::Result<()> {
    const FILES: &[&str] = &[
        "cgroup",
        "limits",
        "mountinfo",
        "uid_map",
        "gid_map",
        "setgroups",
        "loginuid",
        "sessionid",
        "oom_score_adj",
        "coredump_filter",
        "personality",
        "comm",
        "cmdline",
        "environ",
        "auxv",
        "attr/current",
    ];
    texts(r, FILES)
}

fn texts(r: &mut Reader<'_>, files: &[&str]) -> io::Result<()> {
    for (n, file) in files.iter().enumerate() {
        let path = format!("{}/{}", r.place, file.replace('/', "-"));
        if r.has(&path) {
            continue;
        }
        if let Some(bytes) = r.text(n as u64, file)? {
            r.part(&path, &bytes)?;
        }
    }
    Ok(())
}
