"""What a kernel log says of SME and of guests, and what that says of another kernel."""

from __future__ import annotations

from smecheck.evidence import Known
from smecheck.kernel.identity import version_of
from smecheck.machine.kernel_log import KernelLog

_OF_GUESTS = ("SEV", "SEV-ES", "SEV-SNP", "TDX")
"""Kinds of memory encryption that a guest has from its hypervisor; none has SME beside them:
arch/x86/mm/mem_encrypt.c, print_mem_encrypt_feature_info(), v5.10 to v7.3."""

HYPERVISORS = ("KVM", "Microsoft Hyper-V")
"""Those that Linux finds by the CPUID bit that sme_enable() asks for. Others it may find by other
means, and a kernel that kexec starts from a domain of Xen runs on the bare machine."""

_ASKS_FOR_HYPERVISOR = (4, 15)
"""v4.15 arch/x86/mm/mem_encrypt.c: sme_enable() asks CPUID whether a hypervisor runs."""


def running_sme(log: KernelLog, *, of_this_boot: bool) -> str:
    """Word it as evidence: of the running kernel, or of the boot that is asked about."""
    if sme_beside_guest(log) is not None:
        return f"{log.source} holds lines of two machines: neither is believed"
    boot, seen = log.boot, log.boot.encryption
    release = f" ({boot.release.value})" if isinstance(boot.release, Known) else ""
    running = f"the kernel that wrote the log{release}"
    if seen is None:
        if is_whole(log):
            return f"{log.source}: SME is not active in {running}: no line says that it is"
        return f"{log.source}: no line about memory encryption, but the log is incomplete"
    if "SME" in seen.features and of_this_boot:
        return f"{seen.where}: SME is active in {running}"
    if "SME" in seen.features:
        return (
            f"{seen.where}: SME is active in {running}: CPU and firmware have it; whether the "
            "kernel being booted turns it on depends on its own configuration and command line"
        )
    if seen.features:
        listed = ", ".join(seen.features)
        return f"{seen.where}: {running} is a guest with encrypted memory ({listed}), without SME"
    return f"{seen.where}: the list of encryption features is cut off"


def is_whole(log: KernelLog) -> bool:
    """Return whether the line "SME active" would be in the log if the kernel had written it.

    The lines of the memory map have the same level: where they are shown, that one would be.
    """
    boot = log.boot
    return boot.begins and boot.is_up and boot.firmware_map is not None


def active_features(log: KernelLog | None) -> tuple[str, ...]:
    """Return the kinds of memory encryption that the kernel of the log used on the machine."""
    if log is None:
        return ()
    return tuple(feature for one in log.boot.encryption_lists for feature in one.features)


def guest_features(features: tuple[str, ...]) -> str:
    """List those that only a guest has; empty where there are none."""
    return ", ".join(feature for feature in features if feature in _OF_GUESTS)


def shows_guest(log: KernelLog | None) -> bool:
    """Return whether the machine of a log is a guest by it."""
    if log is None:
        return False
    seen = log.boot.hypervisor
    is_known = seen is not None and seen.text in HYPERVISORS
    return is_known or bool(guest_features(active_features(log)))


def sme_beside_guest(log: KernelLog | None) -> str | None:
    """Say that a log calls SME active and the machine a guest, or Intel's: no kernel says both.

    Whoever wrote it, lines of two machines are in it, and neither is believed. The same goes for a
    boot with SME before that of a guest.
    """
    if log is None:
        return None
    lists = log.boot.encryption_lists
    active = next((one for one in lists if "SME" in one.features), log.sme_before)
    if active is None:
        return None
    guest = next((one for one in lists if set(one.features) & set(_OF_GUESTS)), None)
    if guest is not None:
        also = "" if guest is active else f", and {guest.text} ({guest.where})"
        return (
            f"{active.text} ({active.where}){also}: SME beside "
            f"{guest_features(guest.features)}, which only a guest has; no kernel says both"
        )
    intel = log.boot.intel
    if intel is not None:
        return (
            f"{active.text} ({active.where}), yet the CPU is {intel.text} ({intel.where}): SME is "
            "AMD's"
        )
    seen, release = log.boot.hypervisor, log.boot.release
    version = version_of(release)
    asks = version is None or version >= _ASKS_FOR_HYPERVISOR
    if seen is None or seen.text not in HYPERVISORS or not asks:
        return None
    return (
        f"{active.text} ({active.where}), yet Hypervisor detected: {seen.text} ({seen.where}): "
        "since v4.15 no kernel turns SME on under a hypervisor"
    )
