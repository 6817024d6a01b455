//! Who else may write to a file or a directory.

use std::os::fd::AsFd;

/// Where the kernel shows a file's access list (`include/uapi/linux/xattr.h`).
const ACCESS_LIST: &str = "system.posix_acl_access";

/// Who else than its owner may write to an open file of this mode and group, in words; `None`: nobody else, or only the group of
/// root. With an access list the bits of the group are those of the list's mask (`fs/posix_acl.c:posix_acl_equiv_mode`), so the
/// list may let other users write.
pub fn besides_owner(fd: impl AsFd, mode: u32, gid: u32) -> Option<&'static str> {
    if mode & 0o002 != 0 {
        return Some("everybody");
    }
    if mode & 0o020 == 0 {
        return None;
    }
    match gid {
        0 => has_access_list(fd).then_some("others, as its access list says"),
        _ => Some("its group"),
    }
}

fn has_access_list(fd: impl AsFd) -> bool {
    let mut none = [0u8; 0];
    rustix::fs::fgetxattr(fd, ACCESS_LIST, &mut none).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_mode_and_group() {
        let file = std::fs::File::open("/proc/self/stat").unwrap();
        assert_eq!(besides_owner(&file, 0o644, 7), None);
        assert_eq!(besides_owner(&file, 0o664, 0), None);
        assert_eq!(besides_owner(&file, 0o664, 7), Some("its group"));
        assert_eq!(besides_owner(&file, 0o666, 0), Some("everybody"));
    }
}
