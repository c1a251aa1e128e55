"""All that sources say of a machine and its crash kernel, member by member, each read once."""

from __future__ import annotations

import io
from collections.abc import Iterable

from smecheck.errors import InputError, UnreadableInput, WrongKind
from smecheck.read.archive.forward import Watcher
from smecheck.read.archive.member_by_content import is_archive, kinds_by_content
from smecheck.read.archive.member_patterns import MemberKind
from smecheck.read.archive.member_readers import TEXT_LIMIT, MemberReaders
from smecheck.read.archive.member_table import MemberTable, Place
from smecheck.read.archive.members import Member, Remarks, members_of
from smecheck.read.archive.opened_member import Opened
from smecheck.read.lines.mail import decode_mail, encoding_of_mail
from smecheck.read.source import HEAD_SIZE, STDIN, display_name
from smecheck.support_case.triage_report import Evidence

_WHAT = "give a sosreport, a supportconfig, a folder with their files, kernel logs, or / itself"


def read_evidence(paths: Iterable[str], watch: Watcher = lambda _: None) -> Evidence:
    """Read the sources; ``-`` is standard input, ``/`` the running system.

    Raises:
        UnreadableInput: a source cannot be read.
        WrongKind: nothing in them is known.
    """
    reader = _EvidenceReader(watch)
    sources = []
    for path in paths:
        reader.read(path)
        sources.append(display_name(path))
    return reader.finish(tuple(sources))


class _EvidenceReader:
    def __init__(self, watch: Watcher) -> None:
        self._watch = watch
        self._remarks = Remarks()
        self._readers = MemberReaders(self._remarks.add)
        self._archives: list[str] = []
        """Archives in an archive, which are not read."""

    def read(self, path: str) -> None:
        table = MemberTable()
        count = self._readers.count
        is_system = path != STDIN and path.rstrip("/") == ""
        if is_system:
            self._readers.read_ring_buffer()
        for member in members_of(path, table, self._remarks, self._watch):
            place = self._place(member, table, is_single=member.name == display_name(path))
            if place is not None:
                self._take(member, place)
        if table.others:
            others = ", ".join(table.others)
            self._remarks.add(f"{display_name(path)} holds files of other machines: {others}")
        if self._readers.count == count:
            raise self._nothing(display_name(path))

    def _place(self, member: Member, table: MemberTable, *, is_single: bool) -> Place | None:
        if is_single:
            base = member.name.rpartition("/")[2]
            known = MemberTable().place_of(base)
            kind = known.kind if known is not None else MemberKind.UNKNOWN
            is_flat = kind in (MemberKind.SECTIONS, MemberKind.VERSION)
            return Place(MemberKind.UNKNOWN if is_flat else kind, member.name)
        return table.place_found(member.name)

    def _take(self, member: Member, place: Place) -> None:
        head = _read(member, HEAD_SIZE)
        opened = Opened(place.name, head, member.content, member.path)
        if place.kind is not MemberKind.UNKNOWN:
            is_empty = not head.strip(b"\0 \t\r\n")
            if not is_empty and not self._readers.is_of_another_kernel(place.name):
                self._readers.read(place.kind, opened)
            return
        base = place.name.rpartition("/")[2]
        if is_archive(head, base):
            self._archives.append(place.name)
            return
        if encoding_of_mail(head) is not None:
            head = decode_mail(opened.data(TEXT_LIMIT))
            opened = Opened(place.name, head, io.BytesIO(), None)
            self._remarks.add(f"{place.name} is a mail: line numbers are those of its text")
        kinds = kinds_by_content(head, base)
        if len(kinds) > 1:
            # Each reads all of it: a text that somebody put together is short.
            data = opened.data(TEXT_LIMIT)
            for kind in kinds:
                self._readers.read(kind, Opened(place.name, data, io.BytesIO(), None))
        elif kinds:
            self._readers.read(kinds[0], opened)

    def _nothing(self, name: str) -> InputError:
        if self._archives:
            several = ", ".join(self._archives[:3])
            return WrongKind(
                f"is an archive of archives: {several}", where=name, help_text="give one of them"
            )
        if self._remarks.all:
            return UnreadableInput(
                f"nothing in it could be read: {self._remarks.all[-1]}",
                where=name,
                help_text=_WHAT,
            )
        return WrongKind("holds nothing that smecheck recognizes", where=name, help_text=_WHAT)

    def finish(self, sources: tuple[str, ...]) -> Evidence:
        return self._readers.evidence(sources, tuple(self._remarks.all))


def _read(member: Member, size: int) -> bytes:
    pieces, left = [], size
    while left and (piece := member.content.read(left)):
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)
