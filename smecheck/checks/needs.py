"""What rules need of a case before they can say anything, each with the reason if it lacks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smecheck.checks.finding import Outcome
from smecheck.checks.rule import Lack
from smecheck.evidence import Known, Unknown
from smecheck.kernel.image import SECTION_SCHEMES
from smecheck.workarea.placement import Owner

if TYPE_CHECKING:
    from smecheck.case import Resolved


def distances(resolved: Resolved) -> Lack | None:
    """Need to know where the workarea lies, as a distance from ``_text``."""
    if resolved.placement.offsets is None:
        return _skipped(resolved.placement.reason)
    return None


def places(resolved: Resolved) -> Lack | None:
    """Need to know where in physical memory the workarea lies."""
    if resolved.extents is not None:
        return None
    base = resolved.boot.kernel_base
    return _skipped(base.reason if isinstance(base, Unknown) else resolved.placement.reason)


def entry_tables(resolved: Resolved) -> Lack | None:
    """Need to know whether the page tables at entry reach the workarea."""
    tables = resolved.placement.tables
    if tables is None:
        return places(resolved)
    if isinstance(tables.added, Unknown) and not tables.unreached:
        return _skipped(tables.added.reason)
    return None


def owner(resolved: Resolved) -> Lack | None:
    """Need to know what is reserved for the kernel."""
    if resolved.placement.owner is Owner.UNKNOWN:
        return _skipped(resolved.placement.owner_reason)
    return None


def own_section(resolved: Resolved) -> Lack | None:
    """Need a kernel whose workarea is a section."""
    if resolved.facts.section is None:
        return _not_applicable(f"the kernel has no section {' or '.join(SECTION_SCHEMES)}")
    return None


def machine_code(resolved: Resolved) -> Lack | None:
    """Need to have run the kernel's own code."""
    verification = resolved.verification
    if verification is None:
        return _skipped("the machine code was not run (--verify)")
    from smecheck.kernel.verification import Result

    if verification.result is Result.NOT_RECOGNIZED:
        return _skipped(f"the machine code was not recognized: {verification.reason}")
    return None


def segments(resolved: Resolved) -> Lack | None:
    """Need to know what is loaded."""
    if resolved.segments is None:
        return _skipped("no segments of a load are known")
    return None


def recorded_load(resolved: Resolved) -> Lack | None:
    """Need to know what was loaded from a record of it."""
    if resolved.segments is not None and resolved.segments.predicted:
        return _not_applicable("the load is predicted, not recorded")
    return segments(resolved)


def predicted_load(resolved: Resolved) -> Lack | None:
    """Need a load that nobody recorded, and that could be predicted."""
    if resolved.segments is not None and not resolved.segments.predicted:
        return _not_applicable("the load was recorded")
    return segments(resolved)


def unpack_buffer(resolved: Resolved) -> Lack | None:
    """Need to know where the loaded kernel is unpacked."""
    if resolved.segments is None:
        return segments(resolved)
    if resolved.without_decompressor:
        return _not_applicable("a vmlinux ELF is started without a decompressor")
    from smecheck.boot.unpack_buffer import unpack_buffer as buffer_of

    buffer = buffer_of(resolved.image, resolved.facts, resolved.segments)
    return _skipped(buffer.reason) if isinstance(buffer, Unknown) else None


def memory(resolved: Resolved) -> Lack | None:
    """Need to know the memory of the machine."""
    if resolved.memory is None:
        return _skipped("no memory map is known")
    return None


def two_maps(resolved: Resolved) -> Lack | None:
    """Need the memory of the machine from two sources."""
    from smecheck.machine.memory import MapKind

    memory, log = resolved.memory, resolved.log
    sources = (
        memory is not None and memory.kind is MapKind.IOMEM,
        log is not None and (log.boot.firmware_map or log.boot.efi_map) is not None,
        resolved.firmware is not None,
    )
    if sum(sources) > 1 or (sources[0] and _takes_memory(resolved)):
        return None
    return _skipped("only one source gives the memory map")


def _takes_memory(resolved: Resolved) -> bool:
    """Return whether the running kernel's command line says of some memory that it is not RAM."""
    from smecheck.boot.log_of_boot import running_cmdlines
    from smecheck.boot.memory_taken import taken_memory

    return any(taken_memory(cmdline.value) for cmdline in running_cmdlines(resolved))


