"""A real kernel's description, and ways to break it that a build could."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import yaml
from recorded import DATA

from smecheck.checks.finding import Severity
from smecheck.kernel.image import KernelImage
from smecheck.read.kernel.kernel_description import read_kernel_description

TEXT = 0xFFFFFFFF81000000
SCRATCH, SCRATCH_END = 0x2A00000, 0x2E00000
PAGE, FRAME = 0x1000, 0x200000
Description = dict[str, Any]
Mutation = Callable[[Description], None]
_SECTION_SYMBOLS = ("__init_scratch_begin", "sme_workarea", "__init_scratch_end")


def description() -> Description:
    """Return Debian's 6.1 cloud kernel, all of it: what is not there is not in the kernel."""
    text = (DATA / "kernels" / "6.1.0-56-cloud-amd64.yaml").read_text()
    known: Description = yaml.safe_load(text)
    config = {"CONFIG_AMD_MEM_ENCRYPT": "y", "CONFIG_KASAN": "n"}
    complete = {"sections_complete": True, "symbols_complete": True}
    return known | complete | {"config": config, "early_code": {"not_followed": []}}


def image_of(known: Description) -> KernelImage:
    return read_kernel_description(yaml.safe_dump(known), "kernel.yaml")


def mutated(mutate: Mutation) -> Description:
    known = copy.deepcopy(description())
    mutate(known)
    return known


def _scratch(known: Description) -> Description:
    found: Description = next(s for s in known["sections"] if s["name"] == ".init.scratch")
    return found


def _moved(distance: int) -> Mutation:
    """Move the section, its symbols and the end of its LOAD."""

    def mutate(known: Description) -> None:
        _scratch(known)["address"] += distance
        for name in _SECTION_SYMBOLS:
            known["symbols"][name] += distance
        for size in ("filesz", "memsz"):
            known["program_headers"][-1][size] += distance

    return mutate


def _resized(by: int) -> Mutation:
    def mutate(known: Description) -> None:
        _scratch(known)["size"] += by
        if by > 0:
            for size in ("filesz", "memsz"):
                known["program_headers"][-1][size] += by

    return mutate


def _only_section_moved(distance: int) -> Mutation:
    def mutate(known: Description) -> None:
        _scratch(known)["address"] += distance

    return mutate


def _nobits(known: Description) -> None:
    _scratch(known)["type"] = "NOBITS"


def _missing(known: Description) -> None:
    known["sections"].remove(_scratch(known))
    for name in _SECTION_SYMBOLS:
        del known["symbols"][name]


def _missing_and_nameless(known: Description) -> None:
    _missing(known)
    del known["release"]


def _loads(shorter: int) -> Mutation:
    def mutate(known: Description) -> None:
        for size in ("filesz", "memsz"):
            known["program_headers"][-1][size] -= shorter

    return mutate


def _no_last_load(known: Description) -> None:
    del known["program_headers"][-1]


def _symbol(name: str, offset: int) -> Mutation:
    def mutate(known: Description) -> None:
        known["symbols"][name] = TEXT + offset

    return mutate


def _header(**fields: int | bool) -> Mutation:
    def mutate(known: Description) -> None:
        known["setup_header"] |= fields

    return mutate


def _config(**options: str) -> Mutation:
    def mutate(known: Description) -> None:
        known["config"] |= options

    return mutate


def _with_link_address(known: Description) -> None:
    access = {
        "instruction": TEXT + 0x916224,
        "code": "f60425058f8a8108",
        "addressing": "absolute",
        "operand": TEXT + 0x8A8F05,
        "symbol": "boot_cpu_data+0x4d",
        "path": ["sme_encrypt_kernel", ".altinstr_aux+0x1929"],
    }
    known["early_code"]["link_addresses"] = [access]


def _after(rule: str, *others: str) -> dict[str, str]:
    return dict.fromkeys(others, f"skipped because {rule} failed")


