"""What is done with a member of each kind: which reader takes it, and what is kept of it."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from smecheck.errors import InputError, WrongKind, system_reason
from smecheck.read.archive import file_listings, kdump_settings, machine_values
from smecheck.read.archive.member_logs import LOG_LIMIT, MemberLogs
from smecheck.read.archive.member_patterns import MemberKind, kind_of_section
from smecheck.read.archive.opened_member import Opened
from smecheck.read.archive.sieved_journal import sieved_journal
from smecheck.read.archive.supportconfig import Section, sections
from smecheck.read.lines.journal_records import form_of
from smecheck.read.lines.log_lines import numbered_lines
from smecheck.read.source import NamedStream
from smecheck.record import replace
from smecheck.support_case.triage_report import (
    Evidence,
    FactName,
    ListedFile,
    TriageFact,
    UnusableMember,
)

if TYPE_CHECKING:
    from smecheck.kernel.image import KernelConfig, KernelImage
    from smecheck.machine.memory import MemoryMap

TEXT_LIMIT = 16 << 20
IMAGE_LIMIT = 32 << 20
"""Bytes of a kernel that is a member of an archive; a vmlinuz has 8 to 15 MiB."""

_FACTS: dict[MemberKind, Callable[[str, str], Iterator[TriageFact]]] = {
    MemberKind.CMDLINE: machine_values.cmdline_facts,
    MemberKind.UNAME: machine_values.uname_facts,
    MemberKind.CPUINFO: machine_values.cpuinfo_facts,
    MemberKind.CPUS: machine_values.cpus_facts,
    MemberKind.NUMA: machine_values.numa_facts,
    MemberKind.HOSTNAME: machine_values.host_facts,
    MemberKind.VERSION: machine_values.collector_facts,
    MemberKind.KDUMP_SETTINGS: kdump_settings.settings_facts,
    MemberKind.KDUMP_CONF: kdump_settings.target_facts,
    MemberKind.KDUMP_STATE: kdump_settings.state_facts,
    MemberKind.KEXEC_COMMAND: kdump_settings.state_facts,
    MemberKind.PASTED_VALUES: machine_values.pasted_value_facts,
    MemberKind.PACKAGES: machine_values.package_facts,
    MemberKind.MEMORY_BLOCKS: machine_values.memory_block_facts,
}
_OF_RELEASE = re.compile(r"(?:boot/(?:vmlinuz|config|System\.map)-|lib/modules/)([^/]+)")
_LOGS = frozenset(
    {
        *(MemberKind.LOG, MemberKind.CONSOLE, MemberKind.JOURNAL),
        *(MemberKind.CRASHED_LOG, MemberKind.CRASH_LOG),
    }
)


class MemberReaders:
    """Reads members, and keeps what they say."""

    def __init__(self, remark: Callable[[str], None]) -> None:
        self.count = 0
        """Members that said something."""
        self._remark = remark
        self._facts: list[TriageFact] = []
        self._iomems: list[MemoryMap] = []
        self._logs = MemberLogs(remark)
        self._symbols: list[KernelImage] = []
        self._configs: list[KernelConfig] = []
        self._kernels: list[KernelImage] = []
        self._files: list[ListedFile] = []
        self._unusable: list[UnusableMember] = []
        self._others: dict[MemberKind, Callable[[Opened], None]] = {
            MemberKind.VALUE: self._value,
            MemberKind.IOMEM: self._iomem,
            MemberKind.KEXEC_OUTPUT: self._kexec_output,
            MemberKind.SYMBOLS: self._symbol_list,
            MemberKind.CONFIG: self._config,
            MemberKind.FILES: self._listing,
            MemberKind.VMCORE: self._vmcore,
            MemberKind.KERNEL: self._kernel,
            MemberKind.SECTIONS: self._sections,
        }

    def read(self, kind: MemberKind, opened: Opened) -> None:
        """Read a member; what cannot be understood of it is a remark."""
        try:
            self._read(kind, opened)
        except InputError as error:
            self._remark(f"{error.where or opened.name}: {error.message}")

    def evidence(self, sources: tuple[str, ...], remarks: tuple[str, ...]) -> Evidence:
        """Return all that was read."""
        return Evidence(
            sources=sources,
            facts=(*self._facts, *self._logs.facts),
            iomems=tuple(self._iomems),
            logs=self._logs.logs,
            loads=tuple(self._logs.loads),
            symbols=tuple(self._symbols),
            configs=tuple(self._configs),
            kernels=tuple(self._kernels),
            signs=tuple(self._logs.signs),
            files=tuple(self._files),
            unusable=tuple(self._unusable),
            remarks=remarks,
        )

    def read_ring_buffer(self) -> None:
        """Read the kernel's log of the running system."""
        from smecheck.read.archive.ring_buffer import ring_buffer

        try:
            data = ring_buffer()
        except PermissionError:
            self._cannot("kernel log", "the kernel's ring buffer", "needs root")
            return
        except OSError as error:
            self._remark(f"the kernel's ring buffer: {system_reason(error)}")
            return
        self.count += self._logs.read(MemberKind.LOG, "dmesg", data)

    def _read(self, kind: MemberKind, opened: Opened) -> None:
        if kind in _FACTS:
            self._add(_FACTS[kind](_text(opened.data(TEXT_LIMIT)), opened.name))
        elif kind in _LOGS:
            self._log(kind, opened)
        elif kind in self._others:
            self._others[kind](opened)

    def _log(self, kind: MemberKind, opened: Opened) -> None:
        if kind is MemberKind.JOURNAL and form_of(opened.head) is None:
            data, is_all = sieved_journal(opened.stream())
        else:
            data = opened.data(LOG_LIMIT)
            is_all = len(data) < LOG_LIMIT
        if not is_all:
            self._remark(f"{opened.name} is too long: only its beginning is read")
        self.count += self._logs.read(kind, opened.name, data)

    def _add(self, facts: Iterator[TriageFact]) -> None:
        before = len(self._facts)
        self._facts += facts
        self.count += len(self._facts) > before

    def _cannot(self, what: str, member: str, reason: str) -> None:
        self._unusable.append(UnusableMember(what, member, reason))
        self.count += 1

    def is_of_another_kernel(self, name: str) -> bool:
        """Return whether a file is named after another release than the one that runs."""
        named = _OF_RELEASE.search(name)
        running = {fact.value for fact in self._facts if fact.name is FactName.RELEASE}
        return named is not None and bool(running) and named[1] not in running

    def _value(self, opened: Opened) -> None:
        name, text = opened.name, _text(opened.head)
        path = name.partition("sys/kernel/")[2] or name.rpartition("/")[2].removesuffix(".txt")
        self._add(machine_values.value_facts(path.removeprefix("sys_kernel_"), text, name))

    def _iomem(self, opened: Opened) -> None:
        from smecheck.read.machine.iomem import parse_iomem

        try:
            text = _text(opened.data(TEXT_LIMIT))
            self._iomems.append(parse_iomem(text, opened.name))
            self.count += 1
        except WrongKind as error:
            self._cannot("iomem", opened.name, error.message)

    def _symbol_list(self, opened: Opened) -> None:
        from smecheck.read.kernel.symbol_list import is_symbol_list, read_symbol_list

        if not is_symbol_list(opened.head):
            return
        try:
            self._symbols.append(read_symbol_list(opened.stream(), opened.name))
            self.count += 1
        except WrongKind as error:
            self._cannot("symbols", opened.name, error.message)

    def _config(self, opened: Opened) -> None:
        from smecheck.read.kernel.config import read_config

        source = NamedStream.of(opened.name, opened.data(TEXT_LIMIT))
        self._configs.append(read_config(source))
        self.count += 1

    def _listing(self, opened: Opened) -> None:
        name, text = opened.name, _text(opened.data(TEXT_LIMIT))
        files = list(file_listings.listed_files(text, name))
        self._files += files
        self.count += bool(files)
        line = file_listings.has_folder(text, "/sys/firmware/efi")
        if line is not None:
            self._add(iter([TriageFact(FactName.EFI, "yes", name, line)]))
        for file in files:
            base = file.path.rpartition("/")[2]
            if "/crash/" in file.path and base.startswith(("vmcore", "dump.")):
                self._dump_listed(file)

    def _dump_listed(self, file: ListedFile) -> None:
        base = file.path.rpartition("/")[2]
        if base.startswith(("vmcore-dmesg", "vmcore-creation")):
            return
        said = f"{file.path}, {file.size} bytes"
        self._facts.append(TriageFact(FactName.VMCORE, said, file.member, file.line))

    def _vmcore(self, opened: Opened) -> None:
        from smecheck.read.archive.vmcore_notes import is_vmcore, read_vmcore_notes

        if not is_vmcore(opened.head):
            return
        notes = read_vmcore_notes(opened.stream(), opened.name)
        self._add(machine_values.vmcore_facts(notes))

    def _kernel(self, opened: Opened) -> None:
        from smecheck.read.kernel.kernel import read_kernel

        if opened.path is not None:
            image = read_kernel(opened.path)
        else:
            data = opened.data(IMAGE_LIMIT + 1)
            if len(data) > IMAGE_LIMIT:
                self._remark(f"{opened.name} is too large for an archive: give it with --kernel")
                return
            image = read_kernel(NamedStream.of(opened.name, data))
        self._kernels.append(image)
        self.count += 1

    def _kexec_output(self, opened: Opened) -> None:
        name, data = opened.name, opened.data(LOG_LIMIT)
        self._add(kdump_settings.state_facts(_text(data), name))
        loads = self._logs.loads_in(name, data)
        self._logs.loads += loads
        self.count += bool(loads)

    def _sections(self, opened: Opened) -> None:
        stream = opened.stream()
        rows = numbered_lines(iter(lambda: stream.read(1 << 20), b""))
        for section, lines in sections(rows):
            kind = kind_of_section(section.title)
            if kind is not None:
                self._section(kind, section, b"\n".join(line for _, line in lines), opened)

    def _section(self, kind: MemberKind, section: Section, data: bytes, opened: Opened) -> None:
        if kind is MemberKind.VALUE:
            path = section.title.rpartition("/sys/kernel/")[2]
            facts = machine_values.value_facts(path, _text(data), opened.name)
            self._add(replace(fact, line=section.line + 1) for fact in facts)
            return
        # With as many empty lines before as the file has, places are those of the file.
        padded = b"\n" * section.line + data
        self.read(kind, Opened(opened.name, padded, io.BytesIO(), None))


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")
