"""A kernel from several files: what KERNEL lacks is read from those that complement it.

Users hold pieces: a vmlinuz and a System.map, a stripped vmlinux and a configuration. Pieces of
different builds are refused, with the fact that shows it: put together they describe no kernel.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

from smecheck.errors import MalformedInput, WrongKind
from smecheck.evidence import Known
from smecheck.kernel.identity import identify, link_address_problem
from smecheck.kernel.image import KernelConfig, KernelImage, Misfit
from smecheck.read.kernel.kernel import read_kernel
from smecheck.record import record, replace

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    images, config = _read_all(kernel, complements)
    for misfit in _misfits(images, config):
        raise _different(misfit)
    return _together(images, config)


def read_with_misfits(kernel: str, complements: Complements) -> KernelImage:
    """Read a kernel with what complements it, of that what is of the same build.

    What is of another build is left out and noted on the image: for a check on builds that is an
    answer, where for others it is a question that cannot be meant.

    Raises:
        UnreadableInput: a file cannot be read.
        WrongKind: one is something else than it should be.
        MalformedInput: one is broken, or they make no kernel together.
    """
    images, config = _read_all(kernel, complements)
    misfits = tuple(_misfits(images, config))
    strangers = {misfit.source for misfit in misfits}
    fitting = [images[0], *(image for image in images[1:] if image.source not in strangers)]
    if config is not None and config.source in strangers:
        config = None
    return replace(_together(fitting, config), misfits=misfits)


def _read_all(
    kernel: str, complements: Complements
) -> tuple[list[KernelImage], KernelConfig | None]:
    """Read each file by itself."""
    images = [read_kernel(kernel)]
    if complements.bzimage is not None:
        images.append(_read_bzimage(complements.bzimage))
    if complements.symbols is not None:
        from smecheck.read.kernel.symbol_list import read_symbols

        images.append(read_symbols(complements.symbols))
    if complements.config is None:
        return images, None
    from smecheck.read.kernel.config import read_config

    return images, read_config(complements.config)


def _together(images: list[KernelImage], config: KernelConfig | None) -> KernelImage:
    """Make one kernel of what is of one build."""
    image, *others = images
    if not others and config is None:
        return image
    from smecheck.kernel.same_build import merge, with_config

    for other in others:
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
            f"does not show init_size: {image.header.init_size.reason}",
            where=image.source,
            help_text="give the vmlinuz (bzImage), which has a setup header",
        )
    return image


def _misfits(images: list[KernelImage], config: KernelConfig | None) -> Iterator[Misfit]:
    """Yield which source contradicts an earlier one, and in what."""
    if len(images) == 1 and config is None:
        return
    from smecheck.kernel.same_build import config_contradiction, contradiction

    for one, other in combinations(images, 2):
        found = contradiction(one, other)
        if found is not None:
            yield Misfit(other.source, one.source, found.fact, found.other, found.one)
    if config is None:
        return
    for image in images:
        found = config_contradiction(image, config)
        if found is not None:
            yield Misfit(config.source, image.source, found.fact, found.other, found.one)


def _different(misfit: Misfit) -> WrongKind:
    return WrongKind(
        f"is not of the same build as {misfit.other}: {misfit.fact}: {misfit.others} there, "
        f"{misfit.stated} here",
        where=misfit.source,
        help_text=_SAME_BUILD,
    )
