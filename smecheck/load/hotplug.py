"""``--hotplug``: an elfcorehdr that the running kernel may update, as large as that kernel says.

kexec-tools, kexec/kexec.c, main(), reads /sys/kernel/crash_elfcorehdr_size (since v6.19 a link into
/sys/kernel/kexec) before anything else is looked at, for either system call and for ``-l`` as well.
"""

from __future__ import annotations

from smecheck.evidence import Known
from smecheck.load.assumptions import Assumptions
from smecheck.load.core_headers import HOTPLUG_ASSUMED, HOTPLUG_SIZE
from smecheck.load.file_load_generations import KernelChange
from smecheck.load.request import LoadRequest, Refusal
from smecheck.load.versions import parse_version

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

    Where nobody tells it, the file is there if the running kernel is known to be new enough.
    """
    given, running = request.host.crash_elfcorehdr_size, request.host.kernel_release
    version = parse_version(running.value) if isinstance(running, Known) else None
    if version is not None and KernelChange.CRASH_HOTPLUG.is_in(version):
        size = assumptions.take("crash_elfcorehdr_size", given, HOTPLUG_SIZE, HOTPLUG_ASSUMED)
    else:
        text = "there is no /sys/kernel/crash_elfcorehdr_size (crash_elfcorehdr_size of the host)"
        size = assumptions.take("crash_elfcorehdr_size", given, 0, text)
    return int(str(size)[:_BYTES_READ])
