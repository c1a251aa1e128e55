"""Which boot it is: the user's words, the load, the machine and its log taken together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smecheck.asked import BootRequest, Path, Switch
from smecheck.boot.boot import (
    NO_INITRD_ASSUMED,
    SME_UNKNOWN_WITHOUT_CMDLINE,
    Boot,
    Initrd,
    SmeAnswer,
    SmeState,
)
from smecheck.boot.decompressor import UnpackRules, landing
from smecheck.boot.paging import paging_at_entry
from smecheck.boot.running import running_kernel
from smecheck.evidence import Fact, Known, T, Unknown, first_known
from smecheck.kernel.cmdline import has_word, unseen_bytes, values
from smecheck.load.segments import Mode, SegmentList, SegmentRole
from smecheck.quantity import address_text, count_text, size_text
from smecheck.record import record, replace
from smecheck.span import Span

if TYPE_CHECKING:
    from smecheck.kernel.facts import KernelFacts
    from smecheck.kernel.image import KernelImage
    from smecheck.machine.kernel_log import KernelLog
    from smecheck.machine.memory import MemoryMap


@record
class BootEvidence:
    """All that bears on the boot."""

    request: BootRequest
    image: KernelImage
    facts: KernelFacts
    rules: UnpackRules
    segments: SegmentList | None
    memory: MemoryMap | None
    assumptions: list[str]
    """What had to be assumed; filled while the boot is worked out."""
    log: KernelLog | None = None
    """Of the machine, from a kernel that ran there before."""


def resolve_boot(evidence: BootEvidence) -> Boot:
    """Work out which boot it is, where the kernel runs in it, and what it is started with."""
    request, segments = evidence.request, evidence.segments
    mode = _stated(request.mode, request.mode_origin, segments.mode if segments else None)
    path = _path(evidence, mode)
    cmdline = _stated(
        request.cmdline, request.cmdline_origin, segments.cmdline if segments else None
    )
    if isinstance(cmdline, Unknown) and path is Path.FIRST_BOOT and evidence.log is not None:
        cmdline = first_known(running_cmdline(evidence.log, evidence.image), cmdline)
    if isinstance(cmdline, Known) and (unseen := unseen_bytes(cmdline.value)):
        evidence.assumptions.append(
            f"the last {count_text(unseen, 'byte')} of the command line do not count: they are "
            "past COMMAND_LINE_SIZE"
        )
    kaslr = _kaslr(evidence, path, cmdline)
    load_address = _load_address(evidence)
    kernel_base, is_certain = _kernel_base(evidence, path, load_address, kaslr)
    sme = _sme(evidence, cmdline, path)
    _overridden(evidence)
    paging = paging_at_entry(
        request.paging, evidence.image, evidence.facts, cmdline, evidence.assumptions
    )
    initrd = _initrd(evidence, path)
    return Boot(
        path=path,
        loader=_stated(
            request.loader, request.loader_origin, segments.loader if segments else None
        ),
        mode=mode,
        load_address=load_address,
        kernel_base=kernel_base,
        base_is_certain=is_certain,
        kaslr=kaslr,
        sme_answer=sme,
        paging=paging,
        initrd=initrd,
        cmdline=cmdline,
        base_is_stated=request.load_address is not None,
        assumptions=tuple(evidence.assumptions),
    )


def is_elf_load(image: KernelImage, segments: SegmentList) -> bool:
    """Tell whether the load put a vmlinux ELF in place: one kernel segment for each LOAD."""
    kernel = segments.of(SegmentRole.KERNEL)
    linked = {load.paddr for load in image.loads}
    return len(kernel) > 1 and all(segment.span.start in linked for segment in kernel)


def _stated(value: T | None, option: str, from_load: Fact[T] | None) -> Fact[T]:
    """Return what an option says, else what the load says."""
    if value is not None:
        return Known(value, option)
    return from_load if from_load is not None else Unknown(f"no {option}, no segments")


def _overridden(evidence: BootEvidence) -> None:
    """List where the user's word stands against what the load says."""
    request, segments = evidence.request, evidence.segments
    if segments is None or segments.predicted:
        return
    for option, stated, loaded in (
        ("--loader", request.loader, segments.loader),
        ("--mode", request.mode, segments.mode),
        ("--cmdline", request.cmdline, segments.cmdline),
    ):
        if stated is not None and isinstance(loaded, Known) and loaded.value != stated:
            evidence.assumptions.append(
                f"{option} counts, not what the load says ({loaded.origin})"
            )
    if request.initrd_size is not None and segments.of(SegmentRole.INITRD):
        evidence.assumptions.append("the initrd is the load's: --initrd does not count")


