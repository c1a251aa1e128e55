"""Which of the listed files are the crash kernel's own: its image, its initrd; by their names."""

from __future__ import annotations

from smecheck.support_case.triage_report import Evidence, FactName, ListedFile

_INITRDS = (
    "/boot/initramfs-{release}kdump.img",  # kdump-utils, prepare_kdump_bootinfo()
    "/var/lib/kdump/initramfs-{release}kdump.img",
    "/var/lib/kdump/initrd.img-{release}",  # kdump-tools
    "/var/lib/kdump/initrd",  # SUSE's kdump since 2.0
    "/boot/initrd-{release}-kdump",  # before
    "/var/lib/kdump/initrd.img",
)
"""Initrds that are made for the crash kernel."""
_KERNELS = ("/boot/vmlinuz-{release}", "/lib/modules/{release}/vmlinuz", "/var/lib/kdump/kernel")


def crash_release(evidence: Evidence) -> str | None:
    """Return the release of the crash kernel: the running one unless the settings name another."""
    named = evidence.one(FactName.CRASH_KERNEL_VERSION)
    if named is not None and named.value[:1].isdigit():
        return named.value
    running = evidence.one(FactName.RELEASE)
    return None if running is None else running.value


def crash_initrd(evidence: Evidence) -> ListedFile | None:
    """Return the initrd of the crash kernel, where a listing has it."""
    return _listed(evidence, _INITRDS)


def crash_image(evidence: Evidence) -> ListedFile | None:
    """Return the vmlinuz of the crash kernel, where a listing has it."""
    return _listed(evidence, _KERNELS)


def _listed(evidence: Evidence, names: tuple[str, ...]) -> ListedFile | None:
    release = crash_release(evidence)
    files = {file.path: file for file in reversed(evidence.files)}
    for name in names:
        if "{release}" in name and release is None:
            continue
        found = files.get(name.format(release=release))
        if found is not None and found.size:
            return found
    return None
