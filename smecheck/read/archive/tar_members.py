"""The members of a tar archive, one after the other, as the archive goes by.

The standard library's reader keeps every member and takes 76 µs for each; a report has 50,000 of
them, a hostile archive ten million. This one keeps none, and knows no more than it takes to pass
over a member or to read its content: nothing is ever written or linked, so paths that lead out of
the archive lead nowhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import Enum

from smecheck.read.archive.forward import Forward
from smecheck.read.archive.tar_header import (
    BLOCK,
    Damaged,
    is_header,
    name_of,
    number,
    pax_records,
    pax_size,
    text_of,
)
from smecheck.read.kernel.packed import NotUnpacked
from smecheck.record import record

MEMBERS_LIMIT = 1_000_000
"""Members that are passed over; the largest reports have a few hundred thousand."""

_ZEROS = bytes(BLOCK)
_LONG_LIMIT = 1 << 20
"""Bytes of a long name or a pax header; paths have 4096 at most (PATH_MAX)."""

_CONTENT = (b"0", b"\0", b"7", b"S")
"""Types of what is a file."""
_SAID = {
    b"1": "is a hard link",
    b"2": "is a link",
    b"3": "is a device",
    b"4": "is a device",
    b"6": "is a FIFO",
}
"""What a member is whose size says nothing of what follows it."""
_DIRECTORY = b"5"
_LONG_NAME, _LONG_LINK = b"L", b"K"
_PAX, _PAX_OF_SUN, _PAX_OF_ALL = b"x", b"X", b"g"
_SPARSE = b"S"
_SPARSE_CONTINUES = 482  # struct oldgnu_header, isextended
_FURTHER_CONTINUES = 504  # struct sparse_header, isextended


class Interest(Enum):
    """What is to be done with a member, going by its name."""

    SKIP = "skip"
    READ = "read"
    TRY = "try"
    """To be read for what it may be, which its name does not say: no loss where it cannot be."""
    STOP = "stop"
    """Nothing is wanted any more, of this archive."""


class Content:
    """What a member holds, to be read in order before the next member is asked for."""

    def __init__(self, forward: Forward, size: int) -> None:
        self.left = size
        self.problem: str | None = None
        """Why it is not all there, as a clause."""
        self._forward = forward

    def read(self, size: int) -> bytes:
        """Return the next bytes, ``size`` of them where there are as many."""
        wanted = min(size, self.left)
        try:
            data = self._forward.take(wanted)
        except NotUnpacked as problem:
            data, self.problem = b"", problem.reason
        self.left -= len(data)
        if len(data) < wanted:
            self.problem = self.problem or "it ends there"
            self.left = 0
        return data


@record
class Entry:
    """A file in an archive."""

    name: str
    """Its path, without what leads to the root."""
    content: Content


@record
class _Header:
    name: bytes
    size: int
    type: bytes
    link: bytes
    is_sparse: bool


class TarMembers:
    """The files of an archive that are wanted, in its order."""

    def __init__(
        self,
        forward: Forward,
        interest: Callable[[str], Interest],
        remark: Callable[[str, str], None],
    ) -> None:
        """Begin at the start of an archive.

        Args:
            forward: the archive, unpacked.
            interest: is asked for the name of each file what to do with it.
            remark: is given members that are wanted and cannot be read: name and reason.
        """
        self.count = 0
        """Members that went by, of any kind."""
        self.end = ""
        """Why the archive was not followed to its end, as a clause; empty where it was."""
        self._forward = forward
        self._interest = interest
        self._remark = remark

    def __iter__(self) -> Iterator[Entry]:
        """Yield the files that are wanted."""
        try:
            yield from self._entries()
        except NotUnpacked as problem:
            self.end = f"it is cut off or damaged past member {self.count}: {problem.reason}"
        except Damaged as problem:
            self.end = str(problem)

    def _entries(self) -> Iterator[Entry]:
        forward = self._forward
        while (header := self._next()) is not None:
            if header.type == _DIRECTORY:
                continue
            name = _shown(header.name)
            interest = Interest.SKIP if _leads_out(name) else self._interest(name)
            if interest is Interest.STOP:
                return
            is_wanted = interest in (Interest.READ, Interest.TRY)
            if header.type in _SAID:
                if interest is Interest.READ:
                    target = f" to {_text(header.link)}" if header.link else ""
                    self._remark(name, f"{_SAID[header.type]}{target}, and not followed")
                continue
            left = (header.size + BLOCK - 1) & -BLOCK
            content = None
            if is_wanted and header.is_sparse:
                self._remark(name, "is stored as a sparse file, and not read")
            elif is_wanted and header.type in _CONTENT:
                content = Content(forward, header.size)
                yield Entry(name, content)
                left -= header.size - content.left
            place = f"it is cut off in member {self.count}, {name}"
            if content is not None and content.problem is not None:
                raise Damaged(f"{place}: {content.problem}")
            if forward.skip(left) < left:
                raise Damaged(place)

    def _next(self) -> _Header | None:
        """Return the header of the next member, with what the headers before it say of it."""
        long_name = long_link = None
        size: int | None = None
        sparse = False
        while True:
            block = self._forward.take(BLOCK)
            if len(block) < BLOCK:
                if self.count == 0 or block.strip(b"\0"):
                    raise Damaged(f"it is cut off past member {self.count}")
                # Whoever cuts at a member's end cuts what marks the archive's end as well.
                self.end = f"it has no end mark past member {self.count}: it may be cut off"
                return None
            if block == _ZEROS:
                return None
            self.count += 1
            if self.count > MEMBERS_LIMIT:
                raise Damaged(f"it has more than {MEMBERS_LIMIT:,} members: the rest is not read")
            if not is_header(block):
                raise Damaged(f"it is damaged past member {self.count - 1}")
            kind, own_size = block[156:157], number(block[124:136])
            if kind == _LONG_NAME:
                long_name = self._long(own_size).split(b"\0", 1)[0]
            elif kind == _LONG_LINK:
                long_link = self._long(own_size).split(b"\0", 1)[0]
            elif kind in (_PAX, _PAX_OF_SUN):
                said = pax_records(self._long(own_size))
                long_name = said.get(b"GNU.sparse.name", said.get(b"path", long_name))
                long_link = said.get(b"linkpath", long_link)
                sparse = any(key.startswith(b"GNU.sparse.") for key in said)
                size = pax_size(said.get(b"size"))
            elif kind == _PAX_OF_ALL:
                self._long(own_size)
            else:
                if kind == _SPARSE:
                    self._pass_sparse_map(block)
                name = long_name if long_name is not None else name_of(block)
                link = long_link if long_link is not None else text_of(block[157:257])
                actual = own_size if size is None else size
                return _Header(name, actual, kind, link, sparse or kind == _SPARSE)

    def _long(self, size: int) -> bytes:
        """Return the content of a header that is about the next one."""
        if size > _LONG_LIMIT:
            raise Damaged(f"the header past member {self.count} has {size} bytes: no path has")
        padded = (size + BLOCK - 1) & -BLOCK
        data = self._forward.take(padded)
        if len(data) < padded:
            raise Damaged(f"it is cut off past member {self.count}")
        return data[:size]

    def _pass_sparse_map(self, block: bytes) -> None:
        continues = block[_SPARSE_CONTINUES]
        for _ in range(_LONG_LIMIT // BLOCK):
            if not continues:
                return
            further = self._forward.take(BLOCK)
            if len(further) < BLOCK:
                raise Damaged(f"it is cut off past member {self.count}")
            continues = further[_FURTHER_CONTINUES]
        raise Damaged(f"the sparse file of member {self.count} has no end of holes")


def _shown(name: bytes) -> str:
    return _text(name).lstrip("/").removeprefix("./").lstrip("/")


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


def _leads_out(name: str) -> bool:
    return ".." in name and ".." in name.split("/")
