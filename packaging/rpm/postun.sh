# $1 is 0 for a removal, 1 for an upgrade. The package owns files, and no directories: its own are removed here, when nobody else has
# put anything there.
if [ "$1" -eq 0 ]; then
    for dir in /usr/lib/killer/rules.d /usr/lib/killer /usr/share/doc/ebpf-killer/docs /usr/share/doc/ebpf-killer /usr/share/licenses/ebpf-killer; do
        [ ! -d "$dir" ] || rmdir --ignore-fail-on-non-empty "$dir"
    done
fi
exit 0
