"""The kernel's own code, run: a small program of ours that agrees, and patched ones that do not."""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from commandline import Run, run, start
from elfwriter import TEXT
from sme_program import (
    END,
    NAMED,
    WORKAREA,
    elf,
    immediate,
    instruction,
    label,
    listing,
    nops,
    patched,
)

from smecheck.emulation import confirm
from smecheck.emulation.confirm import Subject, verify
from smecheck.emulation.emulator import INSTRUCTION_LIMIT
from smecheck.emulation.isolation import ChildEnded, in_child
from smecheck.evidence import Known
from smecheck.kernel.identity import identify
from smecheck.kernel.verification import Aspect, Difference, Result, Verification
from smecheck.read.kernel.kernel import read_kernel
from smecheck.read.kernel.program import open_program

JUMP_TO_ITSELF = bytes.fromhex("ebfe")
UNDEFINED = bytes.fromhex("0f0b")
RETURN = bytes.fromhex("c3")
APART = "routine_end"
"""Where there is room for code of a test."""


def one_page_up() -> dict[str, bytes]:
    """Return a change by which the workarea begins one page further up."""
    start, code = instruction("workarea")
    distance = int.from_bytes(code[3:], "little")
    assert distance == WORKAREA - start - len(code)
    return {"workarea": code[:3] + (distance + 0x1000).to_bytes(4, "little")}


def all_to_root() -> dict[str, bytes]:
    """Return a change by which all entries of the new top-level table refer to that table."""
    code, labels, _ = listing()
    before = code[labels["map_live"] : labels["clear_root"]]
    zeros = bytes.fromhex("31c0b900020000")  # xor %eax, %eax; mov $512, %ecx
    assert before.endswith(zeros)
    itself = bytes.fromhex("8d470331c9b502")  # lea 3(%rdi), %eax; xor %ecx, %ecx; mov $2, %ch
    return {"map_live": before.removesuffix(zeros) + itself}


PATCHES: dict[str, tuple[dict[str, bytes], Aspect, str]] = {
    "the tables begin 8 MiB behind": (
        immediate("execute_end", 0x202000, 0x802000),
        Aspect.TABLES_START,
        "0x1c02000",
    ),
    "a page of tables less": (
        immediate("entries", 0x2000, 0x1000),
        Aspect.LENGTH,
        "2.0 MiB (0x218000)",
    ),
    "a page of tables more": (
        immediate("entries", 0x2000, 0x3000),
        Aspect.LENGTH,
        "2.1 MiB (0x21e000)",
    ),
    "the end rounded to 4 MiB": (
        immediate("round_workarea", -0x200000, -0x400000),
        Aspect.MAPPED_END,
        "0x1800000",
    ),
    "the end not rounded": (nops("round_workarea"), Aspect.MAPPED_END, "0x181b000"),
    "the kernel's end not rounded": (
        nops("round_kernel"),
        Aspect.ASKED,
        "[0x1000000, 0x1442fff)",
    ),
    "the initrd's end not rounded": (
        nops("round_initrd"),
        Aspect.ASKED,
        "[0x1000000, 0x1400000), [0x34567000, 0x3636807a)",
    ),
    "one page up": (one_page_up(), Aspect.START, "0x1401000"),
    "another register": (
        {"argument": bytes.fromhex("4c89f1")},  # mov %r14, %rcx
        Aspect.START,
        "0x1000000",
    ),
    "the kernel not encrypted": (nops("encrypt_kernel"), Aspect.END, "returns without"),
    "the initrd not encrypted": (
        nops("encrypt_initrd"),
        Aspect.ASKED,
        "[0x1000000, 0x1400000)",
    ),
    "the workarea not mapped again": (
        nops("map_workarea_again"),
        Aspect.MAPPED,
        "[0x8001000000, 0x8001400000) to 0x1000000 without C-bit",
    ),
    "one call of those that clear left out": (
        nops("clear_workarea"),
        Aspect.MAPPED_AT_END,
        "to 0x8000000000 without C-bit",
    ),
    "an early return": ({"sme_encrypt_kernel": RETURN}, Aspect.END, "returns without"),
}


