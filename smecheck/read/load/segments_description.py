"""Reading the segments of a kexec load from their description, ``smecheck/segments-v1``."""

from __future__ import annotations

from smecheck.evidence import Fact, Known
from smecheck.kernel.constants import PAGE_SIZE
from smecheck.load.segments import Loader, Mode, Segment, SegmentList, SegmentOrigin, SegmentRole
from smecheck.read.load.recorded_load import SEGMENTS_LIMIT
from smecheck.read.yaml.fields import Fields, open_description
from smecheck.read.yaml.nodes import integer, member, one_line
from smecheck.read.yaml.spans import size_of
from smecheck.span import Span, align_up

SCHEMA = "smecheck/segments-v1"

_KEYS = ("loader", "mode", "cmdline", "segments")
_SEGMENT_KEYS = ("name", "start", "size", "end")
_ONE_OF_EACH = (
    *(SegmentRole.INITRD, SegmentRole.BOOT_PARAMS, SegmentRole.CMDLINE, SegmentRole.PURGATORY),
    *(SegmentRole.ELFCOREHDR, SegmentRole.BACKUP),
)
"""What kexec -l and -p load once, and a boot loader as well; a vmlinux has several LOADs."""
_OF_CRASH = (SegmentRole.ELFCOREHDR, SegmentRole.BACKUP)
"""What only kexec -p loads: kexec/arch/i386/crashdump-x86.c, arch/x86/kernel/crash.c."""


def read_segments_description(text: str, name: str) -> SegmentList:
    """Read the description ``text``, the contents of the file ``name``.

    Raises:
        MalformedInput: it is not YAML, or not such a description.
    """
    fields = open_description(text, name, SCHEMA, _KEYS)
    listed = _segments(fields)
    segments = SegmentList(
        source=name,
        segments=listed,
        loader=fields.fact("loader", member(Loader)),
        mode=_mode(fields, listed),
        cmdline=fields.fact("cmdline", one_line),
    )
    fields.finish()
    return segments


def _mode(fields: Fields, listed: tuple[Segment, ...]) -> Fact[Mode]:
    """Return the mode that the description states, or that its segments show."""
    stated = fields.fact("mode", member(Mode))
    of_crash = next((segment for segment in listed if segment.role in _OF_CRASH), None)
    if of_crash is None or (isinstance(stated, Known) and stated.value.is_crash):
        return stated
    shown = f"{of_crash.role.value} ({of_crash.where}), which only kexec -p loads"
    if isinstance(stated, Known):
        fields.problem("mode", f"{stated.value.value} contradicts the segment {shown}")
    return Known(Mode.CRASH, shown)


def _segments(fields: Fields) -> tuple[Segment, ...]:
    given = fields.each("segments", _SEGMENT_KEYS, required=True)
    if len(given) > SEGMENTS_LIMIT:
        fields.problem("segments", f"more than {SEGMENTS_LIMIT} segments; kexec takes 16")
    is_of_kexec = "loader" in fields or "mode" in fields
    read = [_segment(item, is_of_kexec=is_of_kexec) for item in given[:SEGMENTS_LIMIT]]
    first: dict[SegmentRole, Segment] = {}
    for item, segment in zip(given, read, strict=False):
        if segment is None or segment.role not in _ONE_OF_EACH:
            continue
        before = first.setdefault(segment.role, segment)
        if before is not segment:
            text = f"{segment.role.value} is given at {before.where} already: a load has one"
            item.problem("name", text)
    segments = [segment for segment in read if segment is not None]
    return tuple(sorted(segments, key=lambda segment: segment.span))


def _segment(item: Fields, *, is_of_kexec: bool) -> Segment | None:
    role = item.need("name", member(SegmentRole))
    start = item.need("start", integer)
    if is_of_kexec and start is not None and start % PAGE_SIZE:
        # kernel/kexec_core.c, sanity_check_segment_list().
        text = f"{start:#x} is not the beginning of a page, as that of every segment of kexec is"
        item.problem("start", f"{text} (hexadecimal numbers begin with 0x)")
    if role is not SegmentRole.KERNEL and start is not None and not _is_sized(item):
        return None if role is None else _first_page(start, role, item.where)
    # What is loaded as the kernel must be this kernel: its size shows that.
    size = size_of(item, start)
    if role is None or start is None or size is None:
        return None
    # Whole pages are kept: kexec-tools and the kernel both round a segment's memsz up to them.
    span = Span(start, align_up(start + size, PAGE_SIZE))
    return Segment(role, span, size, SegmentOrigin.DESCRIPTION, item.where)


def _is_sized(item: Fields) -> bool:
    return "size" in item or "end" in item


def _first_page(start: int, role: SegmentRole, where: str) -> Segment:
    """Return the segment of which only the address is known."""
    span = Span(start, align_up(start + 1, PAGE_SIZE))
    return Segment(role, span, None, SegmentOrigin.DESCRIPTION, where, size_is_known=False)
