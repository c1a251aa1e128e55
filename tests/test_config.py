"""Kernel configurations: files, compressed files, and the one that a vmlinux embeds."""

from __future__ import annotations

import gzip
import io
import tracemalloc
from pathlib import Path

import pytest
from elfwriter import Elf, vmlinux
from hypothesis import given
from hypothesis import strategies as st

from smecheck.errors import InputError, MalformedInput, UnreadableInput, WrongKind
from smecheck.evidence import Known, Unknown
from smecheck.kernel.build_marks import COMPILER
from smecheck.kernel.image import KernelConfig, KernelImage
from smecheck.read.kernel.config import OPTIONS, parse_config, read_config
from smecheck.read.kernel.elf import read_elf
from smecheck.read.kernel.kconfig import type_of

CONFIG = """\
#
# Automatically generated file; DO NOT EDIT.
# Linux/x86 6.1.192 Kernel Configuration
#
CONFIG_CC_VERSION_TEXT="gcc-12 (Debian 12.2.0-14+deb12u1) 12.2.0"
CONFIG_AMD_MEM_ENCRYPT=y
# CONFIG_AMD_MEM_ENCRYPT_ACTIVE_BY_DEFAULT is not set
CONFIG_X86_5LEVEL=y
CONFIG_PHYSICAL_START=0x1000000
CONFIG_PHYSICAL_ALIGN=0x200000
# CONFIG_KASAN is not set
"""


def parse(text: str) -> KernelConfig:
    config = parse_config(text, "config")
    assert config is not None
    return config


def test_the_options_that_matter_are_kept_with_their_lines() -> None:
    assert parse(CONFIG) == KernelConfig(
        source="config",
        version=Known("6.1.192", "config:3: title"),
        options={
            "CONFIG_AMD_MEM_ENCRYPT": "y",
            "CONFIG_AMD_MEM_ENCRYPT_ACTIVE_BY_DEFAULT": "n",
            "CONFIG_X86_5LEVEL": "y",
            "CONFIG_PHYSICAL_START": "0x1000000",
            "CONFIG_PHYSICAL_ALIGN": "0x200000",
            "CONFIG_KASAN": "n",
        },
        origins={
            "CONFIG_AMD_MEM_ENCRYPT": "config:6",
            "CONFIG_AMD_MEM_ENCRYPT_ACTIVE_BY_DEFAULT": "config:7",
            "CONFIG_X86_5LEVEL": "config:8",
            "CONFIG_PHYSICAL_START": "config:9",
            "CONFIG_PHYSICAL_ALIGN": "config:10",
            "CONFIG_KASAN": "config:11",
        },
        marks={COMPILER: "gcc-12 (Debian 12.2.0-14+deb12u1) 12.2.0"},
    )


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("CONFIG_KASAN=y", "y"),
        ("CONFIG_KASAN=n", "n"),
        ("CONFIG_KASAN=y  ", "y"),
        ("CONFIG_KASAN=y\r", "y"),
        ("# CONFIG_KASAN is not set", "n"),
        ("CONFIG_PHYSICAL_START=0xFF00", "0xFF00"),
    ],
)
def test_values(line: str, value: str) -> None:
    assert [*parse(f"{line}\n").options.values()] == [value]


