"""What a kernel calls itself: the "Linux version" banner, and the shorter one of a bzImage.

init/version.c, linux_banner: the release, who built it where, with which compiler and linker, and
UTS_VERSION: the number of the build, SMP and the kind of preemption, the date. What is in the setup
header of a bzImage (arch/x86/boot/version.c, kernel_version) leaves the compiler out.
"""

from __future__ import annotations

import re

from smecheck.evidence import Fact, Known
from smecheck.kernel.build_marks import COMPILER, PREEMPT_RT, SMP, UTS_VERSION, Marks
from smecheck.record import record

BANNER_TEXT = b"Linux version "
BANNER_REACH = 512
"""Bytes from a banner's start on that hold all of it: Debian's have some 240."""

_RELEASE = re.compile(rb"([0-9][!-~]{0,127})(?=[\s\0])")
_REST = re.compile(rb" \([^()]*\)(?: \((?P<compiler>[ -~]+)\))? (?P<version>#[0-9]+ [ -~]+)")
_COMPILER = re.compile(r"(.+), (?:GNU (?:ld|gold)|(?:\S+ )?LLD) .*")
"""Since v5.8 (scripts/mkcompile_h): the compiler as in CONFIG_CC_VERSION_TEXT, then the linker."""


@record
class Banner:
    """A banner, as far as it distinguishes one build from another."""

    release: str
    marks: Marks


def banner_at(data: bytes, at: int) -> Banner | None:
    """Read the banner whose release begins at ``at``; ``None`` if no release is there."""
    release = _RELEASE.match(data, at)
    if release is None:
        return None
    rest = _REST.match(data, release.end())
    marks: dict[str, str] = {}
    if rest is not None:
        version = rest["version"].decode("ascii").rstrip()
        words = version.split()
        marks[UTS_VERSION] = version
        marks[SMP] = _yes("SMP" in words)
        marks[PREEMPT_RT] = _yes("PREEMPT_RT" in words or "PREEMPT RT" in version)
        compiler = _COMPILER.fullmatch((rest["compiler"] or b"").decode("ascii"))
        if compiler is not None:
            marks[COMPILER] = compiler[1]
    return Banner(release[1].decode("ascii"), marks)


def release_of(banner: Fact[Banner]) -> Fact[str]:
    """Return the release that a banner begins with."""
    return Known(banner.value.release, banner.origin) if isinstance(banner, Known) else banner


def marks_of(banner: Fact[Banner]) -> Marks:
    """Return what else a banner says, where it is known."""
    return banner.value.marks if isinstance(banner, Known) else {}


def _yes(value: bool) -> str:
    return "yes" if value else "no"
