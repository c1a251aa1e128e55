"""The proof without a machine: each way of loading, and where it fails a load that shows it."""

from __future__ import annotations

from enum import Enum
from functools import cached_property
from typing import assert_never

from smecheck.evidence import Fact
from smecheck.load.segments import SegmentList
from smecheck.machine.memory import Region
from smecheck.record import record


@record
class WayRules:
    """What follows from the way of loading. Whoever depends on the way asks here."""

    by_kexec: bool
    """kexec reserves segments for the kernel."""
    has_decompressor: bool
    """A decompressor unpacks the kernel; else its LOADs are put where they say."""
    unpacks_elsewhere: bool
    """The kernel goes to another place than its packed form was loaded to."""
    looks_for_slots: bool
    """The place is one of the slots that KASLR finds for needed_size bytes."""


class Way(Enum):
    """A way of loading that reserves some memory for the kernel."""

    KEXEC = "kexec"
    """kexec of a bzImage, by either system call: init_size, in whole pages."""
    BOOT_LOADER = "boot-loader"
    """Boot loaders that keep to the boot protocol 2.10: init_size."""
    KASLR = "kaslr"
    """The decompressor's physical KASLR: needed_size."""
    EFI_STUB = "efi-stub"
    """The EFI stub of v6.6 and later, which unpacks the kernel itself."""
    ELF = "elf"
    """``kexec -l vmlinux``: the LOADs as they stand, without a decompressor."""

    # Cached, so that it is a plain attribute of the member from then on.
    @cached_property
    def rules(self) -> WayRules:
        """What follows from it."""
        match self:
            case Way.KEXEC:
                return WayRules(
                    by_kexec=True,
                    has_decompressor=True,
                    unpacks_elsewhere=False,
                    looks_for_slots=False,
                )
            case Way.BOOT_LOADER:
                return WayRules(
                    by_kexec=False,
                    has_decompressor=True,
                    unpacks_elsewhere=False,
                    looks_for_slots=False,
                )
            case Way.KASLR:
                return WayRules(
                    by_kexec=False,
                    has_decompressor=True,
                    unpacks_elsewhere=True,
                    looks_for_slots=True,
                )
            case Way.EFI_STUB:
                return WayRules(
                    by_kexec=False,
                    has_decompressor=True,
                    unpacks_elsewhere=True,
                    looks_for_slots=False,
                )
            case Way.ELF:
                return WayRules(
                    by_kexec=True,
                    has_decompressor=False,
                    unpacks_elsewhere=False,
                    looks_for_slots=False,
                )
            case _:
                assert_never(self)


@record
class Reservations:
    """Ends of what is reserved for the kernel, as offsets from ``_text``; each a lower bound."""

    init_size: Fact[int]
    """What kexec and other boot loaders reserve from the load address on."""
    needed_size: Fact[int]
    """What physical KASLR looks for."""
    image_end: Fact[int]
    """End of the last LOAD: what ``kexec -l vmlinux`` reserves."""
    payload_is_bound: bool
    """z_output_len is not known, only the least it can be."""
    init_size_is_bound: bool
    payload_holds_section: bool
    """The workarea's section is PROGBITS, so that no payload, and no init_size, ends before it."""
    assumptions: tuple[str, ...]


@record
class Counterexample:
    """A machine and a load in which the workarea collides though the loader kept its word."""

    load_address: int
    """Physical ``_text``."""
    segments: SegmentList
    memory: tuple[Region, ...]
    condition: str | None
    """What it takes besides, where the reservation is known as a lower bound only."""


@record
class ProofPath:
    """Whether one way of loading reserves the workarea for the kernel; offsets from ``_text``."""

    path: Way
    taken: bool
    """Whether this boot can take that way; the proof asks for these only."""
    holds: bool
    is_bound: bool
    """``reserved_end`` is a lower bound: the exact value is not known."""
    reserved_end: int
    """End of what that way of loading reserves for the kernel, at least."""
    margin: int
    """``reserved_end`` minus the mapped end; negative where it does not hold."""
    worst_margin: int
    """The same for the worst end, with the initrd of this boot, or any of up to 1 GiB."""
    written_margin: int
    """The same for the surely written end, the least of any machine."""
    growth: int | None
    """By how many bytes ``_end`` may move before the path fails, the reservation unchanged;
    ``None`` where it fails already."""
    grows_along: bool
    """Whether the reservation cannot stay behind: what is reserved is made of the image itself."""
    reason: str
    counterexample: Counterexample | None
    """Where the path fails; ``None`` also where nothing that it leaves open can do harm."""


@record
class Proof:
    """The proof without a machine."""

    holds: bool
    """For the ways of loading that this boot can take."""
    by_luck: bool
    """It holds, but for a kernel of the after-end scheme, which reserves nothing on purpose."""
    paths: tuple[ProofPath, ...]
    void: str | None = None
    """Why it counts for nothing: what it rests on is not as it is said. It has no paths then."""
