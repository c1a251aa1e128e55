"""The size of elfcorehdr: the ELF headers that describe the memory to dump."""

ELF_HEADER = 64
PROGRAM_HEADER = 56
"""sizeof(Elf64_Ehdr) and sizeof(Elf64_Phdr)."""

HOTPLUG_SIZE = ELF_HEADER + PROGRAM_HEADER * (2 + 8192 + 8192)
"""crash_elfcorehdr_size of a kernel with CONFIG_CRASH_HOTPLUG, 8192 CPUs and 8192 ranges, as on
Debian 6.12: arch/x86/kernel/crash.c, arch_crash_get_elfcorehdr_size()."""

HOTPLUG_ASSUMED = (
    f"crash_elfcorehdr_size is {HOTPLUG_SIZE:#x}, as of a kernel with CONFIG_CRASH_HOTPLUG built "
    "for 8192 CPUs"
)

CPUS = 64
"""Possible CPUs where nobody says."""


def headers_size(headers: int) -> int:
    """Return the bytes that so many program headers take, not rounded."""
    return ELF_HEADER + PROGRAM_HEADER * headers
