"""A kernel's configuration: /boot/config-*, a .config, /proc/config.gz, or what a kernel embeds.

Of the ten thousand options those are kept that bear on where a kernel runs and on its SME code. An
option that is not in the file stays unknown, since later versions no longer have some of them; only
where a whole configuration leaves out SME itself, the kernel has none, and where it leaves out
whether SME is on by default, the kernel no longer has that option and leaves SME off.
"""

from __future__ import annotations

import re
import zlib

from smecheck.errors import MalformedInput, WrongKind
from smecheck.evidence import Fact, Known, Unknown
from smecheck.kernel.image import KernelConfig
from smecheck.read.kernel.config_marks import ConfigMarks, named_after
from smecheck.read.kernel.kconfig import first_wrong, value_problem
from smecheck.read.kinds import CONFIG_LINE, GZIP_DEFLATE_MAGIC, kind_of_text
from smecheck.read.source import TEXT_LIMIT, Source, decode_text, display_name, read_bounded
from smecheck.record import replace

OPTIONS = (
    "CONFIG_AMD_MEM_ENCRYPT",
    "CONFIG_AMD_MEM_ENCRYPT_ACTIVE_BY_DEFAULT",  # up to v6.8: what no mem_encrypt= means
    "CONFIG_ARCH_KEEP_MEMBLOCK",  # these move what kexec_file_load of that kernel places
    "CONFIG_CMA",
    "CONFIG_CMA_SIZE_MBYTES",
    "CONFIG_CRASH_DM_CRYPT",
    "CONFIG_DMA_CMA",
    "CONFIG_IMA_KEXEC",
    "CONFIG_INTEL_TDX_HOST",
    "CONFIG_KEXEC_HANDOVER",
    "CONFIG_BLK_DEV_INITRD",  # whether sme_encrypt_kernel() looks for an initrd
    "CONFIG_GCOV_PROFILE_ALL",  # these three may instrument the early code
    "CONFIG_KASAN",
    "CONFIG_KMSAN",
    "CONFIG_PHYSICAL_ALIGN",
    "CONFIG_PHYSICAL_START",
    "CONFIG_RANDOMIZE_BASE",
    "CONFIG_RELOCATABLE",
    "CONFIG_X86_5LEVEL",  # up to v6.15
)
"""The options that are kept."""

_SME = "CONFIG_AMD_MEM_ENCRYPT"
_DEFAULT = "CONFIG_AMD_MEM_ENCRYPT_ACTIVE_BY_DEFAULT"
_AROUND_SME = ("CONFIG_X86_64", "CONFIG_PHYSICAL_START")
"""Options of every x86-64 kernel, one before that of SME in the file, one after it. Since v4.14 it
is left out only where what it depends on is off (arch/x86/Kconfig: CPU_SUP_AMD)."""

_HELP = "give the configuration of that build: /boot/config-<release>, or /proc/config.gz"

# scripts/kconfig/confdata.c: what conf_write() writes and conf_read() takes.
_OPTION = re.compile(
    r"^(?P<name>CONFIG_\w+)=(?P<value>[^\n]*+)|^# (?P<unset>CONFIG_\w+) is not set\b",
    re.MULTILINE | re.ASCII,
)
_COLOURS = r"(?:\x1b\[[0-9;]{0,9}[mK])*+"
_MARKED = rf"{_COLOURS}[^\w\n$%]{{0,12}}(?:\w[\w./-]{{0,100}}:)?{_COLOURS}"
"""Marks of a mail, the name of a file and colours from grep."""
_NEARLY = re.compile(
    rf"^(?!{CONFIG_LINE}){_MARKED}(?P<name>CONFIG_\w+)"
    r"(?:(?P<cut>[ \t\r]*$)|[ \t\xa0]*(?:[=:]|is\b|[ynm]\b))",
    re.MULTILINE | re.ASCII,
)
"""An option in a form that kconfig does not write: it would be passed over."""
_TITLE = re.compile(r"^# Linux/(\S+) ([0-9]\S*) Kernel Configuration\b", re.MULTILINE)
_ARCHITECTURES = ("x86", "x86_64")
_FOR_32_BIT = re.compile(r"^(?:# CONFIG_64BIT is not set|CONFIG_X86_32=y)", re.MULTILINE)


