################################################################################
#
# ebpf-killer
#
################################################################################

EBPF_KILLER_VERSION = @VERSION@
EBPF_KILLER_SITE = $(EBPF_KILLER_PKGDIR)
EBPF_KILLER_SITE_METHOD = file
EBPF_KILLER_SOURCE = ebpf-killer-$(EBPF_KILLER_VERSION)-$(EBPF_KILLER_CPU)-linux.tar.gz
EBPF_KILLER_CPU = $(if $(BR2_aarch64),aarch64,x86_64)
EBPF_KILLER_LICENSE = MIT or Apache-2.0, MIT or GPL-2.0 (programs in the kernel)
EBPF_KILLER_LICENSE_FILES = LICENSE-MIT LICENSE-APACHE

define EBPF_KILLER_INSTALL_TARGET_CMDS
	cd $(@D) && ./install.sh --destdir $(TARGET_DIR) --no-boot
	rm -f $(TARGET_DIR)/usr/lib/killer/installed $(TARGET_DIR)/usr/lib/killer/install.sh
endef

define EBPF_KILLER_INSTALL_INIT_SYSV
	$(INSTALL) -D -m 0755 $(EBPF_KILLER_PKGDIR)/S00killer \
		$(TARGET_DIR)/etc/init.d/S00killer
endef

$(eval $(generic-package))
