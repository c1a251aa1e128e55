"""The readers that are fuzzed, and what they begin with. A further reader is one further line.

Each takes a path, as every border of smecheck does. ``use`` does with what was read what the
program does: what a reader lets through must not hurt anybody behind it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import answers
import seeds

from smecheck.boot.early_boot import EarlyBoot
from smecheck.case import Case
from smecheck.errors import MalformedInput, UsageError
from smecheck.evidence import Fact
from smecheck.kernel.identity import identify
from smecheck.kernel.symbols import Symbols
from smecheck.kernel.verification import VerifyReport
from smecheck.programs.verify import verification_of
from smecheck.read.archive.evidence_reader import read_evidence
from smecheck.read.fleet.described import Described, Said, case_of_described
from smecheck.read.fleet.earlier_rows import read_rows
from smecheck.read.fleet.inventory import read_inventory
from smecheck.read.fleet.machine import Broken
from smecheck.read.kernel.config import read_config
from smecheck.read.kernel.elf_file import ElfFile
from smecheck.read.kernel.kernel import read_kernel
from smecheck.read.kernel.kernel_symbols import kernel_symbols
from smecheck.read.kernel.symbol_list import read_symbols
from smecheck.read.load.segments import read_segments
from smecheck.read.log.dmesg import read_dmesg
from smecheck.read.machine.boot_description import read_boot_description
from smecheck.read.machine.boot_params import read_boot_params
from smecheck.read.machine.crash_cma_ranges import read_crash_cma_ranges
from smecheck.read.machine.host_description import read_host
from smecheck.read.machine.iomem import read_iomem
from smecheck.read.machine.memmap import read_memmap
from smecheck.read.machine.srat import read_srat
from smecheck.read.source import read_text
from smecheck.support_case.triage_report import Evidence


@dataclass(frozen=True)
class Reader:
    """A reader, inputs to break for it, and what comes of an input that it takes."""

    name: str
    read: Callable[[str], Any]
    make: Callable[[Random], bytes]
    use: Callable[[Any], object] = lambda _: None
    cost: int = 1
    """How many inputs of another reader one of these stands for."""
    seconds: float = 2.0
    """Of CPU, that an input may take."""


def read_boot(path: str) -> EarlyBoot:
    return read_boot_description(read_text(path), path)


def read_all_symbols(path: str) -> Fact[Symbols]:
    with Path(path).open("rb") as stream:
        elf = ElfFile(stream, stream.seek(0, os.SEEK_END), path)
        elf.read_header()
        return kernel_symbols(elf, elf.read_sections())


def run_code(path: str) -> VerifyReport:
    image = read_kernel(path)
    return VerifyReport(image, identify(image), verification_of([path], image, quick=True))


def read_report(path: str) -> Evidence:
    return read_evidence([path])


def read_machines(path: str) -> list[Case]:
    """Read an inventory, of which the first machine that cannot be asked ends it here."""
    found = []
    for machine in read_inventory(path, lambda _: None):
        if isinstance(machine, Broken):
            raise machine.error
        assert isinstance(machine, Described)
        try:
            found.append(case_of_described(machine, answers.KERNEL, Said()))
        except UsageError as error:
            raise MalformedInput(error.message, where=machine.where) from error
    return found


def read_written(path: str) -> object:
    return read_rows(path, ["old", "new"], lambda _: None)


READERS = (
    Reader("elf", read_kernel, seeds.elf, answers.of_kernel),
    Reader("bzimage", read_kernel, seeds.bzimage, answers.of_kernel),
    Reader("kallsyms", read_kernel, seeds.kallsyms, answers.of_kernel),
    Reader("early-code", read_kernel, seeds.early_code, answers.of_kernel),
    Reader(
        "machine-code", run_code, seeds.machine_code, answers.of_machine_code, cost=5, seconds=20
    ),
    Reader("all-symbols", read_all_symbols, seeds.symbols, answers.of_all_symbols),
    Reader("payload", read_kernel, seeds.payload, answers.of_kernel),
    Reader("compressed", read_kernel, seeds.compressed, answers.of_kernel),
    Reader("uki", read_kernel, seeds.uki, answers.of_kernel),
    Reader("description", read_kernel, seeds.texts("kernels/*.yaml"), answers.of_kernel),
    Reader("list-as-kernel", read_kernel, seeds.texts("symbols/*"), answers.of_kernel),
    Reader("symbols", read_symbols, seeds.texts("symbols/*"), answers.of_complement),
    Reader("config", read_config, seeds.config, answers.of_config),
    Reader("iomem", read_iomem, seeds.texts("iomem/*.txt"), answers.of_memory),
    Reader("kexec-log", read_segments, seeds.texts("kexec/*.txt"), answers.of_segments),
    Reader("kernel-log", read_segments, seeds.texts("kexec/*.dmesg.txt"), answers.of_segments),
    Reader("dmesg", read_dmesg, seeds.texts("machine-logs/*.dmesg.txt"), answers.of_log),
    Reader("console", read_dmesg, seeds.texts("machine-logs/*.console.txt"), answers.of_log),
    Reader("memmap", read_memmap, seeds.texts("machine-logs/*.memmap.txt"), answers.of_firmware),
    Reader("sent-dmesg", read_dmesg, seeds.sent("machine-logs/*.dmesg.txt"), answers.of_log),
    Reader("sent-load", read_segments, seeds.sent("kexec/*.txt"), answers.of_segments),
    Reader("sent-iomem", read_iomem, seeds.sent("iomem/*.txt"), answers.of_memory),
    Reader("sent-memmap", read_memmap, seeds.sent("machine-logs/*.txt"), answers.of_firmware),
    Reader("host", read_host, seeds.host, answers.of_host),
    Reader("crash-cma", read_crash_cma_ranges, seeds.crash_cma_ranges),
    Reader("segments", read_segments, seeds.segments, answers.of_segments),
    Reader("boot-params", read_boot_params, seeds.boot_params, answers.of_boot_params),
    Reader("boot", read_boot, seeds.boot, answers.of_early),
    Reader("srat", read_srat, seeds.srat, answers.of_srat),
    Reader("archive", read_report, seeds.archive, answers.of_evidence, cost=3),
    Reader("packed-archive", read_report, seeds.packed_archive, answers.of_evidence, cost=3),
    Reader("supportconfig", read_report, seeds.supportconfig, answers.of_evidence, cost=3),
    Reader("members", read_report, seeds.members, answers.of_evidence, cost=3),
    Reader("inventory", read_machines, seeds.inventory, answers.of_machines),
    Reader("rows", read_written, seeds.rows),
    Reader("vmcore", read_report, seeds.vmcore, answers.of_evidence),
)
"""All of them; ``--reader NAME`` chooses."""
