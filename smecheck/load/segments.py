"""The segments of a kexec load: what is put where in physical memory."""

from __future__ import annotations

from enum import Enum
from functools import cached_property
from typing import TYPE_CHECKING, assert_never

from smecheck.evidence import Fact, Known, Step, Unknown
from smecheck.record import record
from smecheck.span import Span

if TYPE_CHECKING:
    from smecheck.kernel.image import KernelImage

if TYPE_CHECKING:
    from smecheck.machine.firmware import FirmwareMap


@record
class LoaderRules:
    """What one system call does otherwise than another. Whoever depends on the call asks here."""

    option: str
    """kexec's option that asks for it: ``-s``."""
    long_option: str
    """The same in full, without the dashes."""
    short_name: str
    """In the name of a machine of a policy."""
    placed_by_tools: bool
    """kexec-tools choose the places, and their version says how; else the running kernel does, and
    its release shows."""
    loads_elf: bool
    """A vmlinux can be loaded, too; else only a bzImage, for which just init_size is reserved."""
    keeps_to_window: bool
    """Nothing is placed outside ``--mem-min`` and ``--mem-max``."""
    preserves_context: bool
    """``--load-preserve-context`` is taken."""
    may_enter_32bit: bool
    """The kernel may be entered in 32-bit mode, where options of kexec ask for that."""
    may_use_cma: bool
    """The next kernel may be placed in an area for contiguous memory (CMA)."""
    needs_reservation_only: bool
    """A crash kernel's load depends on no other memory than the reservation."""
    hands_over_crash_cma: bool
    """A crash kernel gets the areas of ``crashkernel=…,cma`` as RAM."""
    hands_over_kho: bool
    """The next kernel gets what kexec handover keeps for it."""
    cmdline_after_sectors: bool
    """In the segment of boot_params, the command line comes after all sectors of the setup header;
    else right after boot_params."""
    efi_map_is_segment: bool
    """The EFI map that is handed over is a segment of its own; else it lies with boot_params."""
    host_fields: tuple[str, ...]
    """Fields of a host that no other system call depends on."""


class Loader(Enum):
    """The system call that loads; who computes the placement depends on it."""

    KEXEC_LOAD = "kexec_load"
    KEXEC_FILE_LOAD = "kexec_file_load"

    # Cached, so that it is a plain attribute of the member from then on.
    @cached_property
    def rules(self) -> LoaderRules:
        """What it does otherwise than another."""
        match self:
            case Loader.KEXEC_LOAD:
                return _KEXEC_LOAD
            case Loader.KEXEC_FILE_LOAD:
                return _KEXEC_FILE_LOAD
            case _:
                assert_never(self)


_KEXEC_LOAD = LoaderRules(
    option="-c",
    long_option="kexec-syscall",
    short_name="load",
    placed_by_tools=True,
    loads_elf=True,
    keeps_to_window=True,
    preserves_context=True,
    may_enter_32bit=True,
    may_use_cma=False,
    needs_reservation_only=False,
    hands_over_crash_cma=False,
    hands_over_kho=False,
    cmdline_after_sectors=True,
    efi_map_is_segment=True,
    host_fields=("rng_seed", "purgatory_size"),
)

_KEXEC_FILE_LOAD = LoaderRules(
    option="-s",
    long_option="kexec-file-syscall",
    short_name="file-load",
    placed_by_tools=False,
    loads_elf=False,
    keeps_to_window=False,
    preserves_context=False,
    may_enter_32bit=False,
    may_use_cma=True,
    needs_reservation_only=True,
    hands_over_crash_cma=True,
    hands_over_kho=True,
    cmdline_after_sectors=False,
    efi_map_is_segment=False,
    host_fields=(
        *("kernel_purgatory_size", "ima_kexec", "cma", "kho", "kexec_handover", "keep_memblock"),
        "dm_crypt_keys",
    ),
)


