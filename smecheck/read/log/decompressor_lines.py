"""What a decompressor writes on an early console, before there is a kernel with a log of its own.

arch/x86/boot/compressed/misc.c, extract_kernel(), with ``earlyprintk`` on the command line.
"""

from __future__ import annotations

from smecheck.evidence import Known
from smecheck.machine.kernel_log import Decompressor, LogLine
from smecheck.read.lines.known_lines import About, KnownLine
from smecheck.read.lines.messages import Message
from smecheck.record import replace

NUMBER = KnownLine(
    About.OTHER,
    ("input_data:", "input_len:", "output:", "output_len:", "kernel_total_size:", "needed_size:"),
    r"(?:input_data|input_len|output|output_len|kernel_total_size|needed_size):(?: 0x|$)",
    r"([a-z0-9_]{1,20}): (0x[0-9a-f]{1,16})",
)
KASLR = KnownLine(
    About.OTHER,
    ("KASLR disabled",),
    r"(?:Physical |Virtual )?KASLR disabled: ",
    r"((?:Physical |Virtual )?KASLR disabled: .{1,80})",
)
STEP = KnownLine(
    About.OTHER,
    ("Decompressing Linux", "Booting the kernel"),
    r"Decompressing Linux\.\.\.|Booting the kernel",
    r"(?:Decompressing Linux\.\.\.|Booting the kernel).*",
)
LINES = (NUMBER, KASLR, STEP)
_FIELDS = ("output", "kernel_total_size")
_KASLR_LIMIT = 8


def feed(draft: Decompressor | None, message: Message, where: str) -> Decompressor | None:
    """Take a line of a decompressor in; return the draft with it."""
    line, match = message.line, message.match
    if match is None:
        return draft
    if message.kind is NUMBER:
        # With its first line, one more decompressor has begun. Descriptions have an output_len too.
        if match[1] == "input_data" or (draft is None and match[1] == "output"):
            draft = Decompressor(line)
        if draft is not None and match[1] in _FIELDS:
            fact = Known(int(match[2], 16), f"{where}: {match[1]}")
            draft = replace(draft, **{match[1]: fact})
        return draft
    draft = draft or Decompressor(line)
    if message.kind is KASLR and len(draft.kaslr) < _KASLR_LIMIT:
        draft = replace(draft, kaslr=(*draft.kaslr, LogLine(match[1].strip(), where)))
    return draft
