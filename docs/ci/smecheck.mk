# make smecheck: build bzImage, then check its SME workarea. For the x86 kernel's own Makefiles:
#
#   cp smecheck.mk LINUX/scripts/
#   echo 'include $(srctree)/scripts/smecheck.mk' >> LINUX/arch/x86/Makefile
#
# Options for smecheck go into SMECHECKFLAGS, also on the command line:
#
#   make O=build SMECHECKFLAGS='--policy smecheck.yaml --report junit=smecheck.xml' smecheck

SMECHECK ?= smecheck
SMECHECKFLAGS ?=

PHONY += smecheck
smecheck: bzImage
# Not $(call cmd,…): under make -s that sends to /dev/null what was found.
	@$(kecho) '  SMECHK  $(KBUILD_IMAGE)'
	$(Q)$(SMECHECK) gate vmlinux --bzimage $(KBUILD_IMAGE) --config $(KCONFIG_CONFIG) $(SMECHECKFLAGS)
