"""The crash kernel's command line, as the distribution's script builds it from its settings.

It decides whether that kernel uses SME and KASLR, and is not the running kernel's: kdump removes
words and adds others. What the script adds last and what does not matter here (watchdogs, consoles
of Xen) is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from smecheck.evidence import Fact, Known, Unknown
from smecheck.record import record
from smecheck.support_case.triage_report import Evidence, FactName, TriageFact


@record
class KdumpScript:
    """What a script makes of the running kernel's command line."""

    removed: frozenset[str]
    """Words and options that never stay."""
    removed_by_default: str
    """Those that go where its settings do not say which."""
    appended: str
    """What is added, ``{cpus}`` being the CPUs it may use."""
    appended_by_default: str
    """What is added where its settings do not say what."""
    source: str


_SCRIPTS: Mapping[str, KdumpScript] = MappingProxyType(
    {
        "red-hat": KdumpScript(
            removed=frozenset(
                {
                    *("crashkernel", "panic_on_warn", "root", "rd.lvm.lv", "rd.luks.uuid"),
                    *("rd.dm.uuid", "rd.md.uuid", "fcoe", "netroot", "rd.iscsi.initiator"),
                    "iscsi_initiator",
                }
            ),
            removed_by_default="hugepages hugepagesz slub_debug",
            appended="",
            appended_by_default="",
            source="kdump-utils, kdump-lib.sh, prepare_cmdline()",
        ),
        "debian": KdumpScript(
            removed=frozenset({"crashkernel"}),
            removed_by_default="",
            appended="",
            appended_by_default="reset_devices systemd.unit=kdump-tools-dump.service nr_cpus=1 "
            "irqpoll usbcore.nousb",
            source="kdump-tools, kdump-config",
        ),
        "suse": KdumpScript(
            removed=frozenset(
                {
                    *("root", "resume", "crashkernel", "splash", "mem", "BOOT_IMAGE", "showopts"),
                    *("zfcp.allow_lun_scan", "hugepages", "acpi_no_memhotplug", "cgroup_disable"),
                    *("unknown_nmi_panic", "rd.udev.children-max", "notsc"),
                }
            ),
            removed_by_default="",
            appended="sysrq=yes reset_devices acpi_no_memhotplug cgroup_disable=memory nokaslr "
            "numa=off irqpoll {cpus} root=kdump rootflags=bind rd.udev.children-max=8",
            appended_by_default="",
            source="kdump of SUSE, init/load.sh, build_kdump_commandline()",
        ),
    }
)


def crash_cmdline(evidence: Evidence) -> Fact[str]:
    """Return the command line that the crash kernel is loaded with, as far as members show it."""
    command = evidence.one(FactName.CRASH_CMDLINE)
    if command is not None:
        return Known(command.value, f"{command.place}: the kexec command")
    whose, running = evidence.one(FactName.DISTRIBUTION), evidence.one(FactName.CMDLINE)
    script = _SCRIPTS.get(whose.value) if whose is not None else None
    if whose is None or script is None:
        return Unknown("no settings of kdump are among the members")
    given = evidence.one(FactName.CMDLINE_SET)
    if given is None and running is None:
        return Unknown("neither /proc/cmdline nor a command line of kdump is among the members")
    return Known(_built(script, evidence, given, running), _origin(script, whose, given, running))


def _built(
    script: KdumpScript, evidence: Evidence, given: TriageFact | None, running: TriageFact | None
) -> str:
    append = _value(evidence, FactName.CMDLINE_APPEND, script.appended_by_default)
    if given is not None and not script.removed_by_default:
        return _words(given.value, append)  # Debian and SUSE take it as it is
    remove = _value(evidence, FactName.CMDLINE_REMOVE, script.removed_by_default)
    gone = script.removed | {word.partition("=")[0] for word in remove.split()}
    base = given.value if given is not None else running.value if running is not None else ""
    kept = [word for word in base.split() if word.partition("=")[0] not in gone]
    cpus = _value(evidence, FactName.CRASH_CPUS, "1")
    added = script.appended.format(cpus="" if cpus == "0" else f"nr_cpus={cpus}")
    return _words(*kept, added, append)


def _origin(
    script: KdumpScript,
    whose: TriageFact,
    given: TriageFact | None,
    running: TriageFact | None,
) -> str:
    base = given if given is not None else running
    from_place = f" from {base.place}" if base is not None else ""
    return f"as {script.source} builds it{from_place} and {whose.member}"


def _value(evidence: Evidence, name: FactName, default: str) -> str:
    fact = evidence.one(name)
    return default if fact is None else fact.value


def _words(*texts: str) -> str:
    return " ".join(" ".join(texts).split())
