"""A kernel image: what its file says, each fact with its origin."""

from __future__ import annotations

from enum import Enum
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, assert_never

from smecheck.evidence import Fact, Unknown
from smecheck.kernel.build_marks import NO_MARKS, Marks
from smecheck.kernel.early_code import EarlyCode
from smecheck.kernel.symbols import SymbolSource
from smecheck.record import record

if TYPE_CHECKING:
    from collections.abc import Mapping


class KernelKind(Enum):
    """What the kernel was read from."""

    VMLINUX = "vmlinux"
    BZIMAGE = "bzimage"
    """A vmlinuz, or the one in a UKI."""
    DESCRIPTION = "description"
    SYMBOLS = "symbols"


@record
class WorkareaSection:
    """An output section of the image that holds the workarea."""

    name: str
    begin: str
    """The symbol at its first byte."""
    end: str
    """The symbol past its last byte."""


@record
class SchemeRules:
    """What follows from where the workarea lies. Whoever depends on the scheme asks here."""

    section: WorkareaSection | None
    """The section that holds it; ``None`` where none does."""
    follows_end: bool
    """It begins at ``_end`` rounded up to 2 MiB, in memory that nothing in the image reserves."""
    is_current: bool
    """Today's kernels have it, so that a kernel with it may have the changes of any release."""
    start_source: str
    """What in sme_encrypt_kernel() makes it begin where it does; empty where there is none."""

    @property
    def is_section(self) -> bool:
        """Whether a section of the image holds it, so that init_size covers it."""
        return self.section is not None

    @property
    def has_workarea(self) -> bool:
        """Whether it is known where the workarea is; else none is placed."""
        return self.section is not None or self.follows_end


class Scheme(Enum):
    """Where the kernel's code puts the SME workarea."""

    AFTER_END = "after-end"
    """Up to v5.2: after the kernel, at ``_end`` rounded up to 2 MiB, in memory of nobody."""
    SME_SECTION = "sme-section"
    """The RFC of 2019-06-04: a section ``.sme`` of the image; never released."""
    INIT_SCRATCH = "init-scratch"
    """Since v5.3: a section ``.init.scratch`` of the image."""
    NO_SME = "no-sme"
    """The kernel has no SME code."""
    UNKNOWN = "unknown"

    # Cached, so that it is a plain attribute of the member from then on.
    @cached_property
    def rules(self) -> SchemeRules:
        """What follows from it."""
        match self:
            case Scheme.AFTER_END:
                return _AFTER_END
            case Scheme.SME_SECTION:
                return _SME_SECTION
            case Scheme.INIT_SCRATCH:
                return _INIT_SCRATCH
            case Scheme.NO_SME | Scheme.UNKNOWN:
                return _NO_WORKAREA
            case _:
                assert_never(self)


_AFTER_END = SchemeRules(
    section=None,
    follows_end=True,
    is_current=False,
    start_source="up to v5.2, workarea_start",
)
_SME_SECTION = SchemeRules(
    # RFC, kexec list, 2019-06-04
    section=WorkareaSection(".sme", "__sme_begin", "__sme_end"),
    follows_end=False,
    is_current=False,
    start_source="since v5.3 (and the RFC), lea sme_workarea(%rip)",
)
INIT_SCRATCH = WorkareaSection(".init.scratch", "__init_scratch_begin", "__init_scratch_end")
"""v5.3, e1bfa87399e3, vmlinux.lds.S."""

_INIT_SCRATCH = SchemeRules(
    section=INIT_SCRATCH,
    follows_end=False,
    is_current=True,
    start_source="since v5.3 (and the RFC), lea sme_workarea(%rip)",
)
_NO_WORKAREA = SchemeRules(section=None, follows_end=False, is_current=False, start_source="")

_SECTIONS = {
    section: scheme for scheme in reversed(Scheme) if (section := scheme.rules.section) is not None
}
"""The newest first."""

SECTION_SCHEMES = {section.name: scheme for section, scheme in _SECTIONS.items()}
"""The output sections that hold a workarea."""

SECTION_SYMBOLS = {section.begin: (scheme, section) for section, scheme in _SECTIONS.items()}
"""First symbol of such a section: the scheme, and the section."""


@record
class Section:
    """A section header. ``address`` is a link address (virtual)."""

    name: str
    address: int
    size: int
    type: str | None
    """``PROGBITS``, ``NOBITS``, …, or ``None`` where the source does not say."""

    @property
    def end(self) -> int:
        """The link address after the last byte."""
        return self.address + self.size


@record
class LoadSegment:
    """A ``PT_LOAD`` program header: virtual and physical link address, sizes in bytes."""

    vaddr: int
    paddr: int
    filesz: int
    memsz: int
    flags: str
    offset: int | None = None
    """Its place in the file, where the source says."""


