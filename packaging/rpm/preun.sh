# $1 is 0 for a removal, 1 for an upgrade.
if [ "$1" -eq 0 ]; then
    killer install-boot --remove || echo "ebpf-killer: some boot files are left" >&2
    # A chroot may see the pins of the host, which are not its own.
    if [ / -ef /proc/1/root ]; then
        killer down --force || echo "ebpf-killer: the tracker is still loaded, until the next boot" >&2
    fi
    rm -rf /usr/lib/killer/old
fi
exit 0
