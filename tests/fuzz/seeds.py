"""Inputs, right or wrong in one way: recorded text, and files of the tests' own writers.

A mutated archive is damaged and no more; so what is inside is broken before it is packed as well.
"""

from __future__ import annotations

import base64
import gzip
import json
import lzma
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from random import Random

import archive_writer
import bzimage_writer
import collected
import elfwriter
import sme_program
from breakages import NUMBERS, mutated
from bzimage_writer import PACKERS, BzImage, PeSection, pe_program
from early_code_writer import OF_LINK_ADDRESS, RET, EarlyKernel
from elfwriter import TEXT
from kallsyms_writer import END, FORMS, made_up, with_kallsyms
from recorded import DATA, kernel
from text_changes import changed

from smecheck.fleets.row import Answer, Row
from smecheck.report.fleet_row_json import row_line

SAMPLES = DATA.parents[1] / "samples"
HARMLESS = ("90", "f30f1efa", "488d0425058f8a81", "8b442408", "65488b042528000000", "7402")
_SMALL = {"preset": 0, "dict_size": 1 << 16}
"""A dictionary of the kernel's size would take longer to set up than all the rest."""
PACKED_WITH = {
    **PACKERS,
    "xz": lambda data: lzma.compress(
        data,
        check=lzma.CHECK_CRC32,
        filters=[{"id": lzma.FILTER_X86}, {"id": lzma.FILTER_LZMA2, **_SMALL}],
    ),
    "lzma": lambda data: lzma.compress(
        data, lzma.FORMAT_ALONE, filters=[{"id": lzma.FILTER_LZMA1, **_SMALL}]
    ),
}
CONFIG = (
    "#\n# Automatically generated file; DO NOT EDIT.\n# Linux/x86 6.1.192 Kernel Configuration\n#\n"
    'CONFIG_CC_VERSION_TEXT="gcc (Debian 12.2.0-14) 12.2.0"\nCONFIG_X86_64=y\n'
    "CONFIG_BLK_DEV_INITRD=y\nCONFIG_AMD_MEM_ENCRYPT=y\n# CONFIG_KASAN is not set\n"
    "CONFIG_PHYSICAL_START=0x1000000\nCONFIG_RELOCATABLE=y\nCONFIG_RANDOMIZE_BASE=y\n"
    "CONFIG_PHYSICAL_ALIGN=0x200000\nCONFIG_X86_5LEVEL=y\n"
)
HEADERS = {
    "setup_sects": 8, "protocol": 16, "jump": 8, "boot_flag": 16, "kernel_version": 16,
    "kernel_alignment": 32, "relocatable": 8, "payload_offset": 32, "payload_length": 32,
    "pref_address": 64, "init_size": 32, "output_len": 32,
}  # fmt: skip
"""Fields of a bzImage, and their bits."""


HOST = """\
schema: smecheck/host-v1
kexec_tools: 2.0.25
kernel_release: 6.1.0-56-amd64
kexec_options: [--noefi, --mem-max=0x3fffffff, --entry-32bit, --append=ro]
cmdline: "BOOT_IMAGE=/boot/v root=/dev/sda1 ro add_efi_memmap"
cpus: 64
efi_runtime_entries: 12
efi_descriptor_size: 48
acpi_rsdp: 0x7f5a2014
vmcoreinfo: true
rng_seed: true
purgatory: {size: 0x9000}
kernel_purgatory: {size: 0x5000}
crash_elfcorehdr_size: 0xe00b0
ima_kexec: false
crash_kernel: {start: 0x6d000000, size: 256M}
firmware_map:
  - {start: 0x0, end: 0x9fc00, type: System RAM}
  - {start: 0x9fc00, size: 1K, type: Reserved}
  - {start: 1M, end: 0x7ffe0000, type: System RAM}
  - {start: 0x7ffe0000, size: 4K, type: ACPI Tables}
"""


