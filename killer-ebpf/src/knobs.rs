//! Constants that the loader sets in frozen `.rodata`; the verifier knows them as scalars (F26).

/// Dead ancestors that one end can let go; what is left over is user space's.
pub const MOST_UP: u32 = 16;

macro_rules! knobs {
    ($($(#[$doc:meta])* $id:ident, $get:ident: $ty:ty = $default:expr;)*) => {
        $(
            #[unsafe(no_mangle)]
            static $id: $ty = $default;
            $(#[$doc])*
            #[inline(always)]
            #[allow(dead_code)]
            pub fn $get() -> $ty {
                // SAFETY: reads a static of this object; volatile, so that LLVM does not fold the default in.
                unsafe { core::ptr::read_volatile(&raw const $id) }
            }
        )*
    };
}

knobs! {
    /// `task_struct.tgid`
    OFF_TASK_TGID, off_tgid: u32 = 0;
    /// `task_struct.pid`
    OFF_TASK_PID, off_pid: u32 = 0;
    /// `task_struct.flags`
    OFF_TASK_FLAGS, off_flags: u32 = 0;
    /// `task_struct.group_leader`
    OFF_TASK_LEADER, off_leader: u32 = 0;
    /// `task_struct.start_boottime` (`real_start_time` before 5.5)
    OFF_TASK_START, off_start: u32 = 0;
    /// `task_struct.signal`
    OFF_TASK_SIGNAL, off_signal: u32 = 0;
    /// `task_struct.real_parent`
    OFF_TASK_PARENT, off_parent: u32 = 0;
    /// `task_struct.comm`
    OFF_TASK_COMM, off_comm: u32 = 0;
    /// `task_struct.cred`
    OFF_TASK_CRED, off_cred: u32 = 0;
    /// `cred.uid`
    OFF_CRED_UID, off_uid: u32 = 0;
    /// `signal_struct.live`
    OFF_SIGNAL_LIVE, off_live: u32 = 0;
    /// `signal_struct.nr_threads`
    OFF_SIGNAL_THREADS, off_threads: u32 = 0;
    /// `signal_struct.pids[PIDTYPE_TGID]`
    OFF_SIGNAL_TGID_PID, off_tgid_pid: u32 = 0;
    /// `task_struct.pending.signal`
    OFF_TASK_PENDING, off_pending: u32 = 0;
    /// `signal_struct.shared_pending.signal`
    OFF_SIGNAL_PENDING, off_shared_pending: u32 = 0;
    /// `pid.ino`; 0 where the kernel has none (before 6.9)
    OFF_PID_INO, off_ino: u32 = 0;
    /// `task_struct.children`
    OFF_TASK_CHILDREN, off_children: u32 = 0;
    /// `task_struct.sibling`
    OFF_TASK_SIBLING, off_sibling: u32 = 0;
    /// `task_struct.exit_state`
    OFF_TASK_EXIT_STATE, off_exit_state: u32 = 0;
    /// `task_struct.__state` (`state` before 5.14)
    OFF_TASK_STATE, off_state: u32 = 0;
    /// `signal_struct.flags`
    OFF_SIGNAL_FLAGS, off_signal_flags: u32 = 0;
    /// `task_struct.exit_code`
    OFF_TASK_EXIT_CODE, off_exit_code: u32 = 0;
    /// `signal_struct.group_exit_code`
    OFF_SIGNAL_CODE, off_group_code: u32 = 0;
    /// `signal_struct.oom_mm`; 0: not known
    OFF_SIGNAL_OOM, off_oom: u32 = 0;
    /// `task_struct.fs`
    OFF_TASK_FS, off_fs: u32 = 0;
    /// `task_struct.mm`
    OFF_TASK_MM, off_mm: u32 = 0;
    /// `task_struct.self_exec_id`
    OFF_TASK_EXECS, off_execs: u32 = 0;
    /// `mm_struct.arg_start`
    OFF_MM_ARGS, off_args: u32 = 0;
    /// `cred.euid`
    OFF_CRED_EUID, off_euid: u32 = 0;
    /// `fs_struct.root.dentry`
    OFF_FS_ROOT, off_fs_root: u32 = 0;
    /// `fs_struct.pwd.dentry`
    OFF_FS_PWD, off_fs_pwd: u32 = 0;
    /// `linux_binprm.file`
    OFF_BPRM_FILE, off_bprm_file: u32 = 0;
    /// `linux_binprm.filename`
    OFF_BPRM_NAME, off_bprm_name: u32 = 0;
    /// `linux_binprm.interp`
    OFF_BPRM_INTERP, off_bprm_interp: u32 = 0;
    /// `linux_binprm.p`
    OFF_BPRM_P, off_bprm_p: u32 = 0;
    /// `file.f_path.dentry`
    OFF_FILE_DENTRY, off_file_dentry: u32 = 0;
    /// `dentry.d_parent`
    OFF_DENTRY_PARENT, off_dentry_parent: u32 = 0;
    /// `dentry.d_inode`
    OFF_DENTRY_INODE, off_dentry_inode: u32 = 0;
    /// `dentry.d_name.len`
    OFF_DENTRY_LEN, off_dentry_len: u32 = 0;
    /// `dentry.d_name.name`
    OFF_DENTRY_NAME, off_dentry_name: u32 = 0;
    /// `dentry.d_iname` (`d_shortname.string` from 6.14)
    OFF_DENTRY_INLINE, off_dentry_inline: u32 = 0;
    /// `inode.i_ino`
    OFF_INODE_INO, off_inode_ino: u32 = 0;
    /// `inode.i_sb`
    OFF_INODE_SB, off_inode_sb: u32 = 0;
    /// `super_block.s_dev`
    OFF_SB_DEV, off_sb_dev: u32 = 0;
    /// `inode.i_nlink`
    OFF_INODE_LINKS, off_inode_links: u32 = 0;
    /// `file.f_path.mnt`
    OFF_FILE_MOUNT, off_file_mount: u32 = 0;
    /// `fs_struct.root.mnt`
    OFF_FS_ROOT_MOUNT, off_fs_root_mount: u32 = 0;
    /// `fs_struct.pwd.mnt`
    OFF_FS_PWD_MOUNT, off_fs_pwd_mount: u32 = 0;
    /// `vfsmount.mnt_root`
    OFF_VFSMOUNT_ROOT, off_vfsmount_root: u32 = 0;
    /// `mount.mnt`
    OFF_MOUNT_MNT, off_mount_mnt: u32 = 0;
    /// `mount.mnt_parent`
    OFF_MOUNT_PARENT, off_mount_parent: u32 = 0;
    /// `mount.mnt_mountpoint`
    OFF_MOUNT_POINT, off_mount_point: u32 = 0;
    /// `mount.mnt_ns`
    OFF_MOUNT_NS, off_mount_ns: u32 = 0;
    /// For tests: so many changes of `births` are refused to some newborns
    REFUSE_BIRTHS, refuse_births: u32 = 0;
    /// For tests: the same to some tasks that end
    REFUSE_EXITS, refuse_exits: u32 = 0;
    /// The second object's tier: 1 raw, 2 legacy
    SECOND, second: u32 = 0;
    /// Record of the classic `task_newtask`: `pid`
    REC_NEWTASK_PID, rec_newtask_pid: u32 = 8;
    /// `clone_flags` in it
    REC_NEWTASK_FLAGS, rec_newtask_flags: u32 = 32;
    /// Record of the classic `sched_process_exec`: `old_pid`
    REC_EXEC_OLD_PID, rec_exec_old_pid: u32 = 16;
    /// Entries of `ancestors` that one root may have
    ANCESTORS_MOST, ancestors_most: u32 = 4096;
    /// 1 where the birth witness is loaded
    WITNESS, witness: u32 = 0;
    /// 1: `sched_process_exec` has two programs of the rules
    RULES_TWICE, rules_twice: u32 = 0;
    /// 1 where the kernel can skip a program whose instance on the same processor was preempted (7.0+)
    CAN_SKIP, can_skip: u32 = 1;
    /// 1 where `bpf_get_current_task_btf` exists (5.11+); exits cannot be missed before, so starts need no comparing
    HAVE_CURRENT_BTF, have_current_btf: u32 = 1;
    /// 1: programs may read the kernel's memory by address, where they see the current task in no other way (before 5.11)
    READS_KERNEL, reads_kernel: u32 = 0;
    /// 1 where `bpf_send_signal_task` was found and patched in
    HAVE_SIGNAL_TASK, have_signal_task: u32 = 0;
}