class Mode(Enum):
    """What is loaded: the next kernel (``kexec -l``) or the crash kernel (``kexec -p``)."""

    LOAD = "load"
    CRASH = "crash"

    # Cached, so that it is a plain attribute of the member from then on.
    @cached_property
    def is_crash(self) -> bool:
        """Whether it waits for a crash, in memory that is reserved for it."""
        match self:
            case Mode.LOAD:
                return False
            case Mode.CRASH:
                return True
            case _:
                assert_never(self)

    @cached_property
    def option(self) -> str:
        """Kexec's option that loads it: ``-p``."""
        match self:
            case Mode.LOAD:
                return "-l"
            case Mode.CRASH:
                return "-p"
            case _:
                assert_never(self)


class Placing(Enum):
    """How a load is placed that cannot be predicted."""

    BY_THE_RULES = "by the rules"
    """As loaders place whose loads are proven: aligned, and with init_size kept. Where is open."""
    IN_OWN_AREAS = "in own areas"
    """In areas of the running kernel, of which nothing is known."""
    UNALIGNED = "unaligned"
    """At an address that is aligned to less than kernel_alignment."""


class SegmentRole(Enum):
    """What a segment holds."""

    KERNEL = "kernel"
    INITRD = "initrd"
    BOOT_PARAMS = "boot_params"
    CMDLINE = "cmdline"
    """The command line, where it is not in one segment with boot_params."""
    PURGATORY = "purgatory"
    ELFCOREHDR = "elfcorehdr"
    BACKUP = "backup"
    SETUP_DATA = "setup_data"
    EFI_MEMMAP = "efi_memmap"
    E820_EXT = "e820_ext"
    RNG_SEED = "rng_seed"
    OTHER = "other"


class SegmentOrigin(Enum):
    """Where the knowledge of a segment comes from."""

    PREDICTED = "predicted"
    LOG = "log"
    DESCRIPTION = "description"


@record
class Segment:
    """One segment: the whole physical span that the loader reserves for it."""

    role: SegmentRole
    span: Span
    buffer_size: int | None
    """Bytes of content, where the source gives them beside the span's size."""
    origin: SegmentOrigin
    where: str
    """The place in the source: ``kexec.log:41``."""
    derivation: tuple[Step, ...] = ()
    """Why it lies there, where that was worked out."""
    size_is_known: bool = True
    """``False`` where only its first address is known: the span is its first page, it goes on."""


@record
class SegmentList:
    """A load: its segments by address, and what its source says beside them."""

    source: str
    segments: tuple[Segment, ...]
    loader: Fact[Loader]
    mode: Fact[Mode]
    cmdline: Fact[str]
    """The command line of the kernel that is loaded."""
    init_size: Fact[int] = Unknown("the text of the load does not show init_size")
    refusal: str | None = None
    """How the load was refused, in the words of the source; ``None`` where nothing says so."""
    remarks: tuple[str, ...] = ()
    """What a reader of the answer must know of how the source was understood."""
    may_lack: str | None = None
    """Why it may not be the whole load, as a clause; ``None`` where nothing is missing."""
    table: FirmwareMap | None = None
    """The e820 table that the loaded kernel gets, where the text of the load shows it."""
    predicted: bool = False
    """Whether nobody recorded this load: it was worked out where kexec would put it."""
    unplaced: tuple[str, ...] = ()
    """What lies in memory besides, nobody knows where."""

    @property
    def is_crash(self) -> bool:
        """Whether it is known that a crash kernel is loaded."""
        return isinstance(self.mode, Known) and self.mode.value.is_crash

    def of(self, role: SegmentRole) -> tuple[Segment, ...]:
        """Return the segments of that role."""
        return tuple(segment for segment in self.segments if segment.role is role)


@record
class Obstacle:
    """What a log says that makes it impossible to predict a load, and what would settle it."""

    reason: str
    settle: str


def is_elf_load(image: KernelImage, segments: SegmentList) -> bool:
    """Return whether the load put a vmlinux ELF in place: one kernel segment for each LOAD."""
    kernel = segments.of(SegmentRole.KERNEL)
    if len(kernel) < 2:
        return False
    linked = {load.paddr for load in image.loads}
    return all(segment.span.start in linked for segment in kernel)
