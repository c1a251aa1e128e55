"""Two sources of one kernel: whether they can be of one build, and their facts put together.

Nothing is overruled: what the first source knows stays, with its origin. Whether both are of the
same build is to be asked before, see ``agreement``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from smecheck.evidence import Fact, Known, T, Unknown, first_known
from smecheck.kernel.build_marks import BUILD_SALT, LOCALVERSION, NAMED_AFTER
from smecheck.kernel.constants import START_KERNEL_MAP
from smecheck.kernel.five_levels import has_five_levels
from smecheck.kernel.identity import IDENTITY_FILE_SYMBOL, identify
from smecheck.kernel.image import Complement, KernelConfig, KernelImage, Section, SetupHeader
from smecheck.kernel.link_address import (
    is_movable,
    moved_to,
    physical_align,
    physical_start,
    settled,
    stated_link_address,
)
from smecheck.quantity import address_text
from smecheck.record import record, replace


def merge(image: KernelImage, other: KernelImage) -> KernelImage:
    """Return ``image`` with the facts that only ``other`` knows."""
    own, others = on_one_base(image, other)
    symbols = {} if own.symbols_complete else _lacking(others.symbols, own.symbols)
    options = _lacking(others.config, own.config)
    merged = replace(
        own,
        release=_filled(own.release, others.release, others.source),
        build_id=_filled(own.build_id, others.build_id, others.source),
        symbols={**symbols, **own.symbols},
        symbols_complete=own.symbols_complete or others.symbols_complete,
        symbols_shifted=own.symbols_shifted or (bool(symbols) and others.symbols_shifted),
        sections=_sections(own, others),
        sections_complete=own.sections_complete or others.sections_complete,
        loads=own.loads or others.loads,
        header=_header(own.header, others.header, others.source),
        config={**options, **own.config},
        sme_text=_filled(own.sme_text, others.sme_text, others.source),
        purgatory=_filled(own.purgatory, others.purgatory, others.source),
        origins={**own.origins, **_origins(others, [*symbols, *options])},
        early_code=_filled(own.early_code, others.early_code, others.source),
    )
    return _complemented(settled(merged), own, others.source, others.kind.value)


def with_config(image: KernelImage, config: KernelConfig) -> KernelImage:
    """Return ``image`` with the options that only ``config`` knows."""
    options = _lacking(config.options, image.config)
    merged = replace(
        image,
        config={**options, **image.config},
        origins={**image.origins, **{name: config.origins[name] for name in options}},
    )
    return _complemented(settled(merged), image, config.source, "config")


def on_one_base(one: KernelImage, other: KernelImage) -> tuple[KernelImage, KernelImage]:
    """Move symbols that KASLR may have shifted to where the other source has the kernel."""
    base, others_base = _base(one), _base(other)
    if is_movable(other) and isinstance(base, Known):
        return one, replace(moved_to(other, base.value), symbols_shifted=False)
    if is_movable(one) and isinstance(others_base, Known):
        return replace(moved_to(one, others_base.value), symbols_shifted=False), other
    return one, other


def _base(image: KernelImage) -> Fact[int]:
    """Return the link address of ``_text``, if that is more than an assumption."""
    if image.symbols_shifted:
        return Unknown("only distances are known")
    if "_text" in image.symbols:
        return Known(image.symbols["_text"], image.symbol_origin("_text"))
    return stated_link_address(image)


def _filled(own: Fact[T], others: Fact[T], source: str) -> Fact[T]:
    if isinstance(others, Known) and source not in others.origin:
        others = Known(others.value, f"{source}: {others.origin}")
    return first_known(own, others)


def _lacking(theirs: Mapping[str, T], own: Mapping[str, T]) -> dict[str, T]:
    return {name: value for name, value in theirs.items() if name not in own}


def _origins(other: KernelImage, names: list[str]) -> dict[str, str]:
    """Say where the facts of those ``names`` were read, now that it is not the image's source."""
    read = {
        name: other.origins.get(name, name) if name in other.config else other.symbol_origin(name)
        for name in names
    }
    return {
        name: origin if other.source in origin else f"{other.source}: {origin}"
        for name, origin in read.items()
    }


