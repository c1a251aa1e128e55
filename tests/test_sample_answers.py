"""What is answered for each sample, number by number; the text of it is in tests/goldens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from commandline import ROOT, run, sample, validator

ANSWERS: dict[str, dict[str, Any]] = {
    "crash-leaves-reservation": {
        "boot": {
            "path": "kdump",
            "loader": "kexec_file_load",
            "mode": "crash",
            "load_address": "0x7d200000",
            "kernel_base": "0x7d200000",
            "kaslr": "off",
            "paging": "4",
            "sme": "unknown",
        },
        "placement": {
            "scheme": "after-end",
            "start": "0x7de00000",
            "written_end": "0x7e009000",
            "written_is_exact": True,
            "worst_end": "0x7e02b000",
            "mapped_end": "0x7e200000",
            "length": 2273280,
            "owner": "nobody",
        },
        "proof": {"kexec": -2879488, "boot-loader": -2879488, "kaslr": -3201268, "elf": -6201344},
        "kaslr": None,
        "findings": [
            ("SME001", "error", "0x7dff8000", "boot_params"),
            ("SME001", "error", "0x7dffa000", "purgatory"),
            ("SME006", "error", "0x7e000000", None),
            ("SME007", "warning", "0x7df41000", None),
            ("SME021", "warning", None, None),
        ],
        "segments": [
            "elfcorehdr 0x6e000000-0x6e001000 log",
            "initrd 0x7d103000-0x7d200000 log",
            "kernel 0x7d200000-0x7df41000 log",
            "boot_params 0x7dff8000-0x7dffa000 log",
            "purgatory 0x7dffa000-0x7dfff000 log",
        ],
    },
    "dead-kdump": {
        "boot": {
            "path": "kdump",
            "loader": "kexec_load",
            "mode": "crash",
            "load_address": "0x7d200000",
            "kernel_base": "0x7d200000",
            "kaslr": "off",
            "paging": "4",
            "sme": "unknown",
        },
        "placement": {
            "scheme": "after-end",
            "start": "0x7de00000",
            "written_end": "0x7e009000",
            "written_is_exact": True,
            "worst_end": "0x7e02b000",
            "mapped_end": "0x7e200000",
            "length": 2273280,
            "owner": "nobody",
        },
        "proof": {"kexec": -2879488, "boot-loader": -2879488, "kaslr": -3201268, "elf": -6201344},
        "kaslr": None,
        "findings": [
            ("SME001", "error", "0x7df50000", "boot_params"),
            ("SME001", "error", "0x7df54000", "purgatory"),
            ("SME001", "error", "0x7df5d000", "elfcorehdr"),
            ("SME001", "error", "0x7df61000", "backup"),
            ("SME006", "error", "0x7e000000", None),
            ("SME007", "warning", "0x7df41000", None),
            ("SME021", "warning", None, None),
        ],
        "segments": [
            "rng_seed 0x6e000000-0x6e001000 predicted",
            "initrd 0x7d103000-0x7d200000 predicted",
            "kernel 0x7d200000-0x7df41000 predicted",
            "boot_params 0x7df50000-0x7df54000 predicted",
            "purgatory 0x7df54000-0x7df5d000 predicted",
            "elfcorehdr 0x7df5d000-0x7df61000 predicted",
            "backup 0x7df61000-0x7e000000 predicted",
        ],
    },
    "debian-6.1-kexec": {
        "boot": {
            "path": "kexec",
            "loader": "kexec_load",
            "mode": "load",
            "load_address": "0x7c000000",
            "kernel_base": "0x7c000000",
            "kaslr": "off",
            "paging": "unknown",
            "sme": "unknown",
        },
        "placement": {
            "scheme": "init-scratch",
            "start": "0x7f600000",
            "written_end": "0x7f809000",
            "written_is_exact": False,
            "worst_end": "0x7f83a000",
            "mapped_end": "0x7fa00000",
            "length": 2334720,
            "owner": "kernel-segment",
        },
        "proof": {
            "kexec": 5865472,
            "boot-loader": 5865472,
            "kaslr": 5089204,
            "efi-stub": 6291456,
            "elf": 0,
        },
        "kaslr": None,
        "findings": [],
        "segments": [
            "rng_seed 0x100000-0x101000 log",
            "initrd 0x7bf04000-0x7c000000 log",
            "kernel 0x7c000000-0x7ff98000 log",
            "boot_params 0x7ffd1000-0x7ffd7000 log",
            "purgatory 0x7ffd7000-0x7ffe0000 log",
        ],
    },
    "founding-failure": {
        "boot": {
            "path": "kexec",
            "loader": "kexec_load",
            "mode": "load",
            "load_address": "0x6f400000",
            "kernel_base": "0x6f400000",
            "kaslr": "off",
            "paging": "4",
            "sme": "unknown",
        },
        "placement": {
            "scheme": "after-end",
            "start": "0x70000000",
            "written_end": "0x70209000",
            "written_is_exact": True,
            "worst_end": "0x7022b000",
            "mapped_end": "0x70400000",
            "length": 2273280,
            "owner": "nobody",
        },
        "proof": {"kexec": -2879488, "boot-loader": -2879488, "kaslr": -3201268, "elf": -6201344},
        "kaslr": None,
        "findings": [
            ("SME001", "error", "0x70151000", "boot_params"),
            ("SME001", "error", "0x70155000", "purgatory"),
            ("SME007", "warning", "0x70141000", None),
            ("SME021", "note", None, None),
        ],
        "segments": [
            "rng_seed 0x100000-0x101000 log",
            "initrd 0x6f303000-0x6f400000 log",
            "kernel 0x6f400000-0x70141000 log",
            "boot_params 0x70151000-0x70155000 log",
            "purgatory 0x70155000-0x7015e000 log",
        ],
    },
    "founding-fixed": {
        "boot": {
            "path": "kexec",
            "loader": "kexec_load",
            "mode": "load",
            "load_address": "0x7ea00000",
            "kernel_base": "0x7ea00000",
            "kaslr": "off",
            "paging": "4",
            "sme": "unknown",
        },
        "placement": {
            "scheme": "sme-section",
            "start": "0x7f600000",
            "written_end": "0x7f809000",
            "written_is_exact": True,
            "worst_end": "0x7f82b000",
            "mapped_end": "0x7fa00000",
            "length": 2273280,
            "owner": "kernel-segment",
        },
        "proof": {"kexec": 4657152, "boot-loader": 4657152, "kaslr": 4306764, "elf": 0},
        "kaslr": None,
        "findings": [("SME021", "note", None, None)],
        "segments": [
            "rng_seed 0x100000-0x101000 log",
            "kernel 0x7ea00000-0x7fe71000 log",
            "initrd 0x7fed6000-0x7ffd3000 log",
            "boot_params 0x7ffd3000-0x7ffd7000 log",
            "purgatory 0x7ffd7000-0x7ffe0000 log",
        ],
    },
    "kaslr-gamble": {
        "boot": {
            "path": "kexec",
            "loader": "kexec_load",
            "mode": "load",
            "load_address": "0x7f200000",
            "kernel_base": "0x7e400000",
            "kaslr": "on",
            "paging": "4",
            "sme": "unknown",
        },
        "placement": {
            "scheme": "after-end",
            "start": "0x7f000000",
            "written_end": "0x7f209000",
            "written_is_exact": True,
            "worst_end": "0x7f22b000",
            "mapped_end": "0x7f400000",
            "length": 2273280,
            "owner": "nobody",
        },
        "proof": {"kexec": -2879488, "boot-loader": -2879488, "kaslr": -3201268, "elf": -6201344},
        "kaslr": {
            "slots": 755,
            "colliding": 2,
            "lowest_colliding": "0x7e200000",
            "highest_colliding": "0x7e400000",
        },
        "findings": [
            ("SME001", "error", "0x7f103000", "initrd"),
            ("SME003", "error", "0x7f103000", "initrd"),
            ("SME007", "warning", "0x7f141000", None),
            ("SME021", "note", None, None),
        ],
        "segments": [
            "rng_seed 0x100000-0x101000 log",
            "initrd 0x7f103000-0x7f200000 log",
            "kernel 0x7f200000-0x7ff41000 log",
            "boot_params 0x7ffd3000-0x7ffd7000 log",
            "purgatory 0x7ffd7000-0x7ffe0000 log",
        ],
    },
    "kdump-from-a-log": {
        "boot": {
            "path": "kdump",
            "loader": "kexec_file_load",
            "mode": "crash",
            "load_address": "0x3a800000",
            "kernel_base": "0x3a800000",
            "kaslr": "off",
            "paging": "unknown",
            "sme": "unknown",
        },
        "placement": {
            "scheme": "init-scratch",
            "start": "0x3d600000",
            "written_end": "0x3d809000",
            "written_is_exact": False,
            "worst_end": "0x3d83a000",
            "mapped_end": "0x3da00000",
            "length": 2334720,
            "owner": "kernel-segment",
        },
        "proof": {
            "kexec": 6217728,
            "boot-loader": 6217728,
            "kaslr": 5218316,
            "efi-stub": 6291456,
            "elf": 0,
        },
        "kaslr": None,
        "findings": [],
        "segments": [
            "elfcorehdr 0x32000000-0x320e1000 log",
            "initrd 0x3a704000-0x3a800000 log",
            "kernel 0x3a800000-0x3dfee000 log",
            "boot_params 0x3dff9000-0x3dffb000 log",
            "purgatory 0x3dffb000-0x3e000000 log",
        ],
    },
    "no-sme": {
        "boot": {
            "path": "kexec",
            "loader": None,
            "mode": None,
            "load_address": None,
            "kernel_base": None,
            "kaslr": "unknown",
            "paging": "4",
            "sme": "inactive",
        },
        "placement": None,
        "proof": None,
        "kaslr": None,
        "findings": [],
        "segments": [],
    },
}


@pytest.mark.parametrize("name", ANSWERS)
def test_a_sample_is_answered(name: str) -> None:
    found = run(*sample(name, Path("samples")), "--format", "json", cwd=ROOT).document
    validator("report-v1").validate(found)
    expected = ANSWERS[name]
    assert {key: found["boot"][key] for key in expected["boot"]} == expected["boot"]
    actual = next((place for place in found["placements"] if place["actual"]), None)
    assert _only(actual, expected["placement"]) == expected["placement"]
    proof = found["proof"] and {way["path"]: way["margin"] for way in found["proof"]["paths"]}
    assert proof == expected["proof"]
    assert _only(found["kaslr"], expected["kaslr"]) == expected["kaslr"]
    findings = [
        (
            finding["rule"],
            finding["severity"],
            finding["span"] and finding["span"]["start"],
            finding["other"] and finding["other"]["name"],
        )
        for finding in found["findings"]
    ]
    assert findings == expected["findings"]
    segments = [
        f"{one['name']} {one['start']}-{one['end']} {one['origin']}" for one in found["segments"]
    ]
    assert segments == expected["segments"]


def _only(found: Any, expected: Any) -> Any:
    """Return what is asked about of an object, which may be null."""
    return found if expected is None else {key: found[key] for key in expected}
