"""A machine as an inventory describes it: one object, ``smecheck/fleet-machine-v1``.

Texts (an iomem, a kernel log) stand in the object itself, or in files that it names: what has a
line break is the text. A key that is not known is an error, as it would be in a description that
somebody wrote by hand: a machine without its iomem would be answered otherwise, unnoticed.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from enum import Enum
from functools import lru_cache
from pathlib import PurePath
from typing import TYPE_CHECKING, BinaryIO, TypeVar

from smecheck.asked import (
    OPTIONS,
    BootRequest,
    GivenInitrd,
    Paging,
    Path,
    Switch,
    asked_by_options,
)
from smecheck.errors import InputError, MalformedInput, system_reason
from smecheck.load.segments import Loader, Mode
from smecheck.quantity import parse_integer
from smecheck.read.case import SHORT_CUTS, Inputs, LoadingSystem, case
from smecheck.read.source import TEXT_LIMIT, NamedStream, Source, open_binary, read_bounded
from smecheck.read.yaml.nodes import nearest, quoted
from smecheck.record import record, replace

if TYPE_CHECKING:
    from smecheck.case import Case
    from smecheck.kernel.image import KernelImage
    from smecheck.machine.host import Host
    from smecheck.machine.memory import MemoryMap

T = TypeVar("T")
E = TypeVar("E", bound=Enum)

SCHEMA = "smecheck/fleet-machine-v1"

TEXTS = ("iomem", "memmap", "e820", "dmesg", "segments", "crash_cma")
"""Keys whose value is a text, or the name of a file."""
KEYS = ("id", "schema", *TEXTS, "host", *OPTIONS, *SHORT_CUTS, "labels")
"""All that an inventory may say of a machine; ``labels`` are its owner's own and mean nothing."""

_LONGEST_PLACE = 300
_MAPS_KEPT = 24
"""Texts of memory maps that are remembered as what was read of them: some 1 MiB each."""


@record
class Described:
    """A machine of an inventory."""

    name: str
    where: str
    """Where it stands: ``inventory.jsonl:12``."""
    fields: Mapping[str, object]
    folder: str
    """What the names of files are relative to."""


@record
class Said:
    """What the command line says of every machine: it counts more than what a machine says."""

    boot: BootRequest = BootRequest()
    loading: LoadingSystem = LoadingSystem()
    host: Host | None = None
    crash_cma: str | None = None
    """A file."""


def case_of_described(machine: Described, image: KernelImage, said: Said) -> Case:
    """Read what a machine says, as the question about a kernel.

    Whether the kernel has page tables of the levels that are asked for is for
    :func:`~smecheck.read.case.of_other_kernel` to say, of each kernel.

    Raises:
        InputError: a text cannot be read or understood, or a value is none.
        UsageError: what is said cannot all be meant.
    """
    _refuse_unknown(machine)
    try:
        inputs = Inputs(
            iomem=_iomem(machine),
            memmap=_text(machine, "memmap") or _text(machine, "e820", called="memmap"),
            dmesg=_text(machine, "dmesg"),
            segments=_text(machine, "segments"),
            crash_cma=said.crash_cma or _text(machine, "crash_cma"),
            host=said.host or _host(machine),
        )
        boot = _boot(machine, said.boot)
        asked = replace(boot, paging=Paging.AUTO)
        question = case(image, inputs, asked, _loading(machine, said.loading))
        return replace(question, asked=boot)
    except InputError as error:
        raise _with_file(error, machine) from error


def _refuse_unknown(machine: Described) -> None:
    for key in machine.fields:
        if key not in KEYS:
            raise MalformedInput(
                f"unknown key {quoted(key)}{nearest(key, KEYS)}",
                where=machine.where,
                help_text="smecheck schema fleet-machine-v1 lists the keys; put your own into "
                "labels",
            )
    named = machine.fields.get("schema")
    if named not in (None, SCHEMA):
        raise MalformedInput(
            f"schema is {quoted(str(named))}, not {SCHEMA}",
            where=machine.where,
            help_text="leave it out, or write what this version of smecheck reads",
        )
    if "memmap" in machine.fields and "e820" in machine.fields:
        raise MalformedInput(
            "memmap and e820 are two names for one firmware map",
            where=machine.where,
            help_text="leave one of them out",
        )


# Texts -------------------------------------------------------------------------------------------


def _text(machine: Described, key: str, *, called: str | None = None) -> Source | None:
    """Return what a text is read from; reports call it by its key, as they are shared."""
    value = machine.fields.get(key)
    if value is None:
        return None
    if not isinstance(value, str):
        raise _bad(machine, key, "a text, or the name of a file, is needed")
    if not _is_file(value):
        return NamedStream.of(called or key, _encoded(value))
    path = _path(machine, value)

    def opened() -> BinaryIO:
        return open_binary(path)

    return NamedStream(called or key, opened)


def _is_file(value: str) -> bool:
    return "\n" not in value and bool(value.strip())


def _path(machine: Described, value: str) -> str:
    return str(PurePath(machine.folder, value))


