"""What support programs collect of a machine, in the layouts of several of their versions.

The names are those that sos 4.0, 4.9.1 and 4.12.1 of Debian wrote on a guest, and those of their
plugins' sources; sos 3.9 names them as 4.0 does but for its journal. supportconfig writes flat
files of sections (supportutils, supportconfig.rc).
"""

from __future__ import annotations

import io
import tarfile
from dataclasses import dataclass, field
from pathlib import Path

from archive_writer import PACKERS
from recorded import DATA

HOST = "epyc17"
SOS = ("3.9", "4.0", "4.9", "4.12")
LAYOUTS = (*SOS, "supportconfig")
_LISTING = {"3.9": "ls_-lanR_.boot", "4.0": "ls_-lanR_.boot", "4.9": "ls_-alZR_.boot"}
_JOURNAL = {"3.9": "journalctl_--no-pager_--catalog_--boot"}


@dataclass
class Machine:
    """What is to be collected; what is empty is not there."""

    release: str = "6.12.117+deb12-amd64"
    iomem: bytes = b""
    cmdline: bytes = b""
    dmesg: bytes = b""
    journal: bytes = b""
    kallsyms: bytes = b""
    config: bytes = b""
    kdump_log: bytes = b""
    """/var/log/kdump.log: what kexec -d wrote."""
    crash_loaded: int | None = 1
    kexec_loaded: int | None = 0
    crash_size: int | None = 201326592
    settings: dict[str, bytes] = field(default_factory=dict)
    """Files in /etc, by path."""
    crash: dict[str, bytes] = field(default_factory=dict)
    """Files in /var/crash, by path below it."""
    kdump_state: bytes = b""
    initrd_size: int = 0
    kexec_tools: str = ""
    more: dict[str, bytes] = field(default_factory=dict)
    """Any other file, by path."""

    def values(self) -> dict[str, bytes]:
        """Return the numbers of sysfs."""
        given = {
            "kexec_loaded": self.kexec_loaded,
            "kexec_crash_loaded": self.crash_loaded,
            "kexec_crash_size": self.crash_size,
        }
        return {name: b"%d\n" % one for name, one in given.items() if one is not None}

    def listing(self, *, context: bool) -> bytes:
        """Return ``ls -lR /boot``, with security contexts or without."""
        middle = "unconfined_u:object_r:boot_t:s0 " if context else ""
        initrd = f"initramfs-{self.release}kdump.img"
        rows = [f"vmlinuz-{self.release} 12097472"]
        if self.initrd_size:
            rows.append(f"{initrd} {self.initrd_size}")
        lines = [
            f"-rw-r--r--. 1 root root {middle}{row.split()[1]} Nov 28 10:00 {row.split()[0]}"
            for row in rows
        ]
        return "\n".join(["/boot:", "total 52", *lines, ""]).encode()


def captured(name: str, **changes: object) -> Machine:
    """Return the machine of a capture, from the texts that are kept of it."""
    folder = DATA / "captures" / name
    log = DATA / "machine-logs" / f"{name}.boot1.dmesg.txt"
    machine = Machine(iomem=(folder / "iomem.txt").read_bytes())
    if log.exists():
        machine.dmesg = log.read_bytes()
        machine.cmdline = machine.dmesg.split(b"Command line: ", 1)[1].split(b"\n")[0] + b"\n"
    for key, value in changes.items():
        setattr(machine, key, value)
    return machine


def members(machine: Machine, layout: str) -> dict[str, bytes]:
    """Return the files of a report, by their paths in it."""
    made = _supportconfig(machine) if layout == "supportconfig" else _sos(machine, layout)
    return {name: data for name, data in sorted(made.items()) if data}


def report(machine: Machine, layout: str, folder: Path, packing: str = ".xz") -> Path:
    """Write the archive of a report; return its path."""
    is_sos = layout != "supportconfig"
    top = f"sosreport-{HOST}-2026-11-28-abcdefg" if is_sos else f"scc_{HOST}_261128_1203"
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name, data in members(machine, layout).items():
            info = tarfile.TarInfo(f"{top}/{name}")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
        if is_sos:
            link = tarfile.TarInfo(f"{top}/uname")
            link.type, link.linkname = tarfile.SYMTYPE, "sos_commands/kernel/uname_-a"
            tar.addfile(link)
    path = folder / f"{top}.tar{packing}"
    path.write_bytes(PACKERS[packing](made.getvalue()))
    return path


