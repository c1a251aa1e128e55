"""Loads that the real kexec, or a real kernel, placed: tests/data/kexec-loads."""

from __future__ import annotations

from typing import Any

from recorded import kernel, load_json

from smecheck.evidence import Known, Unknown
from smecheck.kernel.image import KernelImage, KernelKind, LoadSegment, SetupHeader
from smecheck.load.request import LoadRequest, Prediction
from smecheck.load.segments import Loader, Mode
from smecheck.machine.firmware import E820Type, FirmwareMap, FirmwareMapKind, FirmwareRange
from smecheck.machine.host import Host
from smecheck.read.machine.iomem import parse_iomem
from smecheck.record import replace
from smecheck.span import Span

_TYPES = {
    "R": E820Type.RAM,
    "r": E820Type.RESERVED,
    "A": E820Type.ACPI,
    "N": E820Type.NVS,
    "U": E820Type.UNUSABLE,
    "P": E820Type.PMEM,
    "L": E820Type.PRAM,
    "X": 99,
    "S": E820Type.SOFT_RESERVED,
    "C": 98,
}


def recorded_loads(name: str) -> Any:
    return load_json("kexec-loads", f"{name}.json")


def firmware_map(text: str | None) -> FirmwareMap | None:
    """Read the short form of a firmware map: a letter for the type, start and end."""
    if text is None:
        return None
    ranges = []
    for word in text.split():
        start, end = (int(number, 16) for number in word[1:].split("-"))
        ranges.append(FirmwareRange(Span(start, end), int(_TYPES[word[0]]), "recorded"))
    return FirmwareMap("memmap", FirmwareMapKind.SYSFS, tuple(ranges))


def image_of(header: dict[str, int]) -> KernelImage:
    """Return a kernel of which only the setup header is known."""
    unknown = Unknown("a header alone")
    named = ("init_size", "kernel_alignment", "pref_address", "relocatable")
    return KernelImage(
        source="recorded",
        kind=KernelKind.BZIMAGE,
        release=unknown,
        build_id=unknown,
        symbols={},
        symbols_complete=False,
        sections=(),
        sections_complete=False,
        loads=(),
        header=SetupHeader(
            init_size=Known(header["init_size"], "recorded"),
            kernel_alignment=Known(header["kernel_alignment"], "recorded"),
            pref_address=Known(header["pref_address"], "recorded"),
            relocatable=Known(bool(header["relocatable"]), "recorded"),
            other={name: value for name, value in header.items() if name not in named},
        ),
        config={},
        sme_text=unknown,
    )


def fabricated_request(case: dict[str, Any], headers: Any) -> LoadRequest:
    """Ask what the real kexec was asked: its options stood behind the command line."""
    options = (f"--command-line={case['cmdline']}", *case["options"])
    return _fabricated(case, headers, "2.0.25", options)


def other_tools_request(case: dict[str, Any], headers: Any) -> LoadRequest:
    """Ask what the real kexec of another version was asked: its options stood first."""
    return _fabricated(case, headers, case["tools"], tuple(case["options"]))


def _fabricated(
    case: dict[str, Any], headers: Any, tools: str, options: tuple[str, ...]
) -> LoadRequest:
    return LoadRequest(
        image=image_of(headers[case["kernel"]]),
        loader=Loader.KEXEC_LOAD,
        mode=Mode(case["mode"]),
        memory=parse_iomem(case["iomem"], "iomem"),
        firmware=firmware_map(case["memmap"]),
        host=Host(
            kexec_tools=Known(tools, "recorded"),
            kexec_options=options,
            cmdline=Known(case["running"], "recorded"),
            cpus=Known(case["cpus"], "recorded"),
            efi_runtime_entries=Known(case["efi"], "recorded"),
            acpi_rsdp=Known(case["rsdp"] or 0, "recorded"),
            vmcoreinfo=Known(case.get("vmcoreinfo", True), "recorded"),
            rng_seed=Known(True, "recorded"),
            crash_elfcorehdr_size=Known(case.get("hotplug") or 0, "recorded"),
        ),
        initrd_size=case["initrd"],
        cmdline=case["cmdline"],
    )


def accepted_request(case: dict[str, Any], headers: Any) -> LoadRequest:
    return LoadRequest(
        image=image_of(headers[case["kernel"]]),
        loader=Loader(case["loader"]),
        mode=Mode(case["mode"]),
        memory=parse_iomem(case["iomem"], "iomem"),
        firmware=firmware_map(case["memmap"]),
        host=Host(
            kexec_tools=Known("2.0.25", "recorded"),
            kernel_release=Known(case["kernel"], "recorded"),
            cpus=Known(case["cpus"], "recorded"),
            efi_runtime_entries=Known(case["efi"], "recorded"),
            acpi_rsdp=Known(0xF59E0, "a guest's"),
            rng_seed=Known(case["seeded"], "recorded"),
        ),
        initrd_size=case["initrd"],
        cmdline=case["cmdline"],
    )


def guest_request(guest: dict[str, Any], load: dict[str, Any]) -> LoadRequest:
    """Ask what a booted guest's own files say of a load, none of its results."""
    size = guest["elfcorehdr"]
    return LoadRequest(
        image=kernel(guest["kernel"]),
        loader=Loader(load["loader"]),
        mode=Mode(load["mode"]),
        memory=parse_iomem(guest["iomem"], "iomem"),
        firmware=firmware_map(guest["memmap"]),
        host=Host(
            kexec_tools=Known(load["tools"], "recorded"),
            kernel_release=Known(guest["kernel"], "recorded"),
            cmdline=Known(guest["cmdline"], "recorded"),
            cpus=Known(guest["cpus"], "recorded"),
            efi_runtime_entries=Known(guest["efi"], "recorded"),
            acpi_rsdp=Known(int(guest["rsdp"], 16), "recorded"),
            rng_seed=Known(guest["rng"], "recorded"),
            crash_elfcorehdr_size=Unknown("none") if size is None else Known(size, "recorded"),
        ),
        initrd_size=load["initrd_size"],
        cmdline=load["cmdline"],
    )


def elf_request(case: dict[str, Any], loads: list[list[str]]) -> LoadRequest:
    """Ask for a load of a vmlinux itself."""
    parts = [[int(number, 16) for number in part] for part in loads]
    image = replace(
        kernel("6.12.117+deb12-cloud-amd64"),
        header=SetupHeader(),
        loads=tuple(
            LoadSegment(paddr, paddr, filesz, memsz, "RWE") for paddr, filesz, memsz in parts
        ),
    )
    return LoadRequest(
        image=image,
        loader=Loader.KEXEC_LOAD,
        mode=Mode(case["mode"]),
        memory=parse_iomem(case["iomem"], "iomem"),
        host=Host(
            kexec_tools=Known("2.0.25", "recorded"),
            kexec_options=("--command-line=ro quiet", *case["options"]),
            cpus=Known(3, "recorded"),
            efi_runtime_entries=Known(12, "recorded"),
            acpi_rsdp=Known(0x7F5FD014, "recorded"),
            rng_seed=Known(True, "recorded"),
        ),
        initrd_size=case["initrd"],
        cmdline="ro quiet",
    )


def shown(prediction: Prediction) -> list[list[Any]]:
    """Return a prediction in the form in which loads are recorded."""
    return [
        [one.role.value, f"{one.span.start:#x}", f"{one.span.end:#x}", one.buffer_size]
        for one in prediction.segments
    ]
