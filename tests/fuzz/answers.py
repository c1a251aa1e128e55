"""What is done with an input that was read: it is analyzed, reported, described, as users do."""

from __future__ import annotations

import json
import re
from typing import Any
from zlib import crc32

from recorded import kernel

from smecheck.analysis import analyze
from smecheck.asked import BootRequest, GivenInitrd, Switch, asked_by_options
from smecheck.boot.early_boot import BootParams, EarlyBoot, Srat, from_boot_params
from smecheck.case import Case
from smecheck.errors import SmecheckError
from smecheck.evidence import Fact, Known
from smecheck.fleets.canonical import canonical
from smecheck.fleets.digest import digest_of_map, digest_of_question
from smecheck.kernel.image import KernelConfig, KernelImage
from smecheck.kernel.same_build import config_contradiction, contradiction, merge, with_config
from smecheck.kernel.symbols import Symbols
from smecheck.kernel.verification import Result, VerifyReport
from smecheck.load.request import Machine
from smecheck.load.segments import Loader, Mode, SegmentList
from smecheck.machine.firmware import FirmwareMap
from smecheck.machine.host import Host
from smecheck.machine.kernel_log import KernelLog
from smecheck.machine.memory import MemoryMap
from smecheck.read.kernel.kernel_description import read_kernel_description
from smecheck.read.machine.boot_description import read_boot_description
from smecheck.record import replace
from smecheck.report.description import kernel_description
from smecheck.report.options import Format, RenderOptions
from smecheck.report.redaction import redacted
from smecheck.report.render import render, render_triage, render_verify
from smecheck.support_case.triage import triage
from smecheck.support_case.triage_report import Evidence

TRIAGED = (Format.TEXT, Format.PLAIN, Format.MARKDOWN, Format.JSON)
OPTIONS = RenderOptions(explain=True, color=False, width=100, unicode=True, exit_code=0)
PLACED = BootRequest(load_address=0x7C000000, kaslr=Switch.OFF)
KERNEL = kernel("5.0-old")
OTHER = kernel("6.1.0-56-amd64")
_PLACE_IN_HEADER = re.compile(r" \([^()]*: setup[ _]header[^()]*\)")
"""Where a report says that it read a field: another place in a file and in its description."""


def of_kernel(image: KernelImage) -> None:
    """Analyze the kernel, and hold it against the kernel that its description reads back to."""
    told = _report(Case(image, PLACED))
    again = read_kernel_description(kernel_description(image), "described.yaml")
    described = _report(Case(again, PLACED))
    for key in ("verdict", "basis", "image", "placements", "findings", "proof"):
        if told[key] != described[key]:
            raise AssertionError(f"{key} of the description differs: {told[key]}, {described[key]}")


def of_machine_code(report: VerifyReport) -> None:
    """Hold what came of the runs together, report it, and judge the kernel by it."""
    found = report.verification
    if bool(found.differences) != found.is_refuted:
        raise AssertionError(f"{found.result} with {len(found.differences)} differences")
    if found.result is Result.NOT_RECOGNIZED and not found.reasons:
        raise AssertionError("not recognized, and no reason")
    if found.result is Result.AGREES and found.count(Result.AGREES) != found.planned:
        raise AssertionError(f"it agrees in {found.share} of {found.planned} runs")
    for chosen in (Format.TEXT, Format.PLAIN):
        _printable(render_verify(report, chosen, OPTIONS))
    json.loads(render_verify(report, Format.JSON, OPTIONS))
    told = _report(Case(report.image, PLACED, verification=found))
    if found.is_refuted and told["verdict"] == "clear":
        raise AssertionError("clear, and its machine code does something else")


def of_all_symbols(found: Fact[Symbols]) -> None:
    """Look symbols up both ways: what is listed is found by its name and at its address."""
    if not isinstance(found, Known):
        return
    symbols = found.value
    listed = list(symbols)
    symbols.addresses([symbol.name for symbol in listed[:40]])
    for symbol in listed[:40]:
        symbols.names(symbol.address)
        symbols.holding(symbol.address)


def of_complement(image: KernelImage) -> None:
    """Put the list together with a kernel, unless they contradict each other."""
    of_kernel(image)
    for known in (KERNEL, OTHER):
        if contradiction(known, image) is None:
            _report(Case(merge(known, image), PLACED))


