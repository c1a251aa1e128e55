"""Whether the kernel that is booted will use SME: its switch, its command line, the machine.

What counts is the kernel that is booted, not the one that runs. "Inactive" is said only where every
variant of the switch that the image leaves open comes out as off: a wrong "inactive" does as much
harm as a wrong "clear". What the CPU and the firmware must bring along is evidence beside it.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import TYPE_CHECKING

from smecheck.evidence import Fact, Known, Unknown
from smecheck.model.boot import Path, SmeState
from smecheck.model.identity import KernelFacts
from smecheck.model.kernel import KernelImage, Scheme
from smecheck.model.placement import Generation
from smecheck.placement.cmdline import last_value, values, word_position
from smecheck.placement.identity import SWITCH_SYMBOLS, banner_version
from smecheck.record import record

if TYPE_CHECKING:
    from smecheck.model.kernel_log import KernelLog

_OPTION = "mem_encrypt"
_DEFAULT = "CONFIG_AMD_MEM_ENCRYPT_ACTIVE_BY_DEFAULT"
_LOCAL_DATA = "sme_workarea"
"""A list of symbols that has this one lists local data."""

_XLF_MEM_ENCRYPTION = 0x80
"""arch/x86/include/uapi/asm/bootparam.h, bit 7 of xloadflags, v6.9: use SME."""

_IF_THE_MACHINE_CAN = (
    "active if the CPU has SME, the firmware enables it (SYSCFG bit 23) and no hypervisor runs"
)

_OF_GUESTS = ("SEV", "SEV-ES", "SEV-SNP", "TDX")
"""Kinds of memory encryption that a guest has from its hypervisor; none has SME beside them."""

_HYPERVISORS = ("KVM", "Microsoft Hyper-V")
"""Those that Linux finds by the CPUID bit that sme_enable() asks for. Others it may find by other
means, and a kernel that kexec starts from a domain of Xen runs on the bare machine."""

_NO_CMDLINE = "the command line of the kernel is not known"

_NO_BUILT_IN = (
    "assumed: no command line that is built in (CONFIG_CMDLINE) says otherwise; since v6.9 the EFI "
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
    source: str


_OF_BUILD = SmeSwitch(
    "v4.14 to v6.2, and v6.8",
    Default.OF_BUILD,
    in_decompressor=False,
    source="v4.14 arch/x86/mm/mem_encrypt.c, sme_enable(); v6.8 aa8eff72842",
)
_LOST_DEFAULT = SmeSwitch(
    "v6.3 to v6.7, and stable trees with cbebd68f59f0",
    Default.LOST,
    in_decompressor=False,
    source="v6.3 arch/x86/mm/mem_encrypt_identity.c, sme_enable() (cbebd68f59f0)",
)
_ON_ONLY = SmeSwitch(
    "kernels before v6.9 with 29956748339a, such as Debian's 6.1.192",
    Default.OFF,
    in_decompressor=False,
    source="29956748339a: the option of the configuration is gone",
)
_IN_DECOMPRESSOR = SmeSwitch(
    "v6.9 and later",
    Default.OFF,
    in_decompressor=True,
    source="v6.9 cd0d9d92c8bb: arch/x86/boot/compressed/misc.c, parse_mem_encrypt()",
)
SWITCHES = (_OF_BUILD, _LOST_DEFAULT, _ON_ONLY, _IN_DECOMPRESSOR)
"""Every variant, oldest first."""


@record
class SmeEvidence:
    """All that bears on the state of SME."""

    image: KernelImage
    facts: KernelFacts
    cmdline: Fact[str]
    """Of the kernel that is booted."""
    path: Path
    without_decompressor: bool
    """A vmlinux ELF is started as it stands."""
    log: KernelLog | None = None
    """Of the machine, from a kernel that ran there before: evidence of CPU and firmware."""


def sme_state(evidence: SmeEvidence) -> tuple[SmeState, tuple[str, ...]]:
    """Return the state, and what it follows from; the first text decides."""
    cmdline, features = evidence.cmdline, _features(evidence.log)
    guest = _guest(evidence, features)
    if guest is not None:
        return SmeState.INACTIVE, (guest,)
    if isinstance(cmdline, Unknown):
        return SmeState.UNKNOWN, (_NO_CMDLINE,)
    switches, told_by = switches_of(evidence.image, evidence.facts)
    default = _default_of_build(evidence.image)
    answers = {_answer(switch, cmdline.value, evidence, default) for switch in switches}
    said = f"{_said(cmdline.value)} on the command line ({cmdline.origin})"
    variants = f"{told_by}: {'; or '.join(switch.kernels for switch in switches)}"
    why = default.origin if isinstance(default, Known) else default.reason
    if answers == {False}:
        by_stub = evidence.path is Path.FIRST_BOOT and _IN_DECOMPRESSOR in switches
        meaning = _meaning(switches, default, cmdline.value, evidence)
        return SmeState.INACTIVE, (f"{said}{meaning}", variants, *(_NO_BUILT_IN if by_stub else ()))
    if answers == {True} and "SME" in features:
        return SmeState.ACTIVE, (f"{said}, and it was active on this machine before", variants)
    if answers == {True}:
        return SmeState.UNKNOWN, (f"{said}: {_IF_THE_MACHINE_CAN}", variants)
    if last_value(cmdline.value, _OPTION) in ("on", "off"):
        meaning = "kernels differ in which of these counts, or in who reads it"
        return SmeState.UNKNOWN, (f"{said}: {meaning}", variants)
    return SmeState.UNKNOWN, (f"{said}: the default depends on the build", variants, why)


def _features(log: KernelLog | None) -> tuple[str, ...]:
    """Return the kinds of memory encryption that an earlier kernel used on the machine."""
    if log is None or log.boot.encryption is None:
        return ()
    return log.boot.encryption.features


def _guest(evidence: SmeEvidence, features: tuple[str, ...]) -> str | None:
    """Say why the machine is a guest in which no workarea is ever used."""
    encrypted = [feature for feature in features if feature in _OF_GUESTS]
    if encrypted:
        return (
            f"the machine is a guest with encrypted memory ({', '.join(encrypted)}): there "
            "sme_encrypt_kernel() returns at once, whatever the command line says"
        )
    seen = evidence.log.boot.hypervisor if evidence.log is not None else None
    looks_for_one = Generation.V4_14_0 not in evidence.facts.generations
    if seen is not None and seen.text in _HYPERVISORS and looks_for_one:
        return (
            f"the machine is a guest ({seen.where}: Hypervisor detected: {seen.text}): since v4.15 "
            "sme_enable() turns SME on under no hypervisor"
        )
    return None


def switches_of(image: KernelImage, facts: KernelFacts) -> tuple[tuple[SmeSwitch, ...], str]:
    """Return the variants that the image leaves open, and what told them.

    A version alone does not narrow them down: distributions backported all of these changes.
    """
    on, off = SWITCH_SYMBOLS
    if off in image.symbols:
        return (_OF_BUILD, _LOST_DEFAULT), image.symbol_origin(off)
    if on in image.symbols and image.symbols_complete:
        return (_ON_ONLY,), f"{image.symbol_origin(on)}, no {off}"
    lists_local_data = image.symbols_complete and _LOCAL_DATA in image.symbols
    if lists_local_data and _is_v6_9_or_later(image):
        return (_IN_DECOMPRESSOR,), f"the symbol table has neither {on} nor {off}"
    if isinstance(facts.scheme, Known) and facts.scheme.value is not Scheme.INIT_SCRATCH:
        return (_OF_BUILD, _LOST_DEFAULT, _ON_ONLY), f"the scheme is {facts.scheme.value.value}"
    return SWITCHES, "nothing in the image tells which switch it has"


def _is_v6_9_or_later(image: KernelImage) -> bool:
    version = banner_version(image.release.value) if isinstance(image.release, Known) else None
    return version is not None and version >= (6, 9)


def _default_of_build(image: KernelImage) -> Fact[bool]:
    option = image.config.get(_DEFAULT)
    if option is None:
        return Unknown(f"{_DEFAULT} is not known")
    where = image.origins.get(_DEFAULT)
    return Known(option == "y", f"{_DEFAULT}={option}" + (f" ({where})" if where else ""))


def _answer(
    switch: SmeSwitch, cmdline: str, evidence: SmeEvidence, default: Fact[bool]
) -> bool | None:
    """Return what a variant makes of the command line, ``None`` where that is not known."""
    if switch.in_decompressor:
        return _answer_of_decompressor(cmdline, evidence)
    value = last_value(cmdline, _OPTION)
    if value == "on":
        return True
    if value == "off" or switch.default is Default.OFF:
        return False
    if value is None and switch.default is Default.LOST:
        return False
    return default.value if isinstance(default, Known) else None


def _answer_of_decompressor(cmdline: str, evidence: SmeEvidence) -> bool | None:
    """Return whether XLF_MEM_ENCRYPTION is set.

    The decompressor takes the first place of each of the two words and believes the later one; the
    EFI stub, which a first boot may go through, goes through all values. Nothing clears the bit.
    """
    if evidence.image.header.other.get("xloadflags", 0) & _XLF_MEM_ENCRYPTION:
        return True
    if evidence.without_decompressor:
        return False
    on, off = (word_position(cmdline, f"{_OPTION}={value}") for value in ("on", "off"))
    if evidence.path is not Path.FIRST_BOOT:
        return on > off
    # drivers/firmware/efi/libstub/efi-stub-helper.c, efi_parse_options(): commas separate words.
    by_stub = False
    for value in values(cmdline, _OPTION):
        words = value.split(",")
        by_stub = "on" in words or (by_stub and "off" not in words)
    return by_stub if by_stub is (on > off) else None


def _said(cmdline: str) -> str:
    given = [f"{_OPTION}={value}" for value in dict.fromkeys(values(cmdline, _OPTION))]
    return " and ".join(re.sub(r"[^!-~]", "?", text)[:40] for text in given) or f"no {_OPTION}="


def _meaning(
    switches: tuple[SmeSwitch, ...], default: Fact[bool], cmdline: str, evidence: SmeEvidence
) -> str:
    """Say why that leaves SME off."""
    if last_value(cmdline, _OPTION) == "off":
        return ""
    if evidence.without_decompressor and switches == (_IN_DECOMPRESSOR,):
        return ": a vmlinux is started without the decompressor, which alone heeds it"
    if all(switch.default is Default.OFF for switch in switches):
        return ": this kernel turns SME on for mem_encrypt=on only"
    return f", and off is the default ({default.origin if isinstance(default, Known) else ''})"
