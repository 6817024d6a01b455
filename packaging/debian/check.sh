#!/bin/sh
# Installs, uses, upgrades, removes and purges the .deb `$1` in a copy of this host that is thrown away: an overlay over /, in a
# mount namespace of its own. The host's files and its dpkg database stay as they are. Needs root and overlayfs.
set -eu

fail() {
    echo "FAILED: $1" >&2
    exit 1
}
said() { grep -q -- "$1" /tmp/said || { cat /tmp/said; fail "no '$1' was said"; }; }
is() { test "$1" "$2" || fail "not so: $1 $2"; }
isnt() { test ! "$1" "$2" || fail "should not be so: $1 $2"; }
ok() { echo "ok $1"; }
# What packages and boot files write.
ours() { find /etc /usr /lib /var /opt -xdev -name '*killer*' -print | sort; }

if [ "${2-}" = '' ]; then
    deb=$(readlink -f "$1")
    # Everything that is mounted goes with the namespace, everything that is written with the directory.
    aside=$(mktemp -d)
    trap 'rm -rf --one-file-system "$aside"' EXIT
    # shellcheck disable=SC2016 # the shell in there expands it
    unshare --mount --propagation private -- sh -eu -c '
        mount -t tmpfs tmpfs "$2"
        mkdir "$2/upper" "$2/work" "$2/host"
        mount -t overlay overlay -o "lowerdir=/,upperdir=$2/upper,workdir=$2/work" "$2/host"
        for d in proc sys dev; do mount --rbind "/$d" "$2/host/$d"; done
        mount -t tmpfs tmpfs "$2/host/run"
        mount -t tmpfs tmpfs "$2/host/tmp"
        mkdir "$2/host/tmp/check"
        cp "$3" "$2/host/tmp/check/new.deb"
        cp "$1" "$2/host/tmp/check/check.sh"
        chroot "$2/host" sh /tmp/check/check.sh /tmp/check/new.deb inside
        unshare --pid --fork chroot "$2/host" sh /tmp/check/check.sh /tmp/check/new.deb own-pids
    ' sh "$0" "$aside" "$deb"
    exit
fi

cd /tmp/check
export DEBIAN_FRONTEND=noninteractive LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin
dpkg="dpkg --force-confnew"

