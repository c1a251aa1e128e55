"""Options of kexec that bear on the placement, and those that do what nobody asked for."""

from __future__ import annotations

import pytest
from recorded import DATA, kernel

from smecheck.analysis import analyze
from smecheck.evidence import value_of
from smecheck.inputs.iomem import parse_iomem, read_iomem
from smecheck.model.boot import BootRequest
from smecheck.model.finding import Severity
from smecheck.model.firmware import E820Type, FirmwareMap, FirmwareMapKind, FirmwareRange
from smecheck.model.host import Host
from smecheck.model.report import Report
from smecheck.model.segments import Loader, Mode, SegmentRole
from smecheck.placement.kexec.kexec_options import KexecOptions, parse_options
from smecheck.placement.kexec.predicted_load import Machine
from smecheck.placement.question import Question
from smecheck.span import Span

IOMEM = read_iomem(str(DATA / "founding" / "old-p-c-2g" / "iomem.txt"))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), KexecOptions()),
        (("-d", "--noefi"), KexecOptions(no_efi=True)),
        (("--entry-32bit",), KexecOptions(entry_32bit=True)),
        (
            ("--mem-min=1M", "--mem-max", "0x3fffffff"),
            KexecOptions(mem_min=1 << 20, mem_max=0x3FFFFFFF),
        ),
        (("--args-elf", "--args-linux"), KexecOptions(elf_arguments="linux")),
        (("--command-line=ro mem=4G",), KexecOptions(cmdline="ro mem=4G")),
        (("--append", "ro"), KexecOptions(cmdline="ro")),
        (("--noefi", "--append=ro"), KexecOptions(no_efi=True, cmdline="ro")),
        (
            ("--append=ro", "--noefi"),
            KexecOptions(no_efi=True, cmdline="ro", loses_cmdline=True),
        ),
        (
            ("--append=ro", "--pass-memmap-cmdline", "--append=rw"),
            KexecOptions(memmap_on_cmdline=True, cmdline="rw"),
        ),
    ],
)
def test_options(options: tuple[str, ...], expected: KexecOptions) -> None:
    assert parse_options(options) == expected


def loaded(*options: str, firmware: FirmwareMap | None = None) -> Report:
    machine = Machine(Host(source="host.yaml", kexec_options=options), firmware=firmware)
    boot = BootRequest(loader=Loader.KEXEC_LOAD, mode=Mode.LOAD, initrd_size=0)
    return analyze(Question(kernel("5.0-old"), boot, memory=IOMEM, machine=machine))


def test_a_command_line_that_is_lost_switches_kaslr_on() -> None:
    """With --noefi behind it, nokaslr never reaches the kernel."""
    kept, lost = loaded("--append=nokaslr"), loaded("--append=nokaslr", "--noefi")
    assert (value_of(kept.boot.kaslr), value_of(kept.boot.cmdline)) == (False, "nokaslr")
    assert (value_of(lost.boot.kaslr), value_of(lost.boot.cmdline)) == (True, "")
    assert any("loses the command line" in text for text in lost.assumptions)


def test_memory_that_the_command_line_excludes_is_used_all_the_same() -> None:
    """The firmware's map still has what memmap=16M$0x7f000000 took from the kernel."""
    ranges = (
        FirmwareRange(Span(0, 0x9FC00), E820Type.RAM, "System RAM", "memmap:1"),
        FirmwareRange(Span(0x100000, 0x7FFE0000), E820Type.RAM, "System RAM", "memmap:2"),
    )
    firmware = FirmwareMap("memmap", FirmwareMapKind.SYSFS, ranges)
    memory = parse_iomem(
        "00000000-00000fff : Reserved\n00001000-0009fbff : System RAM\n"
        "00100000-7effffff : System RAM\n  01000000-01ffffff : Kernel code\n"
        "7f000000-7fffffff : Reserved\n",
        "iomem",
    )
    boot = BootRequest(loader=Loader.KEXEC_LOAD, mode=Mode.LOAD, initrd_size=0, cmdline="nokaslr")
    question = Question(kernel("5.0-old"), boot, memory=memory, firmware=firmware)
    report = analyze(question)
    assert report.segments is not None
    (placed,) = report.segments.of(SegmentRole.KERNEL)
    assert placed.span.start == 0x7F200000
    outside = [finding for finding in report.findings if finding.rule == "SME016"]
    assert {finding.severity for finding in outside} == {Severity.WARNING}
