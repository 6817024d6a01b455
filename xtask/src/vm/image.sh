#!/bin/sh
# Makes the disk of a guest from Debian's packages: image.sh ROOT PACKAGES DISK, with an empty directory, the directory of
# the .deb files, and the file to be. It runs in namespaces of its own (mounts, processes, network): whatever a package does,
# the host keeps nothing of it but the disk. Their maintainer scripts run, as in any installation, and ask nothing.
set -eu
root=$1 packages=$2 disk=$3
PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true
export PATH LC_ALL DEBIAN_FRONTEND DEBCONF_NONINTERACTIVE_SEEN

# In memory: dpkg syncs each file of its own several times.
mount -t tmpfs -o size=1200m,mode=755 tmpfs "$root"
cd "$root"
mkdir -p usr dev proc packages
for dir in bin sbin lib lib64; do
    mkdir "usr/$dir"
    ln -s "usr/$dir" "$dir"
done
mount --bind "$packages" packages

# Everything is unpacked before anything is installed, so that scripts find their tools in any order.
for deb in packages/*.deb; do
    dpkg-deb --fsys-tarfile "$deb" | tar -x --keep-directory-symlink \
        --exclude './usr/share/doc/*' --exclude './usr/share/man/*' --exclude './usr/share/locale/*'
done
mkdir -p etc/dpkg/dpkg.cfg.d var/lib/dpkg/info
printf 'path-exclude=/usr/share/%s/*\n' doc man locale >etc/dpkg/dpkg.cfg.d/guest
: >var/lib/dpkg/status
# Nothing is started here.
printf '#!/bin/sh\nexit 101\n' >usr/sbin/policy-rc.d
chmod 755 usr/sbin/policy-rc.d
mknod -m 600 dev/console c 5 1
mknod -m 666 dev/null c 1 3
mknod -m 666 dev/zero c 1 5
mknod -m 666 dev/random c 1 8
mknod -m 666 dev/urandom c 1 9
mknod -m 666 dev/tty c 5 0
mount -t proc proc proc

# The packages are given in no order: what finds a tool of another one not set up yet is set up by the second call.
chroot . /bin/sh -c 'dpkg --force-depends --install packages/*.deb || dpkg --configure -a'
[ -z "$(chroot . dpkg --audit)" ]

echo guest >etc/hostname
printf '127.0.0.1 localhost guest\n::1 localhost\n' >etc/hosts
echo '/dev/nvme0n1 / ext4 rw,noatime 0 1' >etc/fstab
# Two web servers: nginx has port 80.
sed -i 's/^Listen 80$/Listen 8080/' etc/apache2/ports.conf
sed -i 's/\*:80>/*:8080>/' etc/apache2/sites-available/000-default.conf
echo 'ServerName guest' >etc/apache2/conf-available/guest.conf
chroot . a2enconf -q guest
chroot . a2enmod -q cgid
# root gets in over ssh with a key, alice is somebody without privileges.
chroot . useradd --create-home --shell /bin/sh alice
mkdir -p -m 700 root/.ssh
chroot . ssh-keygen -q -t ed25519 -N '' -C guest -f root/.ssh/id_ed25519
cp root/.ssh/id_ed25519.pub root/.ssh/authorized_keys
printf 'StrictHostKeyChecking no\nLogLevel ERROR\n' >root/.ssh/config

# A package that can be installed anew, without a network.
mkdir -p var/cache/apt/archives
cp packages/cron_*.deb var/cache/apt/archives/

rm -f usr/sbin/policy-rc.d
umount proc packages
rmdir packages
rm -rf run/* tmp/* var/log/*.log
# No journal: the disk is thrown away after each run.
rm -f "$disk"
truncate -s 900M "$disk"
mkfs.ext4 -q -F -O '^has_journal' -L guest -d . "$disk"