def _encoded(text: str) -> bytes:
    """Return the bytes of a text, which may have been none of UTF-8."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace")


def _iomem(machine: Described) -> Source | MemoryMap | None:
    value = machine.fields.get("iomem")
    if not isinstance(value, str):
        return _text(machine, "iomem")
    if _is_file(value):
        data = read_bounded(_path(machine, value), TEXT_LIMIT)
        value = data.decode("utf-8", "surrogateescape")
    return iomem_of(value)


@lru_cache(maxsize=_MAPS_KEPT)
def iomem_of(text: str) -> MemoryMap:
    """Read the text of /proc/iomem; many machines share one."""
    from smecheck.read.machine.iomem import read_iomem

    return read_iomem(NamedStream.of("iomem", _encoded(text)))


def _host(machine: Described) -> Host | None:
    value = machine.fields.get("host")
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise _bad(machine, "host", "an object, as host-v1 describes it, is needed")
    try:
        text = json.dumps({"schema": "smecheck/host-v1", **value})
    except (TypeError, ValueError, RecursionError) as error:
        raise _bad(machine, "host", f"it cannot be written as JSON: {error}") from error
    return _host_of(text)


@lru_cache(maxsize=_MAPS_KEPT)
def _host_of(text: str) -> Host:
    from smecheck.read.machine.host_description import read_host_description

    return read_host_description(text, "host")


def _with_file(error: InputError, machine: Described) -> InputError:
    """Say of which machine it is, and in which file, where the text is in a file."""
    where = error.where or ""
    if where.startswith(machine.where):
        return error
    key, colon, place = where.partition(":")
    value = machine.fields.get(key)
    if key in TEXTS and isinstance(value, str) and _is_file(value):
        where = f"{_path(machine, value)}{colon}{place}"
    if len(where) > _LONGEST_PLACE:
        where = f"{where[: _LONGEST_PLACE - 1]}…"
    error.where = f"{machine.where}: {where}"
    return error


# Values ------------------------------------------------------------------------------------------


def _boot(machine: Described, said: BootRequest) -> BootRequest:
    """Return what is said of the boot; the command line counts more."""
    own = asked_by_options(
        path=_member(machine, "path", Path),
        loader=_member(machine, "loader", Loader),
        mode=_member(machine, "mode", Mode),
        load_address=_integer(machine, "load_address"),
        # Its file need not be here where the command line says of how many bytes it is.
        initrd=_initrd(machine) if said.initrd is None else None,
        cmdline=_line(machine, "cmdline"),
        kaslr=_member(machine, "kaslr", Switch) or Switch.AUTO,
        sme=_member(machine, "sme", Switch) or Switch.AUTO,
        paging=_member(machine, "paging", Paging) or Paging.AUTO,
    )
    return said.completed(by=own)


def _loading(machine: Described, said: LoadingSystem) -> LoadingSystem:
    """Return what is said of the system that loads; the command line counts more."""
    own = LoadingSystem(
        kexec_tools=_line(machine, "kexec_tools"),
        running_kernel=_line(machine, "running_kernel"),
        cpus=_integer(machine, "cpus"),
        mem_min=_integer(machine, "mem_min"),
        mem_max=_integer(machine, "mem_max"),
    )
    return said.completed(by=own)


def _member(machine: Described, key: str, kind: type[E]) -> E | None:
    value = machine.fields.get(key)
    if value is None:
        return None
    members = {str(one.value): one for one in kind}
    text = str(value)  # paging may well be a number
    if text not in members:
        raise _bad(machine, key, f"unknown value {quoted(text)}{nearest(text, members)}")
    return members[text]


def _line(machine: Described, key: str) -> str | None:
    value = machine.fields.get(key)
    if value is None:
        return None
    if not isinstance(value, str):
        raise _bad(machine, key, "a text is needed")
    return value.strip()


def _integer(machine: Described, key: str) -> int | None:
    """Read an address, a size or a count: a number, or its text in the grammar of the options."""
    value = machine.fields.get(key)
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 64:
        return value
    if not isinstance(value, str):
        raise _bad(machine, key, "a number, or its text such as 0x4000000 or 64M, is needed")
    try:
        return parse_integer(value)
    except ValueError as error:
        raise _bad(machine, key, f"{quoted(value)}: {error}") from error


def _initrd(machine: Described) -> GivenInitrd | None:
    """Read the size of an initrd, or take it from a file."""
    value = machine.fields.get("initrd")
    if not isinstance(value, str):
        size = _integer(machine, "initrd")
        return None if size is None else GivenInitrd(size)
    with contextlib.suppress(ValueError):
        return GivenInitrd(parse_integer(value))
    from smecheck.read.load.initrd_file import initrd_in

    try:
        return initrd_in(_path(machine, value))
    except (OSError, ValueError) as error:
        message = f"{quoted(value)} is not a size, and as a file: {system_reason(error)}"
        raise _bad(machine, "initrd", message) from error


def _bad(machine: Described, key: str, message: str) -> MalformedInput:
    return MalformedInput(
        f"{key}: {message}",
        where=machine.where,
        help_text="smecheck schema fleet-machine-v1 describes a machine",
    )