@pytest.mark.parametrize(
    ("option", "written"),
    [
        *(("KASAN", written) for written in ("", "yes", "Y", "m", "1", "true", "on", '"y"')),
        *(("RELOCATABLE", written) for written in ("m", "y # really", "yes", "0x1", "=y", "'y'")),
        *(("PHYSICAL_START", written) for written in ("", "y", "16777216", "0x", "16M", "-0x10")),
    ],
)
def test_what_is_no_value(option: str, written: str) -> None:
    """What Kconfig declares bool is y or n, a hex number begins with 0x."""
    with pytest.raises(MalformedInput) as caught:
        parse(f"\nCONFIG_{option}={written}\n")
    assert caught.value.where == f"config:2:{len(option) + 9}"
    assert f"not a value of CONFIG_{option}, which is of type" in caught.value.message


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (
            "CONFIG_NET=yes",
            "'yes' is not a value of an option: write y, m, n, a number or a text in",
        ),
        ("CONFIG_NET=y # built in", "'y # built in' is not a value of an option"),
        ("CONFIG_NET=1.5", "'1.5' is not a value of an option"),
        ('CONFIG_NET="a', "'\"a' is not a value of an option"),
        ('CONFIG_NET="a"b', "'\"a\"b' is not a value of an option"),
        ("CONFIG_EFI=m", "'m' is not a value of CONFIG_EFI, which is of type bool: write y or n"),
        ("CONFIG_NUMA=1", "'1' is not a value of CONFIG_NUMA, which is of type bool"),
        ("CONFIG_CMDLINE=ro", "'ro' is not a value of CONFIG_CMDLINE, which is of type string"),
        ("CONFIG_NR_CPUS=many", "'many' is not a value of"),
    ],
)
def test_an_option_that_is_not_kept_has_a_value_all_the_same(
    line: str, problem: str, tmp_path: Path
) -> None:
    path = tmp_path / "config"
    path.write_text(f"{CONFIG}{line}\n")
    with pytest.raises(MalformedInput) as caught:
        read_config(str(path))
    assert caught.value.where == f"{path}:12:{line.index('=') + 2}"
    assert caught.value.message.startswith(problem)


@pytest.mark.parametrize(
    "line",
    [
        "CONFIG_NET=m",
        "CONFIG_IKCONFIG=m",
        "CONFIG_A=",
        "CONFIG_B=-1",
        "CONFIG_C=0x1F",
        "CONFIG_D=010",
        'CONFIG_E=""',
        r'CONFIG_F="a \"b\" \\c"',
        'CONFIG_CMDLINE="ro"',
    ],
)
def test_what_the_kernels_own_tools_write(line: str, tmp_path: Path) -> None:
    (tmp_path / "config").write_text(f"{CONFIG}{line}\n")
    assert read_config(str(tmp_path / "config")).options["CONFIG_KASAN"] == "n"


def test_every_option_that_is_kept_has_a_type() -> None:
    assert all(type_of(option) for option in OPTIONS)


def test_the_last_one_counts_as_for_the_kernels_own_tools() -> None:
    config = parse("CONFIG_KASAN=y\nCONFIG_KASAN=n\n# CONFIG_KASAN is not set\n")
    assert config.options == {"CONFIG_KASAN": "n"}
    assert config.origins == {"CONFIG_KASAN": "config:3"}
    assert config.version == Unknown("no title line in the configuration")


@pytest.mark.parametrize(
    "line",
    [
        "CONFIG_X86_5LEVEL_NOT=y",
        "# was CONFIG_X86_5LEVEL is not set",
    ],
)
def test_what_is_no_option_that_matters(line: str) -> None:
    assert parse(f"CONFIG_A=y\n{line}\n").options == {}


@pytest.mark.parametrize(
    "line",
    [
        *("{} = y", "{}: y", " {}=y", "> {}=y", "+{}=y", "# {}=y", "#{}=y", "{} y", "{}", "`{}=y`"),
        *("config-5.0:{}=y", "12:{}=y", "\x1b[32m{}=y", "{}\xa0=\xa0y"),
        *("# {} is  not set", "#  {} is not set", "# {} is unset", "  # {} is not set"),
    ],
)
def test_a_line_that_kconfig_does_not_write_is_not_passed_over(line: str) -> None:
    """It would count as an option that was not asked for: as one that is off."""
    option = "CONFIG_AMD_MEM_ENCRYPT_ACTIVE_BY_DEFAULT"
    text = CONFIG.replace(f"# {option} is not set", line.format(option))
    with pytest.raises(MalformedInput, match=f"{option} is in a line") as error:
        parse(text)
    assert error.value.where == f"config:7:{line.index('{') + 1}"


