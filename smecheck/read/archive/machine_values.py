"""Small files that say one thing each of a machine: its command line, CPUs, packages, state."""

from __future__ import annotations

import re
from collections.abc import Iterator

from smecheck.evidence import Known
from smecheck.machine.vmcore import VmcoreNotes
from smecheck.record import replace
from smecheck.support_case.triage_report import FactName, TriageFact

_VALUES = {
    "kexec_loaded": FactName.KEXEC_LOADED,
    "kexec/loaded": FactName.KEXEC_LOADED,
    "kexec_crash_loaded": FactName.CRASH_LOADED,
    "kexec/crash_loaded": FactName.CRASH_LOADED,
    "kexec_crash_size": FactName.CRASH_SIZE,
    "kexec/crash_size": FactName.CRASH_SIZE,
}
_PASTED = re.compile(r"[ \t>]*/sys/kernel/(?P<path>kexec[\w/]{0,40}):[ \t]?(?P<value>[^\n]*)")
_CMA = "kexec/crash_cma_ranges"
_FLAGS = frozenset({"sme", "sev", "sev_es", "sev_snp", "pdpe1gb", "la57", "hypervisor", "svm"})
"""Flags of a CPU that are kept. Since 08f253ec3767 "sme" is shown only while SME is active."""
_UNAME = re.compile(r"Linux (\S{1,255}) ([0-9]\S{0,80}) ")
_VERSION = re.compile(r"Linux version ([0-9]\S{0,80})")
_LSCPU = {
    "CPU(s)": FactName.ONLINE_CPUS,
    "NUMA node(s)": FactName.NUMA,
    "Vendor ID": FactName.CPU_VENDOR,
}
_NUMA = re.compile(r"available: ([0-9]{1,5}) nodes?\b")
_POSSIBLE = re.compile(r"0-([0-9]{1,6})|0")
_SOS = re.compile(r"sosreport:? (\S{1,40})")
_TEXT_LIMIT = 4096
# rpm -qa: kexec-tools-2.0.25-5.el9.x86_64; dpkg -l: "ii  kexec-tools  1:2.0.25-3+b1  amd64";
# supportconfig's rpm.txt has the vendor between the two.
_KEXEC_TOOLS = re.compile(
    r"^(?:ii\s+)?kexec-tools(?::\w+)?(?:-|\s+(?:\S.{0,60}?\s)??(?:[0-9]+:)?)"
    r"(?P<version>[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3})(?:[-+.~\s]|$)",
    re.MULTILINE,
)
_STATUS = re.compile(
    r"^Package: kexec-tools\n(?:(?!\n\n)[\s\S]){0,2000}?^Version: (?:[0-9]+:)?"
    r"(?P<version>[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3})",
    re.MULTILINE,
)
"""The same in /var/lib/dpkg/status."""
_OFFLINE_BLOCK = re.compile(r"\s*(0x[0-9a-f]{1,16})-(0x[0-9a-f]{1,16})\s+\S+\s+offline\b")
_BLOCKS_LIMIT = 64


def cmdline_facts(text: str, member: str) -> Iterator[TriageFact]:
    """Read /proc/cmdline."""
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield TriageFact(FactName.CMDLINE, line.strip()[:_TEXT_LIMIT], member, number)
            return


def value_facts(path: str, text: str, member: str) -> Iterator[TriageFact]:
    """Read a number that sysfs shows.

    Args:
        path: of the file in ``/sys/kernel``: ``kexec_crash_size``.
        text: what it holds.
        member: what the fact is from.
    """
    value = text.strip()
    if path == _CMA and value:
        yield TriageFact(FactName.CRASH_CMA, " ".join(value.split())[:_TEXT_LIMIT], member, 1)
    elif path in _VALUES and value.isdecimal() and len(value) < 20:
        yield TriageFact(_VALUES[path], str(int(value)), member, 1)


def pasted_value_facts(text: str, member: str) -> Iterator[TriageFact]:
    """Read what ``grep . /sys/kernel/kexec_*`` prints, quoted or not."""
    for number, line in enumerate(text.split("\n"), 1):
        found = _PASTED.match(line)
        if found is not None:
            for fact in value_facts(found["path"], found["value"], member):
                yield replace(fact, line=number)