if [ "$2" = inside ]; then
    # This host becomes one with sysvinit, and loses what it has of killer's.
    rm -f /usr/bin/killer /usr/sbin/killer /usr/local/bin/killer /etc/init.d/killer
    for init in /sbin/init /run/systemd/system; do rm -rf "$init"; done
    echo x >/sbin/init
    echo 'id:2:initdefault:' >/etc/inittab
    mkdir -p /etc/rcS.d /etc/init.d
    ln -sf ../init.d/mountkernfs.sh /etc/rcS.d/S01mountkernfs.sh
    # update-rc.d must not ask the systemd of the host.
    rm -f /bin/systemctl /usr/bin/systemctl

    dpkg-deb -R new.deb older
    sed -i 's/^Version: .*/Version: 0.0.9-1/' older/DEBIAN/control
    dpkg-deb -b older older.deb >/dev/null
    mkdir -p other/DEBIAN
    printf 'Package: killer\nVersion: 0.90-13\nArchitecture: all\nMaintainer: x <x@x.invalid>\nDescription: another one\n' >other/DEBIAN/control
    dpkg-deb -b other other.deb >/dev/null

    KILLER_PIN_ROOT=/sys/fs/bpf/killer-check-$$
    export KILLER_PIN_ROOT
    # Pins are files: without them the kernel lets go of all the rest.
    trap 'killer -q -s KILL svc 2>/dev/null || :; rm -rf "$KILLER_PIN_ROOT" 2>/dev/null || :' EXIT

    ours >/tmp/before

    $dpkg -i older.deb >/tmp/said 2>&1 || { cat /tmp/said; fail "it is not installed"; }
    is -x /usr/bin/killer && is -x /etc/init.d/killer && is -f /usr/lib/killer/rules.d/README
    is -f /usr/share/man/man8/killer.8.gz
    set -- /etc/rcS.d/S[0-9][0-9]killer
    is -h "$1"
    sh -n /etc/init.d/killer
    ok "installed, with the boot files of the init that is there"

    killer run --name svc --detach -- sleep 300 </dev/null >/dev/null 2>/tmp/said || { cat /tmp/said; fail "it does not run"; }
    main=$(killer status -o json svc | sed 's/.*"main_pid":\([0-9]*\).*/\1/')
    $dpkg -i new.deb >/tmp/said 2>&1 || { cat /tmp/said; fail "it is not upgraded"; }
    killer status svc | grep -q "$main" || fail "the service of before the upgrade is not known"
    is -x /etc/init.d/killer
    killer -q -s KILL --wait=10s svc || fail "the service of before the upgrade is not ended"
    [ ! -e "/proc/$main" ] || grep -q '^State:.*[ZX]' "/proc/$main/status" || fail "the service of before the upgrade lives"
    killer -q down --force || fail "the tracker is not unloaded"
    ok "upgraded while a service is tracked, which the new version ends"

    killer install-boot --remove >/dev/null
    $dpkg -i new.deb >/tmp/said 2>&1
    isnt -e /etc/init.d/killer
    ok "what an admin has removed does not come back"

    if $dpkg -i other.deb >/tmp/said 2>&1; then fail "the other killer is installed beside it"; fi
    said 'conflict'
    ok "the other package of Debian's is refused beside it"

    killer install-boot >/dev/null
    echo '# mine' >>/etc/init.d/killer
    mkdir -p /etc/killer/rules.d
    echo '# mine' >/etc/killer/rules.d/mine.toml
    $dpkg -r ebpf-killer >/tmp/said 2>&1 || { cat /tmp/said; fail "it is not removed"; }
    said 'changed by hand'
    is -f /etc/init.d/killer && is -f /etc/killer/rules.d/mine.toml && isnt -e /usr/bin/killer
    sh /etc/init.d/killer start || fail "a half removed package holds up a boot"
    set -- /etc/rcS.d/S[0-9][0-9]killer
    isnt -h "$1"
    ok "removed: what an admin has changed is kept, and harmless"

    rm /etc/init.d/killer
    $dpkg -P ebpf-killer >/tmp/said 2>&1 || { cat /tmp/said; fail "it is not purged"; }
    ours >/tmp/after
    diff /tmp/before /tmp/after || fail "purged, and something is left"
    ok "purged: nothing is left"

    $dpkg -i new.deb >/tmp/said 2>&1
    rm /usr/bin/killer
    $dpkg -r ebpf-killer >/tmp/said 2>&1 || { cat /tmp/said; fail "half removed, and it stays so"; }
    rm -f /etc/init.d/killer /etc/rcS.d/S[0-9][0-9]killer
    $dpkg -P ebpf-killer >/tmp/said 2>&1
    ok "half removed by hand, and removed all the same"

    # No init: as in a container.
    rm -rf /sbin/init /etc/inittab /etc/rcS.d /lib/systemd/systemd
    rm -rf /etc/runit /etc/runlevels
    $dpkg -i new.deb >/tmp/said 2>&1 || { cat /tmp/said; fail "it is not installed without an init"; }
    said 'not known which init'
    $dpkg -P ebpf-killer >/tmp/said 2>&1
    ok "installed where there is no init"
    exit 0
fi

# PID 1 has this root, so that it is a host of its own; programs in the kernel are not for it.
mount -t proc proc /proc
mount -t bpf bpf /sys/fs/bpf
$dpkg -i older.deb >/tmp/said 2>&1
mkdir -p /sys/fs/bpf/killer
$dpkg -i new.deb >/tmp/said 2>&1 || { cat /tmp/said; fail "it is not upgraded"; }
isnt -e /usr/lib/killer/old
ok "upgraded with the same pins: the program of before is not kept"
$dpkg -P ebpf-killer >/tmp/said 2>&1
$dpkg -i older.deb >/tmp/said 2>&1
mkdir -p /sys/fs/bpf/killer/v999
$dpkg -i new.deb >/tmp/said 2>&1 || { cat /tmp/said; fail "it is not upgraded"; }
said 'still tracked, by the version before: /usr/lib/killer/old/killer-'
set -- /usr/lib/killer/old/killer-*
is -x "$1"
"$1" --version >/dev/null || fail "the program of before does not run"
ok "upgraded while pins of another version are there: its program is kept, and named"
$dpkg -P ebpf-killer >/tmp/said 2>&1 || { cat /tmp/said; fail "it is not purged"; }
isnt -e /usr/lib/killer
ok "purged with it"
