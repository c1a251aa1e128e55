"""The segments that a kernel log shows beside all else, where none were given on their own."""

from __future__ import annotations

from smecheck.errors import InputError, MalformedInput, WrongKind
from smecheck.evidence import Known, value_of
from smecheck.load.segments import Loader, Mode, SegmentList, SegmentRole
from smecheck.machine.kernel_log import KernelLog, LogLine
from smecheck.quantity import address_text
from smecheck.read.load.segments import read_segments
from smecheck.read.source import STDIN, Source
from smecheck.record import replace


def segments_in_log(
    source: Source, log: KernelLog, loader: Loader | None, mode: Mode | None
) -> tuple[KernelLog, SegmentList | None]:
    """Return the last load that the boot that counts logged; the log says why there is none.

    Args:
        source: the log; standard input has been read already, and shows none.
        log: what it says beside them.
        loader: the system call that is asked about, if one is.
        mode: the mode of the load that is asked about, if one is.
    """
    if source == STDIN:
        return _saying(
            log, "segments that it may show were not looked for: it came on standard input"
        )
    try:
        segments = read_segments(source, mode, boot=log.boot)
    except WrongKind as error:
        if mode is None or not _holds_a_load(source, log):
            return log, None
        return _saying(log, f"it {error.message}: none is taken from it")
    except MalformedInput as error:
        broken = replace(log, broken_load=LogLine(error.message, error.where or log.source))
        return _saying(broken, f"no segments are taken from it: {error.where}: {error.message}")
    found = segments.loader
    if loader is not None and isinstance(found, Known) and found.value is not loader:
        return _saying(log, f"its segments are not of {loader.value}, and are not taken")
    remark = f"the segments are those that {log.source} shows"
    return log, replace(segments, remarks=(remark, *segments.remarks))


def with_load(
    source: Source,
    log: KernelLog,
    given: SegmentList | None,
    loader: Loader | None,
    mode: Mode | None,
) -> tuple[KernelLog, SegmentList | None]:
    """Return a log, and the load that counts: the one that was given, or else the log's.

    Args:
        source: the log.
        log: what it says beside its loads.
        given: the load, where one was given on its own.
        loader: the system call that is asked about, where one is.
        mode: likewise.
    """
    if given is None:
        return segments_in_log(source, log, loader, mode)
    return _beside_given(source, log, given), given


def _beside_given(source: Source, log: KernelLog, given: SegmentList) -> KernelLog:
    """Return the log, which says so where it shows another load than the one that was given."""
    if source == STDIN or source == given.source:
        return log
    try:
        logged = read_segments(source, value_of(given.mode), boot=log.boot)
    except InputError:
        return log  # it shows no load of that mode, or none that is whole
    for role in (SegmentRole.KERNEL, SegmentRole.INITRD, SegmentRole.BOOT_PARAMS):
        ours, theirs = given.of(role), logged.of(role)
        if ours and theirs and ours[0].span.start != theirs[0].span.start:
            return _saying(
                log,
                f"the load that it shows, with the {role.value} at "
                f"{address_text(theirs[0].span.start)}, is not that of {given.source}, with the "
                f"{role.value} at {address_text(ours[0].span.start)}, which counts",
            )[0]
    return log


def _saying(log: KernelLog, remark: str) -> tuple[KernelLog, None]:
    return replace(log, remarks=(*log.remarks, f"{log.source}: {remark}")), None


def _holds_a_load(source: Source, log: KernelLog) -> bool:
    try:
        read_segments(source, boot=log.boot)
    except (WrongKind, MalformedInput):
        return False
    return True
