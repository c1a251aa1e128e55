"""Whether the kernel that is booted will use SME: its switch, its command line, the machine.

What counts is the kernel that is booted, not the one that runs. "Inactive" is said only where every
variant of the switch that the image leaves open comes out as off: a wrong "inactive" does as much
harm as a wrong "clear". What the CPU and the firmware must bring along is evidence beside it.

A log that says nothing of SME is not a word of the kernel: a line that is missing may have been
lost. Where it speaks for "off", that is a premise beside the state "unknown".
"""

from __future__ import annotations

import re
from enum import Enum
from typing import TYPE_CHECKING

from smecheck.asked import Path
from smecheck.boot.boot import SME_UNKNOWN_WITHOUT_CMDLINE, SmeAnswer, SmeState
from smecheck.boot.log_of_boot import log_is_of_this_boot
from smecheck.boot.logged_sme import (
    HYPERVISORS,
    active_features,
    guest_features,
    is_whole,
    sme_beside_guest,
)
from smecheck.evidence import Fact, Known, Unknown, value_of, why
from smecheck.kernel.cmdline import last_value, parameters, values, word_position
from smecheck.kernel.facts import KernelFacts
from smecheck.kernel.generations import GENERATION_RULES
from smecheck.kernel.identity import SWITCH_SYMBOLS, is_since
from smecheck.kernel.image import KernelImage
from smecheck.record import record
from smecheck.remembered import remembered_by

if TYPE_CHECKING:
    from smecheck.case import Identified

_OPTION = "mem_encrypt"
_DEFAULT = "CONFIG_AMD_MEM_ENCRYPT_ACTIVE_BY_DEFAULT"
_LOCAL_DATA = "sme_workarea"
"""A list of symbols that has this one lists local data."""

_XLF_MEM_ENCRYPTION = 0x80
"""arch/x86/include/uapi/asm/bootparam.h, bit 7 of xloadflags, v6.9: use SME."""

_IF_THE_MACHINE_CAN = (
    "active if the CPU has SME, the firmware enables it (SYSCFG bit 23) and no hypervisor runs"
)

_BY_CONFIG = f"give the configuration of the kernel being booted (--config: {_DEFAULT})"
_BY_LOG = "give the kernel log of a boot with mem_encrypt=on (--dmesg)"
_BY_SYMBOLS = (
    "give the symbols (--symbols) and the configuration (--config) of the kernel being booted, "
    "which show how it reads mem_encrypt="
)
_BY_ONE_BOOT = (
    "give the kernel log of one boot of the machine itself (--dmesg), without lines of a guest"
)
_BY_OWN_CONFIG = "give the configuration of exactly this build (--config)"

_NO_BUILT_IN = (
    "assumed: no built-in command line (CONFIG_CMDLINE) says otherwise; since v6.9 the EFI "
    "stub reads it",
)


class Default(Enum):
    """What a kernel does without an answer on its command line."""

    OF_BUILD = "of the build"
    """CONFIG_AMD_MEM_ENCRYPT_ACTIVE_BY_DEFAULT."""
    LOST = "lost"
    """The same, but off where the option is not given at all."""
    OFF = "off"


@record
class SmeSwitch:
    """A variant of the switch."""

    kernels: str
    default: Default
    in_decompressor: bool
    """Decompressor and EFI stub read the command line and set XLF_MEM_ENCRYPTION; sme_enable() only
    looks at that bit."""


_OF_BUILD = SmeSwitch(
    # v4.14 arch/x86/mm/mem_encrypt.c, sme_enable(); e814b59e6c2b, in v6.9 and stable trees
    "v4.14 to v6.2, and stable trees with e814b59e6c2b",
    Default.OF_BUILD,
    in_decompressor=False,
)
_LOST_DEFAULT = SmeSwitch(
    # v6.3 arch/x86/mm/mem_encrypt_identity.c, sme_enable() (cbebd68f59f0)
    "v6.3 to v6.8, and stable trees with cbebd68f59f0",
    Default.LOST,
    in_decompressor=False,
)
_ON_ONLY = SmeSwitch(
    # 29956748339a: the option of the configuration is gone
    "kernels before v6.9 with 29956748339a, such as Debian's 6.1.192",
    Default.OFF,
    in_decompressor=False,
)
_IN_DECOMPRESSOR = SmeSwitch(
    # v6.9 cd0d9d92c8bb: arch/x86/boot/compressed/misc.c, parse_mem_encrypt()
    "v6.9 and later",
    Default.OFF,
    in_decompressor=True,
)
_SWITCHED_BY_DECOMPRESSOR = (6, 9)
"""The version that has it."""

SWITCHES = (_OF_BUILD, _LOST_DEFAULT, _ON_ONLY, _IN_DECOMPRESSOR)
"""Every variant, oldest first."""


def _decisive(found: Identified, cmdline: Fact[str], path: Path) -> tuple[object, ...]:
    """Return what the state of SME follows from: not from where a load puts its segments."""
    return (
        found.image,
        found.facts,
        found.log,
        found.without_decompressor,
        log_is_of_this_boot(found, path),
        path,
        value_of(cmdline),
        why(cmdline),
    )


