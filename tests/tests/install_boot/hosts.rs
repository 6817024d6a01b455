//! The roots of hosts with each init, as far as `killer install-boot` looks at them.

/// Debian with sysvinit.
pub const DEBIAN: [&str; 6] = [
    "sbin/init=x",
    "etc/inittab=si::sysinit:/etc/init.d/rcS\n",
    "etc/rcS.d/S01mountkernfs.sh -> ../init.d/mountkernfs.sh",
    "etc/init.d/mountkernfs.sh=x",
    "lib -> usr/lib",
    "usr/lib/lsb/init-functions=x",
];

/// Hosts as they are: name, init that is found, what is there.
pub fn hosts() -> Vec<(&'static str, &'static str, Vec<&'static str>)> {
    let debian = |more: &[&'static str]| [&DEBIAN[..], more].concat();
    vec![
        ("debian-sysv", "sysv", debian(&["usr/bin/killer=x"])),
        (
            "debian-openrc",
            "openrc",
            debian(&["sbin/openrc=x", "etc/runlevels/sysinit/", "etc/debian_version=12\n"]),
        ),
        ("debian-runit", "runit", {
            let mut host = debian(&["etc/runit/1=x", "etc/runit/2=x"]);
            host[0] = "sbin/init -> /lib/runit/runit-init";
            host.push("usr/lib/runit/runit-init=x");
            host
        }),
        (
            "slackware",
            "sysv",
            vec![
                "sbin/init=x",
                "etc/rc.d/rc.S=x",
                "etc/inittab=id:3:initdefault:\nsi:S:sysinit:/etc/rc.d/rc.S\nrc:2345:wait:/etc/rc.d/rc.M\n",
            ],
        ),
        (
            "gentoo",
            "openrc",
            vec!["sbin/init=x", "sbin/openrc=x", "etc/init.d/cron=x", "etc/runlevels/sysinit/"],
        ),
        (
            "alpine",
            "openrc",
            vec![
                "sbin/init -> /bin/busybox",
                "bin/busybox=x",
                "sbin/openrc=x",
                "etc/runlevels/sysinit/",
                "etc/inittab=::sysinit:/sbin/openrc sysinit\n",
            ],
        ),
        (
            "void",
            "runit",
            vec![
                "sbin/init -> runit-init",
                "sbin/runit-init=x",
                "etc/runit/core-services/00-pseudofs.sh=x",
                "etc/runit/2=x",
            ],
        ),
        ("runit", "runit", vec!["etc/runit/2=#!/bin/sh\nexec runsvdir /service\n"]),
        (
            "s6",
            "s6",
            vec![
                "sbin/init=#!/bin/execlineb -S0\ns6-linux-init -c /etc/s6-linux-init/current -- $@\n",
                "etc/s6-linux-init/current -> run",
                "etc/s6-linux-init/run/scripts/rc.init=#!/bin/sh -e\ns6-rc-init /run/service\n",
                "etc/s6-linux-init/skel/rc.init=#!/bin/execlineb -P\ns6-rc-init /run/service\n",
            ],
        ),
        ("dinit", "dinit", vec!["sbin/init -> /usr/bin/dinit", "usr/bin/dinit=x", "etc/dinit.d/boot.d/"]),
        ("finit", "finit", vec!["sbin/init -> finit", "sbin/finit=x", "etc/finit.conf=x"]),
        (
            "buildroot",
            "busybox",
            vec![
                "sbin/init -> ../bin/busybox",
                "bin/busybox=x",
                "etc/inittab=::sysinit:/etc/init.d/rcS\n",
                "etc/init.d/rcS=for i in /etc/init.d/S??* ;do\n",
            ],
        ),
        (
            "busybox",
            "busybox",
            vec![
                "sbin/init -> /bin/busybox",
                "bin/busybox=x",
                "etc/inittab=::sysinit:/bin/mount -t proc proc /proc\n::sysinit:/etc/rc\n::respawn:/sbin/getty\n",
            ],
        ),
        (
            "systemd",
            "systemd",
            vec![
                "sbin/init -> /lib/systemd/systemd",
                "lib -> usr/lib",
                "usr/lib/systemd/systemd=x",
                "etc/init.d/cron=x",
            ],
        ),
    ]
}
