"""What is given by mistake, through pipes, or with a hostile name: each told in one line."""

from __future__ import annotations

import bz2
import gzip
import lzma
from pathlib import Path

import pytest
from commandline import FORMATS, SAMPLES, run, sample
from elfwriter import TEXT, Elf, Section, vmlinux

COLLISION = sample("founding-failure")
FOLDER = SAMPLES / "founding-failure"
KERNEL, IOMEM, LOG = (FOLDER / name for name in ("kernel.yaml", "iomem.txt", "kexec.log"))
STUB = "ffffffffffffffff B The real System.map is in the linux-image-<version>-dbg package\n"
ZEROED = "00000000-00000000 : Reserved\n00000000-00000000 : System RAM\n"
HOSTILE = "new\nline \x1b[31mred [/x] [bold] \u202egnp \x9b2J \udcff \r %s{0}"
"""To a terminal, to rich, to a reader of lines, to a format string."""


def _elf(**changes: int) -> bytes:
    elf = vmlinux()
    for name, value in changes.items():
        setattr(elf, name, value)
    return elf.build()


def _bzimage() -> bytes:
    return b"MZ".ljust(0x1FE, b"\x90") + b"\x55\xaa\xeb\x6aHdrS\x0f\x02".ljust(0x4000, b"\x01")


def _program() -> bytes:
    elf = vmlinux()
    for load in elf.loads:
        load.vaddr = 0x400000
    return elf.build()


