"""Whether two sources can be of one build: what each states, and what they differ in."""

from __future__ import annotations

import re
from collections.abc import Mapping

from smecheck.evidence import Fact, Known, Unknown
from smecheck.model.build_marks import BUILD_SALT, LOCALVERSION, NAMED_AFTER
from smecheck.model.kernel import KernelConfig, KernelImage
from smecheck.placement.constants import START_KERNEL_MAP
from smecheck.placement.identity import IDENTITY_FILE_SYMBOL, identify
from smecheck.placement.link_address import physical_align, physical_start
from smecheck.placement.merge import on_one_base
from smecheck.placement.paging import has_five_levels
from smecheck.quantity import address_text
from smecheck.record import record


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
    """Hold the release of an image against what a configuration tells of its own.

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
    """Hold the header's XLF_5LEVEL_ENABLED against CONFIG_X86_5LEVEL, which v6.17 removed."""
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
    """Return what an image states, the most telling facts first."""
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
