"""What a kernel log says of the machine and of the kernel that wrote it, each with its line."""

from __future__ import annotations

from smecheck.evidence import Fact, Unknown
from smecheck.machine.firmware import EfiMap, FirmwareMap
from smecheck.record import record
from smecheck.span import Span

_NOT_SAID = Unknown("the kernel log does not say")


_MIB = 1 << 20


@record
class LogLine:
    """A line that is evidence as it stands."""

    text: str
    where: str
    """The place in the source: ``dmesg.txt:12``."""


@record
class LogSpan:
    """A span that a line of the log shows, such as that of the initrd."""

    span: Span
    where: str


@record
class E820Change:
    """A change that the kernel made to its copy of the e820 table."""

    span: Span
    old: int | None
    """Only what was of this type was changed; ``None``: whatever was there."""
    new: int | None
    """The type it became; ``None``: it was removed."""
    where: str


@record
class CrashReservation:
    """Memory that the kernel reserved for a crash kernel."""

    span: Span
    is_low: bool
    """The second, low part of a reservation above 4 GiB (``crashkernel=…,low``)."""
    in_mib: bool
    """The line gives whole MiB, rounded down: the true start and end may lie up to a MiB higher."""
    where: str

    def can_be(self, other: CrashReservation) -> bool:
        """Return whether both lines can be about the same memory."""
        if self.in_mib == other.in_mib:
            return self.span == other.span
        numbers = (self.span.start, self.span.size), (other.span.start, other.span.size)
        return all(one // _MIB == same // _MIB for one, same in zip(*numbers, strict=True))


@record
class CrashCma:
    """Memory that a crash kernel may use beside its reservation (``crashkernel=…,cma``, v6.17)."""

    spans: tuple[Span, ...] | None
    """``None`` where the log does not show them."""
    where: str


@record
class Encryption:
    """The line that lists which kinds of memory encryption the kernel uses."""

    features: tuple[str, ...]
    """``SME``, ``SEV``, ``SEV-ES``, ``SEV-SNP``, ``TDX``."""
    text: str
    where: str


@record
class EfiTable:
    """A configuration table of the EFI firmware: its name and where it begins."""

    name: str
    address: int
    where: str


@record
class Decompressor:
    """What a decompressor wrote on an early console before it started its kernel."""

    line: int
    """Of its first line."""
    output: Fact[int] = _NOT_SAID
    """Where it was about to unpack the kernel, before KASLR moved it."""
    kernel_total_size: Fact[int] = _NOT_SAID
    """From ``_text`` to ``_end``."""
    kaslr: tuple[LogLine, ...] = ()
    """What it said of KASLR: disabled, and why."""


@record
class LoggedBoot:
    """One boot of a kernel, as far as its log shows it."""

    line: int
    """Where it begins."""
    begins: bool
    """Whether its first line is there: the ring buffer has not wrapped."""
    is_up: bool
    """Whether it goes on to where all of the early messages have been written."""
    host: LogLine | None = None
    """The name of the host that the log gives its lines."""
    release: Fact[str] = _NOT_SAID
    cmdline: Fact[str] = _NOT_SAID
    cpus: Fact[int] = _NOT_SAID
    """Possible CPUs."""
    firmware_map: FirmwareMap | None = None
    """The e820 table as the firmware, or kexec, passed it: what /sys/firmware/memmap shows."""
    kernel_map: FirmwareMap | None = None
    """The last table that the kernel printed, after what it and its command line had changed."""
    changes: tuple[E820Change, ...] = ()
    """What it changed after that table."""
    counted: Fact[int] = _NOT_SAID
    """Bytes of memory that the kernel counted at last: what of the map is RAM, in whole pages."""
    ram_buffers: tuple[LogSpan, ...] = ()
    efi_map: EfiMap | None = None
    efi_runtime_map: EfiMap | None = None
    """The second list of EFI memory: what stays mapped at run time."""
    efi_tables: tuple[EfiTable, ...] = ()
    esrt: LogSpan | None = None
    """The EFI System Resource Table, which is reserved without a trace in /proc/iomem."""
    crash_reservations: tuple[CrashReservation, ...] = ()
    unshown_map: LogLine | None = None
    """The option of the command line by which the kernel changed its map, where the log has no
    line of the map that came of it."""
    broken_reservation: LogLine | None = None
    """A line about it that is not whole: then no reservation is known, whatever others say."""
    crash_failures: tuple[LogLine, ...] = ()
    """Why nothing was reserved, in the kernel's words."""
    acpi_rsdp: Fact[int] = _NOT_SAID
    """Where the firmware has the root of its ACPI tables."""
    dm_crypt_keys: Fact[bool] = _NOT_SAID
    """Whether keys of dm-crypt were given to the crash kernel that was loaded last."""
    cma_areas: tuple[LogSpan, ...] = ()
    """Areas for contiguous memory that are not kept for a crash kernel nor for huge pages."""
    crash_cma: CrashCma | None = None
    ignored_words: LogLine | None = None
    """What of the command line the kernel does not know."""
    ramdisk: LogSpan | None = None
    setup_data: tuple[LogSpan, ...] = ()
    encryption: Encryption | None = None
    """The last line of that kind."""
    other_encryption: tuple[Encryption, ...] = ()
    """Lines before it that list something else: one kernel writes one such line."""
    hypervisor: LogLine | None = None
    """The name of the hypervisor that the kernel found itself under."""
    intel: LogLine | None = None
    """The name of its CPU, where that is one of Intel: those have no SME."""
    xen: LogLine | None = None
    """What shows that it ran in a domain of Xen: its memory map is not the machine's."""
    decompressor: Decompressor | None = None
    """What was written before it on the same console."""
    broken: tuple[LogLine, ...] = ()
    """Lines that are not complete: what they would say is not known."""

    @property
    def encryption_lists(self) -> tuple[Encryption, ...]:
        """All lines that list kinds of memory encryption."""
        last = () if self.encryption is None else (self.encryption,)
        return (*self.other_encryption, *last)


@record
class KernelLog:
    """A kernel log: the boot that counts, and what else is in it."""

    source: str
    boot: LoggedBoot
    """The last boot that shows anything."""
    broken_load: LogLine | None = None
    """Where a load is recorded of which not all lines are whole: it is not known."""
    unfinished: Decompressor | None = None
    """A kernel after it that wrote no more than its decompressor did."""
    sme_before: Encryption | None = None
    """What a boot before it said of SME being active."""
    remarks: tuple[str, ...] = ()
    """What a reader of the answer must know of how the log was understood."""
