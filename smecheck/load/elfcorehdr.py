"""The size of elfcorehdr: the ELF headers that describe what to dump, and room for more of them."""

from __future__ import annotations

from smecheck.load.assumptions import Assumptions
from smecheck.load.request import LoadRequest, Refusal
from smecheck.load.versions import KernelChange, stated_version

ELF_HEADER = 64
PROGRAM_HEADER = 56
"""sizeof(Elf64_Ehdr) and sizeof(Elf64_Phdr)."""

HOTPLUG_SIZE = ELF_HEADER + PROGRAM_HEADER * (2 + 8192 + 8192)
"""crash_elfcorehdr_size of a kernel with CONFIG_CRASH_HOTPLUG, 8192 CPUs and 8192 ranges, as on
Debian 6.12: arch/x86/kernel/crash.c, arch_crash_get_elfcorehdr_size()."""

HOTPLUG_ASSUMED = (
    f"crash_elfcorehdr_size is {HOTPLUG_SIZE:#x}, as in a kernel with CONFIG_CRASH_HOTPLUG "
    "built for 8192 CPUs"
)

CPUS = 64
"""Possible CPUs where nobody says."""


def headers_size(headers: int) -> int:
    """Return the bytes that so many program headers take, not rounded."""
    return ELF_HEADER + PROGRAM_HEADER * headers


_NO_FILE = Refusal(
    "Path /sys/kernel/crash_elfcorehdr_size does not exist, the kernel needs CONFIG_CRASH_HOTPLUG"
)

_BYTES_READ = 7
"""main() asks for sizeof(buf) - 1 bytes of the file, and buf is a pointer."""


def refused_for_hotplug(request: LoadRequest, assumptions: Assumptions) -> Refusal | None:
    """Return how a load with ``--hotplug`` is refused at once, if it is."""
    return None if size_for_hotplug(request, assumptions) else _NO_FILE


def size_for_hotplug(request: LoadRequest, assumptions: Assumptions) -> int:
    """Return what kexec-tools reads out of /sys/kernel/crash_elfcorehdr_size; 0 for no such file.

    Where nobody says so, the file is there if the running kernel is known to be new enough.
    """
    given, running = request.host.crash_elfcorehdr_size, request.host.kernel_release
    version = stated_version(running)
    if version is not None and KernelChange.CRASH_HOTPLUG.is_in(version):
        size = assumptions.take("crash_elfcorehdr_size", given, HOTPLUG_SIZE, HOTPLUG_ASSUMED)
    else:
        text = "there is no /sys/kernel/crash_elfcorehdr_size (crash_elfcorehdr_size of the host)"
        size = assumptions.take("crash_elfcorehdr_size", given, 0, text)
    return int(str(size)[:_BYTES_READ])
