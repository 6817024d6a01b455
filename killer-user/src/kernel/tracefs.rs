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

/// Byte offset of a field in the record of a tracepoint, when it has the width that the programs read.
pub fn offset(root: &Path, event: &str, field: &str, width: u32) -> Result<u32, String> {
    let s = std::fs::read_to_string(root.join("events").join(event).join("format"))
        .map_err(|e| format!("the format of the tracepoint {event} ({e})"))?;
    field_offset(&s, field, width).ok_or_else(|| format!("the field {field} of the tracepoint {event}"))
}

/// From the text of a format file: `\tfield:pid_t pid;\toffset:8;\tsize:4;\tsigned:1;`
/// (kernel/trace/trace_events.c, `f_show`).
fn field_offset(format: &str, field: &str, width: u32) -> Option<u32> {
    format.lines().find_map(|l| {
        let mut parts = l.trim().strip_prefix("field:")?.split(';');
        let name = parts.next()?.rsplit(' ').next()?;
        let name = name.split('[').next()?;
        let mut number = |key: &str| parts.next()?.trim().strip_prefix(key)?.parse::<u32>().ok();
        let (offset, size) = (number("offset:")?, number("size:")?);
        (name == field && size == width).then_some(offset)
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
        assert_eq!(field_offset(old, "pid", 4), Some(8));
        assert_eq!(field_offset(old, "comm", 16), Some(12));
        assert_eq!(field_offset(old, "clone_flags", 8), Some(32));
        let new = "\tfield:__data_loc char[] filename;\toffset:8;\tsize:4;\tsigned:0;\n\
                   \tfield:pid_t old_pid;\toffset:16;\tsize:4;\tsigned:1;\n";
        assert_eq!(field_offset(new, "old_pid", 4), Some(16));
        assert_eq!(field_offset(new, "filename", 4), Some(8));
        assert_eq!(field_offset("garbage;;", "pid", 4), None);
    }

    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_text_ends_in_an_answer(s in any::<String>(), t in "(\\s?field:[ a-z_\\[\\]0-9]{0,20};?\\s?(offset:[0-9-]{0,12};)?(size:[0-9]{0,12};)?\n?){0,6}") {
            let _ = field_offset(&s, "pid", 4);
            let _ = field_offset(&t, "pid", 4);
        }

        /// Of a record that is written as the kernel writes it every field is found, and none at another width.
        #[test]
        fn what_is_written_is_found(
            fields in prop::collection::btree_map("[a-z_]{1,12}", ("(pid_t|unsigned long|__data_loc char\\[\\]|struct x \\*)", 0u32..4096, 1u32..64, any::<bool>()), 0..12),
            other in "[A-Z]{1,3}",
        ) {
            let mut text = String::from("name: an_event\nID: 7\nformat:\n");
            for (name, (kind, offset, size, array)) in &fields {
                let array = if *array { format!("[{size}]") } else { String::new() };
                text += &format!("\tfield:{kind} {name}{array};\toffset:{offset};\tsize:{size};\tsigned:0;\n");
            }
            text += "\nprint fmt: \"pid=%d\", REC->pid\n";
            for (name, (_, offset, size, _)) in &fields {
                prop_assert_eq!(field_offset(&text, name, *size), Some(*offset));
                prop_assert_eq!(field_offset(&text, name, size + 1), None);
            }
            prop_assert_eq!(field_offset(&text, &other, 4), None);
        }
    }
}
