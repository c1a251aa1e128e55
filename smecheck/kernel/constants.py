"""Sizes and addresses that the kernel's code is built on, each with its source."""

PAGE_SIZE = 0x1000
"""arch/x86/include/asm/page_types.h."""

PMD_SIZE = 0x200000
"""arch/x86/include/asm/pgtable_64_types.h: what one PMD entry maps; also MIN_KERNEL_ALIGN."""

PUD_SIZE = 1 << 30
"""arch/x86/include/asm/pgtable_64_types.h: what one page of PMD entries maps."""

P4D_SIZE = 1 << 39
"""arch/x86/include/asm/pgtable_64_types.h: what one page of PUD entries maps."""

PGDIR_SIZE_5LEVEL = 1 << 48
"""arch/x86/include/asm/pgtable_64_types.h, PGDIR_SHIFT 48: what one page of P4D entries maps."""

START_KERNEL_MAP = 0xFFFFFFFF80000000
"""arch/x86/include/asm/page_64_types.h, __START_KERNEL_map: link address minus this is physical."""

KERNEL_IMAGE_SIZE = 1 << 30
"""arch/x86/include/asm/page_64_types.h: what a kernel with KASLR may take; 512 MiB without."""

HIGH_RESERVATION = 1 << 32
"""arch/x86/kernel/setup.c, later kernel/crash_reserve.c: crashk_low_res is reserved only for a
crashk_res that begins here or above, as crashkernel=…,high asks for it."""

MAX_PHYSICAL_ADDRESS = 1 << 52
"""arch/x86/include/asm/pgtable_64_types.h, MAX_PHYSMEM_BITS with five levels."""

EXECUTE_LEN = 2 * PAGE_SIZE + PMD_SIZE
"""sme_encrypt_kernel(): a stack page, a page for the copied routine, a 2 MiB copy buffer."""

COPY_BUFFER_OFFSET = 2 * PAGE_SIZE
"""sme_encrypt_execute(), arch/x86/mm/mem_encrypt_boot.S: place of the copy buffer."""

SECTION_SIZE = 2 * PMD_SIZE
"""sme_workarea[2 * PMD_SIZE], v5.3 arch/x86/mm/mem_encrypt_identity.c and the RFC of 2019-06-04."""

DEFAULT_PHYSICAL_ALIGN = PMD_SIZE
"""arch/x86/Kconfig, PHYSICAL_ALIGN: the default on x86-64."""

DEFAULT_PHYSICAL_START = 0x1000000
"""arch/x86/Kconfig, PHYSICAL_START: the default."""
