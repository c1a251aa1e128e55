"""The first fact that a verdict lacks, and how to get it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smecheck.checks.judgement import Judged
from smecheck.evidence import Known, Unknown
from smecheck.kernel.constants import HIGH_RESERVATION
from smecheck.load.load_of_case import why_nothing_is_reserved
from smecheck.load.segments import Placing, SegmentOrigin, SegmentRole
from smecheck.machine.memory import MapKind, Missing
from smecheck.quantity import address_text
from smecheck.span import Span
from smecheck.workarea.placement import Owner
from smecheck.workarea.proven import Way

if TYPE_CHECKING:
    from smecheck.kernel.facts import KernelFacts
    from smecheck.load.segments import Segment, SegmentList
    from smecheck.machine.firmware import FirmwareMap

_ADDRESSES_END = 1 << 64

_INITRD_OR_LIST = (
    "give the initrd that was loaded, or its size (--initrd), or the whole list of segments"
)
_WHOLE_LIST = "give the complete list: kexec -d, a kernel log, or a description with every segment"


def missing(judged: Judged) -> tuple[str, str] | None:
    """Return the first fact that the verdict lacks, and how to get it."""
    placement = judged.actual
    if placement is None or placement.offsets is None:
        reason = placement.reason if placement else _scheme_reason(judged.facts)
        return (
            f"the place of the workarea is not known: {reason}",
            "give a vmlinux, or the symbols _text and _end: --symbols System.map, or a description",
        )
    load = judged.segments
    if load is not None and load.predicted and load.refusal is not None:
        return (
            f"kexec would refuse this load: {load.refusal}",
            "fix what kexec refuses, or give the segments of the load that really happened "
            "(--segments)",
        )
    if isinstance(judged.boot.kernel_base, Unknown):
        owned = (
            "part of the workarea is unreserved"
            if placement.owner is Owner.NOBODY
            else "the workarea is not proven to be reserved for the kernel"
        )
        if judged.placing is Placing.IN_OWN_AREAS:
            return not_placed(judged)
        if judged.proof is not None and judged.proof.void is not None:
            return (
                f"{owned}: {judged.proof.void}",
                "give the load itself (--segments), or the version of kexec-tools if it is 2.0.30 "
                "or later (--kexec-tools)",
            )
        if judged.not_predicted is not None:
            return (
                f"{owned}, and the load cannot be predicted: {judged.not_predicted}",
                _what_would_predict_it(judged),
            )
        return (
            f"{owned}, and the kernel's address is unknown: {judged.boot.kernel_base.reason}",
            _what_would_place_it(judged),
        )
    if not judged.boot.base_is_certain:
        base, state = address_text(judged.boot.kernel_base.value), judged.boot.kaslr
        why = state.origin if isinstance(state, Known) else state.reason
        return (
            f"KASLR may put the kernel elsewhere than {base}, and nothing proves the workarea "
            f"clear everywhere ({why})",
            "give --cmdline or --kaslr off if the kernel is booted with nokaslr, or --load-address "
            "if it is known where it ran",
        )
    return missing_around(judged)


def not_placed(judged: Judged) -> tuple[str, str]:
    """Say that neither prediction nor proof shows anything of the load, and what would."""
    return (
        f"the load can neither be predicted nor proven safe: {judged.not_predicted}",
        "give the load itself (--segments), or load it with kexec_load (kexec -c), which loads as "
        "the proof requires",
    )


def missing_around(judged: Judged) -> tuple[str, str] | None:
    """Return the first fact that is missing of what lies around the kernel."""
    if judged.segments is None and not judged.boot.path.by_kexec:
        return (
            "the place of this boot's initrd, setup_data and boot_params is not known",
            _instead_of_first_boot(judged),
        )
    if judged.segments is None:
        return (
            "the kernel's address is known, but not what else is loaded around it",
            "give the load: --segments with the output of kexec -d, a kernel log, or a description",
        )
    return _missing_in_list(judged, judged.segments) or _missing_of_machine(judged, judged.segments)


def _missing_in_list(judged: Judged, segments: SegmentList) -> tuple[str, str] | None:
    """Return what a list of segments does not say of what is loaded."""
    initrd = judged.boot.initrd
    if initrd.size and initrd.span is None:
        return (
            "no known segment is hit, but the place of the initrd is not known",
            "give a segment list that names the initrd",
        )
    if segments.may_lack is not None and initrd.origin.endswith(segments.may_lack):
        return (
            f"no known segment is hit, but {segments.may_lack}",
            "give --initrd 0 if none was loaded, or the complete log of the load",
        )
    if segments.unplaced:
        return (
            "nothing known is hit, but where the boot loader put "
            f"{' and '.join(segments.unplaced)} is not known",
            _instead_of_first_boot(judged),
        )
    reaching = _may_reach(judged)
    if reaching is not None:
        return (
            f"no known segment is hit, but the size of {reaching.role.value} at "
            f"{address_text(reaching.span.start)} is not known ({reaching.where})",
            _INITRD_OR_LIST if reaching.role is SegmentRole.INITRD else _WHOLE_LIST,
        )
    of_load = judged.boot.path.by_kexec
    if of_load and not segments.of(SegmentRole.BOOT_PARAMS):
        return (
            "no known segment is hit, but the list names no boot_params, so it is incomplete",
            _WHOLE_LIST,
        )
    roles = {segment.role for segment in segments.segments if segment.origin is SegmentOrigin.LOG}
    if roles and not roles & {SegmentRole.PURGATORY, SegmentRole.OTHER}:
        return (
            "no known segment is hit, but the log names no purgatory, which every load has: a line "
            "is missing",
            _WHOLE_LIST,
        )
    return None


def _missing_of_machine(judged: Judged, segments: SegmentList) -> tuple[str, str] | None:
    """Return what is not known of the machine's memory."""
    if segments.predicted and judged.memory is not None and not judged.memory.complete:
        return (
            f"no segment of the predicted load is hit, but {judged.memory.source} is a fragment "
            "of a map: kexec may use memory that is missing from it",
            "give the complete memory map (--iomem, read as root: sudo cat /proc/iomem), or the "
            "load itself (--segments)",
        )
    past_end = _past_the_end(judged, segments)
    if past_end is not None:
        return past_end
    if judged.memory is None:
        return (
            "no segment is hit, but it is not known whether the workarea is System RAM",
            "give the machine's memory map: --iomem (read as root: sudo cat /proc/iomem), or "
            "--dmesg, which shows it too",
        )
    if judged.boot.path.is_crash and not judged.memory.crash_kernel:
        unreserved = why_nothing_is_reserved(judged.case)
        if unreserved is not None:
            return (
                f"nothing was reserved for a crash kernel ({unreserved}): the load is "
                "of another boot",
                "give the memory map of the boot in which the crash kernel was loaded (--iomem)",
            )
        return (
            f"{judged.memory.source} shows no Crash kernel: whether the workarea leaves it is open",
            "give the memory map of the boot in which the crash kernel was loaded (--iomem), or "
            "its kernel log (--dmesg)",
        )
    return None


