"""The options of a kexec command: what they ask for, and what kexec would refuse.

kexec/kexec.c, main() and my_load(); kexec/arch/x86_64/kexec-x86_64.c, arch_process_options(); the
load functions of kexec-bzImage64.c, kexec-bzImage.c and kexec-elf-x86_64.c; kexec-tools 2.0.25 to
2.0.32. Held against runs of the programs themselves (tests/data/kexec-options).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import get_close_matches

from smecheck.load.getopt_long import BadOptionError, GivenOption, Operand, getopt_long
from smecheck.load.kexec_option_table import (
    ALWAYS,
    BZIMAGE32_TYPE,
    FILE_TYPES,
    KEXEC_OPTIONS,
    options_of,
)
from smecheck.load.segments import Loader, Mode
from smecheck.load.strtoul import strtoul
from smecheck.load.versions import Version, stated_version, version_text
from smecheck.machine.host import Host
from smecheck.record import record, replace
from smecheck.remembered import remembered

_LOSES_CMDLINE = ("noefi", "pass-memmap-cmdline", "reuse-video-type")
"""Options that make the loaders forget an earlier command line: their codes are above OPT_ARCH_MAX
(kexec/arch/i386/include/arch/options.h), so that they fall through to "append = optarg"."""

_LOADS = ("load", "load-panic", "load-preserve-context", "force")
_LOADS_NOT = ("unload", "exec", "load-jump-back-helper")
"""What sets do_load and what takes it back, in the order in which they are given."""

_ENDS = ("help", "version", "print-ckr-size", "status")
"""After these nothing is loaded, whatever else is given."""

_XEN_ONLY = {
    "exec-live-update": "--exec-live-update only works under xen.",
    "load-live-update": "--load-live-update can only be used with xen",
}

_SERIAL_PORTS = ("ttyS0", "ttyS1")
_PORT = re.compile(r"0x0*[0-9a-fA-F]{0,4}")
_HIGHEST_BAUD, _LOWEST_BAUD = 115200, 9600
_FILE_NAME = re.compile(r".*/.*|(?:vmlinu|bzImage|linux|kernel).*", re.DOTALL)
"""What can be the name of a kernel's file; another bare word is rather an option without dashes."""


@record
class KexecOptions:
    """What the options ask for."""

    mode: Mode | None = None
    """Where ``-l``, ``-p`` or one of their like says it."""
    loader: Loader | None = None
    """The system call, where ``-s`` or ``-c`` says it."""
    tries_file_load: bool = False
    """``-a``: kexec_file_load first, kexec_load where the kernel cannot do that."""
    file_type: str | None = None
    """Of ``--type``; kexec_file_load does not look at it."""
    entry_32bit: bool = False
    real_mode: bool = False
    no_efi: bool = False
    memmap_on_cmdline: bool = False
    hotplug: bool = False
    no_cma: bool = False
    debug: bool = False
    elf_arguments: str | None = None
    """``elf``, ``linux`` or ``none``: how an ELF file is started, where one of these is given."""
    preserves_context: bool = False
    device_tree: str | None = None
    """A file that the 32-bit loader hands over."""
    entry: int | None = None
    """Where the new kernel is entered, where that is said."""
    reuses_initrd: bool = False
    initrd: str | None = None
    """The file that is loaded as the initrd."""
    cmdline: str | None = None
    """The command line that is among the options, as far as it is not lost."""
    reuses_cmdline: bool = False
    """The running kernel's command line is passed on, before the other one."""
    loses_cmdline: bool = False
    """An option after the command line makes the loader forget it."""
    mem_min: int | None = None
    mem_max: int | None = None
    """The last address that may be used."""
    refusal: str | None = None
    """Why kexec of this version takes none of it."""

    @property
    def enters_32bit(self) -> bool:
        """Whether kexec_load is to enter the kernel in 32-bit or 16-bit mode."""
        return self.entry_32bit or self.real_mode or self.file_type == BZIMAGE32_TYPE


def parse_options(words: Sequence[str], version: Version | None = None) -> KexecOptions:
    """Read the options of a kexec command.

    The name of the kernel's file may be among them. Options are taken to stand before the command
    line, unless it is among them.

    Args:
        words: as the shell hands them over.
        version: of kexec-tools; where it is not known, all options count that any version has.

    Raises:
        BadOptionError: kexec would refuse a word, or it would mean nothing.
    """
    options = KexecOptions()
    loads_not: GivenOption | None = None
    kernel: Operand | None = None
    for given in getopt_long(words, options_of(version)):
        if isinstance(given, Operand):
            _check_operand(given, kernel)
            kernel = given
            continue
        if given.name in _XEN_ONLY:
            raise BadOptionError(given.position, _XEN_ONLY[given.name])
        if given.name in _ENDS:
            raise _nothing_loaded(given)
        if given.name in _LOADS_NOT:
            loads_not = given
        elif given.name in _LOADS:
            loads_not = None
        options = with_option(options, given, version)
    if loads_not is not None:
        raise _nothing_loaded(loads_not)
    return options


def options_of_host(host: Host) -> KexecOptions:
    """Read the options of a host, as its version of kexec-tools reads them where that is known."""
    return _options_as_read(host.kexec_options, stated_version(host.kexec_tools))


@remembered
def _options_as_read(words: tuple[str, ...], version: Version | None) -> KexecOptions:
    try:
        return parse_options(words, version)
    except BadOptionError as error:
        refusal = error.message
    try:
        return replace(parse_options(words), refusal=refusal)
    except BadOptionError:
        return KexecOptions(refusal=refusal)


