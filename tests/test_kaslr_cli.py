"""KASLR from the outside: the files that a user gives, the places in the JSON report."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from commandline import SAMPLES, run
from kaslr_cases import CASES, KERNELS, early_boot, efi_map, image, node, number, unpacked
from recorded import DATA

from smecheck.analysis import analyze
from smecheck.asked import BootRequest
from smecheck.case import Case

SOME = ("002", "040", "078", "110", "150", "152", "200", "250", "330")


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['kernel']}-{case['id']}")
def test_the_report_has_the_areas(case: dict[str, Any]) -> None:
    report = analyze(Case(image(case["kernel"]), BootRequest(), early=early_boot(case)))
    if "nokaslr" in case["cmdline"].split():
        assert report.kaslr is None
        assert case["areas"] == []
        return
    assert report.kaslr is not None
    areas = [[f"{area.start:#x}", area.count] for area in report.kaslr.slots.areas]
    assert areas == case["areas"]


def kernel_yaml(name: str) -> str:
    kernel = KERNELS[name]
    start = 0xFFFFFFFF81000000
    return yaml.safe_dump(
        {
            "schema": "smecheck/kernel-v1",
            "release": f"{kernel['version']}.0",
            "symbols": {
                "_text": f"{start:#x}",
                "_end": f"{start + number(kernel['kernel_total_size']):#x}",
            },
            "setup_header": {
                "init_size": kernel["init_size"],
                "kernel_alignment": kernel["kernel_alignment"],
                "pref_address": kernel["pref_address"],
                "relocatable": True,
                "output_len": kernel["z_output_len"],
                "payload_offset": kernel["zo_input_data"],
                "payload_length": kernel["z_input_len"],
            },
            "config": {f"CONFIG_{name}": value for name, value in kernel["config"].items()},
        }
    )


def boot_yaml(case: dict[str, Any]) -> str:
    """Describe what boot_params of a case point to."""
    described: dict[str, Any] = {
        "schema": "smecheck/boot-v1",
        "boot_params_address": case["boot_params_address"],
        "la57": case["la57"],
        "output": case["output"],
        "input": case["input"],
        "setup_data": [],
    }
    for entry in case["setup_data"]:
        read = node(entry)
        item = {"address": entry["address"], "type": entry["type"], "length": entry["length"]}
        if read.target is not None:
            item["target"] = {"start": f"{read.target.start:#x}", "size": read.target.size}
        described["setup_data"].append(item)
    if case["efi"] is not None:
        described["efi_memory_map"] = [
            {
                "start": f"{entry.span.start:#x}",
                "size": f"{entry.span.size:#x}",
                "type": entry.type,
                "attribute": f"{entry.attribute:#x}",
            }
            for entry in efi_map(case).ranges
        ]
    return yaml.safe_dump(described)


@pytest.mark.parametrize("case_id", SOME)
def test_files_give_the_areas(tmp_path: Path, case_id: str) -> None:
    case = next(case for case in CASES if case["id"] == case_id)
    (tmp_path / "kernel.yaml").write_text(kernel_yaml(case["kernel"]))
    (tmp_path / "data").write_bytes(unpacked(case["boot_params"]))
    (tmp_path / "boot.yaml").write_text(boot_yaml(case))
    arguments = ["analyze", "kernel.yaml", "--format", "json", "--boot-params", "data"]
    arguments += ["--boot", "boot.yaml", f"--cmdline={case['cmdline']}"]
    if case["srat"] is not None:
        (tmp_path / "SRAT").write_bytes(unpacked(case["srat"]))
        arguments += ["--srat", "SRAT"]
    found = run(*arguments, cwd=tmp_path)
    report = json.loads(found.out)
    assert "error" not in report, report
    areas = [[area["start"], area["count"]] for area in report["kaslr"]["areas"]]
    assert areas == case["areas"]
    assert report["kaslr"]["slots"] == sum(count for _, count in case["areas"])
    assert report["kaslr"]["limit"] == case["limit"]
    assert report["boot"]["path"] == "first-boot"


def test_a_boot_that_is_described_needs_no_load(tmp_path: Path) -> None:
    """Such as that of a crash kernel whose load nobody knows."""
    case = next(case for case in CASES if case["id"] == "002")
    (tmp_path / "kernel.yaml").write_text(kernel_yaml("v50"))
    (tmp_path / "data").write_bytes(unpacked(case["boot_params"]))
    (tmp_path / "boot.yaml").write_text(boot_yaml(case))
    asked = ["analyze", "kernel.yaml", "--path", "kdump", "--cmdline", "quiet", "--format", "json"]
    described = run(*asked, "--boot-params", "data", "--boot", "boot.yaml", cwd=tmp_path).document
    areas = [[area["start"], area["count"]] for area in described["kaslr"]["areas"]]
    assert areas == case["areas"]
    assert run(*asked, cwd=tmp_path).document["kaslr"] is None


def test_without_a_place_the_lowest_is_taken_and_said(tmp_path: Path) -> None:
    case = next(case for case in CASES if case["id"] == "002")
    (tmp_path / "kernel.yaml").write_text(kernel_yaml("v50"))
    (tmp_path / "data").write_bytes(unpacked(case["boot_params"]))
    found = run(
        *("analyze", "kernel.yaml", "--boot-params", "data", "--cmdline", "quiet"), cwd=tmp_path
    )
    lines = found.out.splitlines()
    assert "kaslr.area: 0x2a00000 15" in lines
    assert any("LOAD_PHYSICAL_ADDR, the lowest place there is" in line for line in lines)
    assert any(line.startswith("not-checked: KASLR: ") for line in lines)


UNPACKED = "the kernel is unpacked at LOAD_PHYSICAL_ADDR"
PAST, FURTHER = (
    f"the payload begins {size} past that address"
    for size in ("164 KiB (0x29000)", "24.1 MiB (0x1823000)")
)


@pytest.mark.parametrize(
    ("loader", "payload", "output", "conditions"),
    [
        (0x72, True, "", ["the boot loader put it elsewhere"]),
        (0x72, False, "", [f"{UNPACKED} and {PAST}", "the boot loader put it elsewhere"]),
        (0x21, True, "", [UNPACKED]),
        (0x21, False, "", [f"{UNPACKED} and {FURTHER}", f"{UNPACKED} and {PAST}"]),
        (0x72, False, "output: 0x2a00000\n", [PAST]),
    ],
)
def test_what_the_places_depend_on_is_said(
    tmp_path: Path, loader: int, payload: bool, output: str, conditions: list[str]
) -> None:
    """type_of_loader: grub, or the EFI stub, which puts the kernel where it has room."""
    case = next(case for case in CASES if case["id"] == "002")
    kernel = yaml.safe_load(kernel_yaml("v50"))
    if not payload:
        del kernel["setup_header"]["payload_offset"], kernel["setup_header"]["payload_length"]
    (tmp_path / "kernel.yaml").write_text(yaml.safe_dump(kernel))
    data = bytearray(unpacked(case["boot_params"]))
    data[0x210] = loader
    (tmp_path / "data").write_bytes(data)
    asked = ["analyze", "kernel.yaml", "--boot-params", "data", "--cmdline", "quiet"]
    if output:
        (tmp_path / "boot.yaml").write_text(f"schema: smecheck/boot-v1\n{output}")
        asked += ["--boot", "boot.yaml"]
    found = run(*asked, "--format", "json", cwd=tmp_path).document["kaslr"]
    assert [line.partition(", if ")[2] for line in found["differences"]] == conditions


CAPTURES = [
    ("k61-2g-bios-kaslr-exec-s", "boot1", "6.1.0-56-amd64", True),
    ("k61-2g-bios-kaslr-exec-s", "boot2", "6.1.0-56-amd64", True),
    ("k61-2g-ovmf-kaslr-crash-s-biginitrd", "boot1", "6.1.0-56-amd64", True),
    ("k61-2g-ovmf-kaslr-crash-s-biginitrd", "boot2", "6.1.0-56-amd64", False),
    ("k61-4.5g-bios-kaslr-crash-s-high", "boot1", "6.1.0-56-amd64", True),
    ("k61-8g-ovmf-kaslr-exec-c-high", "boot1", "6.1.0-56-amd64", True),
    ("k612-2g-ovmf-kaslr-exec-s-k2kaslr", "boot2", "6.12.117+deb12-amd64", False),
]


@pytest.mark.parametrize(("capture", "boot", "kernel", "moves"), CAPTURES)
def test_the_kernel_went_where_it_may(capture: str, boot: str, kernel: str, moves: bool) -> None:
    """Real machines, real boots: the place that iomem shows is in the set, or the set is empty."""
    folder = DATA / "kaslr-captures" / f"{capture}.{boot}"
    found = run(
        *("analyze", str(DATA / "kernels" / f"{kernel}.yaml"), "--format", "json"),
        *("--iomem", str(folder / "iomem.txt"), "--boot-params", str(folder / "boot_params.b64")),
        f"--cmdline={(folder / 'cmdline.txt').read_text().strip()}",
    )
    report = json.loads(found.out)
    code = next(
        line for line in (folder / "iomem.txt").read_text().splitlines() if "Kernel code" in line
    )
    ran_at = int(code.split("-")[0], 16)
    sweep = report["kaslr"]
    if not moves:
        assert sweep["slots"] == 0
        assert "EFI memory map" in sweep["reason"]
        assert report["boot"]["kernel_base"] == f"{ran_at:#x}"
        assert report["boot"]["kernel_base_certain"]
        return
    step = sweep["alignment"]
    assert any(
        ran_at in range(first, first + area["count"] * step, step)
        for area in sweep["areas"]
        for first in [int(area["start"], 16)]
    )


def test_boot_params_of_the_running_kernel_tell_whether_it_is_efi(tmp_path: Path) -> None:
    """With a load, they are not those of the kernel that is booted: only EFI, or not, counts."""
    sample = DATA / "founding" / "old-l-c-2g-kaslr-last"
    plain = ("analyze", str(DATA / "kernels" / "5.0-old.yaml"), "--format", "json")
    load = ("--iomem", str(sample / "iomem.txt"), "--segments", str(sample / "segments.txt"))
    bios = next(case for case in CASES if case["id"] == "002")
    (tmp_path / "data").write_bytes(unpacked(bios["boot_params"]))
    report = json.loads(run(*plain, *load, "--boot-params", str(tmp_path / "data")).out)
    assert report["boot"]["path"] == "kexec"
    assert (report["kaslr"]["slots"], report["kaslr"]["colliding"]) == (755, 2)


@pytest.mark.parametrize("option", ["--boot-params", "--srat", "--boot"])
def test_wrong_files_are_refused(tmp_path: Path, option: str) -> None:
    (tmp_path / "wrong").write_text("nothing of that kind\n")
    kernel = str(DATA / "kernels" / "5.0-old.yaml")
    found = run("analyze", kernel, option, str(tmp_path / "wrong"))
    assert found.status == 3
    assert "wrong" in found.err
    assert "help: " in found.err


def test_what_boot_params_only_point_to_leaves_the_answer_open(tmp_path: Path) -> None:
    case = next(case for case in CASES if case["id"] == "076")
    (tmp_path / "data").write_bytes(unpacked(case["boot_params"]))
    kernel = str(DATA / "kernels" / "5.0-old.yaml")
    given = ("analyze", kernel, "--boot-params", str(tmp_path / "data"), "--cmdline", "ro")
    report = json.loads(run(*given, "--format", "json").out)
    assert any("setup_data is not avoided" in bound for bound in report["kaslr"]["bounds"])
    assert report["verdict"] != "clear"


CAPTURED = DATA / "kaslr-captures" / "k61-2g-bios-kaslr-exec-s.boot1"


def with_boot_params(folder: Path, *options: str) -> Any:
    """Ask about a machine with the boot_params of the kernel that runs on it."""
    (folder / "data").write_bytes(base64.b64decode((CAPTURED / "boot_params.b64").read_text()))
    kernel = str(DATA / "kernels" / "6.1.0-56-amd64.yaml")
    machine = ("--iomem", str(CAPTURED / "iomem.txt"), "--boot-params", str(folder / "data"))
    return run("analyze", kernel, *machine, *options, "--format", "json").document


@pytest.mark.parametrize("mode", ["load", "crash"])
@pytest.mark.parametrize("loader", ["kexec_load", "kexec_file_load"])
def test_boot_params_beside_a_load_that_is_predicted_are_the_running_kernels(
    mode: str, loader: str, tmp_path: Path
) -> None:
    found = with_boot_params(tmp_path, "--mode", mode, "--loader", loader)
    assert found["boot"]["path"] == {"load": "kexec", "crash": "kdump"}[mode]
    assert {segment["origin"] for segment in found["segments"]} == {"predicted"}


def test_boot_params_alone_are_those_of_a_first_boot(tmp_path: Path) -> None:
    assert with_boot_params(tmp_path, "--path", "first-boot")["boot"]["path"] == "first-boot"


def test_the_initrd_of_a_first_boot_is_the_ramdisk_of_its_log() -> None:
    log = DATA / "machine-logs" / "k612-1g-bios-nokaslr-crash-s.boot1.dmesg.txt"
    kernel = str(DATA / "kernels" / "6.12.117+deb12-amd64.yaml")
    asked = ("analyze", kernel, "--dmesg", str(log), "--path", "first-boot", "--format", "json")
    boot = run(*asked).document["boot"]
    assert boot["initrd"] == {"start": "0x3f01d000", "end": "0x3ffe0000"}
    assert run(*asked, "--initrd", "1M").document["boot"]["initrd_size"] == 1 << 20
    # What another kernel was started with says nothing of this one.
    other = str(DATA / "kernels" / "6.1.0-56-amd64.yaml")
    assert run(*asked[:1], other, *asked[2:]).document["boot"]["initrd"] is None


def test_places_past_the_end_of_a_map_that_was_cut_off(tmp_path: Path) -> None:
    """``head /proc/iomem``: the only place at which something is hit is not in it."""
    sample = SAMPLES / "kaslr-gamble"
    kernel = (sample / "kernel.yaml").read_text()
    (tmp_path / "kernel.yaml").write_text(
        kernel.replace("kernel_alignment: 0x200000", "kernel_alignment: 0x1000000")
    )
    log = (sample / "kexec.log").read_text()
    (tmp_path / "kexec.log").write_text(
        log.replace("0x7f200000", "0x7e000000").replace("0x7f103000", "0x7f800000")
    )
    rows = (sample / "iomem.txt").read_text().splitlines(keepends=True)
    low = [row for row in rows if int(row.partition("-")[0], 16) < 1 << 32]
    (tmp_path / "whole").write_text("".join((*low, "100000000-13ed7ffff : System RAM\n")))
    cut = [row for row in low if int(row.partition("-")[0], 16) < 0x7FFE0000]
    (tmp_path / "head").write_text("".join(cut))
    asked = ("analyze", "kernel.yaml", "--segments", "kexec.log", "--sme", "on")
    whole = run(*asked, "--iomem", "whole", "--format", "json", cwd=tmp_path).document
    assert (whole["verdict"], whole["kaslr"]["colliding"]) == ("collision", 1)
    head = run(*asked, "--iomem", "head", "--format", "json", cwd=tmp_path).document
    assert (head["verdict"], head["kaslr"]["colliding"]) == ("undecided", 0)
    assert "KASLR may choose memory that comes after" in head["headline"]
