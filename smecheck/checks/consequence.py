"""What it means that a segment is lost: the same words, whatever takes it."""

from __future__ import annotations

from smecheck.load.segments import SegmentRole

_CONSEQUENCE = {
    SegmentRole.BOOT_PARAMS: "the kernel loses boot_params and its command line and dies silently",
    SegmentRole.CMDLINE: "the kernel loses its command line",
    SegmentRole.INITRD: "the initrd is destroyed: no root file system",
    SegmentRole.ELFCOREHDR: "the crash kernel cannot describe the memory it should save",
    SegmentRole.BACKUP: "the saved low memory is lost to the vmcore",
}


def consequence_of(role: SegmentRole) -> str:
    """Say what becomes of a kernel that finds a segment of that role overwritten."""
    return _CONSEQUENCE.get(role, "its content is lost")
