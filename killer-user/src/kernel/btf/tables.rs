//! What the programs load through: where the kernel's types have it is looked up in its BTF.

/// Knob, struct, alternatives of the member's name.
pub(super) const NEEDED: &[(&str, &str, &[&str])] = &[
    ("OFF_TASK_TGID", "task_struct", &["tgid"]),
    ("OFF_TASK_PID", "task_struct", &["pid"]),
    ("OFF_TASK_FLAGS", "task_struct", &["flags"]),
    ("OFF_TASK_LEADER", "task_struct", &["group_leader"]),
    ("OFF_TASK_START", "task_struct", &["start_boottime", "real_start_time"]),
    ("OFF_TASK_SIGNAL", "task_struct", &["signal"]),
    ("OFF_TASK_PARENT", "task_struct", &["real_parent"]),
    ("OFF_TASK_COMM", "task_struct", &["comm"]),
    ("OFF_TASK_CRED", "task_struct", &["cred"]),
    ("OFF_TASK_CHILDREN", "task_struct", &["children"]),
    ("OFF_TASK_SIBLING", "task_struct", &["sibling"]),
    ("OFF_TASK_EXIT_STATE", "task_struct", &["exit_state"]),
    ("OFF_TASK_STATE", "task_struct", &["__state", "state"]),
    ("OFF_SIGNAL_FLAGS", "signal_struct", &["flags"]),
    ("OFF_TASK_EXIT_CODE", "task_struct", &["exit_code"]),
    ("OFF_SIGNAL_CODE", "signal_struct", &["group_exit_code"]),
    ("OFF_CRED_UID", "cred", &["uid"]),
    ("OFF_SIGNAL_LIVE", "signal_struct", &["live"]),
    ("OFF_SIGNAL_THREADS", "signal_struct", &["nr_threads"]),
];

/// A member, or a member of it.
pub(super) type Place =
    (&'static str, &'static str, &'static [&'static str], Option<(&'static str, &'static str)>);

/// The same for the rules and for watchers: knob, struct, alternatives of the member's name, and a member of what that is.
pub(super) const RULES: &[Place] = &[
    ("OFF_TASK_FS", "task_struct", &["fs"], None),
    ("OFF_TASK_MM", "task_struct", &["mm"], None),
    ("OFF_TASK_EXECS", "task_struct", &["self_exec_id"], None),
    ("OFF_MM_ARGS", "mm_struct", &["arg_start"], None),
    ("OFF_CRED_EUID", "cred", &["euid"], None),
    ("OFF_FS_ROOT", "fs_struct", &["root"], Some(("path", "dentry"))),
    ("OFF_FS_PWD", "fs_struct", &["pwd"], Some(("path", "dentry"))),
    ("OFF_BPRM_FILE", "linux_binprm", &["file"], None),
    ("OFF_BPRM_NAME", "linux_binprm", &["filename"], None),
    ("OFF_BPRM_INTERP", "linux_binprm", &["interp"], None),
    ("OFF_BPRM_P", "linux_binprm", &["p"], None),
    ("OFF_FILE_DENTRY", "file", &["f_path"], Some(("path", "dentry"))),
    ("OFF_DENTRY_PARENT", "dentry", &["d_parent"], None),
    ("OFF_DENTRY_INODE", "dentry", &["d_inode"], None),
    ("OFF_DENTRY_LEN", "dentry", &["d_name"], Some(("qstr", "len"))),
    ("OFF_DENTRY_NAME", "dentry", &["d_name"], Some(("qstr", "name"))),
    // A union of that name from 6.14 on (`include/linux/dcache.h`).
    ("OFF_DENTRY_INLINE", "dentry", &["d_iname", "d_shortname"], None),
    ("OFF_INODE_INO", "inode", &["i_ino"], None),
    ("OFF_INODE_SB", "inode", &["i_sb"], None),
    ("OFF_SB_DEV", "super_block", &["s_dev"], None),
];

/// The same for the recorder, beside those.
pub(super) const RECORDER: &[Place] = &[
    ("OFF_INODE_LINKS", "inode", &["i_nlink"], None),
    ("OFF_FILE_MOUNT", "file", &["f_path"], Some(("path", "mnt"))),
    ("OFF_FS_ROOT_MOUNT", "fs_struct", &["root"], Some(("path", "mnt"))),
    ("OFF_FS_PWD_MOUNT", "fs_struct", &["pwd"], Some(("path", "mnt"))),
    ("OFF_VFSMOUNT_ROOT", "vfsmount", &["mnt_root"], None),
    ("OFF_MOUNT_MNT", "mount", &["mnt"], None),
    ("OFF_MOUNT_PARENT", "mount", &["mnt_parent"], None),
    ("OFF_MOUNT_POINT", "mount", &["mnt_mountpoint"], None),
    ("OFF_MOUNT_NS", "mount", &["mnt_ns"], None),
];

/// Structs that something is loaded from.
pub(super) const STRUCTS: [&str; 17] = [
    "task_struct",
    "signal_struct",
    "cred",
    "pid",
    "sigpending",
    "mm_struct",
    "fs_struct",
    "path",
    "linux_binprm",
    "file",
    "dentry",
    "qstr",
    "inode",
    "super_block",
    "vfsmount",
    "mount",
    "tracepoint",
];
