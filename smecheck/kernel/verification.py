"""What came of running a kernel's own machine code: each run, and what differs from the prediction.

Addresses are physical unless something else is said; an instruction's are link addresses.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, assert_never

from smecheck.kernel.facts import AS_UPSTREAM
from smecheck.quantity import address_text
from smecheck.record import record
from smecheck.span import Span, SpanSet

if TYPE_CHECKING:
    from smecheck.kernel.facts import KernelFacts
    from smecheck.kernel.image import KernelImage


class Result(Enum):
    """The answer in one word, of a run and of all of them."""

    AGREES = "agrees"
    """The code does what is predicted, in every number."""
    DIFFERS = "differs"
    FAULTS = "faults"
    """The code touches what nothing maps, or executes what no CPU can: the kernel is dead."""
    NOT_RECOGNIZED = "not-recognized"
    """It could not be run, or not to the end: nothing is known of it."""


class Aspect(Enum):
    """What is compared."""

    START = "workarea start"
    TABLES_START = "start of the page tables in the workarea"
    LENGTH = "workarea length"
    MAPPED_END = "mapped end"
    TABLES_ADDED = "tables added to the live CR3"
    LIVE_TABLES = "what is mapped in the live CR3"
    MAPPED = "what the new page tables map"
    ASKED = "ranges that are to be encrypted"
    WRITTEN = "pages written"
    ENCRYPTED = "encrypted ranges"
    MAPPED_AT_END = "what the page tables map at the end"
    UNENCRYPTED = "ranges left without the C-bit"
    END = "end of the run"
    FAULT = "fault"


@record
class Mapping:
    """A range of virtual addresses that is mapped to one range of physical ones."""

    virtual: Span
    physical: int
    """Where the range begins."""
    encrypted: bool
    """Whether its entries have the encryption bit (C-bit)."""
    writable: bool = True

    @property
    def memory(self) -> Span:
        """The physical range."""
        return Span.sized(self.physical, self.virtual.size)


@record
class Figures:
    """The numbers of one run, predicted or seen; ``None`` where the run did not come to them."""

    fault: int | None = None
    """The virtual address of the page fault that ended it."""
    start: int | None = None
    tables_start: int | None = None
    """Where the page tables begin in the workarea: the end of what encrypting needs."""
    length: int | None = None
    """Before it is rounded up; ``None`` also where the code does not show it."""
    mapped_end: int | None = None
    tables_added: int | None = None
    """Tables for the live CR3 that were taken out of the workarea."""
    live_tables: tuple[Mapping, ...] | None = None
    """What was mapped in the live CR3 that was not before."""
    mapped: tuple[Mapping, ...] | None = None
    """All that the new page tables map while encrypting."""
    mapped_at_end: tuple[Mapping, ...] | None = None
    """All that the page tables in force at the end map."""
    asked: tuple[Span, ...] | None = None
    """What sme_encrypt_execute() was called for, call by call."""
    written: SpanSet | None = None
    """Every page that is written and not encrypted, without the stack and the live tables."""
    encrypted: SpanSet | None = None
    """What was read without the C-bit and written back with it."""
    unencrypted: SpanSet | None = None
    """What the page tables in force at the end map without the C-bit."""


@record
class CodePlace:
    """An instruction of the image."""

    address: int
    """As linked."""
    symbol: str
    """``sme_prepare_pgd+0x50``, or where in which section."""
    code: str = ""
    """Its bytes and some after it, in hex."""

    @property
    def text(self) -> str:
        """Address and symbol."""
        return f"{address_text(self.address)} ({self.symbol})"


@record
class Difference:
    """One number that differs, of one run."""

    aspect: Aspect
    predicted: str
    seen: str
    instruction: CodePlace | None
    """The first instruction that shows it."""
    note: str = ""
    """What lies at the address of a fault."""
    reached_from: str = ""
    """For a fault in code that stands apart: the function that came there."""

    @property
    def text(self) -> str:
        """What differs, in a clause."""
        if self.aspect is Aspect.FAULT:
            return f"{self.seen} ({self.note})" if self.note else self.seen
        return f"{self.aspect.value}: {self.seen} instead of {self.predicted}"


@record
class Run:
    """One run of the code."""

    number: int
    """From 1."""
    start: str
    """How the kernel was started."""
    base: int
    levels: int
    tables: str
    """Whose page tables were in force at entry."""
    encryption_bit: int
    initrd: Span | None
    result: Result
    predicted: Figures
    seen: Figures
    differences: tuple[Difference, ...]
    reason: str = ""
    """Why it is not recognized."""


@record
class KnownDifference:
    """A difference that runs have in common: the first of them, and how many."""

    first: Difference
    run: int
    """The number of the first run that shows it."""
    runs: int


@record
class Verification:
    """What came of all runs."""

    result: Result
    runs: tuple[Run, ...]
    planned: int
    """Runs of the matrix; fewer were made where one could not be recognized."""
    differences: tuple[KnownDifference, ...]
    """By aspect."""
    reasons: tuple[str, ...]
    """Why the code is not recognized, and what was left out."""
    code: CodePlace | None
    """Of sme_encrypt_kernel()."""
    emulator: str
    """Its name and version."""

    def count(self, result: Result) -> int:
        """Return how many runs had that result."""
        return sum(run.result is result for run in self.runs)

    @property
    def reason(self) -> str:
        """Why the code is not recognized."""
        return self.reasons[-1] if self.reasons else "nothing was run"

    @property
    def is_refuted(self) -> bool:
        """Whether the code was seen to do something else than predicted."""
        return self.result in (Result.DIFFERS, Result.FAULTS)

    @property
    def premise(self) -> str:
        """What it makes of the premise that the code computes as its source upstream does."""
        match self.result:
            case Result.AGREES:
                return f"{AS_UPSTREAM}: confirmed by its machine code ({self.share} runs)"
            case Result.NOT_RECOGNIZED:
                return f"{AS_UPSTREAM}: its machine code was not recognized: {self.reason}"
            case Result.DIFFERS | Result.FAULTS:
                return f"{AS_UPSTREAM} is refuted: its machine code {self.result.value}"
        assert_never(self.result)

    @property
    def share(self) -> str:
        """How many of the runs that were made came to the result: ``202 of 202``."""
        return f"{self.count(self.result)} of {len(self.runs)}"


@record
class VerifyReport:
    """The answer about a kernel's machine code."""

    image: KernelImage
    facts: KernelFacts
    verification: Verification
