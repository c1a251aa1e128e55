"""How kexec-tools says that it loads nothing: the lines of its releases 2.0.18 to 2.0.32.

``Cannot get kernel … symbol address`` and other complaints after which it goes on are none.
"""

from __future__ import annotations

from smecheck.read.lines.known_lines import About, KnownLine, Trait

REFUSED_CALL = "kexec_load failed:"
"""The one refusal that can stand after a list of segments."""

_OF_OPTIONS = (
    r"(?:[^\s:]{0,200}kexec: )?"
    r"(?:unrecognized option|invalid option --|option .{1,200} (?:requires an|doesn't allow an)"
    r" argument|option .{1,200} is ambiguous)"
    r"|Bad option value in |No kernel specified"
)
_OF_FILES = (
    r"Cannot open `|Cannot open /proc/iomem|Cannot stat: |Cannot read \S+(?=\s*\Z)"
    r"|Cannot read /proc/|Read on \S+ (?:failed|ended)|Can not seek |Failed to decompress file "
    r"|Cannot determine the file type of |Wrong file type |Unsupported kernel type "
    r"|Can't use bzImage for crash dump|BzImage is not relocatable|BzImage truncated"
)
_OF_PLACES = (
    r"Could not get memory layout|Could not find a free area of memory |locate_hole failed"
    r"|Invalid memory segment |Overlapping memory segments|Base address: .{1,40} is not page"
    r"|Could not put setup code above |kern16_size_needed is more"
    r"|Kernel command line too long for kernel|Command line overflow|Too small mem_max"
    r"|Memory for crashkernel is not reserved|No crash kernel segment found"
    r"|Error: Number of crash memory ranges|Cannot determine kernel physical load addr"
    r"|Path \S+ does not exist, the kernel needs "
)
_OF_CALLS = (
    rf"{REFUSED_CALL} |kexec_file_load failed: |syscall kexec_file_load not available"
    r"|Cannot load "
)
_BEGINS = f"{_OF_CALLS}|{_OF_FILES}|{_OF_PLACES}|{_OF_OPTIONS}"
REFUSAL = KnownLine(
    About.OTHER,
    (
        "failed",
        "not available",
        "Cannot ",
        "Could not ",
        "Can not seek",
        "Can't use bzImage",
        "Read on ",
        "Invalid memory",
        "crashkernel is not",
        "No crash kernel segment",
        "Overlapping memory",
        "ommand line ",
        "Too small mem_max",
        "crash memory ranges",
        "is not page",
        "kern16_size_needed",
        "the kernel needs",
        "file type ",
        "BzImage ",
        "Unsupported kernel type",
        "Failed to decompress",
        "option ",
        "No kernel specified",
    ),
    _BEGINS,
    rf"((?:{_BEGINS}).*)",
    Trait.FREE,
)