def _path(evidence: BootEvidence, mode: Fact[Mode]) -> Path:
    request, segments, memory = evidence.request, evidence.segments, evidence.memory
    if request.path is not None:
        if request.path_premise is not None:
            evidence.assumptions.append(request.path_premise)
        return request.path
    if isinstance(mode, Known):
        return Path.KDUMP if mode.value is Mode.CRASH else Path.KEXEC
    if segments is not None and memory is not None:
        kernel = segments.of(SegmentRole.KERNEL)
        reserved = [region.span for region in memory.crash_kernel]
        if any(span.covers(segment.span) for span in reserved for segment in kernel):
            evidence.assumptions.append("the kernel segment lies in Crash kernel: this is kdump")
            return Path.KDUMP
    nothing_loaded = segments is None and request.loader is None
    if nothing_loaded and memory is not None and request.load_address is None:
        evidence.assumptions.append("nothing is loaded: the question is the running kernel's boot")
        return Path.FIRST_BOOT
    if segments is None:
        evidence.assumptions.append("the question is a kexec (--path to say otherwise)")
    return Path.KEXEC


def _kaslr(evidence: BootEvidence, path: Path, cmdline: Fact[str]) -> Fact[bool]:
    request, image = evidence.request, evidence.image
    if request.kaslr is not Switch.AUTO:
        return Known(request.kaslr is Switch.ON, f"--kaslr {request.kaslr.value}")
    if evidence.log is not None:
        said = said_of_kaslr(evidence.log, path)
        if said is not None:
            return said
    if not evidence.rules.relocatable.value:
        return Known(False, f"not relocatable ({evidence.rules.relocatable.origin})")
    option = image.config.get("CONFIG_RANDOMIZE_BASE")
    if option is not None and option != "y":
        return Known(False, f"CONFIG_RANDOMIZE_BASE={option}")
    if evidence.segments is not None and is_elf_load(image, evidence.segments):
        return Known(False, "a vmlinux ELF is started without a decompressor")
    if isinstance(cmdline, Unknown):
        return Unknown(f"its command line is not known: {cmdline.reason}")
    if has_word(cmdline.value, "nokaslr"):
        return Known(False, f"nokaslr on the command line ({cmdline.origin})")
    return Known(True, f"no nokaslr on the command line ({cmdline.origin})")


def _load_address(evidence: BootEvidence) -> Fact[int]:
    segments = evidence.segments
    if segments is None:
        return Unknown("no segments")
    kernel = segments.of(SegmentRole.KERNEL)
    if not kernel and segments.predicted:
        return Unknown("the load would be refused: no kernel would be in memory")
    if not kernel:
        return Unknown(f"no segment of {segments.source} is known to be the kernel")
    lowest = min(kernel, key=lambda segment: segment.span.start)
    return Known(lowest.span.start, f"{lowest.where}: kernel segment")


def _kernel_base(
    evidence: BootEvidence, path: Path, load_address: Fact[int], kaslr: Fact[bool]
) -> tuple[Fact[int], bool]:
    """Return where ``_text`` is, and whether KASLR can still put it elsewhere (then ``False``)."""
    request, segments = evidence.request, evidence.segments
    if request.load_address is not None:
        return Known(request.load_address, "--load-address"), True
    if segments is not None and isinstance(load_address, Known):
        if is_elf_load(evidence.image, segments):
            return Known(load_address.value, f"{load_address.origin}, no decompressor"), True
        base = landing(load_address.value, evidence.rules)
        return base, isinstance(kaslr, Known) and not kaslr.value
    if path is Path.FIRST_BOOT and evidence.memory is not None:
        return running_kernel(evidence.memory, evidence.image, evidence.facts), True
    if isinstance(load_address, Unknown) and segments is not None:
        return Unknown(load_address.reason), False
    return Unknown("no segments and no --load-address tell where the kernel runs"), False


def _sme(evidence: BootEvidence, cmdline: Fact[str], path: Path) -> SmeAnswer:
    log, of_this_boot = evidence.log, False
    predicted = evidence.segments is not None and evidence.segments.predicted
    if log is not None and evidence.request.cmdline is None and not predicted:
        of_this_boot = is_of_boot(log, path, evidence.image)
    answer = _sme_as_stated(evidence)
    if answer.state is SmeState.UNKNOWN and (isinstance(cmdline, Known) or log is not None):
        from smecheck.boot.sme_state import SmeEvidence, sme_state

        segments = evidence.segments
        is_elf = segments is not None and is_elf_load(evidence.image, segments)
        sme = SmeEvidence(evidence.image, evidence.facts, cmdline, path, is_elf, log)
        answer = sme_state(replace(sme, log_is_of_this_boot=of_this_boot))
    if log is not None:
        from smecheck.boot.logged_sme import running_sme

        texts = (*answer.evidence, running_sme(log, of_this_boot=of_this_boot))
        answer = replace(answer, evidence=texts)
    if answer.presumed_off is not None:
        texts = (*answer.evidence, f"taken to be off: {answer.presumed_off}")
        answer = replace(answer, evidence=texts)
        evidence.assumptions.append(f"SME is taken to be off: {answer.presumed_off}")
    elif answer.state is SmeState.UNKNOWN:
        evidence.assumptions.append(f"SME is taken to be active: {answer.evidence[0]}")
    return answer