BOOT = """schema: smecheck/boot-v1
cmdline: memmap=64M$0x20000000,1G$8G mem=60G
cmdline_address: 0x99000
boot_params_address: 0x98000
initrd: {start: 0x7f000000, size: 0}
e820:
  - {start: 0x0, size: 0x9fc00, type: 1}
  - {start: 1M, end: 0x7ffe0000, type: 1}
  - {start: 4G, end: 64G, type: 1}
efi_memory_map:
  - {start: 1M, size: 16M, type: 7, attribute: 0xf}
  - {start: 4G, size: 1G, type: 15, attribute: 0x4000f}
setup_data:
  - {address: 0x1000, type: 9, length: 32}
  - {address: 0x2000, type: 0x80000000, length: 24, target: {start: 0x3000, size: 4096}}
srat:
  - {start: 0, end: 1G, hot_pluggable: true}
la57: true
output: 16M
input: 0x24813b1
"""


def texts(pattern: str) -> Callable[[Random], bytes]:
    """Return a maker of recorded texts, the names of which match ``pattern``, and broken ones."""

    def make(random: Random) -> bytes:
        return mutated(random, random.choice(_contents(pattern)), text=True)

    return make


def sent(pattern: str) -> Callable[[Random], bytes]:
    """Return a maker of recorded texts as they arrive in a ticket, and of broken ones."""

    def make(random: Random) -> bytes:
        raw = random.choice(_contents(pattern)).decode()
        sent, _, _ = changed(raw, random)
        return mutated(random, sent, text=True) if random.random() < 0.5 else sent

    return make


@cache
def _contents(pattern: str) -> tuple[bytes, ...]:
    paths = sorted(Path(DATA).glob(pattern))
    if not paths:
        raise FileNotFoundError(pattern)
    return tuple(path.read_bytes()[: 256 << 10] for path in paths)


def segments(random: Random) -> bytes:
    """Return a description of segments."""
    made = b"schema: smecheck/segments-v1\nloader: kexec_load\nmode: crash\nsegments:\n"
    for name in ("kernel", "initrd", "boot_params", "purgatory", "elfcorehdr", "other"):
        start = random.randrange(1 << 40) & ~0xFFF
        made += f"  - {{name: {name}, start: {start:#x}, size: 0x3f98000}}\n".encode()
    return mutated(random, made, text=True)


def boot_params(random: Random) -> bytes:
    """Return boot_params, raw or in base64."""
    made = _unpacked(random, "boot_params")
    text = random.random() < 0.2
    return mutated(random, base64.b64encode(made) if text else made, text=text)


def srat(random: Random) -> bytes:
    """Return an ACPI table SRAT."""
    return mutated(random, _unpacked(random, "srat"), text=False)


def _unpacked(random: Random, key: str) -> bytes:
    lines = _contents("kaslr/v612.jsonl")[0].decode().splitlines()[:-1]
    packed = [json.loads(line)[key] for line in lines]
    return zlib.decompress(base64.b64decode(random.choice([one for one in packed if one])))


def boot(random: Random) -> bytes:
    """Return a description of what a decompressor finds."""
    return mutated(random, BOOT.encode(), text=True)


def host(random: Random) -> bytes:
    """Return a description of a host."""
    return mutated(random, HOST.encode(), text=True)


def inventory(random: Random) -> bytes:
    """Return an inventory of a few machines."""
    texts = [path.read_text() for path in sorted((DATA / "iomem").glob("guest*.txt"))]
    lines = []
    for number in range(3):
        one: dict[str, object] = {"id": number, "iomem": random.choice(texts), "mode": "crash"}
        one |= {"initrd": "30M", "cpus": 4, "host": {"kexec_tools": "2.0.25"}, "kaslr": "auto"}
        lines.append(json.dumps(one))
    return mutated(random, "\n".join(lines).encode(), text=True)


def rows(random: Random) -> bytes:
    """Return the rows of a fleet of two machines and two kernels."""
    answer = Answer("clear", "proof", 0, "all is well", ("SME021",), "clear-00000000")
    made = (Row(f"m{n}", kernel, answer) for n in range(2) for kernel in ("old", "new"))
    return mutated(random, "".join(map(row_line, made)).encode(), text=True)


