"""A kexec load to be predicted: what is asked, and what came of it."""

from __future__ import annotations

from smecheck.evidence import Fact, Known
from smecheck.kernel.image import KernelImage
from smecheck.load.segments import Loader, Mode, Placing, Segment, SegmentList
from smecheck.machine.firmware import FirmwareMap
from smecheck.machine.host import Host
from smecheck.machine.memory import MemoryMap
from smecheck.record import record
from smecheck.span import Span

ADDRESSES = Span(0, 1 << 64)
"""Every address that there is."""


@record
class Machine:
    """What is said of the machine that loads, and what kexec is asked for."""

    host: Host = Host()
    window: Span = ADDRESSES
    """What ``--mem-min`` and ``--mem-max`` leave."""


@record
class WholeMachine(Machine):
    """All that is known of the machine that loads: what is said of it, its maps and its log."""

    memory: MemoryMap | None = None
    firmware: FirmwareMap | None = None


@record
class LoadRequest:
    """Everything that decides where kexec puts the segments of one load."""

    image: KernelImage
    """The kernel that is loaded."""
    loader: Loader
    mode: Mode
    memory: MemoryMap | None = None
    """/proc/iomem of the machine."""
    firmware: FirmwareMap | None = None
    """/sys/firmware/memmap of the machine."""
    host: Host = Host()
    """The system that loads the kernel."""
    initrd_size: int | None = None
    """Bytes of the initrd; ``None`` where none is loaded."""
    cmdline: str = ""
    """What kexec is given for the kernel's command line, without what it adds itself."""
    window: Span = ADDRESSES
    """What ``--mem-min`` and ``--mem-max`` leave."""


@record
class Refusal:
    """A load that would be refused."""

    text: str
    """In the words of the program that refuses it."""
    size: int | None = None
    """Bytes that found no room, where that is the reason."""
    largest: Span | None = None
    """The largest hole there was where they were looked for."""
    role: str = ""
    """What they were for, where that is the reason."""
    falls_back: bool = False
    """Whether kexec-tools then tries kexec_load, as it does where nobody says which one to use."""


@record
class Prediction:
    """What a load would come to: placed, refused, or not to be predicted."""

    segments: tuple[Segment, ...]
    """By address; what had been placed already where the load is refused."""
    refusal: Refusal | None
    unknown: str | None
    """Why it cannot be predicted, as a clause; ``None`` where it is."""
    cmdline: str
    """The command line that the kernel is started with."""
    assumptions: tuple[str, ...]
    assumed: tuple[str, ...] = ()
    """The facts of the host that were assumed, by their names in its description."""
    placing: Placing = Placing.BY_THE_RULES
    """What is known of it all the same where it cannot be predicted."""

    @property
    def placed(self) -> bool:
        """Whether the whole load was placed."""
        return self.refusal is None and self.unknown is None


DEFAULT_LOADER = "default of kexec-tools"


@record
class AskedLoad:
    """A load to predict, and what had to be chosen for it."""

    request: LoadRequest
    loader: Known[Loader]
    mode: Known[Mode]
    cmdline: Fact[str]
    """The command line that kexec is given."""
    assumptions: tuple[str, ...]
    initrd_assumed: bool
    """Nobody said whether there is an initrd."""

    @property
    def loader_assumed(self) -> bool:
        """Whether nobody said which system call loads."""
        return self.loader.origin == DEFAULT_LOADER


@record
class PredictedLoad:
    """What a load comes to."""

    asked: AskedLoad
    prediction: Prediction
    segments: SegmentList | None
    """``None`` where it cannot be predicted."""
