"""What would help: changes that were tried out, each with the verdict that it gives."""

from __future__ import annotations

from enum import Enum

from smecheck.model.report import Verdict
from smecheck.record import record


class Cost(Enum):
    """What a change costs, the cheapest first; ordered by :attr:`rank`."""

    BOOT_OPTION = "boot-option"
    """Another word on the command line of the kernel that is loaded."""
    RELOAD = "reload"
    """The same kernel loaded with other options, or by other means."""
    INITRD = "initrd"
    """Another initrd."""
    REBOOT = "reboot"
    """The running kernel started with another option first."""
    KERNEL = "kernel"
    """Another kernel."""

    @property
    def rank(self) -> int:
        """0 for the cheapest."""
        return list(Cost).index(self)


@record
class Advice:
    """One change, and what the program itself says of it."""

    change: str
    """What to do, as an imperative: ``add nokaslr to the command line of the loaded kernel``."""
    verdict: Verdict
    cost: Cost
    helps: bool
    """Whether it is safe then: clear or not applicable, and nothing else is wrong."""
    note: str
    """What the verdict rests on."""