def test_an_option_that_is_cut_in_two() -> None:
    option = "CONFIG_AMD_MEM_ENCRYPT_ACTIVE_BY_DEFAULT"
    with pytest.raises(MalformedInput, match="CONFIG_AMD_MEM_ENCRYPT_ACTIVE is in a line"):
        parse(CONFIG.replace(f"# {option} is not set", f"{option[:29]}\n{option[29:]}=y"))


@pytest.mark.parametrize(
    "line", ["# grep CONFIG_AMD_MEM_ENCRYPT .config", "$ grep CONFIG_KASAN= .config", "# CONFIG_"]
)
def test_what_is_pasted_beside_options_does_no_harm(line: str) -> None:
    assert parse(f"{CONFIG}{line}\n").options == parse(CONFIG).options


def test_other_architectures() -> None:
    with pytest.raises(WrongKind, match="for arm64, not for x86-64"):
        parse(CONFIG.replace("Linux/x86", "Linux/arm64"))
    assert parse(CONFIG.replace("Linux/x86", "Linux/x86_64")).version == Known(
        "6.1.192", "config:3: title"
    )
    for line in ("# CONFIG_64BIT is not set", "CONFIG_X86_32=y"):
        with pytest.raises(WrongKind, match="of a 32-bit kernel"):
            parse(f"{CONFIG}{line}\n")


def test_a_whole_configuration_without_sme() -> None:
    whole = CONFIG.replace("CONFIG_AMD_MEM_ENCRYPT=y\n", "CONFIG_X86_64=y\n")
    config = parse(whole)
    assert config.options["CONFIG_AMD_MEM_ENCRYPT"] == "n"
    assert config.origins["CONFIG_AMD_MEM_ENCRYPT"] == "config: not among its options"
    for line in ("# Linux/x86 6.1.192 Kernel Configuration", "CONFIG_X86_64=y", "CONFIG_PHYS"):
        part = "".join(kept for kept in whole.splitlines(True) if not kept.startswith(line))
        assert "CONFIG_AMD_MEM_ENCRYPT" not in parse(part).options


def written(tmp_path: Path, data: bytes) -> str:
    path = tmp_path / "config"
    path.write_bytes(data)
    return str(path)


def test_files_compressed_or_not(tmp_path: Path) -> None:
    plain = read_config(written(tmp_path, CONFIG.encode()))
    assert plain.options == parse(CONFIG).options
    assert read_config(written(tmp_path, gzip.compress(CONFIG.encode()))) == plain


@pytest.mark.parametrize(
    ("data", "kind", "message"),
    [
        (b"", UnreadableInput, "is empty"),
        (b"hello\n", WrongKind, "is not a kernel configuration"),
        (
            b"ffffffff81000000 T _text\n",
            WrongKind,
            "is a System.map or /proc/kallsyms, not a kernel configuration",
        ),
        (b"\x7fELF\0\0", UnreadableInput, "is not text (it holds NUL bytes)"),
        (
            gzip.compress(CONFIG.encode())[:-9],
            MalformedInput,
            "cannot be unpacked: damaged, or above 16 MiB",
        ),
        (
            gzip.compress(b"#" * (17 << 20)),
            MalformedInput,
            "cannot be unpacked: damaged, or above 16 MiB",
        ),
        (b"\x1f\x8b\x08hello", MalformedInput, "cannot be unpacked: damaged, or above 16 MiB"),
        (b"CONFIG_A=y\n" * (2 << 20), UnreadableInput, "is larger than 16 MiB"),
    ],
    ids=range(8),
)
def test_other_files(tmp_path: Path, data: bytes, kind: type[InputError], message: str) -> None:
    with pytest.raises(InputError) as caught:
        read_config(written(tmp_path, data))
    assert isinstance(caught.value, kind)
    assert caught.value.message == message


