"""Saying why a text holds no segments of a load, and how to get one that does."""

from __future__ import annotations

from smecheck.errors import InputError, WrongKind
from smecheck.read.kinds import KERNEL_LOG, KEXEC_OUTPUT, kind_of_sample
from smecheck.read.load.kexec_command import KexecCommand
from smecheck.read.load.recorded_load import RecordedProblem
from smecheck.record import record

HOW_TO_PRINT = (
    "print the segments while loading: kexec -d -c -l … (or -p) prints them itself. With kexec -s "
    "the kernel logs them: Linux 6.8 and later if kexec-tools is 2.0.29 or later, with -d (2.0.25 "
    "-s -d prints no address at all), Linux up to 6.7 with dynamic debug: echo 'file "
    "kernel/kexec_file.c +p' > /sys/kernel/debug/dynamic_debug/control"
)

_NOT_AVAILABLE = "syscall kexec_file_load not available"
_OF_CAUSE = "when the cause is gone"
_OF_FLAG = (
    "without -d if the kernel is older than v6.8, which refuses the flag that kexec-tools 2.0.29 "
    "and later pass on with -d -s"
)


@record
class Traces:
    """What was seen in a text without segments."""

    sample: bytes
    """Its beginning."""
    refused: RecordedProblem | None
    command: KexecCommand | None
    has_file_load_lines: bool
    """Whether the kernel says anything of a kexec_file_load."""


def no_segments(name: str, traces: Traces) -> InputError:
    """Return the error for the file ``name``."""
    if traces.refused is not None:
        is_asked = traces.command is None or traces.command.has_debug
        may_be_flag = is_asked and traces.refused.text.startswith(_NOT_AVAILABLE)
        return WrongKind(
            f"the load was refused ({traces.refused.text}), and no list of segments is there",
            where=f"{name}:{traces.refused.line}",
            help_text=f"load again {_OF_FLAG if may_be_flag else _OF_CAUSE}, and {HOW_TO_PRINT}",
        )
    asked_for = traces.command.loader if traces.command is not None else None
    if traces.has_file_load_lines:
        message = "is a kernel log whose lines about kexec_file_load list no segments"
    elif asked_for is not None and not asked_for.rules.placed_by_tools:
        message = (
            f"is the output of kexec {asked_for.rules.option}, which prints no addresses: they are "
            "in the kernel log"
        )
    else:
        message = _kind(traces.sample)
    return WrongKind(message, where=name, help_text=HOW_TO_PRINT)


def _kind(sample: bytes) -> str:
    kind = kind_of_sample(sample)
    if kind is None:
        return "holds no segments of a kexec load"
    if kind is KERNEL_LOG:
        return "is a kernel log without the segments of a kexec load"
    if kind is KEXEC_OUTPUT:
        return "is output of kexec -d that ends before the list of segments"
    return f"is {kind.description}, not the text of a kexec load"