OTHER_FIELDS = (
    "protocol",
    "xloadflags",
    "loadflags",
    "setup_sects",
    "syssize",
    "cmdline_size",
    "initrd_addr_max",
    "min_alignment",
    "payload_offset",
    "payload_length",
    "handover_offset",
    "kernel_info_offset",
)
"""Further fields of the setup header that are kept, by their names in boot.rst."""

_NOT_A_BZIMAGE = Unknown("no setup header: not a bzImage")


@record
class SetupHeader:
    """The fields of the x86 boot protocol's setup header that placement depends on.

    Offsets and meaning: Documentation/arch/x86/boot.rst.
    """

    init_size: Fact[int] = _NOT_A_BZIMAGE
    """0x260: bytes that the kernel needs from its load address on, until it knows its memory."""
    kernel_alignment: Fact[int] = _NOT_A_BZIMAGE
    """0x230: alignment in bytes of the place that the kernel is unpacked to."""
    pref_address: Fact[int] = _NOT_A_BZIMAGE
    """0x258: the physical address the kernel was linked for, LOAD_PHYSICAL_ADDR."""
    relocatable: Fact[bool] = _NOT_A_BZIMAGE
    """0x234."""
    output_len: Fact[int] = _NOT_A_BZIMAGE
    """z_output_len: bytes of the unpacked payload, the vmlinux file and its relocations."""
    other: Mapping[str, int] = MappingProxyType({})
    """Further fields of a description, kept as they stand: ``protocol``, ``xloadflags``, …"""


@record
class Purgatory:
    """The code that kexec_file_load runs between two kernels, as the running one carries it."""

    content: int
    """Bytes that are loaded."""
    size: int
    """Bytes of memory that it takes, its bss included, before they are rounded up to pages."""


@record
class Complement:
    """A further source, from which an image was given facts that its own lacks."""

    source: str
    kind: str
    """That of its :class:`KernelKind`, or ``config``."""
    used: tuple[str, ...]
    """Names of the facts; none where it only confirmed what was known."""


@record
class Misfit:
    """A source that is of another build than the image, so that nothing was taken from it."""

    source: str
    other: str
    """The source that it contradicts."""
    fact: str
    """What they differ in."""
    stated: str
    others: str
    """What each says of it."""


@record
class KernelConfig:
    """What a kernel's configuration says that matters here."""

    source: str
    version: Fact[str]
    """Of the tree that was configured: ``6.1.192``, where the banner says ``6.1.0-56-amd64``."""
    options: Mapping[str, str]
    """``CONFIG_…`` options and their values: ``n`` where it says "is not set"."""
    origins: Mapping[str, str]
    """Where each of them was read."""
    marks: Marks = NO_MARKS


NOT_FROM_IMAGE = Unknown("not read from an image")


@record
class KernelImage:
    """All that a source says of a kernel. What it means is worked out in ``kernel/identity.py``."""

    source: str
    """The name it was given by."""
    kind: KernelKind
    release: Fact[str]
    """As in the "Linux version" banner."""
    build_id: Fact[str]
    """Of the GNU build-id note, in lower-case hex."""
    symbols: Mapping[str, int]
    """Link addresses of the symbols that matter here, as far as they were found."""
    symbols_complete: bool
    """Whether a symbol that is missing above is missing in the kernel."""
    sections: tuple[Section, ...]
    sections_complete: bool
    """Whether a section that is missing above is missing in the kernel."""
    loads: tuple[LoadSegment, ...]
    header: SetupHeader
    config: Mapping[str, str]
    """``CONFIG_…`` options and their values, as far as they are known."""
    sme_text: Fact[bool]
    """Whether the image holds the texts of the SME code; asked only where symbols do not."""
    symbols_shifted: bool = False
    """Whether KASLR may have moved what ``symbols`` were read from, by a distance that no other
    fact shows: they are given as of a ``_text`` that is assumed, and only distances count."""
    symbols_from: Fact[SymbolSource] = NOT_FROM_IMAGE
    """What lists the symbols of an image."""
    early_code: Fact[EarlyCode] = NOT_FROM_IMAGE
    """The code that sets up SME, followed as far as that can be done without running it."""
    origins: Mapping[str, str] = MappingProxyType({})
    """Where symbols and options were read, by name, as far as there is more to say than that."""
    complements: tuple[Complement, ...] = ()
    """The sources besides ``source``."""
    misfits: tuple[Misfit, ...] = ()
    """Sources that were given as complements, and are not of this build."""
    marks: Marks = NO_MARKS
    purgatory: Fact[Purgatory] = Unknown("nothing that was read shows its purgatory")

    def section(self, name: str) -> Section | None:
        """Return the section of that name."""
        return next((section for section in self.sections if section.name == name), None)

    def symbol_origin(self, name: str) -> str:
        """Return where the symbol of that name was read."""
        return self.origins.get(name, f"symbol {name}")
