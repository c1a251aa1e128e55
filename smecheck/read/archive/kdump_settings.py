"""What a distribution's kdump is set to do, and what it says of having done it.

Shell variables: /etc/sysconfig/kdump of Red Hat's kdump-utils and of SUSE's kdump,
/etc/default/kdump-tools of Debian and Ubuntu. States: kdumpctl, kdump-config, systemctl.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from smecheck.read.load.kexec_command import parse_command
from smecheck.support_case.triage_report import FactName, TriageFact

RED_HAT, DEBIAN, SUSE = "red-hat", "debian", "suse"
"""Whose scripts load the crash kernel."""

_VARIABLES = {
    "KEXEC_ARGS": FactName.KEXEC_ARGS,  # Red Hat
    "KEXEC_OPTIONS": FactName.KEXEC_ARGS,  # SUSE
    "KDUMP_KEXEC_ARGS": FactName.KEXEC_ARGS,  # Debian
    "KDUMP_COMMANDLINE": FactName.CMDLINE_SET,
    "KDUMP_CMDLINE": FactName.CMDLINE_SET,
    "KDUMP_COMMANDLINE_APPEND": FactName.CMDLINE_APPEND,
    "KDUMP_CMDLINE_APPEND": FactName.CMDLINE_APPEND,
    "KDUMP_COMMANDLINE_REMOVE": FactName.CMDLINE_REMOVE,
    "KDUMP_KERNELVER": FactName.CRASH_KERNEL_VERSION,
    "KDUMP_KERNEL": FactName.CRASH_KERNEL_VERSION,
    "KDUMP_CPUS": FactName.CRASH_CPUS,
}
_OF_RED_HAT = frozenset({"KEXEC_ARGS", "KDUMP_COMMANDLINE_REMOVE", "KDUMP_IMG", "KDUMP_BOOTDIR"})
_OF_SUSE = frozenset({"KEXEC_OPTIONS", "KDUMP_SAVEDIR", "KDUMP_CPUS", "KDUMPTOOL_FLAGS"})
_ASSIGNED = re.compile(r"\s*(?:export\s+)?(?P<name>[A-Z][A-Z0-9_]{1,60})=(?P<value>.*)")
_VALUE = re.compile(r""""((?:[^"\\]|\\.)*+)"|'([^']*+)'|([^\s"'#;]*+)""")
_STATES = re.compile(
    r"(?P<state>[Kk]dump is (?:not )?operational|(?i:not )?ready to kdump"
    r"|Starting kdump: \[\s*(?:OK|FAILED)\s*\]|Active: (?:active|failed|inactive|activating)\b"
    r"|[Uu]nloaded kdump kernel|no crashkernel= parameter)"
)
_FAILURE = re.compile(
    r"(?P<text>kexec: failed to load kdump kernel|kexec_(?:file_)?load failed: .{1,120}"
    r"|Could not find a free area of memory of 0x[0-9a-f]+ bytes\.*"
    r"|(?:syscall )?kexec_file_load not available\.?"
    r"|No memory reserved for crash kernel|No crashkernel memory reserved.{0,80}"
    r"|failed to load kdump kernel.{0,120}|FAILED to load kdump kernel.{0,120}"
    r"|Cannot get kernel .{0,60} symbol address|mkdumprd: failed to make kdump initrd"
    r"|Lockdown: .{0,40}kexec of unsigned images is restricted.{0,60}"
    r"|(?:kexec_file: )?kernel signature verification failed \((?!-126).{1,8}\))"
)
_ADDRESS = re.compile(r"crashkernel addr: (?P<address>0x[0-9a-f]{5,16}\b.*)")
_TARGET = re.compile(r"\s*(?P<target>(?:ext[234]|xfs|btrfs|nfs|ssh|raw|path)\s+\S.{0,200})")
_LINE_LIMIT = 4096