def test_a_line_without_end_takes_no_time() -> None:
    line = "CONFIG_KASAN=" + " " * (4 << 20) + "x"
    with pytest.raises(MalformedInput):
        parse(line)
    assert parse("CONFIG_KASAN=y\n" * 200_000).origins == {"CONFIG_KASAN": "config:200000"}


@pytest.mark.parametrize("value", ['"' + "x" * (4 << 20), '"' + "x" * (4 << 20) + '"'])
def test_a_text_without_end_takes_no_memory(value: str, tmp_path: Path) -> None:
    # As fuzzing found: 900 bytes of memory for each byte of the text.
    tracemalloc.start()
    try:
        with pytest.raises(MalformedInput, match="is not a value"):
            parse(f"CONFIG_KASAN={value}")
        assert tracemalloc.get_traced_memory()[1] < 64 << 20
    finally:
        tracemalloc.stop()
    (path := tmp_path / "config").write_text(f"{CONFIG}CONFIG_NET={value}\n")
    tracemalloc.start()
    try:
        read_config(str(path))
    except MalformedInput:
        assert not value.endswith('"')
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 64 << 20


@given(st.text(st.sampled_from('CONFIG_KASAN=yn#is ot"\\\n\r'), max_size=60))
def test_no_text_is_a_bug(text: str) -> None:
    try:
        config = parse_config(text, "config")
    except InputError:
        return
    assert config is None or set(config.options) <= set(OPTIONS)


def embedding(packed: bytes, *, at: int = 0, symbol: int | None = 8, stripped: bool = False) -> Elf:
    """Return a kernel with ``packed`` behind the marker in .rodata."""
    elf = vmlinux(stripped=stripped)
    (rodata,) = (section for section in elf.sections if section.name == ".rodata")
    rodata.data = rodata.data.ljust(at, b"\0")
    begin = len(rodata.data)
    rodata.data += b"IKCFG_ST" + packed + b"IKCFG_ED"
    if elf.symbols is not None and symbol is not None:
        (text,) = (entry for entry in elf.symbols if entry.name == "_text")
        address = rodata.address + begin + symbol
        elf.symbols.append(type(text)("kernel_config_data", address))
    return elf


def image_of(elf: Elf) -> KernelImage:
    return read_elf(io.BytesIO(elf.build()), "vmlinux")


PACKED = gzip.compress(CONFIG.encode())


@pytest.mark.parametrize(
    "elf",
    [
        embedding(PACKED),  # v5.1 and later: the symbol is behind the marker
        embedding(PACKED, symbol=0),
        embedding(PACKED, stripped=True),
        embedding(PACKED, stripped=True, at=(1 << 20) - 4),
        embedding(PACKED, stripped=True, at=(1 << 20) - 40),
        embedding(PACKED, stripped=True, at=(1 << 20) - 400),
    ],
    ids=range(6),
)
def test_embedded(elf: Elf) -> None:
    image = image_of(elf)
    assert image.config == parse(CONFIG).options
    assert image.origins["CONFIG_KASAN"] == "embedded configuration:11"
    assert "kernel_config_data" not in image.symbols


@pytest.mark.parametrize(
    "elf",
    [
        embedding(PACKED, symbol=None),  # not where the symbol table says, so not searched
        embedding(PACKED, symbol=0x900000),
        embedding(PACKED[:-20]),
        embedding(PACKED[:-20], stripped=True),
        embedding(b"not gzip"),
        embedding(b"not gzip", stripped=True),
        embedding(gzip.compress(b"#" * (17 << 20)), stripped=True),
        embedding(gzip.compress(b"CONFIG_KASAN=what\n")),
        embedding(gzip.compress(b"nothing\n")),
        vmlinux(stripped=True),
        vmlinux(),
    ],
    ids=range(11),
)
def test_nothing_or_damage_embedded_leaves_the_options_unknown(elf: Elf) -> None:
    image = image_of(elf)
    assert image.config == {}
    assert image.section(".text") is not None
