//! Classic tracepoints as tracefs describes them: ids, and where a field lies in a record.

use std::path::{Path, PathBuf};

/// Where tracefs is mounted.
const AT: [&str; 2] = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"];

/// tracefs, after mounting it where it is missing.
pub fn root() -> Result<PathBuf, String> {
    let found = || AT.iter().map(Path::new).find(|p| p.join("events").is_dir()).map(Path::to_path_buf);
    if let Some(p) = found() {
        return Ok(p);
    }
    let flags =
        nix::mount::MsFlags::MS_NOSUID | nix::mount::MsFlags::MS_NODEV | nix::mount::MsFlags::MS_NOEXEC;
    nix::mount::mount(Some("tracefs"), AT[0], Some("tracefs"), flags, None::<&str>)
        .map_err(|e| format!("tracefs ({} cannot be mounted: {})", AT[0], e.desc()))?;
    found().ok_or_else(|| "tracefs with events (CONFIG_EVENT_TRACING)".into())
}

/// The id of a tracepoint, `group/name`.
pub fn id(root: &Path, event: &str) -> Result<u64, String> {
    let s = std::fs::read_to_string(root.join("events").join(event).join("id"))
        .map_err(|e| format!("the tracepoint {event} ({e})"))?;
    s.trim().parse().map_err(|_| format!("an id of the tracepoint {event}"))
}

/// Byte offset of a field in the record of a tracepoint.
pub fn offset(root: &Path, event: &str, field: &str) -> Result<u32, String> {
    let s = std::fs::read_to_string(root.join("events").join(event).join("format"))
        .map_err(|e| format!("the format of the tracepoint {event} ({e})"))?;
    field_offset(&s, field).ok_or_else(|| format!("the field {field} of the tracepoint {event}"))
}

/// From the text of a format file: `\tfield:pid_t pid;\toffset:8;\tsize:4;\tsigned:1;`
fn field_offset(format: &str, field: &str) -> Option<u32> {
    format.lines().find_map(|l| {
        let mut parts = l.trim().strip_prefix("field:")?.split(';');
        let name = parts.next()?.rsplit(' ').next()?;
        let name = name.split('[').next()?;
        let offset = parts.next()?.trim().strip_prefix("offset:")?.parse().ok()?;
        (name == field).then_some(offset)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_layouts() {
        let old = "name: task_newtask\nformat:\n\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n\n\
                   \tfield:pid_t pid;\toffset:8;\tsize:4;\tsigned:1;\n\
                   \tfield:char comm[16];\toffset:12;\tsize:16;\tsigned:0;\n\
                   \tfield:unsigned long clone_flags;\toffset:32;\tsize:8;\tsigned:0;\n";
        assert_eq!(field_offset(old, "pid"), Some(8));
        assert_eq!(field_offset(old, "comm"), Some(12));
        assert_eq!(field_offset(old, "clone_flags"), Some(32));
        let new = "\tfield:__data_loc char[] filename;\toffset:8;\tsize:4;\tsigned:0;\n\
                   \tfield:pid_t old_pid;\toffset:16;\tsize:4;\tsigned:1;\n";
        assert_eq!(field_offset(new, "old_pid"), Some(16));
        assert_eq!(field_offset(new, "filename"), Some(8));
        assert_eq!(field_offset("garbage;;", "pid"), None);
    }
}
