"""Reading the firmware's memory map: the listing of /sys/firmware/memmap, or a log's e820 lines."""

from __future__ import annotations

from pathlib import Path

from smecheck.errors import UnreadableInput, WrongKind, system_reason
from smecheck.machine.firmware import FirmwareMap, FirmwareMapKind
from smecheck.read.kinds import kind_of_sample
from smecheck.read.lines.known_lines import KnownLines
from smecheck.read.lines.log_lines import opened
from smecheck.read.lines.messages import log_messages, messages
from smecheck.read.log import dmesg_boot
from smecheck.read.log.dmesg_boot import BootReader
from smecheck.read.machine import sysfs_memmap
from smecheck.read.machine.sysfs_memmap import COPY_AGAIN, ENTRIES_LIMIT, ListingReader
from smecheck.read.source import HEAD_SIZE, STDIN, Source, display_name
from smecheck.record import replace

_KNOWN = KnownLines(sysfs_memmap.LINES, dmesg_boot.LINES)
_OF_LISTING = frozenset(sysfs_memmap.LINES)
_FILES = ("start", "end", "type")
_FILE_LIMIT = 4096


def read_memmap(source: Source) -> FirmwareMap:
    """Read a firmware map.

    Args:
        source: a listing, a kernel log, boot_params, or /sys/firmware/memmap itself.

    Raises:
        UnreadableInput: it cannot be read.
        WrongKind: there is no firmware map in it.
        MalformedInput: an entry is broken.
    """
    if isinstance(source, str) and source != STDIN and Path(source).is_dir():
        return _read_folder(source)
    name = display_name(source)
    listing, log = ListingReader(name), BootReader(name)
    head = _feed(listing, log, source)
    if listing.is_seen:
        return FirmwareMap(name, FirmwareMapKind.SYSFS, listing.ranges())
    found = log.finish()
    if found is None and source != STDIN and len(head) < HEAD_SIZE:
        table = _boot_params_table(source)
        if table is not None:
            return table
    if found is not None and found.boot.xen is not None:
        raise WrongKind(
            f"holds the memory map of a domain of Xen ({found.boot.xen.text}), which is not the "
            "firmware's",
            where=found.boot.xen.where,
            help_text="give the map of the machine: /sys/firmware/memmap, booted without Xen",
        )
    if found is None or found.boot.firmware_map is None:
        raise _no_map(name, head)
    return replace(found.boot.firmware_map, remarks=found.remarks)


def _feed(listing: ListingReader, log: BootReader, source: Source) -> bytes:
    """Let both readers have the messages of a text; return its beginning."""
    with opened(source) as text:
        for message in log_messages(text, _KNOWN, lambda: listing.wants_next or log.wants_next):
            if message.kind in _OF_LISTING or listing.wants_next:
                listing.feed(message)
            else:
                log.feed(message)
        return text.head


def _read_folder(path: str) -> FirmwareMap:
    listing = ListingReader(path)
    _feed_folder(listing, path)
    ranges = tuple(
        replace(entry, where=f"{path}/{number}") for number, entry in enumerate(listing.ranges())
    )
    return FirmwareMap(path, FirmwareMapKind.SYSFS, ranges)


def _feed_folder(listing: ListingReader, path: str) -> None:
    """Let the reader of listings have the files of a folder such as /sys/firmware/memmap."""
    folder = Path(path)
    try:
        entries = sorted(
            (entry for entry in folder.iterdir() if entry.name.isdecimal()),
            key=lambda entry: int(entry.name),
        )
        rows = [
            f"{entry.name}/{file}:{_first_line(entry / file)}"
            for entry in entries[: ENTRIES_LIMIT + 1]
            for file in _FILES
        ]
    except OSError as error:
        raise UnreadableInput(system_reason(error), where=path, help_text=COPY_AGAIN) from error
    if not rows:
        raise UnreadableInput(
            "is a directory, and not that of a firmware map",
            where=path,
            help_text="name a file, or /sys/firmware/memmap",
        )
    lines = enumerate(map(str.encode, rows), 1)
    for message in messages(lines, KnownLines(sysfs_memmap.LINES), name=path):
        listing.feed(message)


def _first_line(path: Path) -> str:
    with path.open("rb") as stream:
        return stream.readline(_FILE_LIMIT).decode("utf-8", "replace").strip()


def _boot_params_table(source: Source) -> FirmwareMap | None:
    """Return the e820 table of boot_params, if the file is a copy of that."""
    from smecheck.read.machine.boot_params import E820_ENTRIES, read_boot_params

    try:
        table = read_boot_params(source).e820
    except WrongKind:
        return None
    full = len(table.ranges) == E820_ENTRIES
    return replace(
        table,
        remarks=(f"{table.source}: its table is full, the rest is in setup_data",) if full else (),
    )


def _no_map(name: str, sample: bytes) -> WrongKind:
    known = kind_of_sample(sample)
    what = f"is {known.description}, and " if known is not None else ""
    return WrongKind(
        f"{what}holds no firmware map: neither the listing of /sys/firmware/memmap nor "
        "e820 lines of a kernel log",
        where=name,
        help_text="grep . /sys/firmware/memmap/*/* > memmap.txt, or give sudo dmesg",
    )