def verified(kernel: bytes, folder: Path, *, quick: bool = True) -> Verification:
    """Run the code of a kernel over the short matrix."""
    path = folder / "vmlinux"
    path.write_bytes(kernel)
    image = read_kernel(str(path))
    with open_program(str(path)) as program:
        assert isinstance(program, Known)
        return verify(Subject(program.value, image, identify(image)), quick=quick)


def first(verification: Verification, aspect: Aspect) -> Difference:
    """Return the difference of that aspect, as the first run shows it."""
    return next(d.first for d in verification.differences if d.first.aspect is aspect)


def command(kernel: bytes, folder: Path, *options: str) -> Run:
    """Let ``smecheck verify`` run the code of a kernel."""
    (folder / "vmlinux").write_bytes(kernel)
    return run("verify", "vmlinux", *options, cwd=folder)


# What agrees.


@pytest.fixture(scope="module")
def agreeing(tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Verification]:
    """Return what the whole matrix comes to, by whether the code has a section."""
    folder = tmp_path_factory.mktemp("agreeing")
    return {kind: verified(elf(in_section=kind), folder, quick=False) for kind in (True, False)}


@pytest.mark.parametrize("in_section", [True, False], ids=["init-scratch", "after-end"])
def test_code_that_does_as_a_kernel_does_agrees(
    in_section: bool, agreeing: dict[bool, Verification]
) -> None:
    found = agreeing[in_section]
    assert found.result is Result.AGREES
    assert found.count(Result.AGREES) == len(found.runs) == found.planned
    assert found.code is not None
    assert found.code.address == label("sme_encrypt_kernel")
    # 4-level kernels of the old scheme were built for no other paging.
    assert {run.levels for run in found.runs} == ({4, 5} if in_section else {4})
    assert bool(found.reasons) is not in_section


