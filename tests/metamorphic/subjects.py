"""The questions whose texts are changed, and what is compared of their answers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from recorded import DATA, kernel, load_json

from smecheck.analysis import analyze
from smecheck.answer import Report
from smecheck.asked import BootRequest, GivenInitrd, Switch, asked_by_options
from smecheck.errors import InputError, UsageError
from smecheck.evidence import value_of
from smecheck.kernel.image import KernelImage
from smecheck.load.segments import Loader, Mode
from smecheck.read.case import Inputs, case
from smecheck.read.kernel.kernel import read_kernel
from smecheck.read.source import NamedStream

SAMPLES = DATA.parents[1] / "samples"
SAFE = ("clear", "not-applicable")


@dataclass(frozen=True)
class Subject:
    """A question: a kernel, texts of its machine and load, and what is asked."""

    name: str
    image: KernelImage
    texts: dict[str, str]
    """By kind: iomem, segments, dmesg, memmap."""
    request: BootRequest = field(default_factory=BootRequest)


@dataclass(frozen=True)
class Answer:
    """What came of it."""

    verdict: str
    """Or ``error``."""
    facts: tuple[object, ...] = ()
    said: str = ""


def ask(subject: Subject, texts: dict[str, bytes]) -> Answer:
    """Ask the question with these texts."""
    given: dict[str, Any] = {kind: NamedStream.of(kind, data) for kind, data in texts.items()}
    try:
        report = analyze(case(subject.image, Inputs(**given), subject.request))
    except (InputError, UsageError) as error:
        return Answer("error", (), f"{error.where}: {error.message}")
    return Answer(report.verdict.value, _facts(report), report.headline)


def _facts(report: Report) -> tuple[object, ...]:
    """Return what must not depend on how the inputs came."""
    segments = report.segments.segments if report.segments is not None else ()
    return (
        report.basis,
        value_of(report.boot.kernel_base),
        value_of(report.boot.kaslr),
        report.boot.sme,
        tuple((placement.scheme, placement.extents) for placement in report.placements),
        tuple((segment.role, segment.span) for segment in segments),
        tuple((one.rule, one.severity, one.condition is None, one.span) for one in report.findings),
    )


@cache
def subjects() -> tuple[Subject, ...]:
    """Return every question."""
    return (*_samples(), *_experiments(), *_logs(), *_loads(), *_evidence())


def _read(folder: Path, **names: str) -> dict[str, str]:
    return {
        kind: (folder / name).read_text()
        for kind, name in names.items()
        if (folder / name).exists()
    }


def _samples() -> Iterator[Subject]:
    asked = {
        "dead-kdump": asked_by_options(
            mode=Mode.CRASH, initrd=GivenInitrd(1032939), cmdline="nokaslr mem_encrypt=on"
        ),
        "kdump-from-a-log": asked_by_options(
            mode=Mode.CRASH, loader=Loader.KEXEC_FILE_LOAD, cmdline="nokaslr mem_encrypt=on"
        ),
    }
    for folder in sorted(SAMPLES.iterdir()):
        texts = (
            _read(folder, iomem="iomem.txt", dmesg="dmesg.txt", segments="kexec.log")
            if folder.is_dir()
            else {}
        )
        if texts:
            image = read_kernel(str(folder / "kernel.yaml"))
            yield Subject(folder.name, image, texts, asked.get(folder.name, BootRequest()))


def _experiments() -> Iterator[Subject]:
    for kind in ("founding", "captures"):
        for folder in sorted((DATA / kind).iterdir()):
            result = load_json(kind, folder.name, "result.json")
            texts = _read(folder, iomem="iomem.txt", segments="segments.txt")
            yield Subject(f"{kind}/{folder.name}", kernel(result["kernel"]), texts)


def _logs() -> Iterator[Subject]:
    asked = {
        "crash": asked_by_options(
            mode=Mode.CRASH, loader=Loader.KEXEC_FILE_LOAD, cmdline="nokaslr mem_encrypt=on"
        ),
        "load": asked_by_options(
            mode=Mode.LOAD,
            loader=Loader.KEXEC_LOAD,
            initrd=GivenInitrd(20 << 20),
            cmdline="nokaslr mem_encrypt=on",
        ),
        "open": asked_by_options(mode=Mode.CRASH, loader=Loader.KEXEC_FILE_LOAD, sme=Switch.ON),
    }
    folder = DATA / "machine-logs"
    for path in sorted(folder.glob("*.dmesg.txt")):
        name = path.name.removesuffix(".dmesg.txt")
        for what, request in asked.items():
            yield Subject(f"{name}/{what}", kernel("5.0-old"), {"dmesg": path.read_text()}, request)
        both = _read(folder, iomem=f"{name}.iomem.txt", memmap=f"{name}.memmap.txt")
        yield Subject(f"{name}/memmap", kernel("5.0-old"), both, asked["load"])


def _loads() -> Iterator[Subject]:
    memory = {
        "iomem": "00000000-00000fff : Reserved\n00001000-0009ffff : System RAM\n"
        "00100000-47fffffff : System RAM\n"
    }
    for path in sorted((DATA / "kexec").glob("*.txt")):
        texts = {"segments": path.read_text(), **memory}
        for name in ("5.0-old", "6.1.0-56-amd64"):
            yield Subject(f"kexec/{path.stem}/{name}", kernel(name), texts)


def _evidence() -> Iterator[Subject]:
    folder = DATA / "evidence" / "files"
    crash = asked_by_options(
        mode=Mode.CRASH, loader=Loader.KEXEC_FILE_LOAD, cmdline="nokaslr mem_encrypt=on"
    )
    for name in ("journal-control", "reserved-whole", "sme-active", "no-crash-zero"):
        texts = _read(folder, dmesg=f"{name}.dmesg")
        yield Subject(f"evidence/{name}", kernel("5.0-old"), texts, crash)
    sample = SAMPLES / "founding-failure"
    for name in ("sme-active", "userspace-sshd", "userspace-guest-sev"):
        texts = _read(sample, iomem="iomem.txt", segments="kexec.log")
        texts["dmesg"] = (folder / f"{name}.dmesg").read_text()
        yield Subject(f"evidence/{name}/load", kernel("5.0-old"), texts)
