"""What no slot may overlap: the decompressor itself, and what was loaded with the kernel.

Source: mem_avoid_init() and mem_avoid_overlap(), arch/x86/boot/compressed/kaslr.c.
"""

from __future__ import annotations

from smecheck.boot.early_boot import EarlyBoot
from smecheck.boot.kaslr.early_options import EarlyOptions
from smecheck.boot.kaslr.slots import KaslrRules
from smecheck.evidence import Known
from smecheck.kernel.constants import PAGE_SIZE
from smecheck.record import record
from smecheck.span import Span

_HIGHEST = 1 << 64


@record
class Avoided:
    """One range that the kernel is not put over. One of no length still cuts a region in two."""

    name: str
    span: Span


def avoided_ranges(
    decompressor: Span, boot: EarlyBoot, text: str, options: EarlyOptions, rules: KaslrRules
) -> tuple[Avoided, ...]:
    """Return what is avoided, the lowest first. What is not known is left out.

    Args:
        decompressor: from the compressed payload to the end of the buffer; empty where it is not
            known.
        boot: what else lies in memory.
        text: the command line as the decompressor sees it.
        options: what that says.
        rules: of this kernel.
    """
    found = [Avoided("decompressor", decompressor)] if decompressor else []
    if isinstance(boot.initrd, Known) and boot.initrd.value is not None:
        found.append(Avoided("initrd", boot.initrd.value))
    if isinstance(boot.cmdline_address, Known) and boot.cmdline_address.value:
        found.append(Avoided("cmdline", Span.sized(boot.cmdline_address.value, len(text) + 1)))
    if isinstance(boot.boot_params_address, Known):
        span = Span.sized(boot.boot_params_address.value, PAGE_SIZE)
        found.append(Avoided("boot_params", span))
    found += [Avoided("memmap=", span) for span in options.excluded]
    for node in boot.setup_data.value if isinstance(boot.setup_data, Known) else ():
        found.append(Avoided("setup_data", node.span))
        if node.target is not None and rules.avoids_indirect:
            found.append(Avoided("setup_data target", node.target))
    # An end past 2**64 wraps around in mem_overlaps(), and such a range then meets nothing.
    meeting = [item for item in found if item.span.end < _HIGHEST]
    return tuple(sorted(meeting, key=lambda item: item.span))
