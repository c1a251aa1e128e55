"""A recorded load predicted all the same: where they differ, an assumption is wrong."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import assert_never

from smecheck.asked import BootRequest, GivenInitrd
from smecheck.evidence import Fact, Known, Unknown, value_of
from smecheck.kernel.cmdline import last_value
from smecheck.kernel.image import KernelImage
from smecheck.load.alternatives import alternatives
from smecheck.load.compared_segments import ComparedSegment, CrossCheck
from smecheck.load.predicted_load import asked_load, predict_load
from smecheck.load.request import PredictedLoad, WholeMachine
from smecheck.load.segments import Loader, Mode, Segment, SegmentList, SegmentRole
from smecheck.record import replace
from smecheck.span import Span

_NO_MEMORY = "no memory map of the machine is known (--iomem, --memmap or --dmesg)"
_FILE_LOAD_ADDS = re.compile(r"elfcorehdr=0x[0-9a-f]+ ?(?:dmcryptkeys=0x[0-9a-f]+ ?)?")
"""arch/x86/kernel/kexec-bzimage64.c, setup_cmdline(): put before what was given."""
_TOOLS_ADD = re.compile(r"(?: acpi_rsdp=0x[0-9a-f]+)?(?: elfcorehdr=[0-9]+K)?(?: memmap=\S+)*$")
"""kexec-tools, kexec/arch/i386/crashdump-x86.c: put after it."""


def cross_check(
    image: KernelImage, asked: BootRequest, machine: WholeMachine, recorded: SegmentList
) -> CrossCheck:
    """Predict the load that was recorded, and hold the two against each other.

    Args:
        image: the kernel that was loaded.
        asked: what the user says of the boot; what the record says of loader, mode, command line
            and initrd comes first.
        machine: that loaded it.
        recorded: the load, its segments named.
    """
    host = replace(machine.host, dm_crypt_keys=_keys(machine, recorded))
    load = asked_load(image, _as_recorded(asked, recorded), replace(machine, host=host))
    if load is None:
        return CrossCheck(_NO_MEMORY, None, (), (), ())
    predicted = predict_load(load)
    prediction = predicted.prediction
    assumptions = (*load.assumptions, *prediction.assumptions)
    if predicted.segments is None:
        return CrossCheck(prediction.unknown, None, (), (), assumptions)
    refusal = predicted.segments.refusal
    compared = compare(recorded.segments, predicted.segments.segments)
    check = CrossCheck(None, refusal, compared, (), assumptions)
    if check.agrees:
        return check
    return replace(check, explained_by=_explanations(predicted, recorded))


def _keys(machine: WholeMachine, recorded: SegmentList) -> Fact[bool]:
    """Return whether keys of dm-crypt were handed over, as the command line of the load shows."""
    cmdline, known = recorded.cmdline, machine.host.dm_crypt_keys
    if isinstance(cmdline, Unknown) or not recorded.is_crash:
        return known
    has_keys = last_value(cmdline.value, "dmcryptkeys") is not None
    return Known(has_keys, f"{cmdline.origin}: {'' if has_keys else 'no '}dmcryptkeys=")


def compare(
    recorded: Iterable[Segment], predicted: Iterable[Segment]
) -> tuple[ComparedSegment, ...]:
    """Put the segments of two loads beside each other: first the same ones, then role by role."""
    left, right = list(recorded), list(predicted)
    rows: list[ComparedSegment] = []
    for own in list(left):
        # A recorded segment that nobody could name is known by its place.
        same = next((other for other in right if _is_same(own, other)), None)
        if same is not None:
            left.remove(own)
            right.remove(same)
            role = same.role if own.role is SegmentRole.OTHER else own.role
            rows.append(ComparedSegment(role, own.span, same.span))
    for own in left:
        other = next((other for other in right if other.role is own.role), None)
        if other is not None:
            right.remove(other)
        rows.append(ComparedSegment(own.role, own.span, other.span if other else None))
    rows += [ComparedSegment(other.role, None, other.span) for other in right]
    return tuple(sorted(rows, key=lambda row: row.recorded or row.predicted or Span(0, 0)))


def _is_same(own: Segment, other: Segment) -> bool:
    return own.span == other.span and own.role in (other.role, SegmentRole.OTHER)


def _as_recorded(asked: BootRequest, recorded: SegmentList) -> BootRequest:
    initrd = recorded.of(SegmentRole.INITRD)
    size = (initrd[0].buffer_size or initrd[0].span.size) if initrd else 0
    loaded = Known(GivenInitrd(size), recorded.source)
    # One that nobody could name may be the initrd: the user's word counts then.
    if not initrd and recorded.of(SegmentRole.OTHER) and asked.initrd is not None:
        loaded = asked.initrd
    loader, mode, cmdline = recorded.loader, recorded.mode, recorded.cmdline
    if isinstance(cmdline, Known):
        given = as_given(cmdline.value, value_of(loader), value_of(mode))
        cmdline = Known(given, cmdline.origin)
    return replace(
        asked,
        loader=loader if isinstance(loader, Known) else asked.loader,
        mode=mode if isinstance(mode, Known) else asked.mode,
        cmdline=cmdline if isinstance(cmdline, Known) else asked.cmdline,
        initrd=loaded,
    )


def as_given(cmdline: str, loader: Loader | None, mode: Mode | None) -> str:
    """Return a crash kernel's command line without what kexec itself added to it."""
    if mode is None or not mode.is_crash:
        return cmdline
    match loader:
        case Loader.KEXEC_FILE_LOAD:
            return _FILE_LOAD_ADDS.sub("", cmdline, count=1)
        case Loader.KEXEC_LOAD | None:
            return _TOOLS_ADD.sub("", cmdline, count=1)
        case _:
            assert_never(loader)


def _explanations(predicted: PredictedLoad, recorded: SegmentList) -> tuple[str, ...]:
    """Try other values of what was assumed; return those with which nothing differs."""
    found = []
    for other in alternatives(predicted):
        tried = predict_load(other.asked).segments
        if tried is None or tried.refusal is not None:
            continue
        rows = compare(recorded.segments, tried.segments)
        if all(row.recorded == row.predicted for row in rows):
            found.append(f"{other.fact} {other.value}")
    return tuple(found)
