"""The ways in which analyze, gate and compare end, each run once in each format."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from commandline import SAMPLES, Run, run, sample
from elfwriter import vmlinux

from smecheck.report.options import Format

OLD = str(SAMPLES / "founding-failure" / "kernel.yaml")
NEW = str(SAMPLES / "debian-6.1-kexec" / "kernel.yaml")
LOAD = f"""schema: smecheck/policy-v1
machines:
  - name: "the machine, of [2019] #1"
    iomem: {SAMPLES / "founding-failure" / "iomem.txt"}
    segments: {SAMPLES / "founding-failure" / "kexec.log"}
    cmdline: nokaslr mem_encrypt=on
"""
WAIVED = f"""{LOAD}
waivers:
  - {{check: SME007, reason: "known | @all", owner: ci, expires: 2027-03-31}}
  - {{check: SME001, reason: known, owner: ci, expires: 2027-03-31}}
  - {{check: proof, reason: known, owner: ci, expires: 2027-03-31}}
  - {{check: verdict, reason: known, owner: ci, expires: 2027-03-31}}
"""
POLICIES = {
    "waived.yaml": WAIVED,
    "static.yaml": WAIVED.replace("SME001", "SME002"),
    "missing.yaml": LOAD.replace("iomem.txt", "nosuch.txt"),
    "noted.yaml": "schema: smecheck/policy-v1\nrules: {SME007: warning}\n",
    "broken.yaml": "schema: smecheck/policy-v1\nmachine: {}\n",
}
TODAY = ("--today", "2026-12-31")
CASES = {
    "clean": (sample("debian-6.1-kexec"), 0),
    "static failure": (sample("founding-failure")[:2], 1),
    "machine collision": (sample("founding-failure"), 1),
    "undecided": (("analyze", "vmlinux"), 4),
    "undecided, allowed": (("analyze", "vmlinux", "--allow-undecided"), 0),
    "ignored": ((*sample("founding-failure"), "--ignore", "SME001"), 0),
    "not applicable": (sample("no-sme"), 0),
    "unreadable": (("analyze", "nosuch"), 3),
    "malformed": (("analyze", "vmlinux", "--iomem", "broken"), 3),
    "usage": (("analyze", "vmlinux", "--load-address", "0x1000"), 2),
    "gate: clean": (("gate", NEW), 0),
    "gate: static failure": (("gate", OLD), 1),
    "gate: machine collision": (("gate", OLD, "--policy", "static.yaml", *TODAY), 1),
    "waived": (("gate", OLD, "--policy", "waived.yaml", *TODAY), 0),
    "expired": (("gate", OLD, "--policy", "waived.yaml", "--today", "2027-04-01"), 1),
    "gate: excused": (("gate", OLD, "--exit-zero"), 0),
    "gate: undecided": (("gate", "vmlinux"), 4),
    "gate: undecided, allowed": (("gate", "vmlinux", "--allow-undecided"), 0),
    "gate: unreadable": (("gate", "nosuch"), 3),
    "gate: unreadable machine": (("gate", NEW, "--policy", "missing.yaml", *TODAY), 3),
    "gate: malformed policy": (("gate", NEW, "--policy", "broken.yaml", *TODAY), 3),
    "no worse": (("compare", OLD, NEW), 0),
    "worse": (("compare", NEW, OLD), 1),
    "less slack": (("compare", NEW, NEW, "--min-slack", "1G"), 1),
    "growth unknown": (("compare", "header.yaml", NEW, "--max-growth", "1M"), 4),
    "nothing to compare": (("compare", NEW, "nosuch"), 3),
}
UNANSWERED = (
    *("unreadable", "malformed", "usage", "gate: unreadable", "gate: malformed policy"),
    "nothing to compare",
)
FORMATS = [form.value for form in Format]


def fill(folder: Path) -> None:
    """Put into a folder what the cases read."""
    (folder / "vmlinux").write_bytes(vmlinux().build())
    (folder / "broken").write_text("00000000-00000000 : System RAM\n")
    (folder / "header.yaml").write_text("schema: smecheck/kernel-v1\nrelease: 6.1.0\n")
    for name, text in POLICIES.items():
        (folder / name).write_text(text)


@cache
def ending(case: str, form: str, folder: Path) -> Run:
    return run(*CASES[case][0], "--format", form, cwd=folder)