def crash_cma_ranges(random: Random) -> bytes:
    """Return what a crash kernel may use beside its reservation, as sysfs shows it."""
    made = b"52000000-71ffffff\n100000000-13fffffff\n"
    return mutated(random, made, text=True) if random.random() < 0.9 else made


def config(random: Random) -> bytes:
    """Return a configuration, in gzip or not."""
    made = CONFIG.encode()
    if random.random() < 0.5:
        return mutated(random, made, text=True)
    return mutated(random, gzip.compress(mutated(random, made, text=True), 1), text=False)


def elf(random: Random) -> bytes:
    """Return a vmlinux."""
    return mutated(random, _vmlinux(random), text=False)


def bzimage(random: Random) -> bytes:
    """Return a bzImage with a header that lies."""
    image = _bzimage(random, _vmlinux(random))
    for name, bits in HEADERS.items():
        if random.random() < 0.15:
            near = random.choice((*NUMBERS, getattr(image, name) or 0)) + random.choice((-1, 0, 1))
            setattr(image, name, near & ((1 << bits) - 1))
    return mutated(random, image.build(), text=False)


def payload(random: Random) -> bytes:
    """Return a bzImage with a kernel that is broken inside."""
    return _bzimage(random, elf(random)).build()


def compressed(random: Random) -> bytes:
    """Return a vmlinux that was compressed as a file."""
    content = elf(random) if random.random() < 0.5 else _vmlinux(random)
    packers = {**PACKED_WITH, "lz4 frame": bzimage_writer.pack_lz4_frame}
    return mutated(random, packers[random.choice(list(packers))](content), text=False)


def kallsyms(random: Random) -> bytes:
    """Return a kernel without a symbol table, whose own tables are broken, packed or not."""
    content = _with_kallsyms(random).build()
    return content if random.random() < 0.5 else _bzimage(random, content).build()


def early_code(random: Random) -> bytes:
    """Return a kernel whose early code is broken, packed or not."""
    ways = (*HARMLESS, OF_LINK_ADDRESS, "call set_pgd", "jmp set_pgd", "jz set_pgd", "ffe0")
    functions = {
        name: ";".join((*(random.choice(ways) for _ in range(4)), RET))
        for name in ("sme_encrypt_kernel", "sme_enable", "set_pgd", "snp_init", "panic")
    }
    made = EarlyKernel(functions).build(stripped=random.random() < 0.5)
    code = made.sections[0]
    size = len(code.data)
    code.data = mutated(random, code.data, text=False)[:size].ljust(size, b"\xcc")
    content = made.build()
    return content if random.random() < 0.5 else _bzimage(random, content).build()


def machine_code(random: Random) -> bytes:
    """Return a kernel whose code that sets SME up is another, or broken."""
    code = bytearray(sme_program.listing()[0])
    labels = list(sme_program.listing()[1].values())
    for _ in range(random.choice((0, 1, 1, 2, 4))):
        at = random.choice(labels) if random.random() < 0.6 else random.randrange(0x400)
        size = random.choice((1, 2, 8))
        put = bytes.fromhex(random.choice(UNEXPECTED)) if at % 3 else random.randbytes(size)
        code[at : at + len(put)] = put
    moved = {
        name: TEXT + random.choice((random.randrange(0x1000), *NUMBERS))
        for name in sme_program.NAMED
        if random.random() < 0.02
    }
    made = bytearray(
        sme_program.elf(
            bytes(code),
            in_section=random.random() < 0.1,
            five_levels=random.random() < 0.7,
            symbols={name: at % (1 << 64) for name, at in moved.items()},
            without=tuple(name for name in sme_program.NAMED if random.random() < 0.02),
            entry=random.choice(sme_program.NAMED) if random.random() < 0.05 else "startup_64",
        )
    )
    if random.random() < 0.2:
        headers = 64 + 56
        made[:headers] = mutated(random, bytes(made[:headers]), text=False)
    return bytes(made)