def unpacked(machine: Machine, layout: str, folder: Path) -> Path:
    """Write a report as a folder; return its path."""
    top = folder / "report"
    for name, data in members(machine, layout).items():
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_bytes(data)
    return top


def _uname(machine: Machine) -> bytes:
    return f"Linux {HOST} {machine.release} #1 SMP PREEMPT_DYNAMIC x86_64 GNU/Linux\n".encode()


def _sos(machine: Machine, version: str) -> dict[str, bytes]:
    values = machine.values()
    made = {
        "version.txt": f"sosreport: {version}\n".encode(),
        "etc/hostname": f"{HOST}\n".encode(),
        "proc/iomem": machine.iomem,
        "proc/cmdline": machine.cmdline,
        "proc/kallsyms": machine.kallsyms,
        "proc/meminfo": b"MemTotal: 1000 kB\n",
        "sos_commands/kernel/uname_-a": _uname(machine),
        "sos_commands/kernel/dmesg": machine.dmesg,
        f"sos_commands/logs/{_JOURNAL.get(version, 'journalctl_--no-pager_--boot')}":
            machine.journal,
        f"sos_commands/boot/{_LISTING.get(version, 'ls_-alZR_.boot')}":
            machine.listing(context="Z" in _LISTING.get(version, "Z")),
        f"boot/config-{machine.release}": machine.config,
        "var/log/kdump.log": machine.kdump_log,
        "sos_commands/kdump/kdumpctl_status": machine.kdump_state,
        "sys/firmware/acpi/pm_profile": b"4\n",
    }  # fmt: skip
    if machine.kexec_tools:
        name = f"kexec-tools-{machine.kexec_tools}-5.el9.x86_64"
        made["sos_commands/rpm/sh_-c_rpm_--nodigest_-qa"] = (
            f"kernel-{machine.release}   Tue\n{name}    Tue Nov 24 2026\n".encode()
        )
    if version in ("4.9", "4.12"):
        made["sos_commands/kernel/dmesg_-T"] = machine.dmesg
    for name, value in values.items():
        path = f"kexec/{name.removeprefix('kexec_')}" if version == "4.12" else name
        made[f"sys/kernel/{path}"] = value
        made[f"sys/kernel/{name}"] = value
    made |= machine.settings
    made |= {f"var/crash/{name}": data for name, data in machine.crash.items()}
    return made | machine.more


def _section(kind: str, title: str, data: bytes) -> bytes:
    head = f"#==[ {kind} ]".ljust(52, "=") + "#"
    return f"{head}\n# {title}\n".encode() + data + b"\n"


def _supportconfig(machine: Machine) -> dict[str, bytes]:
    """supportconfig collects no iomem and no kallsyms."""
    banner = b"=" * 77 + b"\n  Support Utilities - Supportconfig\n" + b"=" * 77 + b"\n\n"
    conf, command, log = "Configuration File", "Command", "Log File"
    crash = [_section(conf, "/proc/cmdline", machine.cmdline)]
    crash += [
        _section(conf, f"/{path}", _without_comments(data))
        for path, data in machine.settings.items()
    ]
    crash += [
        _section(conf, f"/sys/kernel/{name}", value) for name, value in machine.values().items()
    ]
    crash += [
        _section(log, f"/var/crash/{name}", data) for name, data in machine.crash.items()
        if b"\0" not in data
    ]  # fmt: skip
    boot = [
        _section(command, "/bin/ls -lR --time-style=long-iso /boot/",
                 machine.listing(context=False).replace(b"Nov 28 10:00", b"2026-11-28 10:00")),
        _section(command, "/usr/bin/journalctl -b0", machine.journal),
        _section(command, "/bin/dmesg -T", machine.dmesg),
    ]  # fmt: skip
    rpm = f"kexec-tools                SUSE LLC                  {machine.kexec_tools}-150600.2\n"
    made = {
        "basic-environment.txt": [_section(command, "/bin/uname -a", _uname(machine))],
        "crash.txt": crash,
        "boot.txt": boot,
        "rpm.txt": [_section(command, "rpm -qa --queryformat x", rpm.encode())],
        "proc.txt": [_section(conf, "/proc/mounts", b"/dev/sda1 / ext4\n")],
    }
    return {name: banner + b"".join(sections) for name, sections in made.items()}


def _without_comments(data: bytes) -> bytes:
    lines = [line for line in data.splitlines() if line.strip() and not line.startswith(b"#")]
    return b"\n".join(lines) + b"\n"
