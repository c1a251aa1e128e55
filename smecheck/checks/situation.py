"""The situation that a boot and a placement in it come to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smecheck.asked import Path
from smecheck.checks.rule import Situation
from smecheck.workarea.ownership import moved_by_kaslr

if TYPE_CHECKING:
    from smecheck.machine.firmware import FirmwareMap
    from smecheck.machine.kernel_log import KernelLog
    from smecheck.span import SpanSet
    from smecheck.workarea.place import Setting
    from smecheck.workarea.placement import Placement


def situation_of(
    setting: Setting,
    placement: Placement,
    firmware: FirmwareMap | None,
    log: KernelLog | None,
) -> Situation:
    """Return what rules look at, for a workarea that is placed so."""
    return Situation(
        setting.image,
        setting.facts,
        setting.boot,
        placement,
        setting.kept,
        setting.segments,
        setting.memory,
        moved_by_kaslr(setting.boot, setting.rules),
        firmware,
        log,
        _crash_memory(setting),
        setting.rules,
    )


def _crash_memory(setting: Setting) -> SpanSet | None:
    """Return what the crash kernel may write to; ``None`` where it is none, or not known."""
    if setting.boot.path is not Path.KDUMP or setting.memory is None:
        return None
    from smecheck.boot.crash_memory import crash_memory

    return crash_memory(setting.memory, setting.boot, setting.segments, setting.host) or None
