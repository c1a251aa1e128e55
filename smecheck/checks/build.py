"""The build: its files belong together, its header suits the kernel, its early code can run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from smecheck.checks import needs
from smecheck.checks.finding import Bearing, Effect, Severity
from smecheck.checks.rule import Observation, rule
from smecheck.evidence import Known, Unknown, value_of
from smecheck.kernel.constants import PAGE_SIZE, PMD_SIZE, START_KERNEL_MAP
from smecheck.kernel.identity import is_since
from smecheck.kernel.image import KernelConfig, SetupHeader
from smecheck.quantity import address_text, size_text
from smecheck.record import replace
from smecheck.span import align_up

if TYPE_CHECKING:
    from smecheck.case import Resolved

_XLF_KERNEL_64 = 1 << 0
_XLF_CAN_BE_LOADED_ABOVE_4G = 1 << 1
"""arch/x86/include/uapi/asm/bootparam.h; header.S sets the second with CONFIG_RELOCATABLE."""

_DECOMPRESSOR = 64 << 20
"""Far more than a decompressor takes besides the payload that it holds: its heap is at most 4 MiB
(bzip2, arch/x86/include/asm/boot.h); in Debian's kernels, all else is less than one."""

_IN_PAYLOAD = 128 << 20
"""Far more than is in a stripped vmlinux, and in its relocations, besides what lies from _text to
_end: less than 16 MiB in Debian's kernels."""

_LARGEST_ALIGNMENT = 16 << 20
"""arch/x86/Kconfig, PHYSICAL_ALIGN, the range with X86_64 (v6.12)."""

_INSTRUMENTED = {
    "CONFIG_KASAN": "was seen to keep kernels with active SME from booting",
    "CONFIG_KMSAN": "is kept out of the early SME code since v6.9 only",
    "CONFIG_GCOV_PROFILE_ALL": "is kept out of the early SME code by no Makefile that is known",
}
"""Options that instrument all code, and what is known of them. Not here, since the Makefiles of
v5.10, v6.1, v6.12 and v7.3 keep them out and nothing else is known: KCOV, KCSAN, the function
tracer, the stack protector."""

_EXEMPT_FROM_KMSAN = (6, 9)
"""c0935fca6ba4; v6.1 has nothing of it, v6.12 does, as has all of arch/x86/boot/startup in v7.3."""


@rule(
    "SME026",
    "the files are of different builds",
    Severity.ERROR,
    passed="files are of one build",
    brief="files of different builds",
    effect=Effect.CONTRADICTION,
    bearing=Bearing.BUILD,
    about_build=True,
    static=True,
    remedy="give files of one build: those that one run of make produced",
)
def different_builds(resolved: Resolved) -> Iterator[Observation]:
    """The facts given for the kernel cannot all come from one build.

    The vmlinux shows where the workarea is, the bzImage how much memory is reserved for the kernel.
    Files of two builds prove nothing together: with a bzImage left over from an earlier build, a
    gate would pass a kernel that nobody ships. Compared are build-id, release, distances between
    symbols, places of sections, the fields of the setup header and the configuration. A
    description in which a digit slipped is such a mixture, too: what the linker script and the
    header derive from each other must fit.

    Passes: a vmlinux, and a bzImage whose payload has the same build-id.
    Fails: a vmlinux of 6.1.0-56, and a bzImage that says 6.1.0-55; an init_size of 0x2800000 for a
    kernel that has 0x2830000 from _text to _end; an _end that is not where .brk ends; an init_size
    of 0xd410000 for an output_len of 0xcf270c.
    Sources: arch/x86/boot/header.S, init_size is the larger of VO_INIT_SIZE and ZO_INIT_SIZE, and
    pref_address is LOAD_PHYSICAL_ADDR, which is _text - __START_KERNEL_map on x86-64;
    arch/x86/kernel/vmlinux.lds.S, .brk, __brk_limit and _end (v5.0 to v7.3).
    """
    image = resolved.image
    for misfit in image.misfits:
        yield Observation(
            message=f"{misfit.source} is not of the same build as {misfit.other}: {misfit.fact}: "
            f"{misfit.others} there, {misfit.stated} here",
        )
    yield from _header_of_another_build(resolved)
    yield from _end_of_another_build(resolved)
    if image.config:
        from smecheck.kernel.same_build import config_contradiction

        config = KernelConfig(image.source, Unknown("not asked"), image.config, {})
        found = config_contradiction(replace(image, config={}), config)
        if found is not None:
            yield Observation(
                message=f"the configuration is not that of the image: {found.fact}: {found.other} "
                f"in the configuration, {found.one} in the image",
            )


