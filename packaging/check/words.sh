# shellcheck shell=sh
# Words of the checks, and where they run: sourced by each in the copy of the host that run.sh makes.

fail() {
    echo "FAILED: $1" >&2
    exit 1
}
# What the last command said lies in /tmp/said.
said() { grep -q -- "$1" /tmp/said || { cat /tmp/said; fail "no '$1' was said"; }; }
does() {
    what=$1
    shift
    "$@" >/tmp/said 2>&1 || { cat /tmp/said; fail "$what"; }
}
is() { test "$1" "$2" || fail "not so: $1 $2"; }
isnt() { test ! "$1" "$2" || fail "should not be so: $1 $2"; }
ok() { echo "ok $1"; }
# What packages and boot files write.
ours() { find /etc /usr /lib /var /opt -xdev -name '*killer*' -print | sort; }

# This host becomes one with sysvinit, and loses what it has of killer's.
with_sysvinit() {
    rm -f /usr/bin/killer /usr/sbin/killer /usr/local/bin/killer /etc/init.d/killer
    rm -rf /sbin/init /run/systemd/system
    echo x >/sbin/init
    echo 'id:2:initdefault:' >/etc/inittab
    mkdir -p /etc/rcS.d /etc/init.d
    ln -sf ../init.d/mountkernfs.sh /etc/rcS.d/S01mountkernfs.sh
    # Nobody must ask the systemd of the host.
    rm -f /bin/systemctl /usr/bin/systemctl
}

# The boot files for sysvinit are there: a script that every shell reads, with all that LSB wants at its head, and its link.
boot_files() {
    is -x /etc/init.d/killer
    for shell in sh dash bash; do
        command -v "$shell" >/dev/null || continue
        "$shell" -n /etc/init.d/killer || fail "$shell does not read /etc/init.d/killer"
    done
    sed -n '/^### BEGIN INIT INFO$/,/^### END INIT INFO$/p' /etc/init.d/killer >/tmp/head
    for key in Provides Required-Start Required-Stop Default-Start Default-Stop Short-Description; do
        grep -q "^# $key:" /tmp/head || fail "/etc/init.d/killer has no $key for LSB"
    done
    tail -n 1 /tmp/head | grep -q 'END INIT INFO' || fail "the head for LSB has no end"
    set -- /etc/rcS.d/S[0-9][0-9]killer
    is -h "$1"
}

# A tracker of the check's own. Pins are files: without them the kernel lets go of all the rest.
own_tracker() {
    KILLER_PIN_ROOT=/sys/fs/bpf/killer-check-$$
    # Receipts stay when a package goes.
    KILLER_RECEIPTS=/tmp/receipts-check-$$
    export KILLER_PIN_ROOT KILLER_RECEIPTS
    trap 'killer -q -s KILL svc 2>/dev/null || :; rm -rf "$KILLER_PIN_ROOT" 2>/dev/null || :' EXIT
}

# A service is started; $main is its main process.
service() {
    killer run --name svc --detach -- sleep 300 </dev/null >/dev/null 2>/tmp/said || { cat /tmp/said; fail "it does not run"; }
    main=$(killer status -o json svc | sed 's/.*"main_pid":\([0-9]*\).*/\1/')
}

# It is known still, and is ended; then the tracker is unloaded.
service_ends() {
    killer status svc | grep -q "$main" || fail "the service of before is not known"
    killer -q -s KILL --wait=10s svc || fail "the service of before is not ended"
    [ ! -e "/proc/$main" ] || grep -q '^State:.*[ZX]' "/proc/$main/status" || fail "the service of before lives"
    killer -q down --force || fail "the tracker is not unloaded"
}

# What is written from here on goes to a disk of that size, and is thrown away with it by old_disk.
small_disk() {
    mkdir -p /tmp/small
    mount -t tmpfs -o "size=$1" tmpfs /tmp/small
    for d in usr etc var; do
        mkdir -p "/tmp/small/$d/upper" "/tmp/small/$d/work"
        mount -t overlay overlay -o "lowerdir=/$d,upperdir=/tmp/small/$d/upper,workdir=/tmp/small/$d/work" "/$d"
    done
}
larger_disk() { mount -o remount,size=200m /tmp/small; }
# Somebody that was executed from there may still run.
old_disk() { umount -l /usr /etc /var /tmp/small; }

cd /tmp/check || exit
export DEBIAN_FRONTEND=noninteractive LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin
