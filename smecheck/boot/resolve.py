"""Which boot it is: the user's words, the load, the machine and its log taken together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smecheck.asked import Path, Switch, path_of
from smecheck.boot.boot import (
    NO_INITRD_ASSUMED,
    SME_UNKNOWN_WITHOUT_CMDLINE,
    Boot,
    Initrd,
    SmeAnswer,
    SmeState,
)
from smecheck.boot.decompressor import landing
from smecheck.boot.log_of_boot import (
    is_of_boot,
    log_is_of_this_boot,
    running_cmdline,
    said_of_kaslr,
    sme_of_this_release,
)
from smecheck.boot.paging import paging_at_entry
from smecheck.evidence import Fact, Known, T, Unknown, first_known, value_of
from smecheck.kernel.cmdline import has_word, unseen_bytes
from smecheck.load.segments import Mode, SegmentList, SegmentRole
from smecheck.load.shown_kernel import base_of_shown_kernel
from smecheck.quantity import address_text, count_text, size_text
from smecheck.record import replace
from smecheck.span import Span

if TYPE_CHECKING:
    from collections.abc import Iterator

    from smecheck.case import Identified
    from smecheck.machine.kernel_log import KernelLog


def resolve_boot(found: Identified) -> Boot:
    """Work out which boot it is, where the kernel runs in it, and what it is started with."""
    asked, load = found.asked, found.segments
    mode = asked.mode or _of_load("--mode", load.mode if load else None)
    path, assumed_of_path = _path(found, mode)
    cmdline = asked.cmdline or _of_load("--cmdline", load.cmdline if load else None)
    if isinstance(cmdline, Unknown) and not path.by_kexec and found.log is not None:
        cmdline = first_known(running_cmdline(found.log, found.image), cmdline)
    kaslr = _kaslr(found, path, cmdline)
    load_address = _load_address(load)
    kernel_base, is_certain = _kernel_base(found, path, load_address, kaslr)
    sme, assumed_of_sme = _sme(found, cmdline, path)
    paging, assumed_of_paging = paging_at_entry(asked.paging, found.image, found.facts, cmdline)
    initrd, assumed_of_initrd = _initrd(found, path)
    return Boot(
        path=path,
        loader=asked.loader or _of_load("--loader", load.loader if load else None),
        mode=mode,
        load_address=load_address,
        kernel_base=kernel_base,
        base_is_certain=is_certain,
        kaslr=kaslr,
        sme_answer=sme,
        paging=paging,
        initrd=initrd,
        cmdline=cmdline,
        base_is_stated=asked.load_address is not None,
        assumptions=(
            *assumed_of_path,
            *_unseen(cmdline),
            *assumed_of_sme,
            *_overridden(found),
            *assumed_of_paging,
            *assumed_of_initrd,
        ),
    )


def _of_load(option: str, shown: Fact[T] | None) -> Fact[T]:
    """Return what the load says, where an option does not."""
    return shown if shown is not None else Unknown(f"no {option}, no segments")


def _unseen(cmdline: Fact[str]) -> Iterator[str]:
    """Say what of the command line does not count."""
    if isinstance(cmdline, Known) and (unseen := unseen_bytes(cmdline.value)):
        yield (
            f"the last {count_text(unseen, 'byte')} of the command line do not count: they are "
            "past COMMAND_LINE_SIZE"
        )


def _overridden(found: Identified) -> Iterator[str]:
    """Say where the user's word stands against what the load says."""
    asked, segments = found.asked, found.segments
    if segments is None or segments.predicted:
        return
    for option, stated, loaded in (
        ("--loader", asked.loader, segments.loader),
        ("--mode", asked.mode, segments.mode),
        ("--cmdline", asked.cmdline, segments.cmdline),
    ):
        if stated is not None and isinstance(loaded, Known) and loaded.value != stated.value:
            yield f"{option} overrides what the load says ({loaded.origin})"
    if not all(segment.size_is_known for segment in segments.segments):
        from smecheck.load.unsized import sizes_not_known

        yield from sizes_not_known(segments)
    load = found.case.segments
    initrds = () if load is None else load.of(SegmentRole.INITRD)
    if asked.initrd is not None and any(segment.size_is_known for segment in initrds):
        yield "the load shows the initrd: --initrd is ignored"


def _path(found: Identified, mode: Fact[Mode]) -> tuple[Path, tuple[str, ...]]:
    """Return how the kernel is started, and what had to be assumed for that."""
    asked, segments, memory = found.asked, found.segments, found.memory
    if asked.path is not None:
        return asked.path, () if asked.path_premise is None else (asked.path_premise,)
    if isinstance(mode, Known):
        return path_of(mode.value), ()
    if segments is not None and memory is not None:
        kernel = segments.of(SegmentRole.KERNEL)
        reserved = [region.span for region in memory.crash_kernel]
        if any(span.covers(segment.span) for span in reserved for segment in kernel):
            return Path.KDUMP, ("the kernel segment lies in Crash kernel: this is kdump",)
    nothing_loaded = segments is None and asked.loader is None
    if nothing_loaded and memory is not None and asked.load_address is None:
        why = "no load given: checking the running kernel's own boot"
        return Path.FIRST_BOOT, (why,)
    if segments is None:
        return Path.KEXEC, ("checking a kexec boot (--path to say otherwise)",)
    return Path.KEXEC, ()


def _kaslr(found: Identified, path: Path, cmdline: Fact[str]) -> Fact[bool]:
    asked, image = found.asked, found.image
    if asked.kaslr is not Switch.AUTO:
        return Known(asked.kaslr is Switch.ON, f"--kaslr {asked.kaslr.value}")
    if found.log is not None:
        said = said_of_kaslr(found.log, path)
        if said is not None:
            return said
    if not found.rules.relocatable.value:
        return Known(False, f"not relocatable ({found.rules.relocatable.origin})")
    option = image.config.get("CONFIG_RANDOMIZE_BASE")
    if option is not None and option != "y":
        return Known(False, f"CONFIG_RANDOMIZE_BASE={option}")
    if found.without_decompressor:
        return Known(False, "a vmlinux ELF is started without a decompressor")
    if isinstance(cmdline, Unknown):
        return Unknown(f"its command line is not known: {cmdline.reason}")
    if has_word(cmdline.value, "nokaslr"):
        return Known(False, f"nokaslr on the command line ({cmdline.origin})")
    return Known(True, f"no nokaslr on the command line ({cmdline.origin})")


def _load_address(segments: SegmentList | None) -> Fact[int]:
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
    found: Identified, path: Path, load_address: Fact[int], kaslr: Fact[bool]
) -> tuple[Fact[int], bool]:
    """Return where ``_text`` is, and whether KASLR can still put it elsewhere (then ``False``)."""
    asked, segments = found.asked, found.segments
    if asked.load_address is not None:
        return Known(asked.load_address, "--load-address"), True
    if segments is not None and isinstance(load_address, Known):
        if found.without_decompressor:
            return Known(load_address.value, f"{load_address.origin}, no decompressor"), True
        base = landing(load_address.value, found.rules)
        return base, value_of(kaslr) is False
    if not path.by_kexec and found.memory is not None:
        return base_of_shown_kernel(found.memory, found.image, found.facts), True
    if isinstance(load_address, Unknown) and segments is not None:
        return Unknown(load_address.reason), False
    return Unknown("neither --segments nor --load-address was given"), False


