"""Options of kexec that bear on the placement, and those that do what nobody asked for."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from recorded import DATA, kernel, segment_list

from smecheck.analysis import analyze
from smecheck.answer import Report
from smecheck.asked import BootRequest, GivenInitrd, asked_by_options
from smecheck.boot.case_as_asked import with_kexec_options
from smecheck.case import Case
from smecheck.checks.finding import Severity
from smecheck.evidence import Known, value_of
from smecheck.kernel.image import KernelKind
from smecheck.load.getopt_long import BadOptionError
from smecheck.load.kexec_cmdline import given_cmdline
from smecheck.load.kexec_option_table import options_of
from smecheck.load.kexec_options import KexecOptions, parse_options
from smecheck.load.request import Machine
from smecheck.load.segments import Loader, Mode, SegmentRole
from smecheck.load.versions import ToolsChange, parse_version
from smecheck.machine.firmware import E820Type, FirmwareMap, FirmwareMapKind, FirmwareRange
from smecheck.machine.host import Host
from smecheck.read.machine.iomem import parse_iomem, read_iomem
from smecheck.record import replace
from smecheck.span import Span

IOMEM = read_iomem(str(DATA / "founding" / "old-p-c-2g" / "iomem.txt"))


TABLES = json.loads((DATA / "kexec-options" / "tables.json").read_text())
INVOCATIONS = json.loads((DATA / "kexec-options" / "invocations.json").read_text())
RUNS = [(run, version) for run in INVOCATIONS for version in run["versions"]]

MEANS_NOTHING = ("foo", "noefi", "p", "extra", "-", "")
"""Words that kexec passes over, or takes for the kernel's file, and that are refused here: a type
that kexec_file_load does not look at, and what is not an option."""

OF_THE_MACHINE = ("Could not find a free area", "Cannot open", "Could not open", "Path /sys/")
"""What the machine that was made up is to blame for."""

LATER = ("Wrong file type", "Kexec2 syscall", "Can't use bzImage", "unrecoverable error")
LATER += ("--load-preserve-context not supported", "Please specify memory range")
"""Refusals that depend on the kernel's file or on the system call."""


@pytest.mark.parametrize("version", TABLES)
def test_the_table_is_that_of_the_binary(version: str) -> None:
    table = TABLES[version]
    known = options_of(parse_version(version))
    assert [[o.name, o.takes_value, o.letter] for o in known] == table["options"]
    with_letter = {f"{o.letter}:" if o.takes_value else o.letter for o in known if o.letter}
    assert with_letter == set(re.findall("[a-zA-Z]:?", table["letters"]))


def read(run: dict[str, Any], version: str) -> KexecOptions | str:
    """Return what is made of a command line, or why it is refused."""
    try:
        return parse_options(run["words"], parse_version(version))
    except BadOptionError as error:
        return error.message


@pytest.mark.parametrize(
    ("run", "version"), RUNS, ids=[f"{v}: {' '.join(run['words'])}" for run, v in RUNS]
)
def test_options_mean_what_they_mean_to_kexec(run: dict[str, Any], version: str) -> None:
    options, says = read(run, version), run["says"] or ""
    if set(MEANS_NOTHING) & set(run["words"]) or (
        run["words"][-2:] == ["/boot/vmlinuz", "-p"] and ("--" in run["words"])
    ):
        assert isinstance(options, str)
    elif not any(call.startswith("kexec") for call in run["calls"]) or "unload" in says:
        assert_refused(options, says)
    else:
        assert isinstance(options, KexecOptions)
        file_first = parse_version(version) >= ToolsChange.FILE_LOAD_FIRST.since
        loader = options.loader or (
            Loader.KEXEC_FILE_LOAD if options.tries_file_load or file_first else Loader.KEXEC_LOAD
        )
        assert loader.value == run["calls"][0]
        assert (options.mode is Mode.CRASH) == run["crash"]
        if run["entry"] is not None:
            assert options.enters_32bit == (run["entry"] == "32")
        check_cmdline(options, run, version)


def assert_refused(options: KexecOptions | str, says: str) -> None:
    if isinstance(options, KexecOptions):
        # The name of the kernel's file may be taken for a value; and what is unloaded first is
        # loaded all the same.
        assert says.startswith((*OF_THE_MACHINE, *LATER, "No kernel specified", "kexec unload"))
    elif options.endswith("loads nothing"):
        assert not says or says.startswith(("kexec unload", "There is kexec kernel", "2684"))
    elif options.startswith("Bad option value"):
        assert options[:20] == says[:20]
    elif not options.startswith("option requires an argument") and says != "No kernel specified":
        assert options == says or options == "invalid option -- '?'"


