# Distributed under the terms of the MIT or the Apache-2.0 licence

EAPI=8

inherit linux-info

DESCRIPTION="Ends a service completely: every process that it ever started"
HOMEPAGE="https://crates.io/crates/killer-user"
SRC_URI="
	amd64? ( ${P}-x86_64-linux.tar.gz )
	arm64? ( ${P}-aarch64-linux.tar.gz )
"

LICENSE="|| ( MIT Apache-2.0 )"
SLOT="0"
KEYWORDS="~amd64 ~arm64"
RESTRICT="fetch strip"

QA_PREBUILT="usr/bin/killer"
CONFIG_CHECK="~BPF_SYSCALL ~DEBUG_INFO_BTF ~BPF_LSM"

pkg_nofetch() {
	einfo "'cargo xtask dist' makes ${A}; put it into your DISTDIR."
}

src_install() {
	./install.sh --destdir "${D}" --no-boot || die
	# Portage knows the files itself.
	rm "${ED}"/usr/lib/killer/installed "${ED}"/usr/lib/killer/install.sh || die
}

pkg_postinst() {
	elog "'killer install-boot' loads the rules at boot; '--remove' takes that back."
}

pkg_prerm() {
	if [[ -z ${REPLACED_BY_VERSION} && -z ${ROOT} ]]; then
		"${EROOT}"/usr/bin/killer install-boot --remove
	fi
}
