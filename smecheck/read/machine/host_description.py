"""Reading the system that loads a kernel from its description, ``smecheck/host-v1``.

What a description leaves out is unknown; what is usual is assumed where it is needed, and listed.
"""

from __future__ import annotations

import shlex

from smecheck.evidence import Fact, Known
from smecheck.load.getopt_long import BadOptionError
from smecheck.load.kexec_options import check_options, did_you_mean
from smecheck.load.versions import parse_version, stated_version
from smecheck.machine.firmware import FirmwareMap, FirmwareMapKind, FirmwareRange
from smecheck.machine.host import MOST_CPUS, Host
from smecheck.read.machine.sysfs_memmap import type_of
from smecheck.read.source import TEXT_LIMIT, Source, decode_text, display_name, read_bounded
from smecheck.read.yaml.fields import NOT_GIVEN, Fields, open_description
from smecheck.read.yaml.nodes import (
    BadNodeError,
    Node,
    Reader,
    boolean,
    integer,
    nonempty_line,
    one_line,
    quoted,
)
from smecheck.read.yaml.spans import SPAN_KEYS, span_of
from smecheck.span import Span

SCHEMA = "smecheck/host-v1"

_KEYS = (
    "kexec_tools",
    "kernel_release",
    "kexec_options",
    "cmdline",
    "cpus",
    "efi_runtime_entries",
    "efi_descriptor_size",
    "acpi_rsdp",
    "vmcoreinfo",
    "rng_seed",
    "purgatory",
    "kernel_purgatory",
    "firmware_map",
    "gbpages",
    "crash_elfcorehdr_size",
    "ima_kexec",
    "cma",
    "kho",
    "kexec_handover",
    "keep_memblock",
    "dm_crypt_keys",
    "crash_cma_ranges",
    "crash_kernel",
)
_RANGE_KEYS = (*SPAN_KEYS, "type")
_MOST_ENTRIES = 1 << 16
_LARGEST_DESCRIPTOR = 1 << 12
_LARGEST_PURGATORY = 1 << 24


def read_host(source: Source) -> Host:
    """Read a description of a host from a file, or from standard input for ``-``.

    Raises:
        InputError: it cannot be read, is not YAML, or not such a description.
    """
    name = display_name(source)
    return read_host_description(decode_text(read_bounded(source, TEXT_LIMIT), name), name)


def read_host_description(text: str, name: str) -> Host:
    """Read the description ``text``, the contents of the file ``name``.

    Raises:
        MalformedInput: it is not YAML, or not such a description.
    """
    fields = open_description(text, name, SCHEMA, _KEYS)
    tools = fields.fact("kexec_tools", version)
    host = Host(
        source=name,
        kexec_tools=tools,
        kernel_release=fields.fact("kernel_release", version),
        kexec_options=_options(fields, tools),
        cmdline=fields.fact("cmdline", one_line),
        cpus=fields.fact("cpus", _from_to(1, MOST_CPUS)),
        efi_runtime_entries=fields.fact("efi_runtime_entries", _from_to(0, _MOST_ENTRIES)),
        efi_descriptor_size=fields.fact("efi_descriptor_size", _from_to(1, _LARGEST_DESCRIPTOR)),
        acpi_rsdp=fields.fact("acpi_rsdp", integer),
        vmcoreinfo=fields.fact("vmcoreinfo", boolean),
        rng_seed=fields.fact("rng_seed", boolean),
        purgatory_size=_purgatory(fields, "purgatory"),
        kernel_purgatory_size=_purgatory(fields, "kernel_purgatory"),
        firmware_map=_firmware_map(fields, name),
        gbpages=fields.fact("gbpages", boolean),
        crash_elfcorehdr_size=fields.fact("crash_elfcorehdr_size", _from_to(0, 1 << 30)),
        ima_kexec=fields.fact("ima_kexec", boolean),
        cma=fields.fact("cma", boolean),
        kho=fields.fact("kho", boolean),
        kexec_handover=fields.fact("kexec_handover", boolean),
        keep_memblock=fields.fact("keep_memblock", boolean),
        dm_crypt_keys=fields.fact("dm_crypt_keys", boolean),
        crash_cma_ranges=_crash_cma_ranges(fields, name),
        crash_kernel=_crash_kernel(fields),
    )
    fields.finish()
    return host


def version(node: Node) -> str:
    """Read a version, of which at least major and minor number are there."""
    written = nonempty_line(node)
    if parse_version(written) is None:
        raise BadNodeError(node, f"{quoted(written)} is not a version; write 2.0.25, or 6.1.0-56")
    return written


def _from_to(least: int, most: int) -> Reader[int]:
    def read(node: Node) -> int:
        value = integer(node)
        if not least <= value <= most:
            raise BadNodeError(node, f"{value:#x} is not from {least:#x} to {most:#x}")
        return value

    return read


def _options(fields: Fields, tools: Fact[str]) -> tuple[str, ...]:
    """Read the words of the command, which must mean something to that version of kexec."""
    words: list[str] = []
    places: list[Node] = []
    for node, found in fields.list_of("kexec_options", _words):
        words += found
        places += [node] * len(found)
    try:
        check_options(words, stated_version(tools))
    except BadOptionError as error:
        node, word = places[error.position], words[error.position]
        hint = did_you_mean(word) if error.message.startswith("unrecognized") else ""
        fields.problem_at(node, f"{error.message}{hint}")
    return tuple(words)


def _words(node: Node) -> tuple[Node, list[str]]:
    """Read an item of the command, which is a word.

    Several options in one item are split at their blanks, as a shell does: to kexec such a word
    would never mean anything.
    """
    written = nonempty_line(node)
    if not written.startswith("-") or not any(map(str.isspace, written.partition("=")[0])):
        return node, [written]
    try:
        return node, shlex.split(written)
    except ValueError as error:
        raise BadNodeError(node, f"{quoted(written)}: {str(error).lower()}") from error


def _purgatory(fields: Fields, key: str) -> Fact[int]:
    purgatory = fields.nested(key, ("size",))
    if purgatory is None:
        return NOT_GIVEN
    return purgatory.fact("size", _from_to(1, _LARGEST_PURGATORY))


def _firmware_map(fields: Fields, name: str) -> FirmwareMap | None:
    if "firmware_map" not in fields:
        return None
    ranges = []
    for item in fields.each("firmware_map", _RANGE_KEYS, required=True):
        span = span_of(item)
        kind = item.need("type", nonempty_line)
        if span is not None and kind is not None:
            ranges.append(FirmwareRange(span, type_of(kind), item.where))
    return FirmwareMap(name, FirmwareMapKind.HOST, tuple(ranges))


def _crash_cma_ranges(fields: Fields, name: str) -> Fact[tuple[Span, ...]]:
    if "crash_cma_ranges" not in fields:
        return NOT_GIVEN
    spans = [span_of(item) for item in fields.each("crash_cma_ranges", SPAN_KEYS)]
    found = tuple(span for span in spans if span is not None)
    return Known(found, f"{name}: crash_cma_ranges")


def _crash_kernel(fields: Fields) -> Span | None:
    reservation = fields.nested("crash_kernel", SPAN_KEYS)
    return None if reservation is None else span_of(reservation)