def test_the_matrix_goes_to_all_borders(agreeing: dict[bool, Verification]) -> None:
    found = agreeing[True]
    assert len(found.runs) > 200
    workareas = {run.base + WORKAREA for run in found.runs}
    for size in (1 << 30, 1 << 39):
        assert any(start % size == 0 for start in workareas)  # begins on a border
        assert any((start + 0x200000) % size == 0 for start in workareas)  # has one in it
        kernels = [(run.base, run.base + END) for run in found.runs]
        assert any(base // size != end // size for base, end in kernels)
    assert len({run.tables for run in found.runs}) == 7
    assert {run.encryption_bit for run in found.runs} == {47, 51}
    initrds = [run.initrd for run in found.runs if run.initrd]
    assert any(initrd.size > 1 << 30 for initrd in initrds)
    assert any(run.initrd is None for run in found.runs)
    near = [(run.base, run.initrd) for run in found.runs if run.initrd]
    assert any(initrd.end == base for base, initrd in near)
    assert any(initrd.start == base + WORKAREA + 0x400000 for base, initrd in near)
    # Starts that kill any kernel are predicted to.
    faults = [run for run in found.runs if run.predicted.fault is not None]
    assert faults
    assert all(run.seen.fault == run.predicted.fault for run in faults)


def test_the_length_is_seen_where_it_matters(agreeing: dict[bool, Verification]) -> None:
    """Just before and just after the initrd with which the workarea needs 2 MiB more."""
    edges = [run for run in agreeing[True].runs if run.initrd and run.initrd.size > 200 << 30]
    ends = {(run.levels, run.initrd and run.initrd.size): run.seen.mapped_end for run in edges}
    start = 0x1000000 + WORKAREA
    assert ends == {
        (4, 235 << 30): start + 0x400000,
        (4, (235 << 30) + 0x1000): start + 0x600000,
        (5, 228 << 30): start + 0x400000,
        (5, (228 << 30) + 0x1000): start + 0x600000,
    }


def test_code_is_run_without_a_word_on_five_levels(tmp_path: Path) -> None:
    found = verified(elf(five_levels=False), tmp_path)
    assert found.result is Result.AGREES
    assert {run.levels for run in found.runs} == {4}


def test_one_name_of_two_will_do(tmp_path: Path) -> None:
    """Since v6.18 the names have a prefix."""
    names = ("sme_encrypt_kernel", "sme_encrypt_execute", "sme_workarea")
    prefixed = {f"__pi_{name}": label(name) for name in names[:2]}
    prefixed["__pi_sme_workarea"] = TEXT + WORKAREA
    for without in (names, ()):
        kernel = elf(symbols=prefixed, without=without, five_levels=False)
        assert verified(kernel, tmp_path).result is Result.AGREES, without


# What differs.


@pytest.mark.parametrize(("changes", "aspect", "seen"), PATCHES.values(), ids=PATCHES)
def test_what_was_patched_is_named(
    changes: dict[str, bytes], aspect: Aspect, seen: str, tmp_path: Path
) -> None:
    found = verified(elf(patched(changes)), tmp_path)
    assert found.result is Result.DIFFERS
    difference = first(found, aspect)
    assert seen in difference.seen
    assert difference.predicted != difference.seen


def test_the_instruction_that_shows_it_is_named(tmp_path: Path) -> None:
    code = patched(immediate("entries", 0x2000, 0x3000))
    found = verified(elf(code, five_levels=False), tmp_path)
    shown = first(found, Aspect.LENGTH).instruction
    assert shown is not None
    start, code = instruction("round_workarea")
    assert shown.address == TEXT + start
    assert shown.code.startswith(code.hex())
    assert shown.symbol == f"sme_encrypt_kernel+{start - listing()[1]['sme_encrypt_kernel']:#x}"


def test_enough_runs_that_differ_are_enough(tmp_path: Path) -> None:
    found = verified(elf(patched({"sme_encrypt_kernel": RETURN})), tmp_path, quick=False)
    assert found.count(Result.DIFFERS) == 64
    assert len(found.runs) < found.planned


# What kills the kernel.


def absolute_test(operand: int) -> dict[str, bytes]:
    """Return a change by which an operand is addressed absolutely, as clang 14 does it."""
    start, code = instruction("clear_root")
    _, labels, _ = listing()
    apart = labels[APART]
    there = b"\xe9" + (apart - start - 5).to_bytes(4, "little", signed=True)
    test = bytes.fromhex("f60425") + (operand & 0xFFFFFFFF).to_bytes(4, "little") + b"\x08"
    after = start + len(there)
    whole = listing()[0][start:after]
    assert whole.startswith(code)
    back_from = apart + len(test) + len(whole) + 5
    back = b"\xe9" + (after - back_from).to_bytes(4, "little", signed=True)
    # rep stosq and the first two bytes of what follows it are needed whole.
    return {"clear_root": there, APART: test + whole + back}


def test_an_operand_at_its_link_address_is_a_fault(tmp_path: Path) -> None:
    changes = absolute_test(label("levels") + 1)
    found = verified(elf(patched(changes)), tmp_path)
    assert found.result is Result.FAULTS
    fault = first(found, Aspect.FAULT)
    assert fault.instruction is not None
    assert fault.instruction.address == label(APART)
    assert f"reads {label('levels') + 1:#x}" in fault.seen
    assert "levels+0x1" in fault.note.replace("__pgtable_l5_enabled", "levels")
    assert "link address" in fault.note
    assert found.differences[0].runs == found.count(Result.FAULTS)


def test_an_undefined_instruction_is_a_fault(tmp_path: Path) -> None:
    found = verified(elf(patched({"map_live": UNDEFINED})), tmp_path)
    assert found.result is Result.FAULTS
    fault = first(found, Aspect.FAULT)
    assert "ud2" in fault.seen
    assert fault.instruction is not None
    assert fault.instruction.address == label("map_live")


def test_the_shadow_of_kasan_is_named(tmp_path: Path) -> None:
    """Instrumented code asks KASAN's shadow before every access; here at an address of it."""
    # mov $0xdffffc0000001000, %rax; mov (%rax), %al
    shadow = bytes.fromhex("48b80010000000fcffdf8a00")
    found = verified(elf(patched({"sme_enable": shadow})), tmp_path)
    assert found.result is Result.FAULTS
    assert "KASAN" in first(found, Aspect.FAULT).note


def test_what_is_not_cleared_shows(tmp_path: Path) -> None:
    """What nobody wrote to holds no zeros: no code may count on them."""
    found = verified(elf(patched(nops("clear_table"))), tmp_path)
    assert found.result in (Result.FAULTS, Result.DIFFERS)


def test_tables_that_refer_to_themselves_are_read_so_far_and_no_further(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The tables are read in each run. Some go on over them for a million instructions, and take all
    # the time that they get.
    monkeypatch.setattr(confirm, "_QUICK_SECONDS", 1)
    found = verified(elf(patched(all_to_root())), tmp_path)
    assert found.result is Result.DIFFERS
    assert "and many more" in first(found, Aspect.MAPPED).seen


# What cannot be recognized.

NOT_RECOGNIZED = {
    "a loop": ({"map_live": JUMP_TO_ITSELF}, f"{INSTRUCTION_LIMIT} instructions"),
    "a loop at the entry": ({"startup_64": JUMP_TO_ITSELF}, f"{INSTRUCTION_LIMIT} instructions"),
    "a halt": ({"map_live": b"\xf4"}, "halts"),
    "a repetition without end": (
        # mov $-1, %rcx; xor %esi, %esi; rep lodsb
        {"map_live": bytes.fromhex("48c7c1ffffffff31f6f3ac")},
        "instructions",
    ),
    "writes everywhere": (
        # xor %edi, %edi; 1: mov %rax, (%rdi); add $0x1000, %rdi; jmp 1b
        {"map_live": bytes.fromhex("31ff4889074881c700100000ebf4")},
        "more memory",
    ),
    "a jump out": ({"map_live": bytes.fromhex("b800000020ffe0")}, "jumps to 0x20000000"),
    "a jump to nowhere": (
        # mov $0x123456789000, %rax; jmp *%rax
        {"map_live": bytes.fromhex("48b80090785634120000ffe0")},
        "executes 0x123456789000",
    ),
    "an instruction of AVX": ({"map_live": bytes.fromhex("c5fdefc0")}, "does not know: c5fdefc0"),
    "an unknown copy loop": (
        nops("copy_to_buffer") | nops("copy_back"),
        "no copy was seen",
    ),
    "SME not turned on": (nops("set_mask"), "does not turn SME on"),
    "never called": ({"startup_64": bytes.fromhex("f4")}, "halts"),
}


@pytest.mark.parametrize(("changes", "reason"), NOT_RECOGNIZED.values(), ids=NOT_RECOGNIZED)
def test_what_cannot_be_run_is_not_recognized(
    changes: dict[str, bytes], reason: str, tmp_path: Path
) -> None:
    before = os.times()
    found = verified(elf(patched(changes)), tmp_path)
    assert found.result is Result.NOT_RECOGNIZED
    assert reason in found.reasons[-1]
    after = os.times()
    assert after.children_user + after.children_system < (
        before.children_user + before.children_system + 10
    )


def test_no_symbol_no_answer(tmp_path: Path) -> None:
    found = verified(elf(without=("sme_encrypt_execute",)), tmp_path)
    assert found.result is Result.NOT_RECOGNIZED
    assert found.reasons == (
        "no symbol sme_encrypt_execute: it has no SME code, or the compiler inlined it",
    )
    assert found.runs == ()


@pytest.mark.parametrize("name", ["sme_encrypt_kernel", "sme_encrypt_execute"])
@pytest.mark.parametrize("address", [0x80FFFFFF, TEXT - 0x1000, TEXT + (64 << 20)], ids=hex)
def test_a_symbol_outside_the_image_is_no_place_to_run(
    name: str, address: int, tmp_path: Path
) -> None:
    found = verified(elf(symbols={name: address}), tmp_path)
    assert found.result is Result.NOT_RECOGNIZED
    assert found.reasons == (f"{name} is at {address:#x}, outside the image",)


def test_an_entry_outside_the_image_is_no_place_to_run(tmp_path: Path) -> None:
    kernel = bytearray(elf(five_levels=False))
    kernel[24:32] = (0x7654321000).to_bytes(8, "little")
    found = verified(bytes(kernel), tmp_path)
    assert found.result is Result.NOT_RECOGNIZED
    assert "the entry point is at 0x" in found.reasons[0]
    kernel[24:32] = TEXT.to_bytes(8, "little")
    assert verified(bytes(kernel), tmp_path).result is Result.AGREES


def test_a_return_is_not_understood_where_nothing_says_that_sme_was_on(tmp_path: Path) -> None:
    code = patched({"sme_encrypt_kernel": RETURN})
    found = verified(elf(code, without=("sme_me_mask",)), tmp_path)
    assert found.result is Result.NOT_RECOGNIZED
    assert "sme_me_mask" in found.reasons[-1]


def test_large_loads_are_no_reason_to_take_memory(tmp_path: Path) -> None:
    kernel = bytearray(elf(five_levels=False))
    for offset in (32, 40):  # p_filesz and p_memsz of the program header
        kernel[64 + offset : 64 + offset + 8] = (0x7EFF_F000).to_bytes(8, "little")
    assert verified(bytes(kernel), tmp_path).result is Result.AGREES
    for offset in (32, 40):
        kernel[64 + offset : 64 + offset + 8] = (4 << 30).to_bytes(8, "little")
    assert command(bytes(kernel), tmp_path).status == 3


# The process of its own.


def test_what_the_child_finds_comes_through() -> None:
    assert list(in_child(lambda: iter(range(3)))) == [0, 1, 2]


def test_a_crash_is_an_answer_and_what_came_before_it_is_kept() -> None:
    def crashing() -> Iterator[int]:
        yield 1
        faulthandler.disable()  # it would print where the child crashes
        os.kill(os.getpid(), signal.SIGSEGV)
        yield 2

    found = in_child(crashing)
    assert next(found) == 1
    with pytest.raises(ChildEnded, match=r"crashed \(SIGSEGV\)"):
        next(found)


def test_the_time_of_the_child_is_limited() -> None:
    def spinning() -> Iterator[int]:
        while True:
            pass
        yield 1

    with pytest.raises(ChildEnded, match="more than 1 s of CPU time"):
        list(in_child(spinning, cpu_seconds=1))


def test_a_bug_in_the_child_is_a_bug() -> None:
    def wrong() -> Iterator[int]:
        yield 1 // 0

    with pytest.raises(ZeroDivisionError):
        list(in_child(wrong))


def test_who_stops_listening_ends_the_child() -> None:
    def endless() -> Iterator[int]:
        yield os.getpid()
        while True:
            pass

    found = in_child(endless)
    child = next(found)
    found.close()  # type: ignore[attr-defined]  # it is a generator
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)


# The command.


def test_what_the_command_says_of_code_that_agrees(tmp_path: Path) -> None:
    kernel = elf(five_levels=False)
    found = command(kernel, tmp_path, "--format", "json")
    document = found.document
    assert (found.status, found.err) == (0, "")
    assert document["result"] == "agrees"
    assert document["counts"]["agrees"] == len(document["runs"]) == document["planned"] > 100
    assert document["differences"] == document["reasons"] == []
    assert document["code"]["symbol"] == "sme_encrypt_kernel"
    for one in document["runs"]:
        wanted = {key: value for key, value in one["predicted"].items() if value is not None}
        unseen = {key for key in wanted if one["seen"][key] is None}
        assert {key: one["seen"][key] for key in wanted if key not in unseen} == {
            key: value for key, value in wanted.items() if key not in unseen
        }
        assert unseen <= {"length"}
    assert command(kernel, tmp_path, "--format", "json").raw == found.raw


def test_what_the_command_says_of_code_that_differs(tmp_path: Path) -> None:
    kernel = elf(patched(one_page_up()))
    reports = ("--report", "plain=plain", "--report", "text=text")
    found = command(kernel, tmp_path, "--format", "json", *reports)
    assert found.status == 1
    document = found.document
    assert document["result"] == "differs"
    start = next(d for d in document["differences"] if d["what"] == "workarea start")
    assert (start["predicted"], start["seen"]) == ("0x1400000", "0x1401000")
    assert start["instruction"]["address"] == f"{label('encrypt_kernel'):#x}"
    plain = (tmp_path / "plain").read_text()
    assert plain.startswith("result: differs\nexit-code: 1\n")
    assert "difference: start: workarea start: 0x1401000 instead of 0x1400000; at 0x" in plain
    text = (tmp_path / "text").read_text()
    assert text.startswith("VERIFY  DIFFERS")
    assert "0x1401000" in text


def test_what_the_command_says_of_code_that_faults(tmp_path: Path) -> None:
    kernel = elf(patched(absolute_test(label("levels"))))
    found = command(kernel, tmp_path, "--format", "json")
    assert found.status == 1
    assert found.document["result"] == "faults"
    (fault,) = found.document["differences"]
    assert fault["what"] == "fault"
    assert fault["instruction"]["address"] == f"{label(APART):#x}"
    assert f"{label('levels'):#x}" in fault["seen"]


def test_what_the_command_says_of_code_that_it_cannot_run(tmp_path: Path) -> None:
    found = command(elf(patched({"map_live": JUMP_TO_ITSELF})), tmp_path, "--format", "json")
    assert found.status == 4
    assert found.document["result"] == "not-recognized"
    assert found.document["reasons"]
    text = command(elf(without=("sme_encrypt_kernel",)), tmp_path, "--format", "text")
    assert text.status == 4
    assert text.out.startswith("VERIFY  NOT RECOGNIZED")


def test_a_description_has_no_code(tmp_path: Path) -> None:
    (tmp_path / "kernel.yaml").write_text(
        "schema: smecheck/kernel-v1\nsymbols: {_text: 0xffffffff81000000, _end: 0xffffffff83830000}"
    )
    found = run("verify", "kernel.yaml", cwd=tmp_path)
    assert found.status == 4
    assert "it holds no code" in found.out


def test_what_is_no_kernel_is_refused(tmp_path: Path) -> None:
    (tmp_path / "kernel").write_bytes(b"\x7fELF" + bytes(100))
    found = run("verify", "kernel", cwd=tmp_path)
    assert found.status == 3
    found = run("verify", "nosuch", cwd=tmp_path)
    assert found.status == 3
    assert run("verify", cwd=tmp_path).status == 2
    assert run("verify", "kernel", "--format", "junit", cwd=tmp_path).status == 2


def test_without_the_emulator_the_extra_is_named(tmp_path: Path) -> None:
    (tmp_path / "unicorn.py").write_text("raise ImportError('no unicorn here')\n")
    (tmp_path / "vmlinux").write_bytes(elf())
    found = start("verify", "vmlinux", cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)})
    assert found.status == 2
    error, help_line = found.problem
    assert "no unicorn here" in error
    assert "smecheck[verify]" in help_line


def test_a_python_without_ctypes_is_named(tmp_path: Path) -> None:
    (tmp_path / "_ctypes.py").write_text(
        "raise ModuleNotFoundError(\"No module named '_ctypes'\", name='_ctypes')\n"
    )
    (tmp_path / "vmlinux").write_bytes(elf())
    found = start("verify", "vmlinux", cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)})
    assert found.status == 2
    error, help_line = found.problem
    assert "built without ctypes" in error
    assert "libffi" in help_line


def test_symbols_may_come_from_a_list(tmp_path: Path) -> None:
    wanted = ("sme_encrypt_kernel", "sme_encrypt_execute", "sme_enable", "_text", "_end")
    addresses = {"_text": TEXT, "_end": TEXT + END}
    lines = [f"{addresses.get(name) or label(name):x} T {name}\n" for name in wanted]
    (tmp_path / "System.map").write_text("".join(lines))
    kernel = elf(without=(*NAMED, "_text", "_end", "sme_workarea", "__pgtable_l5_enabled"))
    stripped = command(kernel, tmp_path, "--symbols", "System.map", "--format", "json")
    assert stripped.document["result"] in ("agrees", "not-recognized")


if sys.platform == "win32":
    pytest.skip("no processes are forked there", allow_module_level=True)