def resource_tree(resolved: Resolved) -> Lack | None:
    """Need /proc/iomem."""
    from smecheck.machine.memory import MapKind

    known = resolved.memory
    if known is None or known.kind is not MapKind.IOMEM:
        return _skipped("no /proc/iomem is known")
    return None


def log(resolved: Resolved) -> Lack | None:
    """Need the kernel log of the machine."""
    return None if resolved.log is not None else _skipped("no kernel log is known (--dmesg)")


def efi_lines(resolved: Resolved) -> Lack | None:
    """Need what a kernel log says of the EFI firmware."""
    kernel_log = resolved.log
    if kernel_log is None:
        return log(resolved)
    boot = kernel_log.boot
    if boot.efi_map is None and boot.esrt is None and not boot.efi_tables:
        return _skipped(f"{kernel_log.source} does not mention EFI memory")
    return None


def unfinished_kernel(resolved: Resolved) -> Lack | None:
    """Need a kernel log that ends in a decompressor."""
    kernel_log = resolved.log
    if kernel_log is None:
        return log(resolved)
    if kernel_log.unfinished is None:
        return _not_applicable(f"{kernel_log.source} does not end in a decompressor's lines")
    return None


def running_kernel(resolved: Resolved) -> Lack | None:
    """Need something that shows which kernel runs on the machine."""
    memory, kernel_log = resolved.memory, resolved.log
    shown = memory is not None and memory.first("Kernel code") is not None
    if shown or (kernel_log is not None and isinstance(kernel_log.boot.release, Known)):
        return None
    return _skipped("nothing shows which kernel runs on the machine")


def crash_kernel(resolved: Resolved) -> Lack | None:
    """Need the boot to be that of a crash kernel, and its reservation to be known."""
    if not resolved.boot.path.is_crash:
        return _not_applicable("the kernel is not loaded as a crash kernel")
    known = resolved.memory
    if known is not None and not known.crash_kernel:
        return _skipped(f"{known.source} shows no Crash kernel")
    return None


def running_cmdline(resolved: Resolved) -> Lack | None:
    """Need the command line of the kernel that runs on the machine."""
    from smecheck.boot.log_of_boot import running_cmdlines

    if any(running_cmdlines(resolved)):
        return None
    return _skipped("the command line of the running kernel is not known")


def stated_place(resolved: Resolved) -> Lack | None:
    """Need the user's word where the kernel runs."""
    if not resolved.boot.base_is_stated:
        return _not_applicable("the kernel's address is not given (--load-address)")
    return None


def initrd_place(resolved: Resolved) -> Lack | None:
    """Need an initrd whose place is known."""
    initrd = resolved.boot.initrd
    if initrd.span is not None:
        return None
    if initrd.size == 0:
        return _not_applicable(f"there is no initrd ({initrd.origin})")
    return _skipped("the place of the initrd is not known")


def setup_header(resolved: Resolved) -> Lack | None:
    """Need a setup header."""
    header = resolved.image.header
    known = (header.init_size, header.kernel_alignment, header.relocatable)
    if any(isinstance(fact, Known) for fact in known) or header.other:
        return None
    # Not in the words of the source: a description of the kernel would have others.
    return _skipped("the setup header is not known (--bzimage)")


def configuration(resolved: Resolved) -> Lack | None:
    """Need the kernel's configuration."""
    if not resolved.image.config:
        return _skipped("the kernel's configuration is not known (--config)")
    return None


def program_headers(resolved: Resolved) -> Lack | None:
    """Need the program headers of the vmlinux."""
    if not resolved.image.loads:
        return _skipped("the program headers of the vmlinux are not known")
    return None


def workarea_symbol(resolved: Resolved) -> Lack | None:
    """Need the symbol of the workarea."""
    if "sme_workarea" not in resolved.image.symbols:
        return _skipped("the symbol sme_workarea is not known")
    return None


def early_code(resolved: Resolved) -> Lack | None:
    """Need the code that sets SME up."""
    if isinstance(resolved.image.early_code, Unknown):
        # Not in the words of the source: a description of the kernel would have others.
        return _skipped("the code that sets up SME is not known (give the vmlinux or the vmlinuz)")
    return None


def _skipped(reason: str) -> Lack:
    return Lack(Outcome.SKIPPED, reason)


def _not_applicable(reason: str) -> Lack:
    return Lack(Outcome.NOT_APPLICABLE, reason)
