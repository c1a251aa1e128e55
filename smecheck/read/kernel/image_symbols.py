"""The symbols that matter, as an image lists them: in .symtab, or packed for its own use."""

from __future__ import annotations

from collections.abc import Iterable
from types import MappingProxyType

from smecheck.evidence import Fact, Known, Unknown
from smecheck.kernel.constants import KERNEL_IMAGE_SIZE
from smecheck.kernel.identity import GENERATION_SYMBOLS, IDENTITY_SYMBOLS
from smecheck.kernel.startup_names import all_spellings, by_plain_name
from smecheck.kernel.symbols import SymbolSource
from smecheck.quantity import address_text
from smecheck.read.kernel.early_code import END_NAMES, ENTRY_NAMES, Addresses, LookUp
from smecheck.read.kernel.elf_file import ElfFile, ElfSection
from smecheck.read.kernel.elf_symbols import SymbolTable
from smecheck.record import record

_BANNER = "linux_banner"
_IKCONFIG = "kernel_config_data"
_PURGATORY = "kexec_purgatory"

NO_SYMBOLS = (
    "the image has no symbol table, and no kallsyms of a known form in .rodata (CONFIG_KALLSYMS)"
)


def _nothing(_: Iterable[str]) -> Addresses:
    return {}


@record
class ImageSymbols:
    """What an image lists."""

    addresses: dict[str, int]
    """Of the symbols that matter here, by their plain names."""
    spelled: dict[str, str]
    """Those of them that the image has by another name, and that name."""
    complete: bool
    """Whether a symbol that is not there is not in the kernel."""
    source: Fact[SymbolSource]
    """What lists them."""
    banner: int | None = None
    """Where linux_banner is."""
    config: Fact[int | None] = Unknown("no symbol table")
    """Where kernel_config_data is; ``None`` if there is none."""
    purgatory: Fact[int | None] = Unknown("no symbol table")
    """Where kexec_purgatory is; ``None`` if there is none."""
    entries: Addresses = MappingProxyType({})
    """Where the early code begins, by the names that the image has for that."""
    look_up: LookUp = _nothing
    """The way to further symbols."""

    @property
    def origins(self) -> dict[str, str]:
        """Where symbols were read, as far as there is more to say than their names."""
        kallsyms = isinstance(self.source, Known) and self.source.value is SymbolSource.KALLSYMS
        of_kallsyms = f" ({SymbolSource.KALLSYMS.value})"
        return {
            name: f"symbol {self.spelled.get(name, name)}{of_kallsyms if kallsyms else ''}"
            for name in (self.addresses if kallsyms else self.spelled)
        }


def image_symbols(elf: ElfFile, sections: list[ElfSection], *, in_section: bool) -> ImageSymbols:
    """Return the symbols of an image.

    Args:
        elf: the file.
        sections: its sections.
        in_section: whether one of them holds the workarea, so that fewer symbols matter.

    Raises:
        MalformedInput: a symbol table is damaged.
    """
    headers = (section for section in sections if section.type == "SYMTAB" and section.size)
    header = next(headers, None)
    if header is None:
        return _of_kallsyms(elf, sections)
    table = SymbolTable(elf, header, sections)
    identity = all_spellings((*IDENTITY_SYMBOLS, *(() if in_section else GENERATION_SYMBOLS)))
    found = table.values((*identity, _BANNER, _IKCONFIG, _PURGATORY, *ENTRY_NAMES))
    addresses, spelled = by_plain_name({name: found[name] for name in identity if name in found})
    return ImageSymbols(
        addresses,
        spelled,
        complete=True,
        source=Known(SymbolSource.SYMTAB, f"{len(table)} symbols"),
        banner=found.get(_BANNER),
        config=Known(found.get(_IKCONFIG), f"symbol {_IKCONFIG}"),
        purgatory=Known(found.get(_PURGATORY), f"symbol {_PURGATORY}"),
        entries={name: (found[name],) for name in ENTRY_NAMES if name in found},
        look_up=lambda names: {name: (at,) for name, at in table.values(names).items()},
    )


def _of_kallsyms(elf: ElfFile, sections: list[ElfSection]) -> ImageSymbols:
    rodata = next((one for one in sections if one.name == ".rodata" and one.is_in_file), None)
    kallsyms = elf.kallsyms(rodata) if rodata is not None else None
    if kallsyms is None:
        return _none(NO_SYMBOLS)
    # What a list of symbols shows, this shows too: both come from scripts/kallsyms.c.
    from smecheck.read.kernel.kallsyms import DATA_SYMBOL
    from smecheck.read.kernel.symbol_list import WANTED

    listed = kallsyms.addresses(all_spellings(WANTED))
    addresses, spelled = by_plain_name({name: at[0] for name, at in listed.items() if len(at) == 1})
    text = next((one.address for one in sections if one.name == ".text"), 0)
    for name, address in addresses.items():
        first = name in ("_text", "_stext")
        if not 0 <= address - text <= (0 if first else KERNEL_IMAGE_SIZE):
            return _none(
                f"its kallsyms have {name} at {address_text(address)}, but section .text begins at "
                f"{address_text(text)}"
            )
    everything = DATA_SYMBOL in addresses
    which = "all" if everything else "of code alone: CONFIG_KALLSYMS_ALL=n"
    return ImageSymbols(
        addresses,
        spelled,
        complete=everything,
        source=Known(SymbolSource.KALLSYMS, f"{len(kallsyms)} symbols in .rodata, {which}"),
        entries=kallsyms.addresses((*ENTRY_NAMES, *END_NAMES)),
        look_up=kallsyms.addresses,
    )


def _none(reason: str) -> ImageSymbols:
    return ImageSymbols({}, {}, complete=False, source=Unknown(reason))
