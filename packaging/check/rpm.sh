#!/bin/sh
# Installs, uses, upgrades and removes the .rpm, in the copy of the host that run.sh makes. rpm has a database of its own there,
# which knows nothing of this host's packages.
set -eu
# shellcheck source=packaging/check/words.sh
. /tmp/check/words.sh
packages() { rpm --dbpath /tmp/rpmdb "$@"; }

if [ "$1" = inside ]; then
    with_sysvinit
    mv package new.rpm
    own_tracker
    ours >/tmp/before

    does "it is not installed" packages -i --nodeps new.rpm
    is -x /usr/bin/killer && is -f /usr/lib/killer/rules.d/README && is -f /usr/share/man/man8/killer.8.gz
    boot_files
    does "it is not as it was packed" packages -V --nodeps ebpf-killer
    ok "installed, with the boot files of the init that is there"

    service
    # The same version again: rpm runs the same scripts as for a newer one.
    does "it is not upgraded" packages -U --replacepkgs --nodeps new.rpm
    is -x /etc/init.d/killer
    service_ends
    ok "upgraded while a service is tracked, which the new version ends"

    killer install-boot --remove >/dev/null
    does "it is not installed again" packages -U --replacepkgs --nodeps new.rpm
    isnt -e /etc/init.d/killer
    ok "what an admin has removed does not come back"

    killer install-boot >/dev/null
    mkdir -p /etc/killer/rules.d
    echo '# mine' >/etc/killer/rules.d/mine.toml
    does "it is not removed" packages -e ebpf-killer
    is -f /etc/killer/rules.d/mine.toml && isnt -e /usr/bin/killer
    rm -r /etc/killer
    ours >/tmp/after
    diff /tmp/before /tmp/after || fail "removed, and something is left"
    ok "removed: the admin's rules are kept, and nothing else"

    does "it is not installed once more" packages -i --nodeps new.rpm
    rm /usr/bin/killer
    does "half removed, and it stays so" packages -e ebpf-killer
    ok "half removed by hand, and removed all the same"
    exit 0
fi

# own-pids: PID 1 has this root, so that it is a host of its own; programs in the kernel are not for it.
mount -t proc proc /proc
mount -t bpf bpf /sys/fs/bpf
rm -f /etc/init.d/killer /etc/rcS.d/S[0-9][0-9]killer
does "it is not installed" packages -i --nodeps new.rpm
mkdir -p /sys/fs/bpf/killer
does "it is not upgraded" packages -U --replacepkgs --nodeps new.rpm
isnt -e /usr/lib/killer/old
ok "upgraded with the same pins: the program of before is not kept"
mkdir -p /sys/fs/bpf/killer/v999
does "it is not upgraded" packages -U --replacepkgs --nodeps new.rpm
said 'still tracked, by the version before: /usr/lib/killer/old/killer-'
set -- /usr/lib/killer/old/killer-*
is -x "$1"
"$1" --version >/dev/null || fail "the program of before does not run"
ok "upgraded while pins of another version are there: its program is kept, and named"
does "it is not removed" packages -e ebpf-killer
isnt -e /usr/lib/killer
ok "removed with it"
