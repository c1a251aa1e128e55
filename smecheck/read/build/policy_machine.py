"""The machines of a policy: what each is made of, as the policy says it."""

from __future__ import annotations

from collections.abc import Callable

from smecheck.asked import (
    OPTIONS,
    BootRequest,
    GivenInitrd,
    Paging,
    Path,
    Switch,
    asked_by_options,
)
from smecheck.builds.gate_report import KERNEL_TARGET, POLICY_TARGET
from smecheck.builds.policy import NamedFile, PolicyMachine
from smecheck.kernel.constants import MAX_PHYSICAL_ADDRESS, PAGE_SIZE, PMD_SIZE
from smecheck.load.request import ADDRESSES
from smecheck.load.segments import Loader, Mode
from smecheck.quantity import address_text
from smecheck.read.yaml.fields import Fields
from smecheck.read.yaml.nodes import integer, member, nonempty_line, one_line
from smecheck.read.yaml.spans import SPAN_KEYS, span_of
from smecheck.span import Span

FILES = ("iomem", "memmap", "dmesg", "host", "segments")
"""The files that a machine may name, by what they hold."""

_KEYS = ("name", *FILES, "crash_region", *OPTIONS, "mem_min", "mem_max")
_SAYS_WHICH_BOOT = ("segments", "dmesg", "path", "mode")
_WHICH_BOOT = "say what is booted: mode (load, crash) or path, or give the segments of a load"


def read_machines(
    fields: Fields, file_in: Callable[[Fields, str], NamedFile | None]
) -> tuple[PolicyMachine, ...]:
    """Read the machines; each must have a name of its own, and something to ask about."""
    machines: dict[str, PolicyMachine] = {}
    for item in fields.each("machines", _KEYS):
        name = item.need("name", nonempty_line)
        if name in (KERNEL_TARGET, POLICY_TARGET):
            item.problem("name", f"{name!r} is the name of another target; take another")
        elif name in machines:
            item.problem("name", f"{name!r} is the name of the machine at {machines[name].where}")
        files = {key: file for key in FILES if (file := file_in(item, key)) is not None}
        if not any(key in item for key in FILES):
            item.problem("name", f"the machine needs a file: {', '.join(FILES)}")
        elif not any(key in item for key in _SAYS_WHICH_BOOT):
            item.problem("name", _WHICH_BOOT)
        machine = PolicyMachine(
            name=name or "",
            where=item.where,
            request=_request(item),
            files=files,
            crash_region=_crash_region(item),
            window=_window(item),
        )
        machines[machine.name] = machine
    return tuple(machines.values())


def _request(item: Fields) -> BootRequest:
    load_address = item.get("load_address", integer)
    if load_address is not None and (
        load_address % PMD_SIZE or not 0 < load_address < MAX_PHYSICAL_ADDRESS
    ):
        written = address_text(load_address)
        problem = f"{written} is not a possible load address of a kernel: a multiple of 2 MiB"
        item.problem("load_address", problem)
    initrd_size = item.get("initrd", integer)
    return asked_by_options(
        path=item.get("path", member(Path)),
        loader=item.get("loader", member(Loader)),
        mode=item.get("mode", member(Mode)),
        load_address=load_address,
        initrd=None if initrd_size is None else GivenInitrd(initrd_size),
        cmdline=item.get("cmdline", one_line),
        kaslr=item.get("kaslr", member(Switch)) or Switch.AUTO,
        sme=item.get("sme", member(Switch)) or Switch.AUTO,
        paging=item.get("paging", member(Paging)) or Paging.AUTO,
    )


def _crash_region(item: Fields) -> Span | None:
    region = item.nested("crash_region", SPAN_KEYS)
    span = span_of(region) if region is not None else None
    if region is not None and span is not None and (span.start % PAGE_SIZE or span.end % PAGE_SIZE):
        region.problem("start", f"{span!r} is not made of whole pages")
    return span


def _window(item: Fields) -> Span:
    """Read kexec's window; its --mem-max is the last address that may be used."""
    low, last = item.get("mem_min", integer) or 0, item.get("mem_max", integer)
    end = ADDRESSES.end if last is None else last + 1
    if low >= end or end > ADDRESSES.end:
        item.problem("mem_max", f"mem_min {low:#x} to mem_max {end - 1:#x} is not a window")
        return ADDRESSES
    return Span(low, end)
