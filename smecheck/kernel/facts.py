"""What a kernel image means: the facts that the arithmetic starts from."""

from __future__ import annotations

from smecheck.evidence import Fact, Known
from smecheck.kernel.generations import Generation
from smecheck.kernel.image import Scheme, Section
from smecheck.record import record


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
    """The one generation, or the candidates where the image does not tell; never empty."""
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