def check_cmdline(options: KexecOptions, run: dict[str, Any], version: str) -> None:
    cmdline = "BOOT_IMAGE=/boot/v root=/dev/sda1 ro crashkernel=256M crashkernel=64M,low"
    host = Host(kexec_tools=Known(version, "t"), cmdline=Known(cmdline, "t"))
    given = given_cmdline(options, host)
    found = value_of(given) if given is not None else ""
    if run["cmdline"] is not None:
        assert found == run["cmdline"]
    if "cmdline_length" in run:
        assert len(found or "") == run["cmdline_length"]


@pytest.mark.parametrize(
    ("run", "version"),
    [(run, version) for run, version in RUNS if (run["says"] or "").startswith(LATER)],
)
def test_what_kexec_refuses_for_its_options_is_refused_so(
    run: dict[str, Any], version: str
) -> None:
    host = Host("h", kexec_tools=Known(version, "t"), kexec_options=tuple(run["words"]))
    image = replace(kernel("5.0-old"), kind=KernelKind.BZIMAGE)
    boot = asked_by_options(initrd=GivenInitrd(0))
    report = analyze(Case(image, boot, memory=IOMEM, machine=Machine(host)))
    assert report.segments is not None
    refusal = report.segments.refusal or ""
    if run["says"].startswith("unrecoverable"):
        assert "--reuseinitrd" in refusal
    else:
        assert refusal.startswith(run["says"])


def loaded(*options: str) -> Report:
    machine = Machine(Host(source="host.yaml", kexec_options=options))
    boot = asked_by_options(loader=Loader.KEXEC_LOAD, mode=Mode.LOAD, initrd=GivenInitrd(0))
    return analyze(Case(kernel("5.0-old"), boot, memory=IOMEM, machine=machine))


def test_a_command_line_that_is_lost_switches_kaslr_on() -> None:
    """With --noefi behind it, nokaslr never reaches the kernel."""
    kept, lost = loaded("--append=nokaslr"), loaded("--append=nokaslr", "--noefi")
    assert (value_of(kept.boot.kaslr), value_of(kept.boot.cmdline)) == (False, "nokaslr")
    assert (value_of(lost.boot.kaslr), value_of(lost.boot.cmdline)) == (True, "")
    assert any("loses the command line" in text for text in lost.assumptions)


def test_memory_that_the_command_line_excludes_is_used_all_the_same() -> None:
    """The firmware's map still has what memmap=16M$0x7f000000 took from the kernel."""
    ranges = (
        FirmwareRange(Span(0, 0x9FC00), E820Type.RAM, "memmap:1"),
        FirmwareRange(Span(0x100000, 0x7FFE0000), E820Type.RAM, "memmap:2"),
    )
    firmware = FirmwareMap("memmap", FirmwareMapKind.SYSFS, ranges)
    memory = parse_iomem(
        "00000000-00000fff : Reserved\n00001000-0009fbff : System RAM\n"
        "00100000-7effffff : System RAM\n  01000000-01ffffff : Kernel code\n"
        "7f000000-7fffffff : Reserved\n",
        "iomem",
    )
    boot = asked_by_options(
        loader=Loader.KEXEC_LOAD, mode=Mode.LOAD, initrd=GivenInitrd(0), cmdline="nokaslr"
    )
    question = Case(kernel("5.0-old"), boot, memory=memory, firmware=firmware)
    report = analyze(question)
    assert report.segments is not None
    (placed,) = report.segments.of(SegmentRole.KERNEL)
    assert placed.span.start == 0x7F200000
    outside = [finding for finding in report.findings if finding.rule == "SME016"]
    assert {finding.severity for finding in outside} == {Severity.WARNING}


def test_the_options_say_mode_and_call_unless_the_user_or_a_record_does() -> None:
    machine = Machine(Host(source="host.yaml", kexec_options=("-p", "-s")))
    asked = with_kexec_options(Case(kernel("5.0-old"), BootRequest(), machine=machine)).asked
    origin = "host.yaml: kexec_options"
    assert asked.mode == Known(Mode.CRASH, origin)
    assert asked.loader == Known(Loader.KEXEC_FILE_LOAD, origin)

    said = asked_by_options(loader=Loader.KEXEC_LOAD, mode=Mode.LOAD)
    assert with_kexec_options(Case(kernel("5.0-old"), said, machine=machine)).asked == said

    record = replace(
        segment_list(kernel=Span.sized(0x10000000, 0xD41000)),
        mode=Known(Mode.LOAD, "kexec.log:1"),
        loader=Known(Loader.KEXEC_LOAD, "kexec.log:1"),
    )
    question = Case(kernel("5.0-old"), BootRequest(), record, machine=machine)
    assert with_kexec_options(question).asked == BootRequest()