@remembered_by(_decisive)
def sme_state(found: Identified, cmdline: Fact[str], path: Path) -> SmeAnswer:
    """Return the state of SME in the kernel being booted.

    Args:
        found: the kernel and its load; with the log of the machine, of this boot or of one before.
        cmdline: of the kernel that is booted.
        path: how that is started.
    """
    features = active_features(found.log)
    contradiction = sme_beside_guest(found.log)
    if contradiction is not None:
        return SmeAnswer(SmeState.UNKNOWN, (contradiction,), _BY_ONE_BOOT)
    machine = _without_sme(found, features)
    if machine is not None:
        return SmeAnswer(SmeState.INACTIVE, (machine,))
    if log_is_of_this_boot(found, path) and "SME" in features:
        return SmeAnswer(SmeState.ACTIVE, ("the kernel log is of the boot in question",))
    if isinstance(cmdline, Unknown):
        return SME_UNKNOWN_WITHOUT_CMDLINE
    switches, shown_by = switches_of(found.image, found.facts)
    default = _default_of_build(found.image)
    answers = {_answer(switch, cmdline.value, found, path, default) for switch in switches}
    said = f"{_said(cmdline.value)} on the command line ({cmdline.origin})"
    variants = f"{shown_by}: {'; or '.join(switch.kernels for switch in switches)}"
    of_default = why(default)
    if answers == {False}:
        denied = _denied_by_log(found, cmdline.value)
        if denied is not None:
            return SmeAnswer(SmeState.UNKNOWN, (denied, said, variants, of_default), _BY_OWN_CONFIG)
        by_stub = not path.by_kexec and _IN_DECOMPRESSOR in switches
        meaning = _meaning(switches, default, cmdline.value, found)
        built_in = _NO_BUILT_IN if by_stub else ()
        return SmeAnswer(SmeState.INACTIVE, (f"{said}{meaning}", variants, *built_in))
    if answers == {True} and "SME" in features:
        seen = f"{said}, and it was active on this machine before"
        return SmeAnswer(SmeState.ACTIVE, (seen, variants))
    presumed_off = _presumed_off(found, cmdline.value)
    by_release = None
    if switches == SWITCHES:
        by_release = _presumed_off_by_release(found, cmdline.value, path)
    texts: tuple[str, ...]
    if answers == {True}:
        texts, settled_by = (f"{said}: {_IF_THE_MACHINE_CAN}", variants), _BY_LOG
    elif last_value(cmdline.value, _OPTION) in ("on", "off"):
        meaning = "kernels differ in which of these counts, or in who reads it"
        texts, settled_by = (f"{said}: {meaning}", variants), _BY_SYMBOLS
    else:
        meaning = "the default depends on the build"
        texts = (f"{said}: {meaning}", variants, of_default)
        settled_by = _BY_CONFIG if isinstance(default, Unknown) else _BY_LOG
    if by_release is not None:
        settled_by = _BY_SYMBOLS
    return SmeAnswer(SmeState.UNKNOWN, texts, settled_by, presumed_off or by_release)


def _without_sme(found: Identified, features: tuple[str, ...]) -> str | None:
    """Say why the machine is a guest, or one of Intel, where no workarea is ever used."""
    intel = found.log.boot.intel if found.log is not None else None
    if intel is not None:
        return f"the CPU is {intel.text} ({intel.where}), and SME is AMD's"
    if guest_features(features):
        return (
            f"the machine is a guest with encrypted memory ({guest_features(features)}): there "
            "sme_encrypt_kernel() returns at once, whatever the command line says"
        )
    seen = found.log.boot.hypervisor if found.log is not None else None
    looks_for_one = all(
        GENERATION_RULES[one].asks_for_hypervisor for one in found.facts.generations
    )
    if seen is not None and seen.text in HYPERVISORS and looks_for_one:
        return (
            f"the machine is a guest ({seen.where}: Hypervisor detected: {seen.text}): since v4.15 "
            "sme_enable() turns SME on under no hypervisor"
        )
    return None


def _same_release_without_option(found: Identified, cmdline: str) -> str | None:
    """Return the release of a log whose kernel decides about SME as this one does.

    It is that of the kernel being booted, and ``mem_encrypt=`` is on neither command line.
    """
    log, own = found.log, found.image.release
    if log is None or values(cmdline, _OPTION):
        return None
    logged, ran_with = log.boot.release, log.boot.cmdline
    if not (isinstance(own, Known) and isinstance(logged, Known) and own.value == logged.value):
        return None
    if isinstance(ran_with, Unknown) or values(ran_with.value, _OPTION):
        return None
    return logged.value


def _denied_by_log(found: Identified, cmdline: str) -> str | None:
    """Say that the running kernel turned SME on where this one, of the same release, would not."""
    release = _same_release_without_option(found, cmdline)
    if release is None or "SME" not in active_features(found.log) or found.log is None:
        return None
    line = next(one for one in found.log.boot.encryption_lists if "SME" in one.features)
    return (
        f"{line.where}: a kernel of the same release ({release}) turned SME on without "
        "mem_encrypt=, but by these inputs this one leaves it off by default: they are of "
        "different builds"
    )


