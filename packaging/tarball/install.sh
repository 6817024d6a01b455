#!/bin/sh
# Installs killer from an unpacked tarball, or removes what it has installed.
set -eu

usage() {
    cat <<'USAGE'
Usage: ./install.sh [--prefix DIR] [--destdir DIR] [--no-boot]
       ./install.sh --uninstall [--prefix DIR] [--destdir DIR]

  --prefix DIR    where it lives, /usr by default
  --destdir DIR   the root of another host or of a package that is being made
  --no-boot       without the files that load the rules at boot ('killer install-boot' makes them later)
  --uninstall     removes what an install.sh has installed there, and the boot files
USAGE
}

fail() {
    echo "install.sh: $1" >&2
    exit "${2:-1}"
}

prefix=/usr destdir='' boot=yes do=install
while [ $# -gt 0 ]; do
    case $1 in
    --prefix | --destdir)
        [ $# -gt 1 ] || fail "$1 needs a directory" 2
        case $2 in
        /*) ;;
        *) fail "$1 needs a path that begins with /, and '$2' does not" 2 ;;
        esac
        if [ "$1" = --prefix ]; then prefix=${2%/}; else destdir=${2%/}; fi
        shift
        ;;
    --no-boot) boot=no ;;
    --uninstall) do=uninstall ;;
    --help | -h)
        usage
        exit 0
        ;;
    *)
        usage >&2
        fail "unknown option '$1'" 2
        ;;
    esac
    shift
done

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
list=$prefix/lib/killer/installed
killer=$destdir$prefix/bin/killer
[ -z "$destdir" ] || [ -d "$destdir" ] || fail "there is no directory $destdir"

boot_files() {
    # With --root none of that host's programs is run, so that this killer has to run here.
    if [ -n "$destdir" ]; then set -- "$@" --root "$destdir"; fi
    "$killer" install-boot "$@"
}

# Whole, or not there: a killer that runs meanwhile keeps its file.
put() {
    mkdir -p "$(dirname "$2")"
    cp "$1" "$2.new" || {
        rm -f "$2.new"
        return 1
    }
    chmod "$3" "$2.new"
    mv -f "$2.new" "$2"
}

write_list() {
    if ! echo "$1" | cat >"$destdir$list.new"; then
        rm -f "$destdir$list.new"
        fail "$destdir$list cannot be written"
    fi
    mv -f "$destdir$list.new" "$destdir$list"
}

# Those lines that $1 has not.
missing() {
    while read -r f; do
        echo "$1" | grep -qxF -- "$f" || echo "$f"
    done
}

# Only what lies below the prefix, whoever has written the list.
remove() {
    while read -r f; do
        case $f in
        */../* | */..) continue ;;
        "$prefix"/*) rm -f "$destdir$f" ;;
        esac
    done
}

install_all() {
    [ -x "$here/bin/killer" ] || fail "$here holds no unpacked tarball of killer (bin/killer is missing)"
    "$here/bin/killer" --version >/dev/null 2>&1 || [ -n "$destdir" ] || fail "this killer is for another kind of machine"
    files=$(cd "$here" && find bin lib share -type f | sort)
    mkdir -p "$destdir$prefix/lib/killer" || fail "$destdir$prefix/lib/killer cannot be made"
    # The list first: what was copied before a disk was full can be removed. Until all is there it has the files of the version
    # before, too.
    new=$(for f in $files lib/killer/install.sh; do echo "$prefix/$f"; done)
    gone=$(if [ -f "$destdir$list" ]; then missing "$new" <"$destdir$list"; fi)
    write_list "$new${gone:+
$gone}"
    for f in $files; do
        mode=644
        case $f in bin/*) mode=755 ;; esac
        put "$here/$f" "$destdir$prefix/$f" "$mode" || fail "$destdir$prefix/$f cannot be written; --uninstall removes the rest"
    done
    put "$here/install.sh" "$destdir$prefix/lib/killer/install.sh" 755 || fail "$destdir$prefix/lib/killer/install.sh cannot be written"
    if [ -n "$gone" ]; then
        echo "$gone" | remove
        write_list "$new"
    fi
    if [ "$boot" = yes ]; then
        boot_files || echo "install.sh: installed, but not set up to run at boot: 'killer install-boot' does that later" >&2
    fi
    echo "installed below $destdir$prefix; $destdir$prefix/lib/killer/install.sh --uninstall removes it"
}

uninstall_all() {
    [ -f "$destdir$list" ] || fail "nothing was installed below $destdir$prefix by an install.sh ($list is missing)"
    if [ -x "$killer" ]; then
        boot_files --remove || echo "install.sh: some boot files are left" >&2
        if [ -z "$destdir" ] && [ / -ef /proc/1/root ]; then
            "$killer" down --force || echo "install.sh: the tracker is still loaded, until the next boot" >&2
        fi
    fi
    remove <"$destdir$list"
    rm -f "$destdir$list"
    for dir in lib/killer/rules.d lib/killer share/doc/ebpf-killer/docs share/doc/ebpf-killer share/licenses/ebpf-killer; do
        rmdir "$destdir$prefix/$dir" 2>/dev/null || :
    done
    echo "removed from $destdir$prefix; rules in $destdir/etc/killer are kept"
}

"${do}_all"
