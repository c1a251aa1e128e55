"""The words of reports, policies and exit codes, and what each means."""

from __future__ import annotations

from smecheck.record import record


@record
class Term:
    """A word and its meaning."""

    name: str
    kind: str
    """What sort of word it is: ``verdict``."""
    meaning: str
    """Paragraphs."""


def term_of(name: str) -> Term | None:
    """Return the term of that name, in any spelling: ``NOT APPLICABLE``, ``mapped_end``."""
    return _BY_NAME.get(_key(name))


def _key(name: str) -> str:
    return name.strip().lower().replace("_", "-").replace(" ", "-")


_VERDICTS = {
    "clear": "Nothing is lost: the workarea lies in memory that is reserved for the kernel, or on "
    "this machine nothing lies where it is used. The basis says whether that holds everywhere "
    "or here.",
    "collision": "The workarea, or the decompressor, overwrites something that the kernel being "
    "booted or the dump needs: boot_params, the initrd, memory outside the crash reservation. The "
    "findings say what, where, and what to do.",
    "undecided": "A fact that the verdict needs is missing, or the inputs contradict each other. "
    "The next step names what settles it. Exit status 4, unless findings make it 1.",
    "not-applicable": "The kernel uses no workarea: it has no SME code, or SME is certainly off.",
}
_WORDS = {
    "workarea": "The scratch memory in which the kernel keeps a stack, the code that encrypts, a "
    "2 MiB copy buffer and page tables while it encrypts itself: 4 MiB, from _end rounded up to "
    "2 MiB.",
    "segment": "A range that kexec loads: kernel, initrd, boot_params, purgatory, elfcorehdr and "
    "others.",
    "crash-reservation": 'The memory that crashkernel= reserves, "Crash kernel" in /proc/iomem. '
    "A crash kernel must not write outside it.",
    "premise": "What the answer assumes because no input shows it. An option that settles it is "
    "named beside it.",
}
_BASES = {
    "proof": "The verdict holds on every machine: every way of loading that this boot can take "
    "reserves the workarea for the kernel.",
    "machine": "The verdict holds for this memory map and this load. Another machine, another "
    "initrd or another kexec may differ.",
    "partial": "Some facts are missing. The answer holds under the premises that are listed.",
}
_EXTENTS = {
    "in-place": "From _end to the next 2 MiB boundary: encrypted in place together with the "
    "kernel, in whole 2 MiB frames.",
    "start": "Where the workarea begins: _end rounded up to 2 MiB (up to v5.2), or the section "
    ".init.scratch (since v5.3).",
    "written-end": "The end of what is certainly written: a stack page, the copied routine, the "
    "2 MiB copy buffer and the page tables that are really needed.",
    "worst-end": "The end of what may be written: the length that the kernel computes for its page "
    "tables, which it hardly ever uses up.",
    "mapped-end": "The end of what is mapped without encryption, a 2 MiB boundary. Between worst-"
    "end and here nothing is written, but an initrd that shares a frame loses its encryption bit.",
    "length": "The size of the workarea as the kernel computes it: worst-end - start.",
}
_MARGINS = {
    "margin": "How far the memory that is reserved for the kernel reaches past mapped-end; "
    "negative where it falls short. The proof holds where it is not negative.",
    "worst-margin": "How far the memory that is reserved for the kernel reaches past worst-end; "
    "negative where it falls short.",
    "written-margin": "How far the memory that is reserved for the kernel reaches past "
    "written-end; negative where it falls short.",
    "slack": "In compare and gate: how far init_size ends past the mapped end of the workarea.",
    "growth": "How far _end can move with the same init_size before the proof fails.",
}
_SCHEMES = {
    "after-end": "Up to v5.2: the workarea lies just after the kernel, in memory that nobody "
    "reserves for it.",
    "sme-section": "The RFC of 2019-06-04: the workarea is a section .sme of the kernel.",
    "init-scratch": "Since v5.3: the workarea is the section .init.scratch of the kernel, so that "
    "loaders reserve it with the image.",
    "no-sme": "The kernel was built without CONFIG_AMD_MEM_ENCRYPT.",
}
_OWNERS = {
    "kernel-segment": "The workarea lies in the memory of the kernel's own segment.",
    "init-size": "The workarea lies in init_size, which loaders reserve for the kernel.",
    "nobody": "No loader reserves the memory of the workarea: something else may be there.",
}
_FINDINGS = {
    "error": "Something is lost, or the inputs cannot be trusted. Fails the run (--fail-on error).",
    "warning": "Safe here by luck, or safe only if a premise holds.",
    "note": "Worth knowing; changes no verdict.",
    "certain": "The finding holds whatever is not known.",
    "conditional": "The finding holds under the condition beside it: SME is on, KASLR chose a "
    "place.",
}
_POLICY = {
    "fail-on": "The lowest severity that fails the gate: error, warning or note.",
    "allow-undecided": "true: an undecided check does not fail the gate.",
    "rules": "Severities in place of the rules' own: error, warning, note or off.",
    "thresholds": "For each flavour of kernel: min_slack, and max_growth against a baseline.",
    "flavour": "A pattern of releases, as a shell would match it; default *.",
    "min-slack": "How far init_size must end past the mapped end of the workarea.",
    "max-growth": "How much larger _end - _text may be than in the baseline.",
    "baseline": "A JSON report of an earlier build, or a kernel, to measure growth against.",
    "machines": "The machines that the build is checked on: memory maps, logs, loads.",
    "waivers": "Checks that may fail until a given day, each with a reason and an owner.",
    "expires": "The last day on which a waiver holds; an expired waiver is an error.",
}
_EXITS = {
    "0": "Analyzed; nothing at or above --fail-on.",
    "1": "Findings at or above --fail-on, and nothing else.",
    "2": "Usage error: an option or a command is wrong, or the output cannot be written.",
    "3": "An input could not be read or understood; nothing was analyzed.",
    "4": "Undecided: a fact that the verdict needs is missing (--allow-undecided makes it 0).",
    "70": "A bug of smecheck. Please report it with the output of --debug.",
    "130": "Interrupted.",
    "141": "The reader of the output went away before it had all of it.",
}
_KINDS = {
    "verdict": _VERDICTS,
    "basis of a verdict": _BASES,
    "word of a report": _WORDS,
    "extent of the workarea": _EXTENTS,
    "margin": _MARGINS,
    "scheme of a kernel": _SCHEMES,
    "owner of the workarea": _OWNERS,
    "severity or confidence of a finding": _FINDINGS,
    "key of a policy": _POLICY,
    "exit status": _EXITS,
}
TERMS = tuple(
    Term(name, kind, meaning)
    for kind, meanings in _KINDS.items()
    for name, meaning in meanings.items()
)
_BY_NAME = {_key(term.name): term for term in TERMS}