UNEXPECTED = (
    *("ebfe", "c3", "0f0b", "f4", "cc", "90909090", "f1", "0f05", "0f34", "48cf", "cb", "0f01f8"),
    *("f3a4", "f3ab", "f348a5", "f348ab", "48c7c1ffffffff31f6f3ac", "48c7c1ffffff7f31fff348ab"),
    *("31ff4889074881c700100000ebf4", "b800000020ffe0", "48b80090785634120000ffe0", "c5fdefc0"),
    *("31d231c0f7f0", "0f22d8", "0f20d8", "0f22e0", "0f22c0", "0f30", "0f32", "0fa2", "0f31"),
    *("0f011425000000ff", "0f0f", "ea", "9a", "e4ff", "eeed", "fa", "fb", "0fae38", "0fc7f0"),
    *("488b0425000000c0", "48890425f0ffffff", "0f001d", "0f0105", "8ed8", "0fa1", "660f38f6c0"),
    *("4831e4", "50ebfd", "e8fbffffff", "ff2425c0ffffff", "ff1500000000", "4c8b24250000ff81"),
)
"""What no such code has: loops, ends, privileged and undefined instructions, jumps and writes out
of everything, other page tables, a stack without end."""


def symbols(random: Random) -> bytes:
    """Return a kernel with symbols, in its own tables or in one for linkers."""
    return _with_kallsyms(random).build() if random.random() < 0.5 else elf(random)


def _with_kallsyms(random: Random) -> elfwriter.Elf:
    form = random.choice(FORMS)
    made = elfwriter.vmlinux(stripped=True, end=END)
    made = with_kallsyms(made, made_up(random.choice((40, 300)), form), form)
    rodata = next(section for section in made.sections if section.name == ".rodata")
    if random.random() < 0.9:
        size = len(rodata.data)
        rodata.data = mutated(random, rodata.data, text=False)[:size].ljust(size, b"\0")
    return made


def uki(random: Random) -> bytes:
    """Return a UKI."""
    inner = bzimage(random)
    sections = [
        PeSection(b".osrel", b"ID=debian\n"),
        PeSection(b".cmdline", b"ro nokaslr\0"),
        PeSection(b".linux", inner),
    ]
    random.shuffle(sections)
    return mutated(random, pe_program(sections), text=False)


def _bzimage(random: Random, content: bytes) -> BzImage:
    compression = random.choice(list(PACKED_WITH))
    output_len = None if compression == "gzip" else len(content)
    return BzImage(PACKED_WITH[compression](content), output_len)


def _vmlinux(random: Random) -> bytes:
    return _built(random.randrange(_KINDS))


_KINDS = 12


@cache
def _built(kind: int) -> bytes:
    """Return a sound vmlinux: with and without symbols, section, SME, real headers."""
    recorded = ("5.0-old", "6.1.0-56-amd64", "6.12.117+deb12-cloud-amd64")
    made = (
        elfwriter.vmlinux,
        lambda: elfwriter.vmlinux(stripped=True, init_data=b"mem_encrypt\0"),
        lambda: elfwriter.vmlinux(sme=False),
        lambda: elfwriter.vmlinux(scratch=".init.scratch", release="6.1.0", scratch_size=0x4000),
        lambda: elfwriter.vmlinux(scratch=".sme", scratch_size=0x4000),
        lambda: elfwriter.vmlinux(
            scratch=".init.scratch", scratch_type="NOBITS", scratch_size=0x400000
        ),
        lambda: elfwriter.vmlinux(stripped=True, release=None),
        lambda: elfwriter.vmlinux(
            local_symbols={"__sme_map_range": elfwriter.TEXT, "sme_prepare_pgd": elfwriter.TEXT},
            file_symbols=("mem_encrypt_identity.c",),
        ),
        _with_configuration,
        *(lambda name=name: _with_headers_of(name) for name in recorded),
    )
    return made[kind]().build()


