# An upgrade: when the next version keeps its pins elsewhere, the program of now is the only one that knows the services of now.
if [ "$1" -gt 1 ] && [ / -ef /proc/1/root ] && [ -d /sys/fs/bpf/killer ] && [ -x /usr/bin/killer ]; then
    mkdir -p /usr/lib/killer/old
    cp -p /usr/bin/killer "/usr/lib/killer/old/killer-$(/usr/bin/killer --version | sed 's/.* //')" || :
fi
exit 0