def _past_the_end(judged: Judged, segments: SegmentList) -> tuple[str, str] | None:
    """Return what may lie past the end of a map that seems cut off."""
    whole = "give the complete memory map (--iomem, read as root: sudo cat /proc/iomem), "
    if judged.boot.path.is_crash:
        # Wherever memory ends, a crash kernel goes into the last reservation.
        if judged.predicted is None or _is_the_last_reservation(judged):
            return None
        load, what = "the predicted load", "the Crash kernel that kexec loads into may come after"
        settle, firmware = f"{whole}the complete log, or the load itself (--segments)", None
    elif judged.predicted is not None:
        load, what = "the predicted load", "kexec may load into memory that comes after"
        settle = f"{whole}the complete log, or the load itself (--segments)"
        firmware = judged.predicted.asked.request.firmware
    elif not (judged.boot.base_is_certain or _shows_own_table(judged, segments)):
        load, what = "this load", "KASLR may choose memory that comes after"
        settle, firmware = f"{whole}or the complete log", judged.firmware
    else:
        return None
    cut = _cut_off(judged, firmware)
    if cut is None:
        return None
    return f"no segment of {load} is hit, but {cut}, and {what}", settle


def _is_the_last_reservation(judged: Judged) -> bool:
    """Return whether no Crash kernel can follow after those that the memory map shows.

    crashkernel=…,high makes two: a low one, and after it the one that kexec loads into, which
    begins at or above 4 GiB. The kernel's log says which there are; one of the size that was asked
    for without ",high" is that one: had there been room for it below 4 GiB, no high one was tried.
    """
    memory, log, host = judged.memory, judged.log, judged.host
    if memory is None or memory.kind is not MapKind.IOMEM or not memory.crash_kernel:
        return True
    last = memory.crash_kernel[-1].span
    if last.start >= HIGH_RESERVATION or (host is not None and host.crash_kernel == last):
        return True
    logged = [one.span for one in log.boot.crash_reservations if not one.is_low] if log else []
    if logged:
        return all(one.start <= last.start for one in logged)
    from smecheck.boot.crashkernel_option import asked_reservation
    from smecheck.boot.log_of_boot import running_cmdlines

    for cmdline in running_cmdlines(judged):
        asked = asked_reservation(cmdline.value)
        if isinstance(asked, Known) and asked.value is not None and not asked.value.is_high:
            return asked.value.sizes == (last.size,)
    return False