def check_options(words: Sequence[str], version: Version | None) -> None:
    """Do nothing if kexec takes the words; of versions that are not known, if any of them does.

    Raises:
        BadOptionError: it does not.
    """
    versions = [version] if version else [None, *sorted({o.since for o in KEXEC_OPTIONS})]
    first: BadOptionError | None = None
    for tried in versions:
        try:
            parse_options(words, tried)
        except BadOptionError as error:
            first = first or error
        else:
            return
    if first is not None:
        raise first


def _check_operand(operand: Operand, kernel: Operand | None) -> None:
    """Take one word for the kernel's file, if it can be one.

    Raises:
        BadOptionError: it cannot, or there is one already.
    """
    word = operand.word
    if kernel is not None:
        raise BadOptionError(
            operand.position,
            f"{word!r} is not an option, and {kernel.word!r} is the kernel's file already",
        )
    if not _FILE_NAME.fullmatch(word):
        text = f"{word!r} is not an option of kexec{did_you_mean(word)}"
        raise BadOptionError(operand.position, text)


def did_you_mean(word: str) -> str:
    """Return the end of a message about an unknown word: which option may have been meant."""
    known = {option.name: option for option in KEXEC_OPTIONS}
    name = word.strip("-").partition("=")[0]
    if name in known and known[name].since > ALWAYS:
        return f", which kexec-tools knows since {version_text(known[name].since)}"
    meant = get_close_matches(name, known, n=1)
    return f"; did you mean '--{meant[0]}'?" if meant else ""


def _nothing_loaded(given: GivenOption) -> BadOptionError:
    return BadOptionError(given.position, f"with --{given.name} kexec loads nothing")


def with_option(
    options: KexecOptions, given: GivenOption, version: Version | None = None
) -> KexecOptions:
    """Return the options with one more taken in.

    Raises:
        BadOptionError: its value is none.
    """
    name, value = given.name, given.value or ""
    if name in _TEXTS:
        return replace(options, **{_TEXTS[name]: value})
    if name in _NUMBERS:
        return replace(options, **{_NUMBERS[name]: _number(given)})
    changes = dict(_EFFECTS.get(name, {}))
    if name in ("load", "force"):
        # Neither takes back that it is the crash kernel.
        changes["mode"] = options.mode or Mode.LOAD
    elif name in ("serial", "serial-baud"):
        _check_serial(given)
    elif name == "type":
        changes["file_type"] = _known_type(given, version)
    elif name in _CMDLINE:
        changes |= {"cmdline": value, "loses_cmdline": False}
    elif name in _LOSES_CMDLINE:
        lost = options.loses_cmdline or options.cmdline is not None
        changes |= {"cmdline": None, "loses_cmdline": lost}
    return replace(options, **changes)


_CMDLINE = ("command-line", "append")
_TEXTS = {"initrd": "initrd", "ramdisk": "initrd", "dtb": "device_tree"}
_NUMBERS = {"mem-min": "mem_min", "mem-max": "mem_max", "entry": "entry"}
_EFFECTS: dict[str, dict[str, object]] = {
    "load-panic": {"mode": Mode.CRASH, "preserves_context": False},
    "load-preserve-context": {"mode": Mode.LOAD, "preserves_context": True},
    **{loader.rules.long_option: {"loader": loader, "tries_file_load": False} for loader in Loader},
    "kexec-syscall-auto": {"loader": None, "tries_file_load": True},
    "args-elf": {"elf_arguments": "elf"},
    "args-linux": {"elf_arguments": "linux"},
    "args-none": {"elf_arguments": "none"},
    "entry-32bit": {"entry_32bit": True},
    "real-mode": {"real_mode": True},
    "noefi": {"no_efi": True},
    "pass-memmap-cmdline": {"memmap_on_cmdline": True},
    "hotplug": {"hotplug": True},
    "no-cma": {"no_cma": True},
    "debug": {"debug": True},
    "reuseinitrd": {"reuses_initrd": True},
    "reuse-cmdline": {"reuses_cmdline": True},
}
"""What an option alone says. Those that are nowhere here do not bear on what is loaded where: they
are about the reboot, the console of purgatory, or another loader than Linux's; and kexec
for x86_64 takes no notice of --elf32-core-headers and --elf64-core-headers."""


def _known_type(given: GivenOption, version: Version | None) -> str:
    since = FILE_TYPES.get(given.value or "")
    if since is None or (version is not None and version < since):
        raise BadOptionError(given.position, f"Unsupported kernel type {given.value}")
    return given.value or ""


def _number(given: GivenOption) -> int:
    """Read a number as strtoul() does: hexadecimal, octal or decimal, by its beginning."""
    number = strtoul(given.value or "")
    if number is None:
        raise BadOptionError(
            given.position,
            f"Bad option value in --{given.name}={given.value} (no unit; 0x… hex or a decimal)",
        )
    return number


def _check_serial(given: GivenOption) -> None:
    value = given.value or ""
    if given.name == "serial":
        if value not in _SERIAL_PORTS and _PORT.fullmatch(value) is None:
            raise BadOptionError(given.position, f"Bad serial port base '{value}'")
        return
    baud = strtoul(value)
    if not baud or not _LOWEST_BAUD <= baud <= _HIGHEST_BAUD or _HIGHEST_BAUD % baud:
        raise BadOptionError(given.position, f"Bad serial port baud rate '{value}'")