def _sections(own: KernelImage, other: KernelImage) -> tuple[Section, ...]:
    others = {section.name: section for section in reversed(other.sections)}
    typed = (
        replace(section, type=others[section.name].type)
        if section.type is None and section.name in others
        else section
        for section in own.sections
    )
    if own.sections_complete:
        return tuple(typed)
    names = {section.name for section in own.sections}
    return (*typed, *(section for section in other.sections if section.name not in names))


def _header(own: SetupHeader, other: SetupHeader, source: str) -> SetupHeader:
    return SetupHeader(
        init_size=_filled(own.init_size, other.init_size, source),
        kernel_alignment=_filled(own.kernel_alignment, other.kernel_alignment, source),
        pref_address=_filled(own.pref_address, other.pref_address, source),
        relocatable=_filled(own.relocatable, other.relocatable, source),
        output_len=_filled(own.output_len, other.output_len, source),
        other={**other.other, **own.other},
    )


def _complemented(merged: KernelImage, before: KernelImage, source: str, kind: str) -> KernelImage:
    """Note on ``merged`` which facts it has from ``source``."""
    old, new = _facts(before), _facts(merged)
    used = tuple(name for name in new if new[name] != old[name])
    return replace(merged, complements=(*before.complements, Complement(source, kind, used)))


def _facts(image: KernelImage) -> dict[str, object]:
    """Return what the image knows, by the names under which reports list what was used."""
    header = image.header
    return {
        "release": image.release,
        "build_id": image.build_id,
        "init_size": header.init_size,
        "kernel_alignment": header.kernel_alignment,
        "pref_address": header.pref_address,
        "relocatable": header.relocatable,
        "output_len": header.output_len,
        "symbols": (set(image.symbols), image.symbols_complete),
        "sections": (image.sections, image.sections_complete),
        "program_headers": image.loads,
        "config": image.config,
    }


@record
class Contradiction:
    """What shows that two sources are of different builds."""

    fact: str
    one: str
    other: str
    """What each says of it."""


def contradiction(one: KernelImage, other: KernelImage) -> Contradiction | None:
    """Return what two images contradict each other in; ``None`` if they may be of one build."""
    one, other = on_one_base(one, other)
    return (
        _difference(_statements(one), _statements(other))
        or _difference(one.marks, other.marks)
        or _too_small(one, other)
        or _swapped(_too_small(other, one))
    )


def config_contradiction(image: KernelImage, config: KernelConfig) -> Contradiction | None:
    """Return what an image and a configuration contradict each other in."""
    return (
        _difference(_statements(image), _options_statements(config.options, config.version))
        or _difference(image.marks, config.marks)
        or _other_release(image.release, config)
        or _other_levels(image, config)
    )


def _other_release(release: Fact[str], config: KernelConfig) -> Contradiction | None:
    """Hold the release of an image against what a configuration says of its own.

    A banner's third number is often the distribution's own, and then 0: only another one counts.
    """
    if isinstance(release, Unknown):
        return None
    marks, version = config.marks, config.version
    stable = re.match(r"\d+\.\d+\.[1-9]\d*", release.value)
    stated = re.match(r"\d+\.\d+\.\d+", version.value) if isinstance(version, Known) else None
    if stable is not None and stated is not None and stable[0] != stated[0]:
        return Contradiction("the version", stable[0], stated[0])
    added = marks.get(LOCALVERSION, "")
    if added not in release.value:
        return Contradiction(LOCALVERSION, release.value, added)
    for mark in (BUILD_SALT, NAMED_AFTER):
        # Distributions salt their builds with the release, to have another build-id each time.
        name = marks.get(mark, "")
        if re.match(r"\d+\.\d+\.\d", name) and name != release.value:
            return Contradiction(mark, release.value, name)
    return None


def _other_levels(image: KernelImage, config: KernelConfig) -> Contradiction | None:
    """Hold the header's XLF_5LEVEL_ENABLED against CONFIG_X86_5LEVEL, which v6.16 removed."""
    built, option = has_five_levels(image), config.options.get("CONFIG_X86_5LEVEL")
    if isinstance(built, Unknown) or option is None or built.value is (option == "y"):
        return None
    return Contradiction("5-level paging", built.origin, f"CONFIG_X86_5LEVEL={option}")


def _difference(one: Mapping[str, str], other: Mapping[str, str]) -> Contradiction | None:
    for fact, value in one.items():
        if other.get(fact, value) != value:
            return Contradiction(fact, value, other[fact])
    return None


