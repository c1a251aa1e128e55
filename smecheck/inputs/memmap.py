"""Reading the firmware's memory map: the listing of /sys/firmware/memmap, or a log's e820 lines."""

from __future__ import annotations

import os
import re
from pathlib import Path

from smecheck.errors import UnreadableInput, WrongKind
from smecheck.inputs.dmesg import RELEVANT, description_of
from smecheck.inputs.dmesg_boot import BootReader
from smecheck.inputs.log_lines import MESSAGE_LIMIT, line_text, log_lines
from smecheck.inputs.source import STDIN, display_name
from smecheck.inputs.sysfs_memmap import COPY_AGAIN, ENTRIES_LIMIT, ListingReader
from smecheck.model.firmware import FirmwareMap, FirmwareMapKind
from smecheck.record import replace

_LISTED = re.compile(rb"0x[0-9a-fA-F]|/(?:start|end|type)\b")
_SAMPLE_SIZE = 16 << 10
_FILES = ("start", "end", "type")
_FILE_LIMIT = 4096


def read_memmap(path: str) -> FirmwareMap:
    """Read a firmware map.

    Args:
        path: a listing, a kernel log, ``-`` for standard input, boot_params, or
            /sys/firmware/memmap itself.

    Raises:
        UnreadableInput: it cannot be read.
        WrongKind: there is no firmware map in it.
        MalformedInput: an entry is broken.
    """
    name = display_name(path)
    listing, log = ListingReader(name), BootReader(name)
    is_folder = path != STDIN and os.path.isdir(path)  # noqa: PTH112 - a str is what users give
    if is_folder:
        _feed_folder(listing, path)
    else:
        sample = _feed_file(listing, log, path)
    if listing.is_seen:
        ranges = listing.ranges()
        if os.path.isdir(path):  # noqa: PTH112 - see above
            ranges = tuple(
                replace(entry, where=f"{path}/{number}") for number, entry in enumerate(ranges)
            )
        return FirmwareMap(name, FirmwareMapKind.SYSFS, ranges)
    found = log.finish()
    if found is None and not is_folder and path != STDIN and len(sample) < _SAMPLE_SIZE:
        table = _boot_params_table(path)
        if table is not None:
            return table
    if found is None or found.boot.firmware_map is None:
        raise _no_map(name, sample)
    return replace(found.boot.firmware_map, remarks=found.remarks)


def _feed_file(listing: ListingReader, log: BootReader, path: str) -> bytes:
    """Let both readers have the lines of a file; return its beginning."""
    sample = b""
    for number, line in log_lines(path):
        if len(sample) < _SAMPLE_SIZE:
            sample += line + b"\n"
        if listing.wants_next or _LISTED.search(line):
            listing.feed(number, line_text(line[:MESSAGE_LIMIT]))
        if log.wants_next or RELEVANT.search(line):
            log.feed(number, line_text(line[:MESSAGE_LIMIT]))
    return sample


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
        reason = (error.strerror or str(error)).lower()
        raise UnreadableInput(reason, where=path, help_text=COPY_AGAIN) from error
    if not rows:
        raise UnreadableInput(
            "is a directory, and not that of a firmware map",
            where=path,
            help_text="name a file, or /sys/firmware/memmap",
        )
    for number, row in enumerate(rows, 1):
        listing.feed(number, row)


def _first_line(path: Path) -> str:
    with path.open("rb") as stream:
        return stream.readline(_FILE_LIMIT).decode("utf-8", "replace").strip()


def _boot_params_table(path: str) -> FirmwareMap | None:
    """Return the e820 table of boot_params, if the file is a copy of that."""
    from smecheck.inputs.boot_params import E820_ENTRIES, read_boot_params

    try:
        table = read_boot_params(path).e820
    except WrongKind:
        return None
    full = len(table.ranges) == E820_ENTRIES
    return replace(
        table,
        remarks=(f"{table.source}: its table is full, the rest is in setup_data",) if full else (),
    )


def _no_map(name: str, sample: bytes) -> WrongKind:
    known = description_of(sample)
    what = f"is {known}, and holds no firmware map" if known else "holds no firmware map"
    return WrongKind(
        f"{what}: neither the listing of /sys/firmware/memmap nor e820 lines of a kernel log",
        where=name,
        help_text="grep . /sys/firmware/memmap/*/* > memmap.txt, or give sudo dmesg",
    )
