"""Which loaders do not keep to what the proof says of them: a kernel that lies where it will run.

The proof takes a kernel segment to begin at a multiple of kernel_alignment, at or above
pref_address, and to keep init_size from there on. Then the decompressor unpacks into that segment
and nowhere else. Here is who may load otherwise, and when.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from smecheck.evidence import value_of
from smecheck.load.segments import Loader, Mode
from smecheck.load.versions import Change, KernelChange, ToolsChange, Version, stated_version
from smecheck.record import record

if TYPE_CHECKING:
    from smecheck.boot.boot import Boot
    from smecheck.machine.host import Host

_BELOW = "below pref_address where nothing else is free"


@record
class _Otherwise:
    change: Change
    is_since: bool
    """Since the change; else before it."""
    who: str
    how: str
    modes: tuple[Mode, ...] = tuple(Mode)
    only_32bit: bool = False


_OTHERWISE: dict[Loader, tuple[_Otherwise, ...]] = {
    Loader.KEXEC_FILE_LOAD: (
        _Otherwise(
            KernelChange.CONTIGUOUS,
            True,
            "kexec_file_load of a kernel since v6.17 with a CMA area (cma=)",
            "aligned to less",
            (Mode.LOAD,),
        ),
        _Otherwise(
            KernelChange.ABOVE_PREF_ADDRESS,
            False,
            "kexec_file_load of a kernel before v6.9",
            _BELOW,
        ),
    ),
    Loader.KEXEC_LOAD: (
        _Otherwise(
            ToolsChange.ABOVE_PREF_ADDRESS,
            False,
            "kexec-tools before 2.0.30",
            _BELOW,
        ),
        _Otherwise(
            ToolsChange.ENTRY32_INIT_SIZE,
            False,
            "the 32-bit loader of kexec-tools before 2.0.30",
            "with room for the file only",
            only_32bit=True,
        ),
    ),
}
"""In which versions a system call loads otherwise: one that is not here would be taken to keep to
everything. Tests hold that no system call is missing, and that each change of one is judged."""


def premise_of_the_proof(boot: Boot, host: Host | None) -> str | None:
    """Return what a proof takes for granted of a load by kexec that nobody knows.

    Returns:
        ``None`` where whoever loads is known to keep to it.
    """
    if not boot.path.by_kexec:
        return None
    found = [f"{one.who} ({one.how})" for one in _otherwise(boot, host)]
    if not found:
        return None
    return (
        "kexec loads the kernel at a multiple of kernel_alignment, at or above pref_address, and "
        f"reserves init_size for it, which these may not do: {'; '.join(found)}"
    )


def short_of_init_size(boot: Boot, host: Host) -> str | None:
    """Say why a load by kexec that nobody recorded may have room for less than init_size.

    Then it is not what the proof is about. ``None`` where no option of kexec asks for that.
    """
    if not boot.path.by_kexec or not host.kexec_options:
        return None
    short = next((one for one in _otherwise(boot, host) if one.only_32bit), None)
    if short is None:
        return None
    return f"the options of kexec ({host.source}) ask for {short.who}, which loads {short.how}"


def _otherwise(boot: Boot, host: Host | None) -> Iterator[_Otherwise]:
    """Yield who may load otherwise, as far as it is not known to be somebody else."""
    mode, loader = value_of(boot.mode), value_of(boot.loader)
    for call, ways in _OTHERWISE.items():
        if loader not in (None, call):
            continue
        version = None if host is None else _placing_version(call, host)
        for one in ways:
            if mode is not None and mode not in one.modes:
                continue
            if version is not None and one.change.is_in(version) is not one.is_since:
                continue
            if host is not None and _is_ruled_out(one, host):
                continue
            yield one


def _placing_version(call: Loader, host: Host) -> Version | None:
    """Return the version of what chooses the places of a load by that system call."""
    version = host.kexec_tools if call.rules.placed_by_tools else host.kernel_release
    return stated_version(version)


def _is_ruled_out(one: _Otherwise, host: Host) -> bool:
    if one.only_32bit:
        # Whoever describes the options of kexec says whether it is the 32-bit loader.
        from smecheck.load.kexec_options import options_of_host

        return bool(host.kexec_options) and not options_of_host(host).enters_32bit
    if one.change is KernelChange.CONTIGUOUS:
        from smecheck.load.hidden_places import area_is_used

        return value_of(area_is_used(host)) is False
    return False