def read_config(source: Source) -> KernelConfig:
    """Read a configuration, compressed with gzip or not; ``-`` is standard input.

    Raises:
        UnreadableInput: it cannot be read, is too large, or not text.
        WrongKind: it is something else, or of another architecture.
        MalformedInput: an option has no value, or gzip's data are damaged.
    """
    name = display_name(source)
    data = read_bounded(source, TEXT_LIMIT)
    if data.startswith(GZIP_DEFLATE_MAGIC):
        data = unpacked(data) or b""
        if not data:
            raise MalformedInput(
                f"cannot be unpacked: damaged, or above {TEXT_LIMIT >> 20} MiB",
                where=name,
                help_text="copy it again: cat /proc/config.gz > config.gz",
            )
    text = decode_text(data, name)
    config = parse_config(text, name)
    if config is None:
        raise _other_kind(data, name)
    wrong = first_wrong(text)
    if wrong is not None:
        line = text.count("\n", 0, wrong.start()) + 1
        raise _no_value(wrong[1], wrong[2], f"{name}:{line}")
    return replace(config, marks={**config.marks, **named_after(name)})


def parse_config(text: str, name: str) -> KernelConfig | None:
    """Read the text of a configuration; ``None`` if no line of it is an option.

    Args:
        text: all of it.
        name: what errors and origins call it.

    Raises:
        WrongKind: it is of another architecture, or of a 32-bit kernel.
        MalformedInput: an option that matters has no value.
    """
    title = _TITLE.search(text)
    if title is not None and title[1] not in _ARCHITECTURES:
        raise WrongKind(
            f"is the configuration of a kernel for {title[1]}, not for x86-64",
            where=name,
            help_text="SME exists on AMD x86-64 machines only",
        )
    if _FOR_32_BIT.search(text):
        raise WrongKind(
            "is the configuration of a 32-bit kernel",
            where=name,
            help_text="only 64-bit kernels have SME: give the configuration of KERNEL",
        )
    options: dict[str, str] = {}
    origins: dict[str, str] = {}
    marks = ConfigMarks()
    around, found, line, counted = set(_AROUND_SME), False, 1, 0
    for match in _OPTION.finditer(text):
        found = True
        around.discard(match["name"])
        option = match["name"] or match["unset"]
        marks.add(option, "n" if match["unset"] else match["value"].rstrip(" \t\r"))
        if option in OPTIONS:
            line += text.count("\n", counted, match.start())
            counted = match.start()
            # Given twice, the last one counts, as for conf_read().
            where = f"{name}:{line}"
            options[option] = "n" if match["unset"] else _value(match["value"], option, where)
            origins[option] = where
    if not found:
        return None
    _refuse_nearly(text, name)
    if title is not None and not around and _SME not in options:
        options[_SME] = "n"
        origins[_SME] = f"{name}: not among its options"
    if title is not None and not around and options.get(_SME) == "y" and _DEFAULT not in options:
        options[_DEFAULT] = "n"
        origins[_DEFAULT] = f"{name}: not among its options, so it was removed (29956748339a, v6.9)"
    is_whole = title is not None and not around
    return KernelConfig(
        name, _version(title, text, name), options, origins, marks.marks(is_whole=is_whole)
    )


def unpacked(data: bytes) -> bytes | None:
    """Unpack gzip's ``data``; ``None`` if they are damaged or hold more than any configuration."""
    unpacker = zlib.decompressobj(wbits=31)
    try:
        text = unpacker.decompress(data, TEXT_LIMIT)
    except zlib.error:
        return None
    return text if unpacker.eof else None


def _refuse_nearly(text: str, name: str) -> None:
    """Refuse a line that names an option that matters, and is none of kconfig's."""
    for match in _NEARLY.finditer(text):
        option = match["name"]
        if option in OPTIONS or (match["cut"] is not None and _begins_option(option)):
            line = text.count("\n", 0, match.start()) + 1
            column = match.start("name") - match.start() + 1
            raise MalformedInput(
                f"{option} is in a line that is not one of a configuration; write {option}=y, "
                f"or # {option} is not set",
                where=f"{name}:{line}:{column}",
                help_text=_HELP,
            )


def _begins_option(name: str) -> bool:
    return any(option.startswith(name) for option in OPTIONS)


def _value(written: str, option: str, where: str) -> str:
    written = written.rstrip(" \t\r")
    if value_problem(option, written, quoted=False) is not None:
        raise _no_value(option, written, where)
    return written


def _no_value(option: str, written: str, where: str) -> MalformedInput:
    problem = value_problem(option, written.rstrip(" \t\r"), quoted=False) or f"{option}={written}"
    column = len(option) + len("=") + 1
    return MalformedInput(problem, where=f"{where}:{column}", help_text=_HELP)


def _version(title: re.Match[str] | None, text: str, name: str) -> Fact[str]:
    if title is None:
        return Unknown("no title line in the configuration")
    line = text.count("\n", 0, title.start()) + 1
    return Known(title[2], f"{name}:{line}: title")


def _other_kind(data: bytes, name: str) -> WrongKind:
    kind = kind_of_text(data.decode("utf-8", "replace"))
    what = f"is {kind.description}, not" if kind else "is not"
    return WrongKind(f"{what} a kernel configuration", where=name, help_text=_HELP)
