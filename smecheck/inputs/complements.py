"""A kernel from several files: what KERNEL lacks is read from those that complement it.

Users hold pieces: a vmlinuz and a System.map, a stripped vmlinux and a configuration. Pieces of
different builds are refused, with the fact that shows it: put together they describe no kernel.
"""

from __future__ import annotations

from itertools import combinations

from smecheck.errors import MalformedInput, WrongKind
from smecheck.evidence import Known
from smecheck.inputs.kernel import read_kernel
from smecheck.model.kernel import KernelConfig, KernelImage
from smecheck.placement.identity import identify, link_address_problem
from smecheck.record import record

_SAME_BUILD = "give files of one build, or leave one of them out"


@record
class Complements:
    """The paths of the files that complement KERNEL; ``None`` where there is none."""

    bzimage: str | None = None
    symbols: str | None = None
    config: str | None = None

    @property
    def paths(self) -> tuple[str, ...]:
        """The paths that are given."""
        return tuple(path for path in (self.bzimage, self.symbols, self.config) if path is not None)


def read_complemented(kernel: str, complements: Complements) -> KernelImage:
    """Read a kernel with what complements it; ``-`` is standard input.

    Raises:
        UnreadableInput: a file cannot be read.
        WrongKind: one is something else than it should be, or they are of different builds.
        MalformedInput: one is broken, or they make no kernel together.
    """
    image = read_kernel(kernel)
    if not complements.paths:
        return image
    from smecheck.placement.merge import merge, with_config

    images = [image]
    if complements.bzimage is not None:
        images.append(_read_bzimage(complements.bzimage))
    if complements.symbols is not None:
        from smecheck.inputs.symbol_list import read_symbols

        images.append(read_symbols(complements.symbols))
    config = None
    if complements.config is not None:
        from smecheck.inputs.config import read_config

        config = read_config(complements.config)
    _refuse_different_builds(images, config)
    for other in images[1:]:
        image = merge(image, other)
    if config is not None:
        image = with_config(image, config)
    problem = link_address_problem(identify(image))
    if problem is not None:
        raise MalformedInput(problem, where=image.source, help_text=_SAME_BUILD)
    return image


def _read_bzimage(path: str) -> KernelImage:
    image = read_kernel(path)
    if not isinstance(image.header.init_size, Known):
        raise WrongKind(
            f"does not tell init_size: {image.header.init_size.reason}",
            where=image.source,
            help_text="give the vmlinuz (bzImage), which has a setup header",
        )
    return image


def _refuse_different_builds(images: list[KernelImage], config: KernelConfig | None) -> None:
    from smecheck.placement.agreement import config_contradiction, contradiction

    for one, other in combinations(images, 2):
        found = contradiction(one, other)
        if found is not None:
            raise _different(one.source, other.source, found.fact, found.one, found.other)
    if config is None:
        return
    for image in images:
        found = config_contradiction(image, config)
        if found is not None:
            raise _different(image.source, config.source, found.fact, found.one, found.other)


def _different(one: str, other: str, fact: str, ones: str, others: str) -> WrongKind:
    return WrongKind(
        f"is not of the same build as {one}: {fact}: {ones} there, {others} here",
        where=other,
        help_text=_SAME_BUILD,
    )
