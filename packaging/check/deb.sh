#!/bin/sh
# Installs, uses, upgrades, removes and purges the .deb, in the copy of the host that run.sh makes.
set -eu
# shellcheck source=packaging/check/words.sh
. /tmp/check/words.sh
packages() { dpkg --force-confnew "$@"; }

if [ "$1" = inside ]; then
    with_sysvinit
    mv package new.deb
    dpkg-deb -R new.deb older
    sed -i 's/^Version: .*/Version: 0.0.9-1/' older/DEBIAN/control
    dpkg-deb -b older older.deb >/dev/null
    mkdir -p other/DEBIAN
    printf 'Package: killer\nVersion: 0.90-13\nArchitecture: all\nMaintainer: x <x@x.invalid>\nDescription: another one\n' >other/DEBIAN/control
    dpkg-deb -b other other.deb >/dev/null
    own_tracker
    ours >/tmp/before

    does "it is not installed" packages -i older.deb
    is -x /usr/bin/killer && is -f /usr/lib/killer/rules.d/README && is -f /usr/share/man/man8/killer.8.gz
    boot_files
    ok "installed, with the boot files of the init that is there"

    service
    does "it is not upgraded" packages -i new.deb
    is -x /etc/init.d/killer
    service_ends
    ok "upgraded while a service is tracked, which the new version ends"

    killer install-boot --remove >/dev/null
    does "it is not installed again" packages -i new.deb
    isnt -e /etc/init.d/killer
    ok "what an admin has removed does not come back"

    if packages -i other.deb >/tmp/said 2>&1; then fail "the other killer is installed beside it"; fi
    said 'conflict'
    ok "the other package of Debian's is refused beside it"

    killer install-boot >/dev/null
    echo '# mine' >>/etc/init.d/killer
    mkdir -p /etc/killer/rules.d
    echo '# mine' >/etc/killer/rules.d/mine.toml
    does "it is not removed" packages -r ebpf-killer
    said 'changed by hand'
    is -f /etc/init.d/killer && is -f /etc/killer/rules.d/mine.toml && isnt -e /usr/bin/killer
    sh /etc/init.d/killer start || fail "a half removed package holds up a boot"
    set -- /etc/rcS.d/S[0-9][0-9]killer
    isnt -h "$1"
    ok "removed: what an admin has changed is kept, and harmless"

    rm /etc/init.d/killer
    does "it is not purged" packages -P ebpf-killer
    ours >/tmp/after
    diff /tmp/before /tmp/after || fail "purged, and something is left"
    ok "purged: nothing is left"

    does "it is not installed once more" packages -i new.deb
    rm /usr/bin/killer
    does "half removed, and it stays so" packages -r ebpf-killer
    rm -f /etc/init.d/killer /etc/rcS.d/S[0-9][0-9]killer
    does "half removed, and it is not purged" packages -P ebpf-killer
    ok "half removed by hand, and removed all the same"

    # No init: as in a container.
    rm -rf /sbin/init /etc/inittab /etc/rcS.d /lib/systemd/systemd
    rm -rf /etc/runit /etc/runlevels
    does "it is not installed without an init" packages -i new.deb
    said 'not known which init'
    does "it is not purged without an init" packages -P ebpf-killer
    ok "installed where there is no init"
    exit 0
fi

if [ "$1" = full-disk ]; then
    with_sysvinit
    for before in nothing older; do
        if [ "$before" = older ]; then does "the older one is not installed" packages -i older.deb; fi
        ours >/tmp/before
        refused=0 size=-2
        while :; do
            size=$((size + 3))
            small_disk "${size}m"
            if packages -i new.deb >/tmp/said 2>&1; then break; fi
            refused=$((refused + 1))
            said 'No space left'
            if [ "$before" = older ] || [ -e /usr/bin/killer ]; then
                killer --version >/dev/null || fail "half of a killer is there"
            fi
            larger_disk
            does "it is not installed when there is room ($size MiB, $before before)" packages -i new.deb
            [ -z "$(dpkg --audit)" ] || fail "dpkg holds it for half installed"
            boot_files
            does "it is not purged" packages -P ebpf-killer
            [ "$before" = older ] || ours | diff /tmp/before - || fail "purged, and something is left"
            old_disk
        done
        killer --version >/dev/null || fail "it was installed, and does not run"
        [ -x /etc/init.d/killer ] || said 'sets the boot files up later'
        old_disk
        [ "$refused" -gt 2 ] || fail "no disk was too small"
        ok "a disk that is full ($refused sizes, $before before): it is said, nothing is half there, and with more room it is installed"
    done
    does "it is not purged" packages -P ebpf-killer
    exit 0
fi

# own-pids: PID 1 has this root, so that it is a host of its own; programs in the kernel are not for it.
mount -t proc proc /proc
mount -t bpf bpf /sys/fs/bpf
does "the older one is not installed" packages -i older.deb
mkdir -p /sys/fs/bpf/killer
does "it is not upgraded" packages -i new.deb
isnt -e /usr/lib/killer/old
ok "upgraded with the same pins: the program of before is not kept"
does "it is not purged" packages -P ebpf-killer
does "the older one is not installed" packages -i older.deb
mkdir -p /sys/fs/bpf/killer/v999
does "it is not upgraded" packages -i new.deb
said 'still tracked, by the version before: /usr/lib/killer/old/killer-'
set -- /usr/lib/killer/old/killer-*
is -x "$1"
"$1" --version >/dev/null || fail "the program of before does not run"
ok "upgraded while pins of another version are there: its program is kept, and named"
does "it is not purged" packages -P ebpf-killer
isnt -e /usr/lib/killer
ok "purged with it"