def uname_facts(text: str, member: str) -> Iterator[TriageFact]:
    """Read ``uname -a``, or /proc/version."""
    for number, line in enumerate(text.split("\n"), 1):
        if found := _VERSION.match(line):
            yield TriageFact(FactName.RELEASE, found[1], member, number)
        elif found := _UNAME.match(line):
            if found[1] != "(none)":
                yield TriageFact(FactName.HOST, found[1], member, number)
            yield TriageFact(FactName.RELEASE, found[2], member, number)
        else:
            continue
        return


def cpuinfo_facts(text: str, member: str) -> Iterator[TriageFact]:
    """Read /proc/cpuinfo."""
    count = 0
    said: dict[str, tuple[int, str]] = {}
    for number, line in enumerate(text.split("\n"), 1):
        key, colon, value = line.partition(":")
        key = key.strip()
        if colon and key == "processor":
            count += 1
        elif colon and count <= 1:
            said.setdefault(key, (number, value.strip()))
    if not count:
        return
    yield TriageFact(FactName.ONLINE_CPUS, str(count), member)
    if "vendor_id" in said:
        number, vendor = said["vendor_id"]
        yield TriageFact(FactName.CPU_VENDOR, vendor[:40], member, number)
    if "flags" in said:
        number, flags = said["flags"]
        kept = " ".join(flag for flag in flags.split() if flag in _FLAGS)
        yield TriageFact(FactName.CPU_FLAGS, kept or "none of these", member, number)
    if "initial apicid" in said and said["initial apicid"][1].isdecimal():
        number, apicid = said["initial apicid"]
        yield TriageFact(FactName.BOOT_APICID, apicid[:10], member, number)


def cpus_facts(text: str, member: str) -> Iterator[TriageFact]:
    """Read ``lscpu``, or /sys/devices/system/cpu/possible."""
    possible = _POSSIBLE.fullmatch(text.strip())
    if possible is not None:
        yield TriageFact(FactName.CPUS, str(int(possible[1] or 0) + 1), member, 1)
        return
    for number, line in enumerate(text.split("\n"), 1):
        key, colon, value = line.partition(":")
        name = _LSCPU.get(key.strip()) if colon else None
        if name is not None and value.strip():
            yield TriageFact(name, value.strip()[:40], member, number)


def numa_facts(text: str, member: str) -> Iterator[TriageFact]:
    """Read ``numactl --hardware``."""
    found = _NUMA.search(text)
    if found is not None:
        line = text.count("\n", 0, found.start()) + 1
        yield TriageFact(FactName.NUMA, found[1], member, line)


def host_facts(text: str, member: str) -> Iterator[TriageFact]:
    """Read /etc/hostname."""
    name = text.strip().split("\n")[0].strip()
    if name and not name.startswith("#"):
        yield TriageFact(FactName.HOST, name[:255], member, 1)


def collector_facts(text: str, member: str) -> Iterator[TriageFact]:
    """Read version.txt of sos."""
    found = _SOS.search(text)
    if found is not None:
        line = text.count("\n", 0, found.start()) + 1
        yield TriageFact(FactName.COLLECTED_BY, f"sos {found[1]}", member, line)


def vmcore_facts(notes: VmcoreNotes) -> Iterator[TriageFact]:
    """Say what the notes of a dump say."""
    member = notes.source
    release = f" of {notes.release.value}" if isinstance(notes.release, Known) else ""
    yield TriageFact(FactName.VMCORE, f"{member}{release}", member)
    if isinstance(notes.sme_mask, Known):
        yield TriageFact(FactName.SME_MASK, f"{notes.sme_mask.value:#x}", member)
    if isinstance(notes.text, Known):
        value = f"_text of the kernel that crashed at {notes.text.value:#x}"
        yield TriageFact(FactName.VMCORE, value, member)


def package_facts(text: str, member: str) -> Iterator[TriageFact]:
    """Read the version of kexec-tools."""
    found = _KEXEC_TOOLS.search(text) or _STATUS.search(text)
    if found is not None:
        line = text.count("\n", 0, found.start()) + 1
        yield TriageFact(FactName.KEXEC_TOOLS, found["version"], member, line)


def memory_block_facts(text: str, member: str) -> Iterator[TriageFact]:
    """Yield the ranges that lsmem shows offline, which an older load still counts on.

    They are inclusive, as they are printed.
    """
    left = _BLOCKS_LIMIT
    for number, line in enumerate(text.split("\n"), 1):
        found = _OFFLINE_BLOCK.match(line)
        if found is None or not left:
            continue
        left -= 1
        span = f"{int(found[1], 16):#x}-{int(found[2], 16):#x}"
        yield TriageFact(FactName.MEMORY_OFFLINE, span, member, number)
