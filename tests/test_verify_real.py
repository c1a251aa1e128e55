"""Real kernels' own code, of a folder that SMECHECK_KERNELS names: it agrees; patched, it differs.

Every vmlinuz agrees by itself, and so does the debug vmlinux that is beside it. What the patches
change is found in the code by what it is: an immediate, a call, an address.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from commandline import run
from test_real_kernels import DEBUG, KERNELS, ONES, release_of

from smecheck.emulation.confirm import Subject, verify
from smecheck.evidence import Known
from smecheck.kernel.constants import START_KERNEL_MAP
from smecheck.kernel.identity import identify
from smecheck.kernel.program import KernelProgram
from smecheck.kernel.startup_names import spellings
from smecheck.kernel.verification import Aspect, Result
from smecheck.read.kernel.kernel import read_kernel
from smecheck.read.kernel.program import open_program
from smecheck.record import replace

pytestmark = pytest.mark.real

CPU_SECONDS, MIB = 10, 512
QUICK_CPU_SECONDS = 3
LIGHTEST = sorted(ONES, key=lambda path: ("cloud" not in path.name, path.name))[:1]
FOUND_AT_LEAST = 12


@contextmanager
def cpu_of_children(limit: float) -> Iterator[None]:
    before = os.times()
    yield
    after = os.times()
    used = after.children_user + after.children_system
    assert used - before.children_user - before.children_system <= limit


@KERNELS
def test_every_kernel_agrees_with_its_vmlinuz_alone(vmlinuz: Path) -> None:
    with cpu_of_children(CPU_SECONDS):
        found = run("verify", str(vmlinuz), "--format", "json")
    assert found.status == 0, found.out[:2000]
    document = found.document
    assert document["result"] == "agrees"
    assert document["counts"]["agrees"] == document["planned"] >= 100
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss <= MIB << 10


@pytest.mark.parametrize("release", sorted(DEBUG))
def test_every_debug_vmlinux_agrees(release: str) -> None:
    with cpu_of_children(CPU_SECONDS):
        found = run("verify", str(DEBUG[release]), "--format", "json")
    assert found.document["result"] == "agrees"


@KERNELS
def test_a_gate_with_it_takes_no_more_than_three_seconds(vmlinuz: Path) -> None:
    with cpu_of_children(QUICK_CPU_SECONDS):
        found = run("gate", str(vmlinuz), "--verify", "--format", "json")
    assert found.status == 0
    (row,) = [row for row in found.document["results"] if row["check"] == "verify"]
    assert row["outcome"] == "passed"


# Patched kernels.


class Code:
    """The code of a kernel, to be searched and patched by link address."""

    def __init__(self, program: KernelProgram) -> None:
        self.program = program

    def at(self, name: str) -> int | None:
        return self.program.address(spellings(name))

    def function(self, name: str) -> tuple[int, bytes]:
        start = self.at(name)
        if start is None:
            return 0, b""
        return start, self.read(start, self.program.size_of(start))

    def read(self, address: int, size: int) -> bytes:
        page = address - START_KERNEL_MAP & ~0xFFF
        pages = b"".join(self.program.page(page + n * 0x1000) for n in range(size // 0x1000 + 2))
        return pages[address & 0xFFF : (address & 0xFFF) + size]

    def places(self, function: str, needle: bytes) -> Iterator[int]:
        start, code = self.function(function)
        at = code.find(needle)
        while at >= 0:
            yield start + at
            at = code.find(needle, at + 1)

    def calls(self, function: str, target: str) -> list[int]:
        """Return where ``function`` calls a function, or a part of it that the compiler made."""
        found = []
        for place in self.places(function, b"\xe8"):
            distance = int.from_bytes(self.read(place + 1, 4), "little", signed=True)
            symbol = self.program.symbols.holding(place + 5 + distance)
            names = [symbol.name] if symbol and symbol.address == place + 5 + distance else []
            if any(name.removeprefix("__pi_").partition(".")[0] == target for name in names):
                found.append(place)
        return found


Patch = dict[int, bytes]
KERNEL = "sme_encrypt_kernel"
ROUND_DOWN, PAGE_DOWN = b"\x00\x00\xe0\xff", b"\x00\xf0\xff\xff"


def replaced(code: Code, function: str, old: int, new: int) -> Patch:
    needle = old.to_bytes(4, "little")
    return {place: new.to_bytes(4, "little") for place in code.places(function, needle)}


def without(places: list[int]) -> Patch:
    return dict.fromkeys(places, b"\x90" * 5)


def and_instructions(code: Code, immediate: bytes) -> list[tuple[int, int]]:
    """Return where such an AND begins, and its size."""
    found = []
    for place in code.places(KERNEL, immediate):
        before = code.read(place - 3, 3)
        if before[0] & 0xF8 == 0x48 and before[1] == 0x81 and before[2] & 0xF8 == 0xE0:
            found.append((place - 3, 7))
        elif before[1:] == b"\x48\x25":
            found.append((place - 2, 6))
    return found


def workarea_moved(code: Code) -> Patch:
    """Return a patch of every LEA of the workarea: a page further up."""
    workarea = code.at("sme_workarea")
    patch = {}
    for place in code.places(KERNEL, b"\x8d"):
        modrm, distance = code.read(place + 1, 1)[0], code.read(place + 2, 4)
        target = place + 6 + int.from_bytes(distance, "little", signed=True)
        if modrm & 0xC7 == 0x05 and target == workarea:
            moved = int.from_bytes(distance, "little", signed=True) + 0x1000
            patch[place + 2] = moved.to_bytes(4, "little", signed=True)
    return patch


def other_register(code: Code) -> Patch:
    """Return a patch of what is handed over as the workarea: the next register instead."""
    patch = {}
    for call in code.calls(KERNEL, "sme_encrypt_execute"):
        before = code.read(call - 32, 32)
        for at in range(len(before) - 3, 0, -1):
            if (
                before[at] in (0x48, 0x4C)
                and before[at + 1] == 0x89
                and before[at + 2] & 0xC7 == 0xC1
            ):
                patch[call - 32 + at + 2] = bytes([before[at + 2] ^ 0x08])
                break
    return patch


def patches(code: Code) -> dict[str, tuple[Patch, Aspect | None]]:
    """Return patches by what they do, and which number must be named, where there is one."""
    found: dict[str, tuple[Patch, Aspect | None]] = {
        "the tables begin 8 MiB behind": (
            replaced(code, KERNEL, 0x202000, 0x802000),
            Aspect.TABLES_START,
        ),
        "a page of tables more": (
            replaced(code, "sme_pgtable_calc", 0x2000, 0x3000),
            Aspect.LENGTH,
        ),
        "a page of tables less": (
            replaced(code, "sme_pgtable_calc", 0x2000, 0x1000),
            Aspect.LENGTH,
        ),
        "the workarea one page up": (workarea_moved(code), Aspect.START),
        "another register": (other_register(code), None),
        "an early return": ({code.at(KERNEL) or 0: b"\xc3"}, Aspect.END),
        "nothing is encrypted": (without(code.calls(KERNEL, "sme_encrypt_execute")), Aspect.END),
        "nothing is cleared": (without(code.calls(KERNEL, "sme_clear_pgd")), Aspect.UNENCRYPTED),
        "other borders of pages": (
            {place + 3: b"\x00\x00\xff\xff" for place, _ in and_instructions(code, PAGE_DOWN)},
            None,
        ),
        "2 MiB less of a kernel": (replaced(code, KERNEL, 0x1FFFFF, 0xFFF), None),
    }
    for number, place in enumerate(code.calls(KERNEL, "sme_encrypt_execute")):
        found[f"encryption {number} left out"] = (without([place]), None)
    for number, place in enumerate(code.calls(KERNEL, "sme_clear_pgd")):
        # Which of them is for the kernel or an initrd differs from compiler to compiler.
        found[f"clearing {number} left out"] = (without([place]), Aspect.MAPPED_AT_END)
    for number, (place, size) in enumerate(and_instructions(code, ROUND_DOWN)):
        at = place + size - 4
        found[f"rounding {number} to 4 MiB"] = ({at: b"\x00\x00\xc0\xff"}, None)
        found[f"rounding {number} left out"] = ({place: b"\x90" * size}, None)
    for number, place in enumerate(code.calls(KERNEL, "__sme_map_range")):
        found[f"mapping {number} left out"] = (without([place]), None)
    return {name: one for name, one in found.items() if one[0]}


def patched(program: KernelProgram, patch: Mapping[int, bytes]) -> KernelProgram:
    """Return the program with other bytes at some link addresses."""
    offsets = {}
    for address, content in patch.items():
        physical = address - START_KERNEL_MAP
        for load in program.loads:
            if load.paddr <= physical < load.paddr + load.filesz and load.offset is not None:
                offsets[load.offset + physical - load.paddr] = content

    def read(offset: int, size: int) -> bytes:
        found = bytearray(program.read(offset, size))
        for start, content in offsets.items():
            for index, byte in enumerate(content):
                if 0 <= start + index - offset < len(found):
                    found[start + index - offset] = byte
        return bytes(found)

    return replace(program, read=read)


@pytest.mark.parametrize("vmlinuz", LIGHTEST, ids=release_of)
def test_every_patched_kernel_is_found_out(vmlinuz: Path) -> None:
    image = read_kernel(str(vmlinuz))
    with open_program(str(vmlinuz)) as opened:
        assert isinstance(opened, Known)
        program = opened.value
        found = patches(Code(program))
        assert len(found) >= FOUND_AT_LEAST
        for name, (patch, aspect) in found.items():
            subject = Subject(patched(program, patch), image, identify(image))
            answer = verify(subject, quick=True)
            assert answer.result in (Result.DIFFERS, Result.FAULTS), name
            aspects = [known.first.aspect for known in answer.differences]
            assert aspect is None or aspect in aspects, (name, aspects)
            if answer.result is Result.DIFFERS:
                assert all(
                    known.first.seen != known.first.predicted for known in answer.differences
                )
