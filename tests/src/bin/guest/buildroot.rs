//! The disk with sysvinit becomes a host as Buildroot makes them: busybox is PID 1 and its `rcS` starts `/etc/init.d/S??*` one after
//! the other. The daemons and their scripts are Debian's; the rest of its init is taken away.

use std::fs;
use std::io::Result;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

/// What is started, in this order.
const SCRIPTS: [(&str, &str); 7] = [
    ("10", "udev"),
    ("20", "rsyslog"),
    ("30", "cron"),
    ("40", "atd"),
    ("50", "ssh"),
    ("60", "nginx"),
    ("70", "apache2"),
];

/// Buildroot's, but for the terminals.
const INITTAB: &str = "\
::sysinit:/bin/busybox mount -t proc proc /proc
::sysinit:/bin/busybox mount -o remount,rw /
::sysinit:/bin/busybox mount -t sysfs sysfs /sys
::sysinit:/bin/busybox mount -t tmpfs -o mode=0755 tmpfs /run
::sysinit:/bin/busybox mkdir -p /dev/pts /run/lock
::sysinit:/bin/busybox mount -t devpts devpts /dev/pts
::sysinit:/bin/busybox ifconfig lo up
::sysinit:/etc/init.d/rcS
::shutdown:/etc/init.d/rcK
::shutdown:/bin/busybox umount -a -r
";

const RC_S: &str = "\
#!/bin/sh
for i in /etc/init.d/S??* ;do
    [ ! -f \"$i\" ] && continue
    case \"$i\" in
    *.sh) (trap - INT QUIT TSTP; set start; . $i) ;;
    *) $i start ;;
    esac
done
";

const RC_K: &str = "\
#!/bin/sh
for i in $(ls -r /etc/init.d/S??*) ;do
    [ ! -f \"$i\" ] && continue
    case \"$i\" in
    *.sh) (trap - INT QUIT TSTP; set stop; . $i) ;;
    *) $i stop ;;
    esac
done
";

/// Below `root`, before it is entered.
pub fn make(root: &Path) -> Result<()> {
    let scripts = root.join("etc/init.d");
    let kept = root.join("etc/init.d.debian");
    fs::rename(&scripts, &kept)?;
    fs::create_dir(&scripts)?;
    for (order, name) in SCRIPTS {
        fs::rename(kept.join(name), scripts.join(format!("S{order}{name}")))?;
    }
    fs::remove_dir_all(kept)?;
    for (name, text) in [("rcS", RC_S), ("rcK", RC_K)] {
        fs::write(scripts.join(name), text)?;
        fs::set_permissions(scripts.join(name), fs::Permissions::from_mode(0o755))?;
    }
    for level in ["rcS.d", "rc0.d", "rc1.d", "rc2.d", "rc3.d", "rc4.d", "rc5.d", "rc6.d"] {
        fs::remove_dir_all(root.join("etc").join(level))?;
    }
    fs::write(root.join("etc/inittab"), INITTAB)?;
    fs::copy("/bin/busybox", root.join("usr/bin/busybox"))?;
    fs::remove_file(root.join("usr/sbin/init"))?;
    symlink("../bin/busybox", root.join("usr/sbin/init"))
}