FILES: dict[str, bytes] = {
    "vmlinuz": _bzimage(),
    "vmlinux.gz": gzip.compress(_elf(), mtime=0),
    "vmlinux.xz": lzma.compress(_elf()),
    "vmlinux.bz2": bz2.compress(_elf()),
    "vmlinux.zst": b"\x28\xb5\x2f\xfd" + bytes(range(64)),
    "linux-image.deb": b"!<arch>\ndebian-binary",
    "kernel.rpm": b"\xed\xab\xee\xdb\x03\x00",
    "image.itb": b"\xd0\x0d\xfe\xed\x00\x00",
    "uImage": b"\x27\x05\x19\x56\x00\x00",
    "boot.img": b"ANDROID!\x00\x00",
    "vmlinuz.efi": b"MZ\0\0zimg\x00\x10\0\0",
    "initrd.img": b"070701" + b"0" * 104,
    "vmcore": b"KDUMP   " + bytes(64),
    "core": _elf(type=4),
    "empty": b"",
    "blank": b"\n\n",
    "zeros": bytes(4096),
    "random": bytes(range(256)) * 4,
    "System.map": f"{TEXT:x} T _text\n{TEXT:x} T startup_64\n".encode(),
    "System.map-6.1": STUB.encode(),
    "config-6.1": b"#\n# Linux/x86 6.1.0 Kernel Configuration\n#\nCONFIG_AMD_MEM_ENCRYPT=y\n",
    "dmesg": b"[    0.000000] Linux version 6.1.0-56-amd64\n[    0.000000] Command line: ro\n",
    "cut.log": b"[    0.0] BIOS-e820: [mem 0x0000000000000000-0x0000",
    "notes.txt": b"call the vendor\n",
    "aarch64": _elf(machine=183),
    "i386": _elf(elf_class=1),
    "s390x": _elf(byte_order=2),
    "module.o": Elf([Section(".text")], [], [], type=1).build(),
    "libc.so": _elf(type=3),
    "ls": _program(),
    "truncated": _elf()[: len(_elf()) // 2],
    "header": _elf()[:40],
    "magic": b"\x7fELF",
    "zeroed": ZEROED.encode(),
    "typo.yaml": KERNEL.read_bytes().replace(b"\nrelease:", b"\nrelaese:"),
    "twice.yaml": KERNEL.read_bytes() + b"release: 5.0.0\n",
    "octal.yaml": b"schema: smecheck/kernel-v1\nsymbols: {_text: 010}\n",
    "version.yaml": b"schema: smecheck/kernel-v9\nrelease: 5.0.0\n",
    "no-schema.yaml": b"release: 5.0.0\n",
    "tab.yaml": b"schema: smecheck/kernel-v1\nsymbols:\n\t_text: 1\n",
    "utf-16.yaml": KERNEL.read_text().encode("utf-16"),
    "long.txt": b"word " * (17 << 18),
}
AS_KERNEL = {
    "vmlinuz": ("lies past the end of the file", "copy it again"),
    "vmlinux.zst": ("", "copy the file again"),
    "linux-image.deb": ("is a .deb package", "give the kernel it holds"),
    "kernel.rpm": ("is an rpm package", "give the kernel it holds"),
    "image.itb": ("is a flattened device tree (a FIT image?)", "give the kernel it holds"),
    "uImage": ("is a U-Boot image (uImage)", "give the kernel it holds"),
    "boot.img": ("is an Android boot image", "give the kernel it holds"),
    "vmlinuz.efi": ("is an EFI zboot image (an arm64, RISC-V", "give an x86-64 kernel"),
    "initrd.img": ("is a cpio archive", "give the kernel it holds"),
    "vmcore": ("is a compressed vmcore", "give the kernel it holds"),
    "core": ("is a core file", "vmlinux"),
    ".": ("is a directory", "file"),
    "nosuch": ("no such file or directory", "check the name"),
    "vmlinuz/x": ("not a directory", "check the name"),
    "/dev/zero": ("is a device", "regular file"),
    "/dev/null": ("is a device", "regular file"),
    "/proc/self/mem": ("input/output error", "copy"),
    "empty": ("is empty", "copy"),
    "zeros": ("holds only zeros", "copy"),
    "random": ("is a binary file, but not a kernel", "YAML"),
    "System.map-6.1": ("is Debian's stub of a System.map: it holds no symbols", "-dbg, as"),
    "config-6.1": ("is a kernel configuration, not a kernel", "give it with --config"),
    "dmesg": ("is a kernel log, not a kernel", "--dmesg"),
    str(IOMEM): ("is an iomem dump, not a kernel", "--iomem"),
    str(LOG): ("is output of kexec -d, not a kernel", "--segments"),
    "zeroed": ("is an iomem dump, not a kernel", "--iomem"),
    "notes.txt": ("is not a description", "schema kernel-v1"),
    "blank": ("there is no description", "schema kernel-v1"),
    "aarch64": ("is an ELF file for AARCH64, not for x86-64", "x86-64"),
    "i386": ("is a 32-bit ELF file", "64-bit"),
    "s390x": ("is a big-endian ELF file", "x86-64"),
    "module.o": ("is an object file or a kernel module", "vmlinux"),
    "libc.so": ("is a shared library or a position-independent program", "vmlinux"),
    "ls": ("is an x86-64 program, but not a kernel", "vmlinux"),
    "truncated": ("past the end of the file", "truncated"),
    "header": ("ends inside the ELF header (40 bytes)", "truncated"),
    "magic": ("ends inside the ELF header (4 bytes)", "truncated"),
    "typo.yaml": ("unknown key 'relaese'; did you mean 'release'?", "schema kernel-v1"),
    "twice.yaml": ("'release'", "schema kernel-v1"),
    "octal.yaml": ("nothing is octal", "schema kernel-v1"),
    "version.yaml": ("smecheck/kernel-v9", "kernel-v1"),
    "no-schema.yaml": ("schema: smecheck/kernel-v1", "kernel-v1"),
    "tab.yaml": ("a tab; use spaces", "correct that place"),
    "utf-16.yaml": ("is UTF-16", "iconv"),
    "long.txt": ("too large for a description", "vmlinux"),
}
AS_IOMEM = {
    "zeroed": ("was read without root: all addresses are zero", "sudo cat /proc/iomem"),
    "two": ("more than one dump", "lines of one dump"),
    "empty": ("is empty", "again"),
    "/dev/null": ("is a device", "regular file"),
    ".": ("is a directory", "file"),
    "vmlinux": ("is an ELF file", "sudo cat /proc/iomem"),
    "config-6.1": ("is a kernel configuration, not a dump", "sudo cat /proc/iomem"),
    "dmesg": ("is a kernel log, not a dump", "sudo cat /proc/iomem"),
    str(KERNEL): ("looks like YAML", "sudo cat /proc/iomem"),
    str(LOG): ("is output of kexec -d, not a dump", "sudo cat /proc/iomem"),
}
AS_DMESG = {
    "empty": ("is empty", "again"),
    "/dev/zero": ("is a device", "regular file"),
    ".": ("is a directory", "file"),
    "vmlinux": ("is a binary file", "sudo dmesg"),
    "notes.txt": ("is not a kernel log", "sudo dmesg"),
    str(IOMEM): ("is an iomem dump, not a kernel log", "sudo dmesg"),
    str(KERNEL): ("is not a kernel log", "sudo dmesg"),
    "cut.log": ("not a complete line of the memory map", "sudo dmesg"),
}
AS_MEMMAP = {
    "empty": ("is empty", "again"),
    "/dev/zero": ("is a device", "regular file"),
    ".": ("is a directory, and not that of a firmware map", "/sys/firmware/memmap"),
    "vmlinux": ("is a binary file", "grep . /sys/firmware/memmap"),
    "dmesg": ("is a kernel log, and holds no firmware map", "grep . /sys/firmware/memmap"),
    "notes.txt": ("holds no firmware map", "grep . /sys/firmware/memmap"),
    str(IOMEM): ("is an iomem dump", "grep . /sys/firmware/memmap"),
    "cut.log": ("not a complete line of the memory map", "sudo dmesg"),
}
AS_SEGMENTS = {
    "empty": ("is empty", "again"),
    "/dev/zero": ("is a device", "regular file"),
    ".": ("is a directory", "file"),
    "vmlinux": ("is a binary file", "kexec -d"),
    "dmesg": ("is a kernel log without the segments", "kexec -d"),
    "notes.txt": ("holds no segments", "kexec -d"),
    str(IOMEM): ("is an iomem dump, not the text of a kexec load", "kexec -d"),
    str(KERNEL): ("'smecheck/segments-v1' is needed", "schema segments-v1"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("inputs")
    for name, content in FILES.items():
        (made / name).write_bytes(content)
    (made / "vmlinux").write_bytes(_elf())
    (made / "two").write_bytes(IOMEM.read_bytes() * 2)
    return made


def refused(folder: Path, name: str, told: tuple[str, str], *arguments: str) -> None:
    """Run, and check that the file is refused for the reason that is told."""
    found = run("analyze", *arguments, cwd=folder)
    assert (found.status, found.raw) == (3, b"")
    error, help_text = found.problem
    assert error.startswith(name)
    assert told[0] in error
    assert told[1] in help_text


@pytest.mark.parametrize(
    "name", ["vmlinux", "vmlinux.gz", "vmlinux.xz", "vmlinux.bz2", "System.map"]
)
def test_the_right_file_is_taken(folder: Path, name: str) -> None:
    assert run("analyze", name, cwd=folder).status == 4


def test_the_stub_is_debians() -> None:
    assert len(STUB) == 83


@pytest.mark.parametrize("name", AS_KERNEL)
def test_given_as_kernel(name: str, folder: Path) -> None:
    refused(folder, name, AS_KERNEL[name], name)


@pytest.mark.parametrize("name", AS_IOMEM)
def test_given_as_iomem(name: str, folder: Path) -> None:
    refused(folder, name, AS_IOMEM[name], "vmlinux", "--iomem", name)


@pytest.mark.parametrize("name", AS_DMESG)
def test_given_as_dmesg(name: str, folder: Path) -> None:
    refused(folder, name, AS_DMESG[name], "vmlinux", "--dmesg", name)


@pytest.mark.parametrize("name", AS_MEMMAP)
def test_given_as_memmap(name: str, folder: Path) -> None:
    refused(folder, name, AS_MEMMAP[name], "vmlinux", "--memmap", name)


@pytest.mark.parametrize("name", AS_SEGMENTS)
def test_given_as_segments(name: str, folder: Path) -> None:
    refused(folder, name, AS_SEGMENTS[name], "vmlinux", "--segments", name)


def test_places_in_descriptions_are_told(folder: Path) -> None:
    found = run("analyze", "typo.yaml", cwd=folder)
    assert found.problem[0].startswith("typo.yaml:4:1: ")


def test_each_mistake_in_a_description_has_its_line(tmp_path: Path) -> None:
    (tmp_path / "k").write_text("schema: smecheck/kernel-v1\nsymbols: {_text: 010}\nfoo: 1\n")
    found = run("analyze", "k", cwd=tmp_path)
    assert found.status == 3
    assert "\\x0a" not in found.err
    lines = [line for line in found.err.split("\n") if "k:" in line]
    assert ["k:2:18: " in lines[0], "k:3:1: " in lines[1], len(lines)] == [True, True, 2]


def test_an_error_is_two_lines_and_no_more() -> None:
    err = run("analyze", "nosuch").err
    assert err == (
        "smecheck: error: nosuch: no such file or directory (nothing was analyzed)\n"
        "help: check the name and the permissions\n"
    )


def test_with_json_the_error_is_a_document_too(folder: Path) -> None:
    found = run("analyze", "typo.yaml", "--format", "json", cwd=folder)
    assert found.status == 3
    error = found.document["error"]
    assert (error["code"], error["where"]) == ("malformed", "typo.yaml:4:1")
    assert found.problem == (
        f"{error['where']}: {error['message']} (nothing was analyzed)",
        error["help"],
    )


# Standard input


@pytest.mark.parametrize(
    ("option", "form"),
    [("KERNEL", "text"), ("KERNEL", "json"), ("--iomem", "plain"), ("--segments", "plain")],
)
def test_standard_input_is_as_good_as_a_file(option: str, form: str) -> None:
    path = {"KERNEL": KERNEL, "--iomem": IOMEM, "--segments": LOG}[option]
    arguments = [("-" if word == str(path) else word) for word in COLLISION]
    arguments += ["--details", "--format", form]
    piped = run(*arguments, stdin=path.read_bytes())
    with path.open("rb") as file:
        redirected = run(*arguments, stdin=file)
    assert (piped.status, piped.err) == (1, "")
    assert piped == redirected
    assert "<stdin>" in piped.out
    if form == "plain":
        named = run(*COLLISION, "--format", form).out
        assert piped.out.replace("<stdin>", str(path)) == named


def test_an_elf_comes_through_pipes_and_redirections(folder: Path) -> None:
    path = folder / "vmlinux"
    piped = run("analyze", "-", stdin=path.read_bytes())
    with path.open("rb") as file:
        redirected = run("analyze", "-", stdin=file)
    assert (piped.status, piped.err) == (4, "")
    assert piped == redirected
    assert piped.out.replace("<stdin>", "vmlinux") == run("analyze", "vmlinux", cwd=folder).out


@pytest.mark.parametrize("option", ["KERNEL", "--iomem", "--memmap", "--dmesg", "--segments"])
@pytest.mark.parametrize("content", [b"", FILES["vmlinuz"]], ids=["nothing", "vmlinuz"])
def test_standard_input_is_refused_by_its_name(option: str, content: bytes) -> None:
    arguments = ("-",) if option == "KERNEL" else (str(KERNEL), option, "-")
    found = run("analyze", *arguments, stdin=content)
    assert (found.status, found.raw) == (3, b"")
    assert found.problem[0].startswith("<stdin>")


def test_a_pipe_has_a_limit() -> None:
    found = run("analyze", "-", stdin=bytes((64 << 20) + 1))
    assert found.status == 3
    error, help_text = found.problem
    assert "64 MiB" in error
    assert "analyze - < vmlinux" in help_text


def test_a_file_called_minus_has_another_name(tmp_path: Path) -> None:
    (tmp_path / "-").write_bytes(KERNEL.read_bytes())
    found = run("analyze", "./-", stdin=b"", cwd=tmp_path)
    assert (found.status, found.err) == (1, "")


# Names


@pytest.mark.parametrize("form", FORMATS)
def test_a_hostile_name_is_shown_not_obeyed(form: str, tmp_path: Path) -> None:
    path = tmp_path / HOSTILE
    path.parent.mkdir()
    path.write_bytes(KERNEL.read_bytes())
    options = ("--format", form, "--explain")
    found = run("analyze", HOSTILE, *options, cwd=tmp_path)
    assert (found.status, found.err) == (1, "")
    harmless = run("analyze", str(KERNEL), *options).out
    assert _unprintable(found.out) == {"\n"}
    if form == "json":
        assert found.document["kernel"]["source"] == HOSTILE
    if form != "text":
        assert found.out.count("\n") == harmless.count("\n")
        assert all(word in found.out for word in ("[/x]", "[bold]", "%s{0}"))


@pytest.mark.parametrize("option", ["KERNEL", "--iomem", "--memmap", "--dmesg", "--segments", "-o"])
def test_a_hostile_name_in_an_error(option: str, tmp_path: Path) -> None:
    name = f"nosuch/{HOSTILE}"
    arguments = (name,) if option == "KERNEL" else (str(KERNEL), option, name)
    found = run("analyze", *arguments, "--format", "json", cwd=tmp_path)
    assert found.status == (2 if option == "-o" else 3)
    assert found.document["error"]["where"] == name
    assert found.problem[0].startswith(
        r"nosuch/new\x0aline \x1b[31mred [/x] [bold] \u202egnp \x9b2J \udcff \x0d %s{0}: "
    )
    assert _unprintable(found.err) == _unprintable(found.out) == {"\n"}


@pytest.mark.parametrize("arguments", [("analyze", "a"), ("schema",), (), ("explain",)])
def test_a_hostile_argument_in_a_usage_error(arguments: tuple[str, ...]) -> None:
    found = run(*arguments, "\x1b]0;owned\x07")
    assert (found.status, found.raw) == (2, b"")
    assert _unprintable(found.err) == {"\n"}


def _unprintable(text: str) -> set[str]:
    return {character for character in text if not (character.isprintable())}
