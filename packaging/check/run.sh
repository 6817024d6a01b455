#!/bin/sh
# Runs `$1`.sh of this directory with the package `$2` in a copy of this host that is thrown away: an overlay over /, in a mount
# namespace of its own. The host's files and its databases of packages stay as they are. Needs root and overlayfs.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
package=$(readlink -f "$2")
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
    cp "$4" "$2/host/tmp/check/package"
    cp "$1"/*.sh "$2/host/tmp/check/"
    chroot "$2/host" sh "/tmp/check/$3.sh" inside
    if grep -q "full-disk" "$1/$3.sh"; then
        chroot "$2/host" sh "/tmp/check/$3.sh" full-disk
    fi
    if grep -q "own-pids" "$1/$3.sh"; then
        unshare --pid --fork chroot "$2/host" sh "/tmp/check/$3.sh" own-pids
    fi
' sh "$here" "$aside" "$1" "$package"
