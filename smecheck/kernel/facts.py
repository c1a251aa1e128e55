"""What a kernel image means: the facts that the arithmetic starts from."""

from __future__ import annotations

from smecheck.evidence import Fact, Known, value_of
from smecheck.kernel.generations import Generation
from smecheck.kernel.image import Scheme, Section
from smecheck.record import record

AS_UPSTREAM = "this build's compiled SME code computes as upstream's"
"""The premise of everything that is worked out from the kernel's sources."""

COMPUTES_AS_UPSTREAM = (
    f"{AS_UPSTREAM}: it was not run, and a compiler or a patch may have changed it"
)


@record
class KernelFacts:
    """The meaning of an image, each fact with what it follows from."""

    text: Fact[int]
    """Link address of ``_text``."""
    end: Fact[int]
    """Link address of ``_end``."""
    scheme: Fact[Scheme]
    section: Section | None
    """The section that holds the workarea."""
    sme_code: Fact[bool]
    """Whether the kernel has SME code at all."""
    generations: tuple[Generation, ...]
    """The one generation, or the candidates where the image does not show it; never empty."""
    generation_origin: str
    assumptions: tuple[str, ...]

    @property
    def image_size(self) -> int | None:
        """Bytes from ``_text`` to ``_end``; ``None`` where one of them is not known."""
        if isinstance(self.text, Known) and isinstance(self.end, Known):
            return self.end.value - self.text.value
        return None

    @property
    def generation_text(self) -> str:
        """The generation, or the candidates joined by "or"."""
        return " or ".join(generation.value for generation in self.generations)


def code_premise(facts: KernelFacts, found: str | None) -> tuple[str, ...]:
    """Return what has to be said of the code of that kernel; nothing where it has none.

    Args:
        facts: what the kernel is.
        found: what has to be said after its machine code was run; ``None`` where it was not.
    """
    if value_of(facts.sme_code) is False:
        return ()
    return (COMPUTES_AS_UPSTREAM if found is None else found,)