def _shows_own_table(judged: Judged, segments: SegmentList) -> bool:
    """Return whether the e820 table is known by which KASLR chooses, whatever a map shows."""
    if judged.boot.path.by_kexec:
        return segments.table is not None
    return judged.early is not None and isinstance(judged.early.e820, Known)


def _cut_off(judged: Judged, firmware: FirmwareMap | None) -> str | None:
    """Say which map seems cut off, and why; a whole /proc/iomem shows where the firmware's ends."""
    memory, log = judged.memory, judged.log
    if memory is not None and Missing.END in memory.missing:
        is_iomem = memory.kind is MapKind.IOMEM
        end = "ends before the I/O APIC" if is_iomem else "ends in its memory map"
        return f"{memory.source} {end}: it seems cut off"
    if memory is not None and log is not None:
        from smecheck.machine.lost_memory import what_it_lacks

        lack = what_it_lacks(memory, log.boot)
        if lack is not None:
            return f"{memory.source} is not complete ({lack}): lines of it seem cut off"
    if firmware is None or Missing.END not in firmware.missing:
        return None
    if memory is not None and memory.kind is MapKind.IOMEM:
        last = max((span.end for span in memory.system_ram), default=0)
        if last <= max(one.span.end for one in firmware.ranges):
            return None
    return f"{firmware.source} ends in its memory map: it seems cut off"


def _may_reach(judged: Judged) -> Segment | None:
    """Return a segment of unknown size that may reach into what is used of the workarea.

    Segments do not overlap: one ends where the next one begins, at the latest.
    """
    extents = judged.actual.extents if judged.actual is not None else None
    if judged.segments is None or extents is None:
        return None
    used = Span(extents.in_place.start, max(extents.mapped_end, extents.worst_end))
    followers = [*(segment.span.start for segment in judged.segments.segments[1:]), _ADDRESSES_END]
    for segment, following in zip(judged.segments.segments, followers, strict=True):
        beyond = Span(segment.span.end, max(segment.span.end, following))
        if not segment.size_is_known and beyond.overlaps(used):
            return segment
    return None


def _instead_of_first_boot(judged: Judged) -> str:
    """Say what would help where nobody knows what a boot loader put where.

    The place of boot_params and of the command line is lost once a kernel is up: only somebody who
    watched the boot loader can give it.
    """
    load = "check a load instead: --mode crash for kdump, --mode load for kexec"
    paths = judged.proof.paths if judged.proof is not None else ()
    by_boot_loader = {path.path: path for path in paths}.get(Way.BOOT_LOADER)
    if by_boot_loader is None or by_boot_loader.is_bound:
        return f"give the vmlinuz, which holds init_size (--bzimage); or {load}"
    settle = judged.boot.sme_answer.settled_by
    if settle:
        return f"{settle} (with SME off, no workarea is used); or {load}"
    return f"{load}; or describe what the boot loader put where (--boot)"


def _what_would_predict_it(judged: Judged) -> str:
    if judged.obstacle is not None:
        return judged.obstacle.settle
    if judged.boot.path.is_crash and judged.memory is not None and not judged.memory.crash_kernel:
        return (
            "give what shows the crash reservation: the complete /proc/iomem of the boot that "
            "loaded (--iomem), its kernel log (--dmesg), or crash_kernel of the host (--host); or "
            "the load itself (--segments)"
        )
    if judged.actual is not None and judged.actual.owner is Owner.UNKNOWN:
        return "give the vmlinuz, which holds init_size (--bzimage), or the load (--segments)"
    return "give the load itself (--segments), or --load-address if it is known where it ran"


def _what_would_place_it(judged: Judged) -> str:
    load = "the machine (--iomem) and the load (--segments, or --mode to predict it)"
    if judged.memory is None and isinstance(judged.boot.mode, Known):
        load = (
            "the machine's memory, from which the load is predicted: --iomem, --memmap, or --dmesg "
            "with the e820 lines of its boot; or the load itself (--segments)"
        )
    paths = judged.proof.paths if judged.proof else ()
    by_kexec = {path.path: path for path in paths}.get(Way.KEXEC)
    if by_kexec is not None and by_kexec.holds:
        return f"give --cmdline or --kaslr off if the kernel is booted with nokaslr, or {load}"
    if judged.actual is not None and judged.actual.owner is Owner.NOBODY:
        return f"give {load}"
    return "give the vmlinuz, which holds init_size (as KERNEL or with --bzimage), or " + load


def _scheme_reason(facts: KernelFacts) -> str:
    return facts.scheme.reason if isinstance(facts.scheme, Unknown) else facts.scheme.origin