def _presumed_off(found: Identified, cmdline: str) -> str | None:
    release = _same_release_without_option(found, cmdline)
    log = found.log
    if release is None or log is None or active_features(log) or not is_whole(log):
        return None
    return (
        f"the running kernel is of the same release ({release}), its log ({log.source}) has no "
        "line that SME is active, and mem_encrypt= is on neither command line"
    )


def _presumed_off_by_release(found: Identified, cmdline: str, path: Path) -> str | None:
    """Say that a kernel of that release turns SME on for mem_encrypt=on only, which is not there.

    The image does not show its switch, and a release before v6.9 says nothing of it: distributions
    backported all of the changes. None took one back.
    """
    release = found.image.release
    if not isinstance(release, Known) or not is_since(release, _SWITCHED_BY_DECOMPRESSOR):
        return None
    is_off = _answer_of_decompressor(cmdline, found, path) is False
    if not is_off or _denied_by_log(found, cmdline) is not None:
        return None
    return (
        f"kernels since v6.9, such as this {release.value} by its name, turn it on for "
        f"mem_encrypt=on only, and there is {_said(cmdline)} on the command line"
    )


def switches_of(image: KernelImage, facts: KernelFacts) -> tuple[tuple[SmeSwitch, ...], str]:
    """Return the variants that the image leaves open, and what shows that.

    A version alone does not narrow them down: distributions backported all of these changes.
    """
    on, off = SWITCH_SYMBOLS
    if off in image.symbols:
        return (_OF_BUILD, _LOST_DEFAULT), image.symbol_origin(off)
    if on in image.symbols and image.symbols_complete:
        return (_ON_ONLY,), f"{image.symbol_origin(on)}, no {off}"
    lists_local_data = image.symbols_complete and _LOCAL_DATA in image.symbols
    if lists_local_data and is_since(image.release, _SWITCHED_BY_DECOMPRESSOR):
        return (_IN_DECOMPRESSOR,), f"the symbol table has neither {on} nor {off}"
    if isinstance(facts.scheme, Known) and not facts.scheme.value.rules.is_current:
        return (_OF_BUILD, _LOST_DEFAULT, _ON_ONLY), f"the scheme is {facts.scheme.value.value}"
    return SWITCHES, "nothing in the image shows how it reads mem_encrypt="


def _default_of_build(image: KernelImage) -> Fact[bool]:
    option = image.config.get(_DEFAULT)
    if option is None:
        return Unknown(f"{_DEFAULT} is not known")
    where = image.origins.get(_DEFAULT)
    return Known(option == "y", f"{_DEFAULT}={option}" + (f" ({where})" if where else ""))


def _answer(
    switch: SmeSwitch, cmdline: str, found: Identified, path: Path, default: Fact[bool]
) -> bool | None:
    """Return what a variant makes of the command line, ``None`` where that is not known."""
    if switch.in_decompressor:
        return _answer_of_decompressor(cmdline, found, path)
    value = last_value(cmdline, _OPTION)
    if value == "on":
        return True
    if value == "off" or switch.default is Default.OFF:
        return False
    if value is None and switch.default is Default.LOST:
        return False
    return default.value if isinstance(default, Known) else None


def _answer_of_decompressor(cmdline: str, found: Identified, path: Path) -> bool | None:
    """Return whether XLF_MEM_ENCRYPTION is set.

    The decompressor takes the first place of each of the two words and believes the later one; the
    EFI stub, which a first boot may go through, goes through all values. Nothing clears the bit.
    """
    if found.image.header.other.get("xloadflags", 0) & _XLF_MEM_ENCRYPTION:
        return True
    if found.without_decompressor:
        return False
    on, off = (word_position(cmdline, f"{_OPTION}={value}") for value in ("on", "off"))
    if path.by_kexec:
        return on > off
    # drivers/firmware/efi/libstub/efi-stub-helper.c, efi_parse_options(): commas separate words.
    by_stub = False
    for name, value in parameters(cmdline):
        if name != _OPTION or value is None:
            continue
        words = value.split(",")
        by_stub = "on" in words or (by_stub and "off" not in words)
    return by_stub if by_stub is (on > off) else None


def _said(cmdline: str) -> str:
    given = [f"{_OPTION}={value}" for value in dict.fromkeys(values(cmdline, _OPTION))]
    return " and ".join(re.sub(r"[^!-~]", "?", text)[:40] for text in given) or f"no {_OPTION}="


def _meaning(
    switches: tuple[SmeSwitch, ...], default: Fact[bool], cmdline: str, found: Identified
) -> str:
    """Say why that leaves SME off."""
    if last_value(cmdline, _OPTION) == "off":
        return ""
    if found.without_decompressor and switches == (_IN_DECOMPRESSOR,):
        return ": a vmlinux is started without the decompressor, which alone heeds it"
    if all(switch.default is Default.OFF for switch in switches):
        return ": this kernel turns SME on for mem_encrypt=on only"
    return f", and off is the default ({default.origin if isinstance(default, Known) else ''})"
