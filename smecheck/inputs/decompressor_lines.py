"""What a decompressor writes on an early console, before there is a kernel with a log of its own.

arch/x86/boot/compressed/misc.c, extract_kernel(), with ``earlyprintk`` on the command line.
"""

from __future__ import annotations

import re

from smecheck.evidence import Known
from smecheck.model.kernel_log import Decompressor, LogLine
from smecheck.record import replace

_NUMBER = re.compile(
    r"^[\s>]*(input_data|input_len|output|output_len|kernel_total_size|needed_size"
    r"|trampoline_32bit): (0x[0-9a-f]{1,16})\s*$"
)
_KASLR = re.compile(r"(?:^|[\s>])((?:Physical |Virtual )?KASLR disabled: .{1,80})$")
_STEP = re.compile(r"(?:^|[\s>])(?:Decompressing Linux\.\.\.|Booting the kernel)")
_FIELDS = ("output", "output_len", "kernel_total_size", "needed_size")
_KASLR_LIMIT = 8


def feed(draft: Decompressor | None, line: int, text: str, name: str) -> Decompressor | None:
    """Take a line in; return the draft with it, or the same draft if the line is another's."""
    where = f"{name}:{line}"
    if match := _NUMBER.match(text):
        # With its first line, one more decompressor has begun. Descriptions have an output_len too.
        if match[1] == "input_data" or (draft is None and match[1] == "output"):
            draft = Decompressor(line)
        if draft is not None and match[1] in _FIELDS:
            fact = Known(int(match[2], 16), f"{where}: {match[1]}")
            draft = replace(draft, **{match[1]: fact})
        return draft
    if match := _KASLR.search(text):
        draft = draft or Decompressor(line)
        if len(draft.kaslr) < _KASLR_LIMIT:
            draft = replace(draft, kaslr=(*draft.kaslr, LogLine(match[1].strip(), where)))
        return draft
    if _STEP.search(text):
        return draft or Decompressor(line)
    return draft