@rule(
    "SME029",
    "the setup header does not suit a kernel with SME",
    Severity.ERROR,
    passed="setup header suits SME",
    brief="setup header does not suit SME",
    about_build=True,
    static=True,
    needs=(needs.setup_header,),
    after=("SME026",),
    remedy="check CONFIG_PHYSICAL_ALIGN and CONFIG_RELOCATABLE, and the tool that wrote the header",
)
def unsuitable_header(resolved: Resolved) -> Iterator[Observation]:
    """A field of the setup header makes loaders put the kernel where it cannot run.

    The early code maps in 2 MiB steps: a kernel whose ``_text`` is not on such a boundary spins in
    __startup_64(), so kernel_alignment must be a multiple of it. Without XLF_KERNEL_64 loaders take
    the 32-bit entry. A kernel that is not relocatable, or does not say that it may lie above 4 GiB,
    cannot run in most crash reservations: that is a warning, since it may be intended.

    Passes: kernel_alignment 0x200000, relocatable, xloadflags 0x7f.
    Fails: kernel_alignment 0x100000; xloadflags 0x7e; not relocatable (warning).
    Sources: Documentation/arch/x86/boot.rst; arch/x86/boot/header.S, xloadflags, v5.10 to v7.3;
    arch/x86/kernel/head64.c (v7.3: arch/x86/boot/startup/map_kernel.c), __startup_64().
    """
    header = resolved.image.header
    alignment, flags = header.kernel_alignment, header.other.get("xloadflags")
    if isinstance(alignment, Known) and alignment.value % PMD_SIZE:
        yield Observation(
            message=f"kernel_alignment is {size_text(alignment.value)}, not a multiple of 2 MiB",
        )
    if flags is not None and not flags & _XLF_KERNEL_64:
        yield Observation(message=f"xloadflags {flags:#x} lacks XLF_KERNEL_64")
    if not isinstance(header.relocatable, Known):
        return
    if not header.relocatable.value:
        yield Observation(
            message="the kernel is not relocatable: it runs at pref_address only, which no crash "
            "reservation holds",
            severity=Severity.WARNING,
        )
    elif flags is not None and not flags & _XLF_CAN_BE_LOADED_ABOVE_4G:
        yield Observation(
            message=f"the kernel is relocatable, but xloadflags {flags:#x} lacks "
            "XLF_CAN_BE_LOADED_ABOVE_4G",
            severity=Severity.WARNING,
        )


@rule(
    "SME030",
    "the early SME code may be instrumented",
    Severity.WARNING,
    passed="early SME code not instrumented",
    brief="early code instrumented",
    static=True,
    needs=(needs.configuration,),
    remedy="build the kernel that is to boot with SME without that option",
)
def instrumented_early_code(resolved: Resolved) -> Iterator[Observation]:
    """The configuration instruments all code, possibly also the code that sets up the workarea.

    It runs from an identity mapping, before the kernel's own page tables. A call into a sanitizer's
    shadow memory, or a counter at its link address, is a page fault without a handler there. The
    kernel's Makefiles keep most instrumentation out of these files; what they are not known to keep
    out is reported as conditional.

    Passes: CONFIG_KCOV=y with CONFIG_KASAN unset.
    Fails: CONFIG_KASAN=y.
    Sources: arch/x86/mm/Makefile, KCOV_INSTRUMENT_, KASAN_SANITIZE_, KMSAN_SANITIZE_ and
    CFLAGS_REMOVE_mem_encrypt_identity.o, v5.10 to v6.12; arch/x86/boot/startup/Makefile, v7.3;
    c0935fca6ba4 (KMSAN, v6.9); linux-kernel, 2020-06-13, "AMD SME + KASAN = doom".
    """
    for option, known in _INSTRUMENTED.items():
        if resolved.image.config.get(option) != "y":
            continue
        if option == "CONFIG_KMSAN" and is_since(resolved.image.release, _EXEMPT_FROM_KMSAN):
            continue
        yield Observation(
            message=f"{option}=y {known}",
            condition="the code that runs before the kernel's page tables is instrumented",
        )