def settings_facts(text: str, member: str) -> Iterator[TriageFact]:
    """Read shell variables; where one is set twice, the last one counts."""
    facts: dict[str, TriageFact] = {}
    names: set[str] = set()
    for number, line in _joined(text):
        assigned = _ASSIGNED.match(line)
        if assigned is None:
            continue
        names.add(assigned["name"])
        name, value = _VARIABLES.get(assigned["name"]), _value(assigned["value"])
        if name is not None and value:
            facts[assigned["name"]] = TriageFact(name, value, member, number)
        elif assigned["name"] == "USE_KDUMP" and value == "0":
            facts["USE_KDUMP"] = TriageFact(FactName.KDUMP_STATE, "USE_KDUMP=0", member, number)
        else:
            facts.pop(assigned["name"], None)
    distribution = _distribution(member, names)
    if distribution is not None:
        yield TriageFact(FactName.DISTRIBUTION, distribution, member)
    yield from facts.values()


def _distribution(member: str, names: set[str]) -> str | None:
    if member.endswith("kdump-tools"):
        return DEBIAN
    if names & _OF_SUSE:
        return SUSE
    return RED_HAT if names & _OF_RED_HAT else None


def _joined(text: str) -> Iterator[tuple[int, str]]:
    """Yield the lines, those put together that a backslash joins."""
    pending, first = "", 1
    for number, line in enumerate(text.split("\n"), 1):
        if not pending:
            first = number
        if line.endswith("\\") and len(pending) < _LINE_LIMIT:
            pending += line[:-1]
            continue
        yield first, pending + line
        pending = ""


def _value(written: str) -> str:
    found = _VALUE.match(written[:_LINE_LIMIT])
    if found is None:
        return ""
    quoted, plain, bare = found.groups()
    text = next((value for value in (quoted, plain, bare) if value is not None), "")
    return " ".join(text.split())


def target_facts(text: str, member: str) -> Iterator[TriageFact]:
    """Read where /etc/kdump.conf has the dump go."""
    for number, line in enumerate(text.split("\n"), 1):
        found = _TARGET.match(line[:_LINE_LIMIT])
        if found is not None:
            yield TriageFact(FactName.DUMP_TARGET, found["target"].strip(), member, number)


def state_facts(text: str, member: str) -> Iterator[TriageFact]:
    """Read what kdumpctl, kdump-config or systemctl say."""
    is_command = False
    for number, whole in enumerate(text.split("\n"), 1):
        line = whole[:_LINE_LIMIT]
        if failure := _FAILURE.search(line):
            yield TriageFact(FactName.LOAD_FAILED, failure["text"], member, number)
        elif state := _STATES.search(line):
            yield TriageFact(FactName.KDUMP_STATE, state["state"], member, number)
        elif address := _ADDRESS.search(line):
            value = f"crashkernel addr: {address['address'].strip()}"
            yield TriageFact(FactName.KDUMP_STATE, value, member, number)
        elif is_command or "kexec" in line:
            yield from command_facts(line, member, number)
        is_command = line.startswith("kexec command")


def command_facts(line: str, member: str, number: int) -> Iterator[TriageFact]:
    """Read a kexec command that loads a crash kernel."""
    command = parse_command(line.strip(), number)
    if command is None or (command.mode is not None and not command.mode.is_crash):
        return
    yield TriageFact(FactName.KEXEC_COMMAND, line.strip("# \t"), member, number)
    if command.loader is not None:
        yield TriageFact(FactName.LOADER, command.loader.value, member, number)
    if command.cmdline:
        yield TriageFact(FactName.CRASH_CMDLINE, command.cmdline, member, number)


def failure_of(line: str) -> str | None:
    """Return what a line says of a load that failed."""
    found = _FAILURE.search(line)
    return None if found is None else found["text"]


def state_of(line: str) -> str | None:
    """Return what a line says of the state of kdump."""
    found = _STATES.search(line)
    return None if found is None else found["state"]
