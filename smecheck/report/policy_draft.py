"""A first policy for a machine, with comments that say what each key is for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from smecheck import __version__
from smecheck.asked import path_of
from smecheck.load.segments import Loader, Mode
from smecheck.quantity import count_text, size_text
from smecheck.report.description import yaml_text
from smecheck.report.safe_text import printable

if TYPE_CHECKING:
    from smecheck.machine.memory import MemoryMap

_COLUMN = 44
"""Where comments begin that stand beside a value."""


def policy_draft(memory: MemoryMap, iomem: str, name: str) -> str:
    """Return a policy, ``smecheck/policy-v1``, that ``smecheck gate`` takes as it is.

    Args:
        memory: the machine's.
        iomem: the name of the file that it was read from, as the policy is to name it.
        name: of the machine.
    """
    return "".join(f"{line}\n" for line in _lines(memory, iomem, name))


def _lines(memory: MemoryMap, iomem: str, name: str) -> Iterator[str]:
    yield f"# What smecheck gate checks kernels against; written by smecheck {__version__} from"
    yield f"# {printable(memory.source)}. File names are relative to this file's folder."
    yield "# Every key may be left out: docs/gate.md, smecheck schema policy-v1."
    yield "schema: smecheck/policy-v1"
    yield ""
    yield _beside("fail_on: error", "error, warning or note")
    yield _beside("# allow_undecided: true", "true: an undecided verdict is not a failure")
    yield ""
    yield "# Severities in place of a rule's own, or off (smecheck rules lists them):"
    yield "# rules:"
    yield "#   SME013: error"
    yield ""
    yield "# How far init_size must reach past the workarea, and how much a kernel may grow since"
    yield "# a kept report (smecheck gate --report json=baseline.json); by release:"
    yield "# thresholds:"
    yield '#   - {flavour: "*", min_slack: 1M, max_growth: 8M, baseline: baseline.json}'
    yield ""
    yield f"# {_memory_in_words(memory)}"
    yield "machines:"
    for mode in Mode:
        for loader in Loader if memory.crash_kernel or not mode.is_crash else ():
            yield from _machine(memory, iomem, name, mode, loader)
    if not memory.crash_kernel:
        yield "  # No memory is reserved for a crash kernel. To check kdump all the same:"
        yield f"  # - name: {yaml_text(f'{name}-kdump')}"
        yield f"  #   iomem: {yaml_text(iomem)}"
        yield "  #   crash_region: {start: 0x60000000, size: 256M}"
        yield "  #   mode: crash"
    yield ""
    yield "# Known failures that may pass until a day; an expired waiver is an error:"
    yield "# waivers:"
    yield _beside("#   - check: SME030", "a rule, or proof, verdict, slack, growth")
    yield _beside("#     target: kernel", "or a machine; all of them without it")
    yield "#     reason: why it may pass"
    yield "#     owner: who answers for it"
    yield _beside("#     expires: 2027-03-31", "the last day that it holds")


def _machine(memory: MemoryMap, iomem: str, name: str, mode: Mode, loader: Loader) -> Iterator[str]:
    own_name = yaml_text(f"{name}-{path_of(mode).value}-{loader.rules.short_name}")
    yield f"  - name: {own_name}"
    yield f"    iomem: {yaml_text(iomem)}"
    if mode.is_crash:
        spans = ", ".join(repr(region.span) for region in memory.crash_kernel)
        yield _beside(f"    mode: {mode.value}", f"kexec {mode.option}, into {spans}")
    else:
        yield _beside(f"    mode: {mode.value}", f"kexec {mode.option}")
    yield _beside(f"    loader: {loader.value}", "the system call; where segments go depends on it")
    yield _beside("    # initrd: 64M", "its size; without it, 0 is assumed")
    yield _beside("    # cmdline: mem_encrypt=on", "of the kernel that is loaded: KASLR, SME")
    yield _beside("    # host: host.yaml", "the system that loads: smecheck schema host-v1")


def _memory_in_words(memory: MemoryMap) -> str:
    ram = sum(span.size for span in memory.system_ram)
    ranges = count_text(sum(1 for _ in memory.system_ram), "range")
    size = size_text(ram).partition(" (")[0]
    return (
        f"This machine has {size} of System RAM in {ranges}. The places of the segments are "
        "predicted."
    )


def _beside(line: str, comment: str) -> str:
    return f"{line:<{_COLUMN}} # {comment}"