def _statements(image: KernelImage) -> dict[str, str]:
    """Return what an image states, the facts that show most first."""
    header = image.header
    facts: dict[str, Fact[str] | Fact[int] | Fact[bool]] = {
        "the build-id": image.build_id,
        "the release": image.release,
        "init_size": header.init_size,
        "output_len": header.output_len,
        "kernel_alignment": header.kernel_alignment,
        "LOAD_PHYSICAL_ADDR": header.pref_address,
        "whether it is relocatable": header.relocatable,
        "whether it has SME code": identify(image).sme_code,
    }
    stated = _texts(facts)
    for more in (_places(image), _options_statements(image.config, image.release)):
        stated |= {name: value for name, value in more.items() if name not in stated}
    return stated


def _options_statements(options: Mapping[str, str], version: Fact[str]) -> dict[str, str]:
    """Return what a configuration states, in the words that an image would use."""
    facts: dict[str, Fact[str] | Fact[int] | Fact[bool]] = {
        "kernel_alignment": physical_align(options),
        "LOAD_PHYSICAL_ADDR": physical_start(options),
        "whether it is relocatable": _switch(options, "CONFIG_RELOCATABLE"),
        "whether it has SME code": _switch(options, "CONFIG_AMD_MEM_ENCRYPT"),
    }
    stated = dict(options) | _texts(facts)
    if isinstance(version, Known) and (match := re.match(r"\d+\.\d+(?!\d)", version.value)):
        stated["the version"] = match[0]
    return stated


def _switch(options: Mapping[str, str], option: str) -> Fact[bool]:
    return Known(options[option] == "y", option) if option in options else Unknown("not given")


def _texts(facts: Mapping[str, Fact[str] | Fact[int] | Fact[bool]]) -> dict[str, str]:
    """Return the facts that are known, as text."""
    texts: dict[str, str] = {}
    for name, fact in facts.items():
        if isinstance(fact, Known):
            value: str | int | bool = fact.value
            if isinstance(value, bool):
                value = "yes" if value else "no"
            texts[name] = value if isinstance(value, str) else address_text(value)
    return texts


def _places(image: KernelImage) -> dict[str, str]:
    """Return what an image states of addresses: themselves, and their distances from ``_text``."""
    facts = identify(image)
    places: dict[str, str] = {}
    if not image.symbols_shifted:
        places |= {name: address_text(address) for name, address in image.symbols.items()}
    if not isinstance(facts.text, Known):
        return places
    text = facts.text.value
    if not image.symbols_shifted:
        places["LOAD_PHYSICAL_ADDR"] = address_text(text - START_KERNEL_MAP)
    if isinstance(facts.end, Known):
        places["_end - _text"] = address_text(facts.end.value - text)
    bss = image.section(".bss")
    if bss is not None:
        places["__bss_start - _text"] = address_text(bss.address - text)
    if facts.section is not None:
        distance = address_text(facts.section.address - text)
        places["the workarea's section"] = f"{facts.section.name} at _text + {distance}"
    elif image.sections_complete or image.symbols_complete:
        places["the workarea's section"] = "none"
    for name, address in image.symbols.items():
        if name not in ("_text", "_end", IDENTITY_FILE_SYMBOL):
            places[f"{name} - _text"] = address_text(address - text)
    for section in reversed(image.sections):
        if section.address >= START_KERNEL_MAP:
            places[f"section {section.name} - _text"] = address_text(section.address - text)
    return places


def _too_small(one: KernelImage, other: KernelImage) -> Contradiction | None:
    """Hold one's init_size against the other's layout.

    Source: arch/x86/boot/header.S, init_size is never below VO_INIT_SIZE, ``_end - _text``.
    """
    init_size, facts = one.header.init_size, identify(other)
    if not (
        isinstance(init_size, Known)
        and isinstance(facts.text, Known)
        and isinstance(facts.end, Known)
    ):
        return None
    size = facts.end.value - facts.text.value
    if init_size.value >= size:
        return None
    return Contradiction(
        "init_size is never below _end - _text",
        address_text(init_size.value),
        address_text(size),
    )


def _swapped(found: Contradiction | None) -> Contradiction | None:
    return None if found is None else Contradiction(found.fact, found.other, found.one)
