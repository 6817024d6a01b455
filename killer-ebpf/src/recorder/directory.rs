//! The working directory, by its dentries and mounts. All is read by address: where the kernel refuses that, nothing is known.

use aya_ebpf::helpers::generated as h;
use killer_common::recorder::*;

use crate::knobs::*;
use crate::task::load64;

/// Components that are looked at, and mounts that are crossed.
const STEPS: u32 = 48;
/// `MNT_NS_INTERNAL`, `fs/mount.h`: `ERR_PTR(-EINVAL)`
const INTERNAL: u64 = -22i64 as u64;

/// Eight bytes of the kernel's memory; 0 where nothing can be read.
#[inline(always)]
fn read(at: u64) -> u64 {
    let mut v = 0u64;
    // SAFETY: eight bytes of our own; a fault is an error, not a crash.
    unsafe { h::bpf_probe_read_kernel((&raw mut v).cast(), 8, at as *const _) };
    v
}

/// The `struct mount` that a `struct vfsmount` is in.
#[inline(always)]
fn mount_of(vfsmount: u64) -> u64 {
    vfsmount.wrapping_sub(off_mount_mnt() as u64)
}

/// True of a mount of the kernel's own, which is in no tree (`fs/namespace.c:kern_mount`).
#[inline(always)]
pub fn is_internal(vfsmount: u64) -> bool {
    read(mount_of(vfsmount) + off_mount_ns() as u64) == INTERNAL
}

/// Notes the components of the working directory up to the process's own root; answers `E_DEEP` when there are more.
///
/// # Safety
/// `d` points to a whole Draft.
#[inline(always)]
pub unsafe fn note(fs: usize, d: *mut Draft) -> u32 {
    let (root, top) = (load64(fs, off_fs_root()), load64(fs, off_fs_root_mount()));
    let (mut dentry, mut mount) = (load64(fs, off_fs_pwd()), load64(fs, off_fs_pwd_mount()));
    let mut len = 0usize;
    let mut i = 0;
    // SAFETY: the caller's; a component that begins within `dir` ends within the draft: it has 256 bytes at most.
    unsafe {
        let to = (&raw mut (*d).exec.dir) as *mut u8;
        while i < STEPS {
            i += 1;
            if dentry == root && mount == top {
                (*d).exec.dir_len = len as u32;
                return 0;
            }
            if dentry == read(mount + off_vfsmount_root() as u64) {
                let m = mount_of(mount);
                let outer = read(m + off_mount_parent() as u64);
                if outer == m || outer == 0 {
                    break;
                }
                dentry = read(m + off_mount_point() as u64);
                mount = outer + off_mount_mnt() as u64;
                continue;
            }
            let up = read(dentry + off_dentry_parent() as u64);
            if up == dentry || up == 0 {
                break;
            }
            if len >= DIR {
                break;
            }
            let name = read(dentry + off_dentry_name() as u64);
            let n =
                h::bpf_probe_read_kernel_str(to.add(len & (DIR - 1)).cast(), DIR as u32, name as *const _);
            if n <= 1 || len + n as usize > DIR {
                break;
            }
            len += n as usize;
            dentry = up;
        }
        (*d).exec.dir_len = len as u32;
    }
    E_DEEP
}
