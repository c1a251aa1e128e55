"""The options of the kexec command that bear on the placement."""

from __future__ import annotations

from smecheck.quantity import parse_integer
from smecheck.record import record

_LOSES_CMDLINE = ("--noefi", "--pass-memmap-cmdline", "--reuse-video-type")
"""Options that make the loaders forget an earlier command line: their codes are above OPT_ARCH_MAX
(kexec/arch/i386/include/arch/options.h), so that they fall through to "append = optarg"."""

_CMDLINE = ("--command-line", "--append")


@record
class KexecOptions:
    """What the options ask for."""

    entry_32bit: bool = False
    real_mode: bool = False
    no_efi: bool = False
    memmap_on_cmdline: bool = False
    hotplug: bool = False
    elf_arguments: str | None = None
    """``elf``, ``linux`` or ``none``: how an ELF file is started, where one of these is given."""
    preserves_context: bool = False
    cmdline: str | None = None
    """The command line that is among the options."""
    loses_cmdline: bool = False
    """An option behind the command line makes the loader forget it."""
    mem_min: int | None = None
    mem_max: int | None = None
    """The last address that may be used."""


def parse_options(options: tuple[str, ...]) -> KexecOptions:
    """Read the options of a kexec command; those that do not bear on the placement are left out.

    Options are taken to stand before the command line, unless it is among them.

    Raises:
        ValueError: an address is none.
    """
    words = _split(options)
    given = {name for name, _ in words}
    values = dict(words)
    cmdline_at = [place for place, (name, _) in enumerate(words) if name in _CMDLINE]
    lost_at = [place for place, (name, _) in enumerate(words) if name in _LOSES_CMDLINE]
    styles = [name for name, _ in words if name in ("--args-elf", "--args-linux", "--args-none")]
    return KexecOptions(
        entry_32bit="--entry-32bit" in given,
        real_mode="--real-mode" in given,
        no_efi="--noefi" in given,
        memmap_on_cmdline="--pass-memmap-cmdline" in given,
        hotplug="--hotplug" in given,
        elf_arguments=styles[-1].removeprefix("--args-") if styles else None,
        preserves_context="--load-preserve-context" in given,
        cmdline=words[cmdline_at[-1]][1] if cmdline_at else None,
        loses_cmdline=bool(cmdline_at and lost_at and lost_at[-1] > cmdline_at[-1]),
        mem_min=_address(values.get("--mem-min")),
        mem_max=_address(values.get("--mem-max")),
    )


def _split(options: tuple[str, ...]) -> list[tuple[str, str]]:
    """Return names and values, whether these were given as ``--name=value`` or as two words."""
    words: list[tuple[str, str]] = []
    for option in options:
        if option.startswith("-"):
            name, _, value = option.partition("=")
            words.append((name, value))
        elif words and not words[-1][1]:
            words[-1] = (words[-1][0], option)
    return words


def _address(text: str | None) -> int | None:
    return None if text is None else parse_integer(text)
