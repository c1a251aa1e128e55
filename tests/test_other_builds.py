"""A configuration of another flavour or build: refused by whatever the image shows."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable
from pathlib import Path

import pytest
from bzimage_writer import BzImage, bzimage
from elfwriter import Elf, note, vmlinux

from smecheck.errors import WrongKind
from smecheck.evidence import Known, Unknown
from smecheck.kernel.build_marks import BUILD_SALT, COMPILER, PREEMPT_RT, SMP, UTS_VERSION
from smecheck.read.kernel.banner import banner_at
from smecheck.read.kernel.complements import Complements, read_complemented
from smecheck.read.kernel.elf import read_elf

GCC = "gcc-12 (Debian 12.2.0-14+deb12u1) 12.2.0"
RELEASE = "6.1.176-rt-amd64"
CONFIG = f"""\
#
# Linux/x86 6.1.176 Kernel Configuration
#
CONFIG_CC_VERSION_TEXT="{GCC}"
CONFIG_LOCALVERSION="-rt"
CONFIG_BUILD_SALT="{RELEASE}"
# CONFIG_KERNEL_GZIP is not set
CONFIG_KERNEL_XZ=y
# CONFIG_KERNEL_ZSTD is not set
CONFIG_PREEMPT_RT=y
CONFIG_SMP=y
CONFIG_X86_64=y
CONFIG_X86_5LEVEL=y
CONFIG_PHYSICAL_START=0x1000000
CONFIG_PHYSICAL_ALIGN=0x200000
CONFIG_AMD_MEM_ENCRYPT=y
"""


def banner(version: str = "#1 SMP PREEMPT_RT Debian 6.1.176-1 (2026-07-01)") -> bytes:
    who = "debian-kernel@lists.debian.org"
    compiler = f"{GCC}, GNU ld (GNU Binutils for Debian) 2.40"
    return f"Linux version {RELEASE} ({who}) ({compiler}) {version}\n\0".encode()


def kernel(*, text: bytes | None = None, salt: str | None = None, config: str | None = None) -> Elf:
    """Return a stripped kernel of that release, with .init.scratch."""
    elf = vmlinux(stripped=True, scratch=".init.scratch", release=None)
    rodata = next(section for section in elf.sections if section.name == ".rodata")
    rodata.data = banner() if text is None else text
    if config is not None:
        packed = gzip.compress(config.encode())
        rodata.data += b"IKCFG_ST" + packed + b"IKCFG_ED" + bytes(64)
    if salt is not None:
        notes = next(section for section in elf.sections if section.name == ".notes")
        notes.data += note(b"Linux", 0x100, salt.encode() + b"\0")
    return elf


def vmlinuz(elf: Elf | None = None, compression: str = "xz", xloadflags: int = 0x7F) -> bytes:
    image: BzImage = bzimage((elf or kernel()).build(), compression)
    data = bytearray(image.build())
    data[0x236:0x238] = xloadflags.to_bytes(2, "little")
    return bytes(data)


@pytest.mark.parametrize(
    ("text", "marks"),
    [
        (
            "6.12.117+deb13-amd64 (debian-kernel@lists.debian.org) (x86_64-linux-gnu-gcc-14 "
            "(Debian 14.2.0-19) 14.2.0, GNU ld (GNU Binutils for Debian) 2.44) #1 SMP "
            "PREEMPT_DYNAMIC Debian 6.12.117-1 (2026-11-12)\n",
            ("yes", "no", "x86_64-linux-gnu-gcc-14 (Debian 14.2.0-19) 14.2.0"),
        ),
        (
            "7.3.4+deb13-amd64 (debian-kernel@lists.debian.org) #1 SMP PREEMPT_DYNAMIC Debian "
            "7.3.4-1~bpo13+1 (2026-11-15)\0",
            ("yes", "no", None),
        ),
        (
            "4.19.0-27-rt-amd64 (debian-kernel@lists.debian.org) (gcc version 8.3.0 (Debian "
            "8.3.0-6)) #1 SMP PREEMPT RT Debian 4.19.316-1 (2024-06-25)\n",
            ("yes", "yes", None),
        ),
        (
            "5.0.0 (root@host) (clang version 16.0.6, LLD 16.0.6) #3 Mon Jun 3 12:00:00 UTC 2019\n",
            ("no", "no", "clang version 16.0.6"),
        ),
        ("5.0.0 (builder@host)\n", None),
    ],
)
def test_what_a_banner_tells(text: str, marks: tuple[str, str, str | None] | None) -> None:
    found = banner_at(text.encode(), 0)
    assert found is not None
    assert found.release == text.split(maxsplit=1)[0]
    if marks is None:
        assert not found.marks
        return
    shown = (found.marks[SMP], found.marks[PREEMPT_RT], found.marks.get(COMPILER))
    assert shown == marks
    assert found.marks[UTS_VERSION].startswith("#")


def test_a_note_of_the_image_tells_the_salt() -> None:
    image = read_elf(io.BytesIO(kernel(salt=RELEASE).build()), "vmlinux")
    assert image.marks[BUILD_SALT] == RELEASE
    assert isinstance(image.build_id, Known)
    assert BUILD_SALT not in read_elf(io.BytesIO(kernel().build()), "vmlinux").marks


OTHERS: dict[str, tuple[Callable[[], bytes], str, str]] = {
    "compression": (
        lambda: vmlinuz(compression="zstd"),
        CONFIG,
        "how the payload is compressed: zstd there, xz here",
    ),
    "local version": (
        vmlinuz,
        CONFIG.replace('"-rt"', '"-cloud"'),
        f"CONFIG_LOCALVERSION: {RELEASE} there, -cloud here",
    ),
    "salt and release": (
        vmlinuz,
        CONFIG.replace(f'SALT="{RELEASE}"', 'SALT="6.1.176-amd64"'),
        f"CONFIG_BUILD_SALT: {RELEASE} there, 6.1.176-amd64 here",
    ),
    "salt in the image": (
        lambda: vmlinuz(kernel(salt="my build")),
        CONFIG.replace(f'SALT="{RELEASE}"', 'SALT="yours"'),
        "CONFIG_BUILD_SALT: my build there, yours here",
    ),
    "stable version": (
        vmlinuz,
        CONFIG.replace("6.1.176 Kernel", "6.1.174 Kernel"),
        "the version: 6.1.176 there, 6.1.174 here",
    ),
    "preemption": (
        vmlinuz,
        CONFIG.replace("CONFIG_PREEMPT_RT=y", "# CONFIG_PREEMPT_RT is not set"),
        "whether it is PREEMPT_RT: yes there, no here",
    ),
    "preemption of the image": (
        lambda: vmlinuz(kernel(text=banner("#1 SMP PREEMPT_DYNAMIC Debian 6.1.176-1"))),
        CONFIG,
        "whether it is PREEMPT_RT: no there, yes here",
    ),
    "processors": (
        vmlinuz,
        CONFIG.replace("CONFIG_SMP=y", "# CONFIG_SMP is not set"),
        "whether it is SMP: yes there, no here",
    ),
    "compiler": (
        vmlinuz,
        CONFIG.replace("12.2.0-14+deb12u1", "12.3.0-1"),
        f"the compiler: {GCC} there, gcc-12 (Debian 12.3.0-1) 12.2.0 here",
    ),
    "paging": (
        lambda: vmlinuz(xloadflags=0x3F),
        CONFIG,
        "5-level paging: XLF_5LEVEL_ENABLED is clear in xloadflags 0x3f of the header there, "
        "CONFIG_X86_5LEVEL=y here",
    ),
    "paging of the image": (
        vmlinuz,
        CONFIG.replace("CONFIG_X86_5LEVEL=y", "# CONFIG_X86_5LEVEL is not set"),
        "5-level paging: XLF_5LEVEL_ENABLED is set in xloadflags 0x7f of the header there, "
        "CONFIG_X86_5LEVEL=n here",
    ),
    "an option beside those that matter": (
        lambda: vmlinuz(kernel(config=CONFIG + "CONFIG_HZ=250\n")),
        CONFIG + "CONFIG_HZ=1000\n",
        "the complete configuration: 14 options, CRC ",
    ),
}


@pytest.mark.parametrize("name", OTHERS)
def test_a_configuration_of_another_build_is_refused(name: str, tmp_path: Path) -> None:
    make, config, evidence = OTHERS[name]
    with pytest.raises(WrongKind) as caught:
        together(tmp_path, make(), config)
    assert caught.value.message.startswith(f"is not of the same build as {tmp_path / 'vmlinuz'}: ")
    assert evidence in caught.value.message


@pytest.mark.parametrize(
    ("make", "config"),
    [
        (vmlinuz, CONFIG),
        (lambda: vmlinuz(kernel(salt=RELEASE, config=CONFIG)), "# a comment\n" + CONFIG),
        # A banner's third number may be the distribution's own, and a salt anything.
        (
            lambda: vmlinuz(kernel(text=banner().replace(b"6.1.176-rt", b"6.1.0-50-rt"))),
            CONFIG.replace(f'SALT="{RELEASE}"', 'SALT="salt"'),
        ),
        # What v6.17 and later no longer have.
        (vmlinuz, CONFIG.replace("CONFIG_X86_5LEVEL=y\n", "")),
        # A header from before v5.2 says nothing of 5-level paging.
        (lambda: vmlinuz(xloadflags=0x1F), CONFIG),
    ],
)
def test_what_may_be_of_one_build_is_taken(
    make: Callable[[], bytes], config: str, tmp_path: Path
) -> None:
    together(tmp_path, make(), config)


@pytest.mark.parametrize(
    ("name", "fits"),
    [
        (f"config-{RELEASE}", True),
        ("config-6.1.176-cloud-amd64", False),
        ("config-6.1.0-50-rt-amd64", False),
        ("config-6.1.176", True),
        ("config-6.1.176-cloud-amd64.txt", True),
        ("my-config-6.1.176-cloud-amd64", True),
        ("kernel.config", True),
    ],
)
def test_the_release_that_the_file_is_named_after(name: str, fits: bool, tmp_path: Path) -> None:
    if fits:
        together(tmp_path, vmlinuz(), CONFIG, name)
        return
    with pytest.raises(WrongKind, match="the release that the file is named after"):
        together(tmp_path, vmlinuz(), CONFIG, name)


def test_two_files_of_different_builds_of_one_release(tmp_path: Path) -> None:
    (tmp_path / "vmlinux").write_bytes(kernel(text=banner("#2 SMP PREEMPT_RT today")).build())
    (tmp_path / "vmlinuz").write_bytes(vmlinuz())
    with pytest.raises(WrongKind, match="the build's number and date: #2 SMP PREEMPT_RT today"):
        read_complemented(str(tmp_path / "vmlinux"), Complements(str(tmp_path / "vmlinuz")))


def test_a_banner_that_is_no_banner() -> None:
    assert banner_at(b"unknown", 0) is None
    assert isinstance(read_elf(io.BytesIO(kernel(text=b"none").build()), "k").release, Unknown)


def together(folder: Path, image: bytes, config: str, name: str = "config") -> None:
    (folder / "vmlinuz").write_bytes(image)
    (folder / name).write_text(config)
    read_complemented(str(folder / "vmlinuz"), Complements(config=str(folder / name)))