def _sme(found: Identified, cmdline: Fact[str], path: Path) -> tuple[SmeAnswer, tuple[str, ...]]:
    """Return the state of SME, and what it is taken to be where it is not known."""
    log = found.log
    denied = None if log is None else _off_denied_by_log(found, log, path)
    answer = _sme_as_stated(found) if denied is None else denied
    is_open = denied is None and answer.state is SmeState.UNKNOWN
    if is_open and (isinstance(cmdline, Known) or log is not None):
        from smecheck.boot.sme_state import sme_state

        answer = sme_state(found, cmdline, path)
    if log is not None:
        from smecheck.boot.logged_sme import running_sme

        of_this_boot = log_is_of_this_boot(found, path)
        texts = (*answer.evidence, running_sme(log, of_this_boot=of_this_boot))
        answer = replace(answer, evidence=texts)
    if answer.presumed_off is not None:
        texts = (*answer.evidence, f"assumed to be off: {answer.presumed_off}")
        answer = replace(answer, evidence=texts)
        return answer, (f"SME is assumed to be off: {answer.presumed_off}",)
    if answer.state is SmeState.UNKNOWN:
        return answer, (f"SME is assumed to be active: {answer.evidence[0]}",)
    return answer, ()


def _off_denied_by_log(found: Identified, log: KernelLog, path: Path) -> SmeAnswer | None:
    """Return what is left of "off" where a kernel that should be this one says that SME is on."""
    active = sme_of_this_release(log, found.image)
    if active is None:
        return None
    sme_code = found.facts.sme_code
    if isinstance(sme_code, Known) and not sme_code.value:
        text = (
            f"{active.where}: a kernel of the same release says that SME is active, yet this one "
            f"has no SME code ({sme_code.origin}): it is of another build"
        )
        return SmeAnswer(SmeState.UNKNOWN, (text,), "give the kernel of exactly that build")
    if found.asked.sme is Switch.OFF and log_is_of_this_boot(found, path):
        text = f"--sme off contradicts {active.where}: SME is active in the boot in question"
        return SmeAnswer(SmeState.UNKNOWN, (text,), "leave out --sme off, or the log")
    return None


def _sme_as_stated(found: Identified) -> SmeAnswer:
    """Return what is to be said of SME without a command line and without a log."""
    sme_code, stated = found.facts.sme_code, found.asked.sme
    if isinstance(sme_code, Known) and not sme_code.value:
        no_code = f"the kernel has no SME code ({sme_code.origin})"
        return SmeAnswer(SmeState.INACTIVE, (no_code,))
    if stated is Switch.OFF:
        return SmeAnswer(SmeState.INACTIVE, ("--sme off",))
    if stated is Switch.ON:
        return SmeAnswer(SmeState.ACTIVE, ("--sme on",))
    return SME_UNKNOWN_WITHOUT_CMDLINE


def _initrd(found: Identified, path: Path) -> tuple[Initrd, tuple[str, ...]]:
    """Return the initrd of the boot, and what is assumed of it."""
    asked, segments, log = found.asked, found.segments, found.log
    if segments is not None and segments.of(SegmentRole.INITRD):
        segment = segments.of(SegmentRole.INITRD)[0]
        size = segment.buffer_size or segment.span.size
        return Initrd(Span.sized(segment.span.start, size), size, segment.where), ()
    if asked.initrd is not None:
        return Initrd(None, asked.initrd.value.size, asked.initrd.origin), ()
    ramdisk = log.boot.ramdisk if log is not None else None
    if ramdisk is not None and log is not None and is_of_boot(log, path, found.image):
        return Initrd(ramdisk.span, ramdisk.span.size, f"{ramdisk.where}: RAMDISK"), ()
    if segments is None:
        return NO_INITRD_ASSUMED, (
            "no initrd (--initrd to say otherwise): one of up to 1 GiB adds at most 0x16000 to the "
            "worst end, nothing to what is mapped",
        )
    unnamed = segments.of(SegmentRole.OTHER)
    if unnamed:
        largest = max(unnamed, key=lambda segment: segment.span.size)
        return Initrd(None, largest.span.size, f"{largest.where}: perhaps the initrd"), (
            f"one of the {len(unnamed)} segments that could not be named may be the initrd: the "
            f"worst end allows for {size_text(largest.span.size)} at "
            f"{address_text(largest.span.start)}",
        )
    return Initrd(None, 0, f"{segments.source}: {segments.may_lack or 'no initrd is loaded'}"), ()