def of_config(config: KernelConfig) -> None:
    """Put the configuration together with a kernel, unless they contradict each other."""
    for known in (KERNEL, OTHER):
        if config_contradiction(known, config) is None:
            _report(Case(with_config(known, config), PLACED))


def of_memory(memory: MemoryMap) -> None:
    """Analyze a kernel on that machine, and the loads that kexec would place there."""
    _report(Case(KERNEL, PLACED, None, memory))
    _predict(Case(KERNEL, BootRequest(), None, memory))


def of_machines(machines: list[Case]) -> None:
    """Name the questions of an inventory, and answer the first."""
    for machine in machines:
        shared = canonical(machine)
        digest_of_question(shared, digest_of_map(shared.memory))
    for machine in machines[:1]:
        _report(canonical(machine))


def of_log(log: KernelLog) -> None:
    """Analyze a kernel on the machine that the log tells of."""
    for known in (KERNEL, OTHER):
        _report(Case(known, PLACED, log=log))


def of_firmware(firmware: FirmwareMap) -> None:
    """Analyze a kernel on a machine with that map, and the loads that kexec would place there."""
    _report(Case(KERNEL, PLACED, firmware=firmware))
    _predict(Case(KERNEL, BootRequest(), firmware=firmware))


def of_host(host: Host) -> None:
    """Predict every kind of load by that host."""
    _predict(Case(KERNEL, BootRequest(), machine=Machine(host)))


def of_early(early: EarlyBoot) -> None:
    """Analyze a first boot that begins so, and find every place that KASLR may choose."""
    cmdline = asked_by_options(cmdline="mem_encrypt=on")
    for known in (KERNEL, OTHER):
        _report(Case(known, cmdline, early=early))


def of_boot_params(params: BootParams) -> None:
    """Analyze a first boot with these boot_params."""
    of_early(from_boot_params(params, Known("", "fuzz")))


def of_srat(srat: Srat) -> None:
    """Analyze a first boot on a machine with this SRAT."""
    text = (
        "schema: smecheck/boot-v1\ne820: [{start: 1M, end: 64G, type: 1}]\n"
        "setup_data: []\ninitrd: {start: 1G, size: 20M}\n"
    )
    early = read_boot_description(text, "boot.yaml")
    of_early(replace(early, srat=Known(srat, "fuzz")))


def _predict(question: Case) -> None:
    for loader in Loader:
        for mode in Mode:
            load = asked_by_options(loader=loader, mode=mode, initrd=GivenInitrd(1 << 20))
            asked = load.completed(by=question.asked)
            _report(replace(question, asked=asked))


def of_segments(segments: SegmentList) -> None:
    """Analyze a kernel that was loaded so."""
    for known in (KERNEL, OTHER):
        _report(Case(known, BootRequest(), segments))


def _report(question: Case) -> Any:
    """Return the JSON report without what may differ; a few are printed, too."""
    report = analyze(question)
    written = render(report, Format.JSON, OPTIONS)
    if crc32(written.encode()) % 64 == 0:
        for chosen in (Format.PLAIN, Format.TEXT):
            _printable(render(report, chosen, OPTIONS))
    document = json.loads(_PLACE_IN_HEADER.sub("", written))
    for placement in document["placements"]:
        for step in placement["derivation"]:
            del step["source"]
    return document


def _printable(text: str) -> None:
    """Refuse what would be obeyed by a terminal."""
    unprintable = {character for character in text if not character.isprintable()} - {"\n"}
    if unprintable:
        raise AssertionError(f"raw characters in a report: {unprintable!r}")


def check_error(error: SmecheckError, path: str) -> None:
    """Refuse an error that does not say which file, or not what to do."""
    if not (error.where or "").startswith(path):
        raise AssertionError(f"an error of another file: {error.where!r}: {error.message}")
    if not error.message or not error.help_text:
        raise AssertionError(f"an error without words: {error!r} {error.help_text!r}")


def of_evidence(evidence: Evidence) -> None:
    """Triage it, with a kernel and without one, and write the answer in every format."""
    for given in (None, OTHER):
        answer = triage(evidence, given, lambda image: Case(image, BootRequest()))
        for chosen in TRIAGED:
            written = render_triage(answer, chosen, OPTIONS)
            if chosen is Format.JSON:
                json.loads(written)
        redacted(answer)
