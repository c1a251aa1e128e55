"""Real kernels, of a folder that SMECHECK_KERNELS names: every form of each gives one answer.

Any folder will do that holds vmlinuz files at any depth, such as packages that were unpacked, with
the vmlinux of their debug packages beside them: it is matched by the release in its name. The
payload is unpacked and its section headers are read by other code than smecheck's own.
"""

from __future__ import annotations

import bz2
import io
import json
import lzma
import os
import re
import shutil
import struct
import subprocess
import zlib
from collections import defaultdict
from collections.abc import Container
from functools import cache
from pathlib import Path
from typing import Any

import lz4.block
import pytest
from bzimage_writer import zstd
from commandline import run
from elftools.elf.elffile import ELFFile
from recorded import DATA

from smecheck.evidence import Known
from smecheck.kernel.early_code import EarlyCode
from smecheck.kernel.image import KernelImage
from smecheck.kernel.symbols import Symbols
from smecheck.machine_code.instructions import Flow, Operand, decode
from smecheck.read.kernel.elf_file import ElfFile
from smecheck.read.kernel.kernel import read_kernel
from smecheck.read.kernel.kernel_symbols import kernel_symbols

pytestmark = pytest.mark.real

PLACED = ("--load-address", "0x10000000", "--kaslr", "off", "--paging", "4", "--sme", "on")
FOLDER = os.environ.get("SMECHECK_KERNELS")
if not FOLDER:
    reason = "NO REAL KERNEL WAS READ: SMECHECK_KERNELS does not name a folder of them"
    pytest.skip(reason, allow_module_level=True)
ONES = sorted(Path(FOLDER).rglob("vmlinuz*"))
if not ONES:
    raise FileNotFoundError(f"SMECHECK_KERNELS={FOLDER} holds no vmlinuz")


def release_of(path: Path) -> str:
    """Return the release: of vmlinuz-RELEASE, or of RELEASE/vmlinuz as in /usr/lib/modules."""
    return path.name.partition("-")[2] or path.parent.name


def by_release(*patterns: str) -> dict[str, Path]:
    found = [path for pattern in patterns for path in sorted(Path(FOLDER or "").rglob(pattern))]
    # Debian's stub of a System.map is 83 bytes.
    return {release_of(path): path for path in found if path.stat().st_size > 1 << 12}


MAPS = by_release("System.map*")
CONFIGS = by_release("config-*", "config")
DEBUG = by_release("vmlinux-*", "vmlinux")
RELEASES = {release_of(path) for path in ONES}


def those_with(beside: Container[str]) -> pytest.MarkDecorator:
    """Parametrize with the kernels that have a file of a kind beside them."""
    ones = [path for path in ONES if release_of(path) in beside]
    return pytest.mark.parametrize("vmlinuz", ones, ids=release_of)


KERNELS = those_with(RELEASES)
DEBUGGED = those_with(DEBUG)
MAPPED = those_with(MAPS)
CONFIGURED = those_with(CONFIGS)
LISTED = json.loads((DATA / "symbols" / "embedded-kallsyms.json").read_text())
RECORDED = those_with({path.name.removesuffix(".yaml") for path in (DATA / "kernels").iterdir()})


