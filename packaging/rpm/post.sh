# $1 is 1 for an installation, 2 for an upgrade.
if [ "$1" -eq 1 ] || ! killer install-boot --remove --dry-run | grep -q "nothing of killer's"; then
    killer install-boot || echo "ebpf-killer: 'killer install-boot' sets the boot files up later" >&2
fi
for old in /usr/lib/killer/old/killer-*; do
    [ -x "$old" ] || continue
    if killer doctor -o json | grep -q '"name":"other versions"'; then
        echo "ebpf-killer: what was started before this upgrade is still tracked, by the version before: $old list" >&2
        echo "ebpf-killer: '$old down' gives it up when its services have ended" >&2
    else
        rm -f "$old"
        rmdir --ignore-fail-on-non-empty /usr/lib/killer/old
    fi
done
exit 0
