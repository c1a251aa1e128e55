"""The proof without a machine: what every loader reserves for the kernel covers the workarea.

First what the image makes loaders reserve; then which ways of loading one boot can take, and what
its own load reserves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from smecheck.asked import BootRequest
from smecheck.boot.boot import Boot
from smecheck.boot.decompressor import landing
from smecheck.evidence import Fact, Known, Unknown, value_of
from smecheck.kernel.constants import PAGE_SIZE, PMD_SIZE
from smecheck.kernel.facts import KernelFacts
from smecheck.kernel.image import KernelImage, LoadSegment, Scheme, Section
from smecheck.load.segments import SegmentRole
from smecheck.quantity import address_text
from smecheck.record import replace
from smecheck.remembered import remembered
from smecheck.span import align_down, align_up
from smecheck.workarea.place import offsets_anywhere
from smecheck.workarea.placement import Extents
from smecheck.workarea.proven import Counterexample, Proof, ProofPath, Reservations, Way

if TYPE_CHECKING:
    from collections.abc import Callable

    from smecheck.case import Located, Resolved
    from smecheck.workarea.proven import Counterexample


_DECOMPRESSOR_LINK = "arch/x86/boot/header.S, init_size > z_output_len"


@remembered
def reservations(image: KernelImage, facts: KernelFacts) -> Reservations:
    """Work out what the image makes every loader reserve."""
    if isinstance(facts.text, Unknown):
        missing = Unknown(facts.text.reason)
        return Reservations(
            init_size=image.header.init_size,
            needed_size=missing,
            image_end=missing,
            payload_is_bound=True,
            init_size_is_bound=False,
            payload_holds_section=False,
            assumptions=(),
        )
    assumptions: tuple[str, ...] = ()
    # The origins name the field, not the file: a description of the image says the same elsewhere.
    payload, init_size = image.header.output_len, image.header.init_size
    if isinstance(payload, Known):
        payload = Known(payload.value, "output_len of the payload")
    else:
        payload, assumptions = _least_payload(image, facts.text.value, facts.section)
    if isinstance(init_size, Known):
        init_size = Known(init_size.value, "init_size of the setup header")
    elif isinstance(payload, Known):
        init_size = Known(payload.value, f"{_DECOMPRESSOR_LINK}; {payload.origin}")
    else:
        init_size = payload
    return Reservations(
        init_size=init_size,
        needed_size=_needed_size(payload, facts),
        image_end=_image_end(image.loads, facts.text.value),
        payload_is_bound=isinstance(image.header.output_len, Unknown),
        init_size_is_bound=isinstance(image.header.init_size, Unknown),
        payload_holds_section=facts.section is not None and facts.section.type == "PROGBITS",
        assumptions=assumptions,
    )


def prove(
    extents: Extents,
    reserved: Reservations,
    ways: tuple[Way, ...],
    *,
    scheme: Scheme,
    of_the_load: Known[int] | None,
    counterexample: Callable[[Way, int], Counterexample | None],
) -> Proof | None:
    """Hold the workarea's offsets against the reservations.

    Args:
        extents: offsets from ``_text``, of any machine.
        reserved: what loaders reserve for the image.
        ways: those that this boot can take; the proof holds if it holds for these.
        scheme: the kernel's own.
        of_the_load: what a load that is known reserves, where that is less than kexec should.
        counterexample: makes one of a way that fails and the end of what it reserves.

    Returns:
        ``None`` where no reservation is known.
    """
    in_section = scheme.rules.is_section
    proven = []
    short: dict[Way, tuple[Fact[int], bool]] = {}
    if of_the_load is not None:
        short = {way: (of_the_load, False) for way in ways if way.rules.by_kexec}
    for way, (fact, is_bound) in (_reserved_by_way(reserved, scheme) | short).items():
        if isinstance(fact, Unknown):
            continue
        margin = fact.value - extents.mapped_end
        proven.append(
            ProofPath(
                path=way,
                taken=way in ways,
                holds=margin >= 0,
                is_bound=is_bound,
                reserved_end=fact.value,
                margin=margin,
                worst_margin=fact.value - extents.worst_end,
                written_margin=fact.value - extents.written_end,
                growth=room_to_grow(extents, margin) if margin >= 0 else None,
                grows_along=reserved.payload_holds_section
                or (in_section and not way.rules.has_decompressor),
                reason=fact.origin,
                # A load that reserves less is an example itself.
                counterexample=counterexample(way, fact.value)
                if margin < 0 and way not in short
                else None,
            )
        )
    if not proven:
        return None
    holds = set(ways) <= {path.path for path in proven if path.holds}
    return Proof(holds=holds, by_luck=holds and not in_section, paths=tuple(proven))


def room_to_grow(extents: Extents, margin: int) -> int:
    """Return by how many bytes ``_end`` may move until ``margin`` is used up.

    ``_end`` is rounded up to 2 MiB: moving it within its frame costs nothing, the first byte beyond
    costs 2 MiB. What is reserved is taken to stay as it is.
    """
    return extents.in_place.size + align_down(margin, PMD_SIZE)


def _reserved_by_way(reserved: Reservations, scheme: Scheme) -> dict[Way, tuple[Fact[int], bool]]:
    """Return what each way reserves, and whether that is only a lower bound."""
    ways: dict[Way, tuple[Fact[int], bool]] = {
        # kexec-tools add_buffer() and the kernel's kexec_add_buffer(): memsz in whole pages.
        Way.KEXEC: (_rounded(reserved.init_size, PAGE_SIZE), reserved.init_size_is_bound),
        # Documentation/arch/x86/boot.rst, init_size: what a relocating boot loader reserves.
        Way.BOOT_LOADER: (reserved.init_size, reserved.init_size_is_bound),
        Way.KASLR: (reserved.needed_size, reserved.payload_is_bound),
        # v6.6 drivers/firmware/efi/libstub/x86-stub.c, efi_decompress_kernel(): the larger of
        # output_len and the kernel, rounded up to 2 MiB. All those kernels have .init.scratch.
        Way.EFI_STUB: (_rounded(reserved.needed_size, PMD_SIZE), reserved.payload_is_bound),
        Way.ELF: (reserved.image_end, False),
    }
    if not scheme.rules.is_current:
        del ways[Way.EFI_STUB]
    return ways


def _rounded(size: Fact[int], alignment: int) -> Fact[int]:
    if isinstance(size, Unknown):
        return size
    return Known(align_up(size.value, alignment), size.origin)


def _least_payload(
    image: KernelImage, text: int, section: Section | None
) -> tuple[Fact[int], tuple[str, ...]]:
    """Return the least that z_output_len can be for a bzImage built from this ELF.

    And what had to be assumed for that.

    The payload is the vmlinux file, stripped, and its relocations; it reaches at least to the end
    of the last LOAD's bytes in the file. Only a section in the file makes that say anything of the
    workarea.
    """
    if section is None:
        return Unknown("no setup header, and an ELF of the after-end scheme proves nothing"), ()
    if section.type is None:
        return Unknown("no setup header, and the type of the workarea's section is not known"), ()
    if section.type != "PROGBITS":
        why = f"no setup header, and {section.name} is {section.type}: not in the file"
        return Unknown(why), ()
    if not image.loads:
        origin = f"{section.name} is PROGBITS, at its distance in the file"
        return Known(section.end - text, origin), (
            f"the file offset of {section.name} is not below its distance from _text, as in every "
            "layout that was measured (no program headers to tell)",
        )
    end, assumed = _file_end(image.loads)
    return Known(end, f"end of the last LOAD in the file, {address_text(end)}"), assumed


def _file_end(loads: tuple[LoadSegment, ...]) -> tuple[int, tuple[str, ...]]:
    if all(load.offset is not None for load in loads):
        return max((load.offset or 0) + load.filesz for load in loads), ()
    # Without offsets: the least that the ELF format allows, as the kernel links it
    # (arch/x86/Makefile, -z max-page-size=0x200000: offset and address congruent modulo 2 MiB).
    end = 1  # the ELF header comes first
    for load in loads:
        end += (load.vaddr - end) % PMD_SIZE + load.filesz
    return end, ("the LOADs lie in the file in order, congruent to their addresses by 2 MiB",)


def _needed_size(payload: Fact[int], facts: KernelFacts) -> Fact[int]:
    """Return the size that physical KASLR reserves for the kernel.

    arch/x86/boot/compressed/misc.c, needed_size: the larger of the payload and ``_end - _text``;
    rounded up to 2 MiB since v5.4 (1869dbe87cb9). Nothing distinguishes a kernel of
    v5.3 without that fix from later ones, so the rounding is never counted upon.
    """
    if isinstance(payload, Unknown):
        return payload
    size, source = payload.value, payload.origin
    if isinstance(facts.text, Known) and isinstance(facts.end, Known):
        size = max(size, facts.end.value - facts.text.value)
    return Known(size, f"needed_size is at least max(output_len, _end - _text); {source}")


def _image_end(loads: tuple[LoadSegment, ...], text: int) -> Fact[int]:
    ends = [load.vaddr + load.memsz - text for load in loads if load.vaddr >= text]
    if not ends:
        return Unknown("no program headers")
    return Known(max(ends), "p_memsz of the last LOAD")


def ways_of(boot: Boot, scheme: Scheme, *, is_elf: bool, is_open: bool) -> tuple[Way, ...]:
    """Return the ways that ``boot`` can take.

    Args:
        boot: as it was understood.
        scheme: of the kernel; those with the EFI stub of v6.6 all have .init.scratch.
        is_elf: the load put a vmlinux in place.
        is_open: nothing was said of the boot, so that every way has to hold.
    """
    if is_elf:
        return (Way.ELF,)
    first_boot = not boot.path.by_kexec
    ways = [] if first_boot and not is_open else [Way.KEXEC]
    if first_boot or is_open:
        ways.append(Way.BOOT_LOADER)
        if scheme.rules.is_current:
            ways.append(Way.EFI_STUB)
    if value_of(boot.kaslr) is not False:
        ways.append(Way.KASLR)
    return tuple(ways)


def says_nothing(request: BootRequest) -> bool:
    """Return whether the user leaves open how the kernel is started."""
    stated = (request.path, request.loader, request.mode, request.load_address)
    return all(value is None for value in stated)


def _reserved_by_the_load(located: Located) -> Known[int] | None:
    """Return what the load at hand reserves from ``_text`` on, where that is less than it should.

    It reserves its kernel segment. A kernel that is loaded where it cannot run runs further up
    (SME018), if KASLR does not move it; and a loader may keep the size of the file only.
    """
    segments, rules = located.segments, located.rules
    kernel = segments.of(SegmentRole.KERNEL) if segments is not None else ()
    if segments is None or not kernel:
        return None
    is_elf = located.without_decompressor
    start, end = kernel[0].span.start, max(segment.span.end for segment in kernel)
    base = Known(start, "a vmlinux") if is_elf else landing(start, rules)
    should = located.reserved.image_end if is_elf else located.reserved.init_size
    if isinstance(base, Unknown) or isinstance(should, Unknown):
        return None
    left = max(end - base.value, 0)
    if left >= should.value:
        return None
    why = f"the kernel segment ends at {address_text(end)}"
    if base.value != start:
        why += f", and what is loaded at {address_text(start)} runs at {address_text(base.value)}"
    return Known(left, why)


def proof_of(resolved: Resolved, *, with_examples: bool = True) -> Proof | None:
    """Hold the workarea against what is reserved on the ways that this boot can take.

    Args:
        resolved: the boot, the load and the workarea.
        with_examples: whether to make a counterexample for each way that fails.
    """
    scheme = resolved.scheme
    if scheme is None:
        return None
    extents = offsets_anywhere(resolved, scheme)
    if extents is None:
        return None
    is_open = (
        says_nothing(resolved.case.asked) and resolved.segments is None and resolved.memory is None
    )

    is_elf = resolved.without_decompressor
    ways = ways_of(resolved.boot, scheme, is_elf=is_elf, is_open=is_open)
    of_the_load = _reserved_by_the_load(resolved)
    if not with_examples and of_the_load is None:
        return _without_examples(extents, resolved.reserved, scheme, *ways)

    def counterexample(way: Way, reserved_end: int) -> Counterexample | None:
        if not with_examples:
            return None
        from smecheck.workarea.counterexample import Failing

        return Failing(resolved, extents).counterexample(way, reserved_end)

    return prove(
        extents,
        resolved.reserved,
        ways,
        scheme=scheme,
        of_the_load=of_the_load,
        counterexample=counterexample,
    )


@remembered
def _without_examples(
    extents: Extents, reserved: Reservations, scheme: Scheme, *ways: Way
) -> Proof | None:
    """Return the proof for all loads that keep what they should: most what-if loads do."""
    return prove(
        extents, reserved, ways, scheme=scheme, of_the_load=None, counterexample=lambda *_: None
    )


def voided(proof: Proof | None, why: str) -> Proof | None:
    """Return the proof as one that counts for nothing: what it rests on is not as it is said."""
    return None if proof is None else replace(proof, holds=False, by_luck=False, paths=(), void=why)