def _with_configuration() -> elfwriter.Elf:
    packed = b"IKCFG_ST" + gzip.compress(CONFIG.encode(), 1) + b"IKCFG_ED"
    made = elfwriter.vmlinux(stripped=True)
    rodata = next(section for section in made.sections if section.name == ".rodata")
    rodata.data += packed
    return made


def _with_headers_of(name: str) -> elfwriter.Elf:
    """Return the section and program headers of a real kernel, around little content."""
    image = kernel(name)
    banner = b"Linux version 6.1.0-56-amd64 (builder@host) #1 SMP\n\0"
    sections = [
        elfwriter.Section(
            section.name,
            section.type if section.type in ("NOTE", "NOBITS") else "PROGBITS",
            section.address,
            data=banner if section.name == ".rodata" else b"",
            size=min(section.size, 256) if section.type != "NOBITS" else section.size,
        )
        for section in image.sections
    ]
    loads = [
        elfwriter.Load(
            load.vaddr, load.paddr, load.filesz, load.memsz, load.flags, load.offset or 0
        )
        for load in image.loads
    ]
    symbols = [elfwriter.Symbol(name, value) for name, value in image.symbols.items()]
    return elfwriter.Elf(sections, symbols, loads)


def archive(random: Random) -> bytes:
    """Return a sosreport as a tar archive."""
    return mutated(random, _report(random), text=False)


def packed_archive(random: Random) -> bytes:
    """Return one that was broken, packed, and perhaps broken again."""
    made = _report(random)
    if random.random() < 0.7:
        made = mutated(random, made, text=False)
    packed = archive_writer.PACKERS[random.choice(list(archive_writer.PACKERS))](made)
    return mutated(random, packed, text=False) if random.random() < 0.5 else packed


def members(random: Random) -> bytes:
    """Return an archive whose members are broken, each by itself."""
    made = dict(_members(random.choice(collected.SOS)))
    for name in random.sample(list(made), 4):
        made[name] = mutated(random, made[name], text=True)
    names = ((f"sos/{name}".encode(), data) for name, data in made.items())
    written = (archive_writer.TarMember(name, data) for name, data in names)
    return archive_writer.archive(*written)


def supportconfig(random: Random) -> bytes:
    """Return a flat file of sections."""
    files = _members("supportconfig")
    return mutated(random, files[random.choice(("boot.txt", "crash.txt"))], text=True)


def vmcore(random: Random) -> bytes:
    """Return the beginning of a dump."""
    return mutated(random, random.choice(_contents("vmcores/*.head")), text=False)


def _report(random: Random) -> bytes:
    made = _members(random.choice(collected.SOS))
    names = ((f"sosreport-a/{name}".encode(), data) for name, data in made.items())
    members = [archive_writer.TarMember(name, data) for name, data in names]
    random.shuffle(members)
    return archive_writer.archive(*members)


@cache
def _members(layout: str) -> dict[str, bytes]:
    machine = collected.captured("k612-1g-bios-nokaslr-crash-s")
    kexec = DATA / "captures" / "k612-1g-bios-nokaslr-crash-s" / "segments.txt"
    machine.kdump_log = kexec.read_bytes()
    machine.config = CONFIG.encode()
    machine.kallsyms = _contents("symbols/6.12*.kallsyms.txt")[0]
    machine.kdump_state = b"kdump: Kdump is not operational\ncurrent state   : Not ready\n"
    machine.initrd_size, machine.kexec_tools = 20 << 20, "2.0.29"
    machine.settings = {
        "etc/sysconfig/kdump": b'KEXEC_ARGS="-s"\nKDUMP_COMMANDLINE_APPEND="nokaslr"\n',
        "etc/kdump.conf": b"path /var/crash\n",
    }
    machine.crash = {
        "x/kexec-dmesg.log": b"[ 1.0] swapper/0 invoked oom-killer: gfp\n",
        "x/vmcore": _contents("vmcores/*.head")[0],
    }
    return collected.members(machine, layout)