def _sme_as_stated(evidence: BootEvidence) -> SmeAnswer:
    """Return what is to be said of SME without a command line and without a log."""
    sme_code, stated = evidence.facts.sme_code, evidence.request.sme
    if isinstance(sme_code, Known) and not sme_code.value:
        no_code = f"the kernel has no SME code ({sme_code.origin})"
        return SmeAnswer(SmeState.INACTIVE, (no_code,))
    if stated is Switch.OFF:
        return SmeAnswer(SmeState.INACTIVE, ("--sme off",))
    if stated is Switch.ON:
        return SmeAnswer(SmeState.ACTIVE, ("--sme on",))
    return SME_UNKNOWN_WITHOUT_CMDLINE


def _initrd(evidence: BootEvidence, path: Path) -> Initrd:
    request, segments, log = evidence.request, evidence.segments, evidence.log
    if segments is not None and segments.of(SegmentRole.INITRD):
        segment = segments.of(SegmentRole.INITRD)[0]
        size = segment.buffer_size or segment.span.size
        return Initrd(Span.sized(segment.span.start, size), size, segment.where)
    if request.initrd_size is not None:
        return Initrd(None, request.initrd_size, request.initrd_origin)
    ramdisk = log.boot.ramdisk if log is not None else None
    if ramdisk is not None and log is not None and is_of_boot(log, path, evidence.image):
        return Initrd(ramdisk.span, ramdisk.span.size, f"{ramdisk.where}: RAMDISK")
    if segments is None:
        evidence.assumptions.append(
            "no initrd (--initrd to say otherwise): one of up to 1 GiB adds at most 0x16000 to the "
            "worst end, nothing to what is mapped"
        )
        return NO_INITRD_ASSUMED
    unnamed = segments.of(SegmentRole.OTHER)
    if unnamed:
        largest = max(unnamed, key=lambda segment: segment.span.size)
        evidence.assumptions.append(
            f"one of the {len(unnamed)} segments that could not be named may be the initrd: the "
            f"worst end allows for {size_text(largest.span.size)} at "
            f"{address_text(largest.span.start)}"
        )
        return Initrd(None, largest.span.size, f"{largest.where}: perhaps the initrd")
    return Initrd(None, 0, f"{segments.source}: {segments.may_lack or 'no initrd is loaded'}")


_NOT_MOVED = ("KASLR disabled:", "Physical KASLR disabled:")
"""choose_random_location(), arch/x86/boot/compressed/kaslr.c: the kernel stays where it is loaded.
"Virtual KASLR disabled" is about virtual addresses alone."""


def said_of_kaslr(log: KernelLog, path: Path) -> Known[bool] | None:
    """Return what the decompressor of the boot said of KASLR; ``None`` if it said nothing.

    A boot that was loaded is the one behind the log's last boot, if that came to its decompressor.
    """
    console = log.boot.decompressor if path is Path.FIRST_BOOT else log.unfinished
    for line in console.kaslr if console is not None else ():
        if line.text.startswith(_NOT_MOVED):
            return Known(False, f"{line.where}: {line.text}")
    return None


def running_cmdline(log: KernelLog, image: KernelImage) -> Fact[str]:
    """Return the command line of the running kernel, if that is the kernel in hand."""
    other = another_kernel(log, image)
    if other is not None:
        return Unknown(f"another kernel wrote {log.source}: {other.value}")
    return log.boot.cmdline


def another_kernel(log: KernelLog, image: KernelImage) -> Known[str] | None:
    """Return the release of the kernel that wrote the log, if it is not that of ``image``."""
    logged, own = log.boot.release, image.release
    if isinstance(logged, Known) and isinstance(own, Known) and logged.value != own.value:
        return logged
    return None


def is_of_boot(log: KernelLog, path: Path, image: KernelImage) -> bool:
    """Tell whether the log is that of the boot asked about, not of a kernel before it.

    A crash kernel is known by elfcorehdr= on its command line.
    """
    if another_kernel(log, image) is not None:
        return False
    cmdline = log.boot.cmdline
    is_crash = isinstance(cmdline, Known) and bool(values(cmdline.value, "elfcorehdr"))
    return is_crash if path is Path.KDUMP else path is Path.FIRST_BOOT and not is_crash
