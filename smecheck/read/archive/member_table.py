"""What is wanted of one source, member by member, and what of it was found so far."""

from __future__ import annotations

from smecheck.read.archive.member_patterns import BY_NAME, COMPILED, PATTERNS, SOME, MemberKind
from smecheck.read.archive.tar_members import Interest
from smecheck.record import record

TOPS = frozenset({"boot", "etc", "proc", "sos_commands", "sys", "var"})
"""Folders in the root in which something may be wanted."""
_LAST_TOP = max(TOPS)
_DEEPEST_ROOT = 2
"""Folders above the root of a machine's files: of the report, and ``host`` of a container's."""
_SNIFFED_LIMIT = 500
_SNIFFED_DEPTH = 3


@record
class Place:
    """What a member is read as, and its path in the root of the machine's files."""

    kind: MemberKind
    name: str


class MemberTable:
    """What is wanted of one source, and what of it was found so far."""

    def __init__(self) -> None:
        self.root: str | None = None
        """What stands before the paths in the root: ``sosreport-host/``; unknown at first."""
        self.others: list[str] = []
        """Further roots: the files of other machines."""
        self._counts: dict[str, int] = {}
        self._found: dict[str, Place] = {}
        self._order = _Order()

    @property
    def patterns(self) -> tuple[str, ...]:
        """The paths that are read."""
        return tuple(pattern.path for pattern in PATTERNS)

    def interest(self, name: str) -> Interest:
        """Say what to do with the member of an archive of that name."""
        if self.root is not None and not name.startswith(self.root):
            self._other_root(name)
            return Interest.SKIP
        is_past = self.root is not None and self._order.is_past(name[len(self.root) :])
        place = self.place_of(name)
        if place is not None:
            self._found[name] = place
            return Interest.TRY if place.kind is MemberKind.UNKNOWN else Interest.READ
        return Interest.STOP if is_past else Interest.SKIP

    def place_of(self, name: str) -> Place | None:
        """Say what a member is; ``None`` where it is not wanted, or there are enough of its kind.

        To be asked once for each member.
        """
        at = 0 if self.root is None else len(self.root)
        for _ in range(_DEEPEST_ROOT + 1):
            if SOME.fullmatch(name, at):
                return self._matched(name, at)
            at = name.find("/", at) + 1
            if not at or self.root is not None:
                break
        base = name.rpartition("/")[2]
        if base in BY_NAME:
            return self._counted(Place(BY_NAME[base], name), base, 8)
        if self.root is None and name.count("/") < _SNIFFED_DEPTH:
            return self._counted(Place(MemberKind.UNKNOWN, name), "", _SNIFFED_LIMIT)
        return None

    def place_found(self, name: str) -> Place | None:
        """Say what a member is that was found by its pattern, or that an archive gave."""
        return self._found.pop(name, None) or self.place_of(name)

    def _matched(self, name: str, at: int) -> Place | None:
        if self.root is None:
            self.root = name[:at]
        path = name[at:]
        pattern = next(pattern for pattern, regex in COMPILED if regex.fullmatch(path))
        return self._counted(Place(pattern.kind, path), pattern.path, pattern.most)

    def _counted(self, place: Place, pattern: str, most: int) -> Place | None:
        self._counts[pattern] = self._counts.get(pattern, 0) + 1
        return place if self._counts[pattern] <= most else None

    def _other_root(self, name: str) -> None:
        for _ in range(_DEEPEST_ROOT):
            root, _, path = name.partition("/")
            if SOME.fullmatch(path) and root not in self.others and len(self.others) < 3:
                self.others.append(root)
            name = path


class _Order:
    """Whether anything wanted can still come, by the order in which members come.

    Whatever writes an archive of a tree writes each folder's files together, most of them in order
    of their names as well.
    """

    def __init__(self) -> None:
        self._left: set[str] = set()
        self._top = ""
        self._is_sorted = True

    def is_past(self, path: str) -> bool:
        """Return whether all folders have gone by in which something may be wanted."""
        top = path.partition("/")[0]
        if top == self._top:
            return False
        self._is_sorted = self._is_sorted and top > self._top
        self._left.add(self._top)
        self._top = top
        if top in TOPS:
            return False
        return self._left >= TOPS or (self._is_sorted and top > _LAST_TOP and len(self._left) > 2)
