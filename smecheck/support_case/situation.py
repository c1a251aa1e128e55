"""What the tree of failures asks of the evidence, each answer with its place."""

from __future__ import annotations

import re

from smecheck.answer import Report, Verdict
from smecheck.boot.boot import SmeState
from smecheck.evidence import value_of
from smecheck.record import record
from smecheck.support_case.contradictions import number_of
from smecheck.support_case.question import reservation_sizes
from smecheck.support_case.triage_report import Evidence, FactName, SeenSign, Sign, TriageFact

_VERSION = re.compile(r"([0-9]{1,3})\.([0-9]{1,4})")


@record
class Situation:
    """The evidence, and the placement analysis of it where there was enough for one."""

    evidence: Evidence
    report: Report | None

    @property
    def verdict(self) -> Verdict:
        """Of the placement; undecided where it could not be asked about."""
        return Verdict.UNDECIDED if self.report is None else self.report.verdict

    @property
    def is_about_kdump(self) -> bool:
        """Whether it is a crash kernel that is asked about."""
        if self.report is not None and self.report.boot.path.is_crash:
            return True
        if self.report is not None and self.report.segments is not None:
            return False
        names = (FactName.CRASH_LOADED, FactName.DISTRIBUTION, FactName.KDUMP_STATE)
        said = any(self.evidence.said(name) for name in (*names, FactName.SECOND_KERNEL))
        return said or self.crashkernel is not None or bool(self.reserved)

    @property
    def is_loaded(self) -> bool | None:
        """Whether a crash kernel is loaded; ``None`` where that is not said, or contradictory."""
        value = number_of(self.one(FactName.CRASH_LOADED))
        if value is None and self.evidence.said(FactName.LOADED_AT_CRASH):
            return True
        return None if value is None else value != 0

    @property
    def reserved(self) -> tuple[int, ...]:
        """Sizes of what is reserved for a crash kernel, bytes."""
        return reservation_sizes(self.evidence)

    @property
    def is_nothing_reserved(self) -> bool:
        """Whether it is said that nothing is reserved, not only not said that something is."""
        if self.reserved:
            return False
        size = number_of(self.one(FactName.CRASH_SIZE))
        shown = any(memory.shows_kernel for memory in self.evidence.iomems)
        return size == 0 or shown or bool(self.evidence.said(FactName.RESERVATION_FAILED))

    @property
    def lost_reservation(self) -> TriageFact | None:
        """The line by which the log reserved memory that iomem does not show."""
        if not any(memory.shows_kernel for memory in self.evidence.iomems):
            return None
        if any(list(memory.named("Crash kernel")) for memory in self.evidence.iomems):
            return None
        return next(iter(self.evidence.said(FactName.RESERVATION)), None)

    @property
    def crashkernel(self) -> str | None:
        """``crashkernel=`` of the running kernel, as it stands on its command line."""
        cmdline = self.one(FactName.CMDLINE)
        if cmdline is None:
            return None
        words = [word for word in cmdline.value.split() if word.startswith("crashkernel=")]
        return " ".join(words) or None

    @property
    def sme(self) -> SmeState:
        """Whether the kernel that is booted uses SME."""
        return SmeState.UNKNOWN if self.report is None else self.report.boot.sme

    @property
    def is_sme_running(self) -> TriageFact | None:
        """What says that the running, or the crashed, kernel uses SME."""
        for fact in self.evidence.said(FactName.SME):
            if re.search(r"\bSME\b", fact.value) and "SEV-SNP" not in fact.value:
                return fact
        masks = self.evidence.said(FactName.SME_MASK)
        return next((fact for fact in masks if number_of(fact)), None)

    @property
    def snp_host(self) -> TriageFact | None:
        """The line by which the machine is a host of SEV-SNP guests."""
        return next(iter(self.evidence.said(FactName.SNP_HOST)), None)

    @property
    def version(self) -> tuple[int, int] | None:
        """Version of the kernel that is asked about, of the running one where that is not known."""
        release = None
        if self.report is not None:
            release = value_of(self.report.image.release)
        if release is None:
            fact = self.one(FactName.RELEASE)
            release = fact.value if fact is not None else None
        found = _VERSION.match(release) if release is not None else None
        return (int(found[1]), int(found[2])) if found else None

    @property
    def is_efi(self) -> TriageFact | None:
        """What says that the machine was booted by EFI."""
        fact = next(iter(self.evidence.said(FactName.EFI)), None)
        return fact if fact is not None and fact.value == "yes" else None

    def config(self, option: str) -> str | None:
        """Return the value of an option of the configuration, where it is known."""
        if self.report is not None and option in self.report.image.config:
            return self.report.image.config[option]
        for config in self.evidence.configs:
            if option in config.options:
                return config.options[option]
        return None

    def one(self, name: FactName) -> TriageFact | None:
        """Return the fact of a name on which all members agree."""
        return self.evidence.one(name)

    def seen(self, *signs: Sign) -> SeenSign | None:
        """Return the first of some signs that the crash kernel wrote, or whoever dumped it."""
        for one in self.evidence.signs:
            if one.sign in signs and one.of_crash_kernel:
                return one
        return None

    @property
    def spoke(self) -> TriageFact | SeenSign | None:
        """Something that the crash kernel wrote, if it is known to have written anything."""
        said = self.evidence.said(FactName.SECOND_KERNEL)
        if said:
            return said[0]
        return next((sign for sign in self.evidence.signs if sign.of_crash_kernel), None)

    @property
    def vmcore(self) -> TriageFact | None:
        """A dump that was taken."""
        return next(iter(self.evidence.said(FactName.VMCORE)), None)

    @property
    def collides(self) -> bool:
        """Whether the placement is a collision."""
        return self.verdict is Verdict.COLLISION

    @property
    def cpus(self) -> int | None:
        """How many CPUs the machine has."""
        possible = number_of(self.one(FactName.CPUS))
        return possible if possible is not None else number_of(self.one(FactName.ONLINE_CPUS))