def align_up(value: int, step: int) -> int:
    return -(-value // step) * step


@cache
def answer(*arguments: str, cwd: Path | None = None) -> Any:
    found = run("analyze", *arguments, "--format", "json", cwd=cwd)
    assert found.status in (0, 1, 4), found.err
    return found.document


def extents(document: Any) -> Any:
    """Return all addresses of a report, and the extents under both schemes."""
    keys = ("scheme", "text", "end", "image_size", "generation", "release")
    kernel = {key: document["kernel"][key] for key in keys}
    ends = ("start", "written_end", "worst_end", "mapped_end", "in_place", "length", "offsets")
    keys = ("scheme", "actual", "status", "written_is_exact", *ends)
    return kernel, [{key: place[key] for key in keys} for place in document["placements"]]


@cache
def unpacked(vmlinuz: Path) -> bytes:
    """Return the payload of a bzImage, unpacked by the libraries alone."""
    data = vmlinuz.read_bytes()
    start, length = struct.unpack_from("<II", data, 0x248)
    start += ((data[0x1F1] or 4) + 1) * 512
    packed = data[start : start + length]
    (output_len,) = struct.unpack("<I", packed[-4:])
    whole = _unpack(packed)
    assert len(whole) == output_len
    return whole


def _unpack(packed: bytes) -> bytes:
    without_length = packed[:-4]
    if packed.startswith(b"\x1f\x8b"):
        return zlib.decompress(packed, 31)
    if packed.startswith(b"BZh"):
        return bz2.decompress(without_length)
    if packed.startswith((b"\xfd7zXZ", b"\x5d\0\0")):
        return lzma.decompress(without_length)
    if packed.startswith(b"\x28\xb5\x2f\xfd"):
        return bytes(zstd.decompress(without_length))
    assert packed.startswith(b"\x02\x21\x4c\x18"), packed[:8]
    blocks, at = [], 4
    while at < len(without_length):
        (size,) = struct.unpack_from("<I", packed, at)
        blocks.append(lz4.block.decompress(packed[at + 4 : at + 4 + size], 8 << 20))
        at += 4 + size
    return b"".join(blocks)


@KERNELS
def test_it_is_what_its_section_headers_say(vmlinuz: Path) -> None:
    document = answer(str(vmlinuz))
    sections = {
        section.name: section.header
        for section in ELFFile(io.BytesIO(unpacked(vmlinuz))).iter_sections()
    }
    kernel = document["kernel"]
    assert int(kernel["text"], 16) == sections[".text"].sh_addr
    brk = sections[".brk"]
    assert int(kernel["end"], 16) == (brk.sh_addr + brk.sh_size + 0xFFF) & ~0xFFF
    if ".init.scratch" in sections:
        scratch = sections[".init.scratch"]
        assert kernel["scheme"] == "init-scratch"
        assert kernel["section"] == {
            "name": ".init.scratch",
            "start": f"{scratch.sh_addr:#x}",
            "size": scratch.sh_size,
            "type": scratch.sh_type.removeprefix("SHT_"),
        }
    assert kernel["release"] == release_of(vmlinuz)
    image = document["image"]
    assert image["output_len"] == len(unpacked(vmlinuz))
    assert image["output_len"] < kernel["init_size"]
    assert image["needed_size"] >= max(image["output_len"], kernel["image_size"])


@KERNELS
def test_its_margins_are_those_of_its_headers(vmlinuz: Path) -> None:
    """What is kept for the kernel on each path, less the mapped end of the workarea."""
    payload, head = unpacked(vmlinuz), vmlinuz.read_bytes()[:0x280]
    elf = ELFFile(io.BytesIO(payload))
    text = elf.get_section_by_name(".text").header.sh_addr
    scratch, brk = (elf.get_section_by_name(name).header for name in (".init.scratch", ".brk"))
    (init_size,) = struct.unpack_from("<I", head, 0x260)
    total = align_up(brk.sh_addr + brk.sh_size, 0x1000) - text
    needed = max(len(payload), total)
    loads = [one.header for one in elf.iter_segments("PT_LOAD")]
    kept = {
        "kexec": init_size,
        "boot-loader": init_size,
        "kaslr": needed,
        "efi-stub": align_up(needed, 2 << 20),
        "elf": max(load.p_vaddr + load.p_memsz for load in loads) - text,
    }
    mapped_end = align_up(total, 2 << 20) + scratch.sh_size
    assert scratch.sh_addr + scratch.sh_size == text + mapped_end
    paths = {path["path"]: path for path in answer(str(vmlinuz))["proof"]["paths"]}
    assert {name: path["margin"] for name, path in paths.items()} == {
        name: kept[name] - mapped_end for name in paths
    }
    assert paths.keys() >= {"kexec", "kaslr"}
    gate = run("gate", str(vmlinuz), "--format", "json").document["build"]
    assert gate["slack"] == init_size - mapped_end
    alignment, relocatable = struct.unpack_from("<I?", head, 0x230)
    (pref_address,) = struct.unpack_from("<Q", head, 0x258)
    assert int(gate["pref_address"], 16) == pref_address
    assert (gate["kernel_alignment"], gate["relocatable"]) == (alignment, relocatable)
    assert gate["init_size"] == init_size


@KERNELS
def test_the_vmlinux_inside_gives_the_same(vmlinuz: Path, tmp_path: Path) -> None:
    (tmp_path / "vmlinux").write_bytes(unpacked(vmlinuz))
    inside = answer("vmlinux", *PLACED, cwd=tmp_path)
    assert extents(inside) == extents(answer(str(vmlinuz), *PLACED))
    assert inside["kernel"]["section"] == answer(str(vmlinuz), *PLACED)["kernel"]["section"]


@KERNELS
def test_its_description_gives_the_same(vmlinuz: Path, tmp_path: Path) -> None:
    description = tmp_path / "kernel.yaml"
    assert run("describe", str(vmlinuz), "-o", str(description)).status == 0
    for options in ((), PLACED):
        by_file = answer(str(vmlinuz), *options)
        described = answer(str(description), *options)
        assert extents(described) == extents(by_file)
        for key in ("verdict", "basis", "findings", "proof", "image", "exit_code"):
            assert described[key] == by_file[key], key


@MAPPED
def test_its_system_map_gives_the_same(vmlinuz: Path) -> None:
    system_map = str(MAPS[release_of(vmlinuz)])
    listed = answer(system_map, "--bzimage", str(vmlinuz), *PLACED)
    assert extents(listed) == extents(answer(str(vmlinuz), *PLACED))


@CONFIGURED
def test_its_configuration_is_its_own(vmlinuz: Path) -> None:
    config = CONFIGS[release_of(vmlinuz)]
    configured, bare = (
        answer(str(vmlinuz), *PLACED, *options) for options in (("--config", str(config)), ())
    )
    assert extents(configured) == extents(bare)
    assert configured["verdict"] == bare["verdict"]
    assert all(finding["rule"] != "SME026" for finding in configured["findings"])


@CONFIGURED
def test_a_configuration_of_another_is_refused(vmlinuz: Path) -> None:
    """The nearest ones: of the version before and behind, and of the other flavours."""
    releases = sorted(CONFIGS)
    at = releases.index(release_of(vmlinuz))
    for other in {*releases[max(at - 2, 0) : at + 3]} - {release_of(vmlinuz)}:
        found = run("analyze", str(vmlinuz), *PLACED, "--config", str(CONFIGS[other]))
        assert found.status == 3, (other, found.out)
        assert "config" in found.err


@DEBUGGED
def test_the_debug_vmlinux_gives_the_same(vmlinuz: Path) -> None:
    debug = DEBUG[release_of(vmlinuz)]
    assert extents(answer(str(debug), *PLACED)) == extents(answer(str(vmlinuz), *PLACED))
    both = answer(str(debug), "--bzimage", str(vmlinuz), *PLACED)
    assert both["verdict"] == answer(str(vmlinuz), *PLACED)["verdict"]


@RECORDED
def test_the_recorded_layout_gives_the_same(vmlinuz: Path) -> None:
    description = DATA / "kernels" / f"{release_of(vmlinuz)}.yaml"
    by_file, recorded = answer(str(vmlinuz), *PLACED), answer(str(description), *PLACED)
    if by_file["image"]["output_len"] != recorded["image"]["output_len"]:
        pytest.skip(f"another build of {release_of(vmlinuz)} than the one that was recorded")
    assert extents(recorded) == extents(by_file)
    for key in ("verdict", "proof", "image"):
        assert recorded[key] == by_file[key], key


def symbols_of(content: bytes, source: str) -> Symbols:
    elf = ElfFile(io.BytesIO(content), len(content), "vmlinux")
    elf.read_header()
    found = kernel_symbols(elf, elf.read_sections())
    assert isinstance(found, Known), found
    assert found.origin == source
    return found.value


@KERNELS
def test_it_lists_its_symbols_itself(vmlinuz: Path) -> None:
    document = answer(str(vmlinuz))
    assert document["kernel"]["symbols"] == "embedded kallsyms"
    symbols = symbols_of(unpacked(vmlinuz), "embedded kallsyms")
    sections = {
        section.name: section.header
        for section in ELFFile(io.BytesIO(unpacked(vmlinuz))).iter_sections()
    }
    at = symbols.addresses(("_text", "__bss_start", "__init_scratch_begin", "__start_rodata"))
    assert at == {
        "_text": (sections[".text"].sh_addr,),
        "__bss_start": (sections[".bss"].sh_addr,),
        "__init_scratch_begin": (sections[".init.scratch"].sh_addr,),
        "__start_rodata": (sections[".rodata"].sh_addr,),
    }
    workarea = symbols.names(sections[".init.scratch"].sh_addr)
    assert {"sme_workarea", "__pi_sme_workarea"} & set(workarea)


@MAPPED
def test_its_symbols_are_those_of_its_system_map(vmlinuz: Path) -> None:
    mapped, listed = defaultdict(set), defaultdict(set)
    for line in MAPS[release_of(vmlinuz)].read_text().splitlines():
        address, _, name = line.split()
        mapped[name].add(int(address, 16))
    symbols = symbols_of(unpacked(vmlinuz), "embedded kallsyms")
    for symbol in symbols:
        listed[symbol.name].add(symbol.address)
    both = mapped.keys() & listed.keys()
    assert len(both) > 0.99 * len(listed)
    assert {name: listed[name] for name in both} == {name: mapped[name] for name in both}
    some = sorted(both)[::101]
    assert {name: set(at) for name, at in symbols.addresses(some).items()} == {
        name: listed[name] for name in some
    }


@those_with(LISTED)
def test_its_symbols_are_those_that_others_read(vmlinuz: Path) -> None:
    symbols = symbols_of(unpacked(vmlinuz), "embedded kallsyms")
    count, *lines = LISTED[release_of(vmlinuz)]
    everything = {(one.address, one.type, one.name) for one in symbols}
    assert count == f"count {sum(1 for _ in symbols)}"
    for line in lines:
        address, letter, name = line.split()
        assert (int(address, 16), letter, name) in everything


@DEBUGGED
def test_the_debug_vmlinux_lists_the_same(vmlinuz: Path) -> None:
    embedded = symbols_of(unpacked(vmlinuz), "embedded kallsyms")
    debug = DEBUG[release_of(vmlinuz)]
    with debug.open("rb") as stream:
        elf = ElfFile(stream, debug.stat().st_size, "vmlinux")
        elf.read_header()
        found = kernel_symbols(elf, elf.read_sections())
    assert isinstance(found, Known)
    assert found.origin == ".symtab"
    names = [symbol.name for symbol in embedded][::101]
    there, here = found.value.addresses(names), embedded.addresses(names)
    assert len(there) > 0.98 * len(here)
    assert {name: here[name] for name in there} == there


# the early code


IMAGES = [
    *ONES,
    *sorted(Path(FOLDER).rglob("bzImage")),
    *sorted(Path(FOLDER).rglob("vmlinux")),
    *DEBUG.values(),
]
FAULTS = {
    entry["build_id"]: entry
    for entry in json.loads((DATA / "early-code" / "faults.json").read_text())["kernels"]
}


def early_code_of(image: KernelImage) -> EarlyCode:
    assert isinstance(image.early_code, Known), image.early_code
    return image.early_code.value


@pytest.mark.parametrize("path", IMAGES, ids=str)
def test_its_early_code_is_followed_to_its_end(path: Path) -> None:
    image = read_kernel(str(path))
    code = early_code_of(image)
    assert not code.not_followed
    assert isinstance(image.build_id, Known)
    known = FAULTS.get(image.build_id.value, {"accesses": []})
    assert [f"{one.address:#x}" for one in code.accesses] == known["accesses"]


@pytest.mark.parametrize("vmlinuz", ONES[::5], ids=release_of)
def test_its_instructions_are_those_that_objdump_sees(vmlinuz: Path, tmp_path: Path) -> None:
    if shutil.which("objdump") is None:
        pytest.skip("NOTHING WAS COMPARED: objdump is not installed")
    (tmp_path / "vmlinux").write_bytes(unpacked(vmlinuz))
    elf = ELFFile(io.BytesIO(unpacked(vmlinuz)))
    for name, start in ((".init.text", 0), (".altinstr_aux", 0), (".text", 0x600000)):
        section = elf.get_section_by_name(name)
        address = section["sh_addr"] + start
        code = section.data()[start : start + 0x40000]
        bounds = (f"--start-address={address:#x}", f"--stop-address={address + len(code):#x}")
        command = ["objdump", "-d", "-w", "-j", name, *bounds, str(tmp_path / "vmlinux")]
        listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        compared = 0
        for line in listed.splitlines():
            match = OBJDUMP.fullmatch(line)
            if match is None or "(bad)" in line:
                continue
            at, size = int(match[1], 16) - address, len(match[2].split())
            if at + 15 > len(code) or match[3].split()[:1] == ["finit"]:  # fwait and fninit
                continue
            found = decode(code, at)
            assert found.size == size, line
            if found.flow in (Flow.CALL, Flow.JUMP, Flow.BRANCH):
                target = re.search(r"(?:0x)?(ffffffff[0-9a-f]{8})", match[3])
                assert target is not None, line
                assert int(target[1], 16) == address + at + found.target, line
            if found.operand is Operand.ABSOLUTE and "movabs" not in line:
                assert re.search(r"[ ,]\*?0x[0-9a-f]+(,|$| )", match[3]), line
            compared += 1
        assert compared > 300


OBJDUMP = re.compile(r"(ffffffff[0-9a-f]{8}):\t((?:[0-9a-f]{2} )+)\s*(.*?)\s*")
