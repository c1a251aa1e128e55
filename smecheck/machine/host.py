"""The system that loads a kernel: what kexec's placement depends on beside memory and kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smecheck.evidence import Fact, Unknown
from smecheck.record import record

if TYPE_CHECKING:
    from smecheck.machine.firmware import FirmwareMap
    from smecheck.span import Span

MOST_CPUS = 1 << 16
"""Eight times what a kernel can be built for (arch/x86/Kconfig, NR_CPUS_RANGE_END: 8192)."""

_NOT_GIVEN = Unknown("no host was described")


@record
class Host:
    """A host as it was described; what is not known is assumed where it is needed, and listed."""

    source: str | None = None
    """The file of the description, where there is one."""
    kexec_tools: Fact[str] = _NOT_GIVEN
    """Version of kexec-tools: ``2.0.25``."""
    kernel_release: Fact[str] = _NOT_GIVEN
    """Release of the running kernel; it decides the generation of kexec_file_load."""
    kexec_options: tuple[str, ...] = ()
    """As given to kexec, in order: ``--noefi``, ``--entry-32bit``."""
    cmdline: Fact[str] = _NOT_GIVEN
    """/proc/cmdline of the running kernel."""
    cpus: Fact[int] = _NOT_GIVEN
    """Possible CPUs."""
    efi: Fact[bool] = _NOT_GIVEN
    """Whether the firmware is EFI, where something shows it but not its runtime map."""
    efi_runtime_entries: Fact[int] = _NOT_GIVEN
    """Entries of the EFI runtime map; 0 where there is none."""
    efi_descriptor_size: Fact[int] = _NOT_GIVEN
    """Bytes of one EFI memory descriptor."""
    acpi_rsdp: Fact[int] = _NOT_GIVEN
    """Physical address of the RSDP, as the running kernel's boot_params carry it; 0 for none."""
    vmcoreinfo: Fact[bool] = _NOT_GIVEN
    rng_seed: Fact[bool] = _NOT_GIVEN
    """Whether kexec-tools adds its RNG seed."""
    purgatory_size: Fact[int] = _NOT_GIVEN
    """Bytes in memory of the purgatory of kexec-tools."""
    kernel_purgatory_size: Fact[int] = _NOT_GIVEN
    """Bytes in memory of the running kernel's own purgatory, which kexec_file_load uses."""
    firmware_map: FirmwareMap | None = None
    """/sys/firmware/memmap."""
    gbpages: Fact[bool] = _NOT_GIVEN
    """Whether the identity map of kexec uses 1 GiB pages; no answer depends on it."""
    crash_elfcorehdr_size: Fact[int] = _NOT_GIVEN
    """/sys/kernel/crash_elfcorehdr_size; 0 where there is no such file."""
    ima_kexec: Fact[bool] = _NOT_GIVEN
    """Whether the running kernel hands IMA measurements over (CONFIG_IMA_KEXEC)."""
    cma: Fact[bool] = _NOT_GIVEN
    """Whether the running kernel has an area for contiguous memory (``cma=``)."""
    kho: Fact[bool] = _NOT_GIVEN
    """Whether kexec handover is active in the running kernel (``kho=on``)."""
    kexec_handover: Fact[bool] = _NOT_GIVEN
    """Whether the running kernel was built with CONFIG_KEXEC_HANDOVER."""
    keep_memblock: Fact[bool] = _NOT_GIVEN
    """Whether the running kernel was built with CONFIG_ARCH_KEEP_MEMBLOCK."""
    dm_crypt_keys: Fact[bool] = _NOT_GIVEN
    """Whether keys of dm-crypt are given to the crash kernel (CONFIG_CRASH_DM_CRYPT)."""
    crash_cma_ranges: Fact[tuple[Span, ...]] = _NOT_GIVEN
    """/sys/kernel/kexec/crash_cma_ranges: what a crash kernel may use beside its reservation."""
    crash_kernel: Span | None = None
    """The reservation, where there is no iomem to show it."""
