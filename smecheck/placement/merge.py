"""Two sources of one kernel put together: facts that one lacks are filled in from the other.

Nothing is overruled: what the first source knows stays, with its origin. Whether both are of the
same build is to be asked before, see ``agreement``.
"""

from __future__ import annotations

from collections.abc import Mapping

from smecheck.evidence import Fact, Known, T, Unknown, first_known
from smecheck.model.kernel import Complement, KernelConfig, KernelImage, Section, SetupHeader
from smecheck.placement.link_address import is_movable, moved_to, settled, told_link_address
from smecheck.record import replace


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
        origins={**own.origins, **_origins(others, [*symbols, *options])},
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
    return told_link_address(image)


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
