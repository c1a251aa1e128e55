"""What is done with a member of each kind: which reader takes it, and what is kept of it."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from smecheck.errors import InputError, WrongKind
from smecheck.read.archive import file_listings, kdump_settings, machine_values
from smecheck.read.archive.member_logs import LOG_LIMIT, MemberLogs
from smecheck.read.archive.member_patterns import MemberKind, kind_of_section
from smecheck.read.archive.memory_blocks import memory_block_facts
from smecheck.read.archive.opened_member import Opened
from smecheck.read.archive.package_versions import package_facts
from smecheck.read.archive.supportconfig import Section, sections
from smecheck.read.lines.log_lines import numbered_lines
from smecheck.read.source import NamedStream
from smecheck.record import replace
from smecheck.triage.answer import Evidence, FactName, ListedFile, TriageFact, UnusableMember

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
    MemberKind.PACKAGES: package_facts,
    MemberKind.MEMORY_BLOCKS: memory_block_facts,
}
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
            command = "sudo smecheck triage /"
            self._cannot("kernel log", "the kernel's ring buffer", "needs root", command)
            return
        except OSError as error:
            self._remark(f"the kernel's ring buffer: {(error.strerror or str(error)).lower()}")
            return
        self.count += self._logs.read(MemberKind.LOG, "dmesg", data)

    def _read(self, kind: MemberKind, opened: Opened) -> None:
        name = opened.name
        if kind in _FACTS:
            self._add(_FACTS[kind](_text(opened.data(TEXT_LIMIT)), name))
        elif kind is MemberKind.VALUE:
            self._value(name, _text(opened.head))
        elif kind is MemberKind.IOMEM:
            self._iomem(name, _text(opened.data(TEXT_LIMIT)))
        elif kind in _LOGS:
            self.count += self._logs.read(kind, name, opened.data(LOG_LIMIT))
        elif kind is MemberKind.KEXEC_OUTPUT:
            self._kexec_output(name, opened.data(LOG_LIMIT))
        elif kind is MemberKind.SYMBOLS:
            self._symbol_list(opened)
        elif kind is MemberKind.CONFIG:
            self._config(name, opened.data(TEXT_LIMIT))
        elif kind is MemberKind.FILES:
            self._listing(name, _text(opened.data(TEXT_LIMIT)))
        elif kind is MemberKind.VMCORE:
            self._vmcore(opened)
        elif kind is MemberKind.KERNEL:
            self._kernel(opened)
        elif kind is MemberKind.SECTIONS:
            self._sections(opened)

    def _add(self, facts: Iterator[TriageFact]) -> None:
        before = len(self._facts)
        self._facts += facts
        self.count += len(self._facts) > before

    def _cannot(self, what: str, member: str, reason: str, command: str) -> None:
        self._unusable.append(UnusableMember(what, member, reason, command))
        self.count += 1

    def _value(self, name: str, text: str) -> None:
        path = name.partition("sys/kernel/")[2] or name.rpartition("/")[2].removesuffix(".txt")
        self._add(machine_values.value_facts(path.removeprefix("sys_kernel_"), text, name))

    def _iomem(self, name: str, text: str) -> None:
        from smecheck.read.machine.iomem import parse_iomem

        try:
            self._iomems.append(parse_iomem(text, name))
            self.count += 1
        except WrongKind as error:
            self._cannot("iomem", name, error.message, "sudo cat /proc/iomem")

    def _symbol_list(self, opened: Opened) -> None:
        from smecheck.read.kernel.symbol_list import is_symbol_list, read_symbol_list

        if not is_symbol_list(opened.head):
            return
        try:
            self._symbols.append(read_symbol_list(opened.stream(), opened.name))
            self.count += 1
        except WrongKind as error:
            command = "sudo cat /proc/kallsyms > kallsyms.txt"
            self._cannot("symbols", opened.name, error.message, command)

    def _config(self, name: str, data: bytes) -> None:
        from smecheck.read.kernel.config import read_config

        self._configs.append(read_config(NamedStream.of(name, data)))
        self.count += 1

    def _listing(self, name: str, text: str) -> None:
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

    def _kexec_output(self, name: str, data: bytes) -> None:
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
