#!/bin/sh
# Installs and uninstalls what is in the tarball, into the root of another host and into this one, in the copy of the host that
# run.sh makes.
set -eu
# shellcheck source=packaging/check/words.sh
. /tmp/check/words.sh

[ "$1" = inside ]
with_sysvinit
mkdir unpacked
tar -xzf package -C unpacked
cd unpacked/*
listed() { find "$1" ! -type d | sort; }

# A root with nothing but what tells its init.
root=/tmp/root
for init in sysv busybox; do
    rm -rf "$root"
    mkdir -p "$root/etc/rcS.d" "$root/etc/init.d" "$root/sbin" "$root/bin"
    case $init in
    sysv) echo 'id:2:initdefault:' >"$root/etc/inittab" && echo x >"$root/sbin/init" && rmdir "$root/bin" ;;
    busybox)
        echo '::sysinit:/etc/init.d/rcS' >"$root/etc/inittab"
        echo x >"$root/bin/busybox" && ln -s ../bin/busybox "$root/sbin/init"
        # shellcheck disable=SC2016 # it is a script
        printf '#!/bin/sh\nfor i in /etc/init.d/S??*; do "$i" start; done\n' >"$root/etc/init.d/rcS"
        chmod 755 "$root/etc/init.d/rcS"
        ;;
    esac
    listed "$root" >/tmp/before
    does "it is not installed into another root" ./install.sh --destdir "$root"
    is -x "$root/usr/bin/killer" && is -f "$root/usr/share/man/man8/killer.8" && is -x "$root/usr/lib/killer/install.sh"
    case $init in
    sysv) is -x "$root/etc/init.d/killer" ;;
    busybox) is -x "$root/etc/init.d/S00killer" ;;
    esac
    listed "$root" >/tmp/first
    does "it is not installed a second time" ./install.sh --destdir "$root"
    listed "$root" | diff /tmp/first - || fail "a second installation gives other files"
    does "it is not uninstalled" "$root/usr/lib/killer/install.sh" --uninstall --destdir "$root"
    listed "$root" | diff /tmp/before - || fail "uninstalled, and something is left"
    ok "installed into another root ($init), twice, and uninstalled: nothing is left"
done

own_tracker
ours >/tmp/before
does "it is not installed" ./install.sh --prefix /usr/local
is -x /usr/local/bin/killer
PATH=/usr/local/bin:$PATH
boot_files
grep -q /usr/local/bin/killer /etc/init.d/killer || fail "the boot file names another killer"
ok "installed below /usr/local, with the boot files of the init that is there"
service
does "it is not upgraded" ./install.sh --prefix /usr/local
service_ends
ok "upgraded while a service is tracked, which the new version ends"
cd /
does "it is not uninstalled" /usr/local/lib/killer/install.sh --uninstall --prefix /usr/local
ours >/tmp/after
diff /tmp/before /tmp/after || fail "uninstalled, and something is left"
ok "uninstalled: nothing is left"
