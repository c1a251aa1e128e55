"""The boot of a kernel that KASLR may move: where it is taken to run."""

from __future__ import annotations

from smecheck.boot.boot import Boot
from smecheck.boot.kaslr.slots import KaslrSweep
from smecheck.evidence import Known, Unknown
from smecheck.quantity import address_text, count_text
from smecheck.record import replace


def at_a_slot(boot: Boot, kaslr: KaslrSweep) -> Boot:
    """Return the boot with the kernel where KASLR may put it, or where it surely stays."""
    count = kaslr.slots.count
    if count == 0:
        return _staying(boot, kaslr)
    if kaslr.may_stay is not None:
        return boot
    colliding = kaslr.collisions.by_rule if kaslr.collisions is not None else ()
    example = colliding[0].lowest if colliding else kaslr.slots.lowest
    if example is None:
        return boot
    what = "a colliding one" if colliding else "the lowest"
    chosen = f"KASLR chooses {address_text(example)}, one of {count_text(count, 'position')}"
    positions = count_text(count, "possible KASLR position")
    return replace(
        boot,
        kernel_base=Known(example, f"{what} of {positions}"),
        base_is_certain=False,
        base_condition=chosen,
    )


def _staying(boot: Boot, kaslr: KaslrSweep) -> Boot:
    """Return the boot with the kernel where it is unpacked."""
    why = f"KASLR is on, but {kaslr.slots.reason}: the kernel stays where it is unpacked"
    if isinstance(boot.kernel_base, Known):
        base = Known(boot.kernel_base.value, f"{boot.kernel_base.origin}; {why}")
        return replace(boot, kernel_base=base, base_is_certain=True)
    if isinstance(kaslr.unmoved, Unknown):
        return replace(boot, kernel_base=Unknown(f"{why}; {kaslr.unmoved.reason}"))
    base = Known(kaslr.unmoved.value, f"{kaslr.unmoved.origin}; {why}")
    return replace(boot, kernel_base=base, base_is_certain=True)
