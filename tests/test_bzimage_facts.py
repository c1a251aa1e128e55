"""What a loader needs of a setup header, and what is assumed where it is not there."""

from __future__ import annotations

import pytest
from recorded_loads import image_of

from smecheck.evidence import Known, Unknown
from smecheck.load.assumptions import Assumptions
from smecheck.load.bzimage_facts import bzimage_facts
from smecheck.load.predicted_load import machine_with_log
from smecheck.load.request import WholeMachine
from smecheck.machine.firmware import E820Type, FirmwareMap, FirmwareMapKind, FirmwareRange
from smecheck.machine.host import Host
from smecheck.read.log.dmesg import read_dmesg
from smecheck.read.source import NamedStream
from smecheck.record import replace
from smecheck.span import Span

HEADER = {
    "protocol": 0x20F,
    "xloadflags": 0x7F,
    "loadflags": 1,
    "setup_sects": 39,
    "cmdline_size": 2047,
    "initrd_addr_max": 0x7FFFFFFF,
    "file_size": 0x805000,
    "init_size": 0x2000000,
    "kernel_alignment": 0x200000,
    "pref_address": 0x1000000,
    "relocatable": 1,
}
LOG = "BIOS-e820: [mem 0x0000000000100000-0x000000003fffffff] usable"


def said_without(*names: str) -> tuple[str, ...]:
    image = image_of(HEADER)
    header = replace(
        image.header,
        other={name: value for name, value in image.header.other.items() if name not in names},
        **{name: Unknown("left out") for name in names if name == "kernel_alignment"},
    )
    assumptions = Assumptions()
    bzimage_facts(replace(image, header=header), assumptions)
    return tuple(assumptions.texts)


def test_nothing_is_assumed_of_a_whole_header() -> None:
    assert said_without() == ()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("kernel_alignment", "kernel_alignment is 2 MiB (0x200000), the default"),
        ("cmdline_size", "cmdline_size of the setup header is 0x7ff, as is usual"),
        ("initrd_addr_max", "initrd_addr_max of the setup header is 0x7fffffff, as is usual"),
    ],
)
def test_what_is_not_there_is_assumed_and_said(name: str, said: str) -> None:
    assert said_without(name) == (said,)


def test_whose_firmware_map_counts() -> None:
    given, described = firmware("memmap"), firmware("host")
    log = read_dmesg(NamedStream.of("dmesg", LOG.encode()))
    with_all = WholeMachine(Host(firmware_map=described), firmware=given)
    assert machine_with_log(with_all, log).firmware is given
    assert machine_with_log(WholeMachine(Host(firmware_map=described)), log).firmware is described
    assert machine_with_log(WholeMachine(), log).firmware is log.boot.firmware_map is not None


def firmware(name: str) -> FirmwareMap:
    usable = FirmwareRange(Span(0x100000, 0x40000000), E820Type.RAM, name)
    return FirmwareMap(name, FirmwareMapKind.SYSFS, (usable,))


def test_a_host_that_is_described_goes_before_the_log() -> None:
    log = read_dmesg(NamedStream.of("dmesg", f"Linux version 6.1.0 (a@b)\n{LOG}".encode()))
    told = machine_with_log(WholeMachine(Host(kernel_release=Known("5.10.0", "host"))), log).host
    assert told.kernel_release == Known("5.10.0", "host")