def _header_of_another_build(resolved: Resolved) -> Iterator[Observation]:
    facts, header = resolved.facts, resolved.image.header
    if not isinstance(facts.text, Known):
        return
    text, init_size, pref = facts.text.value, header.init_size, header.pref_address
    if isinstance(facts.end, Known) and isinstance(init_size, Known):
        size = facts.end.value - text
        if init_size.value < size:
            yield Observation(
                message=f"init_size is {address_text(init_size.value)}, less than the "
                f"{address_text(size)} from _text to _end",
            )
        yield from _excessive_init_size(resolved, init_size, size)
    yield from _impossible_alignment(header)
    if isinstance(pref, Known) and not resolved.image.symbols_shifted:
        linked = text - START_KERNEL_MAP
        if pref.value != linked:
            yield Observation(
                message=f"pref_address is {address_text(pref.value)}, but _text is linked for "
                f"{address_text(linked)}",
            )


def _impossible_alignment(header: SetupHeader) -> Iterator[Observation]:
    alignment, pref = header.kernel_alignment, header.pref_address
    if not isinstance(alignment, Known):
        return
    if alignment.value > _LARGEST_ALIGNMENT:
        yield Observation(
            message=f"kernel_alignment is {size_text(alignment.value)}, but CONFIG_PHYSICAL_ALIGN "
            f"is {size_text(_LARGEST_ALIGNMENT)} at most",
        )
    elif isinstance(pref, Known) and pref.value % alignment.value:
        yield Observation(
            message=f"pref_address is {address_text(pref.value)}, not a multiple of "
            f"kernel_alignment {size_text(alignment.value)}",
        )


def _excessive_init_size(
    resolved: Resolved, init_size: Known[int], size: int
) -> Iterator[Observation]:
    """Yield that no payload of that length leads to an init_size as large as that.

    Or that no kernel of that size makes a payload as large.

    It proves whatever one likes. One that is too small for its payload proves less than the right
    one, and is left to the rules about what it covers.
    """
    output_len = value_of(resolved.image.header.output_len)
    if output_len is None:
        return
    if output_len > size + _IN_PAYLOAD:
        yield Observation(
            message=f"output_len is {address_text(output_len)}, but the kernel has "
            f"{address_text(size)} from _text to _end",
        )
        return
    from smecheck.kernel.decompressor_sizes import extra_bytes

    most = max(size, output_len + extra_bytes(output_len, None)[-1] + _DECOMPRESSOR)
    if init_size.value > most:
        yield Observation(
            message=f"init_size is {address_text(init_size.value)}, but to unpack output_len "
            f"{address_text(output_len)} takes less than {address_text(most)}",
        )


def _end_of_another_build(resolved: Resolved) -> Iterator[Observation]:
    """Yield what _end contradicts of what the linker script puts around it."""
    image, end = resolved.image, resolved.image.symbols.get("_end")
    if end is None:
        return
    # Not in the words of the source: a description of the kernel would have others.
    where = f"_end is at {address_text(end)}"
    limit = image.symbols.get("__brk_limit")
    brk = image.section(".brk") if not image.symbols_shifted else None
    ends = (align_up(load.vaddr + load.memsz, PAGE_SIZE) for load in image.loads)
    last = max(ends, default=None)
    if limit is not None and align_up(limit, PAGE_SIZE) != end:
        yield Observation(
            message=f"{where}, but __brk_limit, which is in the page before, at "
            f"{address_text(limit)}",
        )
    elif brk is not None and align_up(brk.end, PAGE_SIZE) != end:
        yield Observation(
            message=f"{where}, but section .brk, which ends in the page before, ends at "
            f"{address_text(brk.end)}",
        )
    elif image.symbols.get("__bss_stop", end) > end:
        yield Observation(
            message=f"{where}, below __bss_stop at {address_text(image.symbols['__bss_stop'])}",
        )
    elif not (image.sections or image.symbols_shifted or last is None) and last < end:
        yield Observation(
            message=f"{where}, past the end of the last LOAD at {address_text(last)}",
        )


RULES = (different_builds, unsuitable_header, instrumented_early_code)
