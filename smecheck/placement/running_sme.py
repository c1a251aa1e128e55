"""What a kernel log says of SME in the kernel that wrote it, and what that says of another one."""

from __future__ import annotations

from smecheck.evidence import Known
from smecheck.model.kernel_log import KernelLog


def running_sme(log: KernelLog) -> str:
    """Word it as evidence: it is about the running kernel, not about the one that is booted."""
    boot, seen = log.boot, log.boot.encryption
    release = f" ({boot.release.value})" if isinstance(boot.release, Known) else ""
    running = f"the kernel that wrote the log{release}"
    if seen is None:
        # The map's lines have the same level: where they are shown, the missing line would be.
        if boot.begins and boot.is_up and boot.firmware_map is not None:
            return f"{log.source}: SME is not active in {running}: no line of it says so"
        return f"{log.source}: no line about memory encryption, but the log is not whole"
    if "SME" in seen.features:
        return (
            f"{seen.where}: SME is active in {running}: CPU and firmware have it; whether the "
            "kernel that is booted turns it on is for its own configuration and command line to say"
        )
    if seen.features:
        listed = ", ".join(seen.features)
        return f"{seen.where}: {running} is a guest with encrypted memory ({listed}), without SME"
    return f"{seen.where}: a list of encryption features begins, and the log does not go on"