@dataclass(frozen=True)
class Mutant:
    what: str
    mutate: Mutation
    rule: str
    """The one that fails."""
    severity: Severity = Severity.ERROR
    skipped: dict[str, str] = field(default_factory=dict)
    """What is skipped because of it, with the reason."""


_SECTION = _after("SME011", "SME014", "SME027", "SME028", "proof")
_PLACE = _after("SME014", "SME027", "SME028")
_BUILD = _after("SME026", "SME007", "SME008", "SME029", "proof")
_WARNING = Severity.WARNING

MUTANTS = (
    Mutant("section NOBITS", _nobits, "SME013", _WARNING),
    Mutant("section a page up", _moved(PAGE), "SME011", skipped=_SECTION),
    Mutant("section a page down", _moved(-PAGE), "SME011", skipped=_SECTION),
    Mutant("only the section a page up", _only_section_moved(PAGE), "SME011", skipped=_SECTION),
    Mutant("section halved", _resized(-FRAME), "SME012", skipped=_after("SME012", "SME009")),
    Mutant("section a page short", _resized(-PAGE), "SME012", skipped=_after("SME012", "SME009")),
    Mutant("section ends a page on", _resized(PAGE), "SME011", _WARNING),
    Mutant("section missing", _missing, "SME023", skipped=_after("SME023", "SME008")),
    Mutant("and no banner", _missing_and_nameless, "SME023", skipped=_after("SME023", "SME008")),
    Mutant(
        "section inside the kernel",
        _moved(-FRAME),
        "SME014",
        skipped=_PLACE | _after("SME014", "proof"),
    ),
    Mutant("section a frame too high", _moved(FRAME), "SME014", skipped=_PLACE),
    Mutant("only the section a frame up", _only_section_moved(FRAME), "SME014", skipped=_PLACE),
    Mutant(
        "section before the reserved end",
        _symbol("__end_of_kernel_reserve", SCRATCH_END),
        "SME014",
        skipped=_PLACE | _after("SME014", "proof"),
    ),
    Mutant(
        "init_size a page short",
        _header(init_size=SCRATCH_END - PAGE),
        "SME007",
        skipped=_after("SME007", "proof"),
    ),
    Mutant("init_size below _end", _header(init_size=0x282F000), "SME026", skipped=_BUILD),
    Mutant("linked elsewhere", _header(pref_address=0x1200000), "SME026", skipped=_BUILD),
    Mutant("another configuration", _config(CONFIG_AMD_MEM_ENCRYPT="n"), "SME026", skipped=_BUILD),
    Mutant(
        "another alignment", _config(CONFIG_PHYSICAL_ALIGN="0x1000000"), "SME026", skipped=_BUILD
    ),
    Mutant("LOAD a page short", _loads(PAGE), "SME027"),
    Mutant("LOAD missing", _no_last_load, "SME027"),
    Mutant(
        "symbol inside",
        _symbol("sme_workarea", SCRATCH + FRAME),
        "SME028",
        skipped=_after("SME028", "proof"),
    ),
    Mutant(
        "symbol outside",
        _symbol("sme_workarea", SCRATCH - FRAME),
        "SME028",
        skipped=_after("SME028", "proof"),
    ),
    Mutant(
        "a link address in the early code",
        _with_link_address,
        "SME046",
        skipped=_after("SME046", "proof"),
    ),
    Mutant("alignment of 1 MiB", _header(kernel_alignment=1 << 20), "SME029"),
    Mutant("no 64-bit entry", _header(xloadflags=0x7E), "SME029"),
    Mutant("not relocatable", _header(relocatable=False), "SME029", _WARNING),
    Mutant("not above 4 GiB", _header(xloadflags=0x7D), "SME029", _WARNING),
    Mutant("KASAN", _config(CONFIG_KASAN="y"), "SME030", _WARNING),
    Mutant("KMSAN", _config(CONFIG_KMSAN="y"), "SME030", _WARNING),
    Mutant("GCOV", _config(CONFIG_GCOV_PROFILE_ALL="y"), "SME030", _WARNING),
)
