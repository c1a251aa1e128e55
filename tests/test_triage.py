"""Triage: from an archive alone the answer that analyze gives from the same files."""

from __future__ import annotations

import json
import re
import tarfile
from pathlib import Path
from typing import Any

import pytest
from archive_writer import PACKERS, TarMember, archive
from collected import HOST, LAYOUTS, SOS, Machine, captured, report, unpacked
from commandline import ROOT, call, run
from recorded import DATA, load_json
from test_goldens import compare

from smecheck import __version__

CAPTURES = sorted(path.name for path in (DATA / "captures").iterdir() if path.is_dir())
LOGGED = [name for name in CAPTURES if list((DATA / "machine-logs").glob(f"{name}.boot1.dmesg*"))]
FOUNDING = DATA / "founding" / "old-p-c-2g"


def kernel_of(name: str) -> str:
    return str(DATA / "kernels" / f"{load_json('captures', name, 'result.json')['kernel']}.yaml")


def machine_of(name: str, **changes: Any) -> Machine:
    """Return a capture's machine as it was when its load was in place."""
    folder = DATA / "captures" / name
    text = (folder / "segments.txt").read_bytes()
    is_crash = b" -p " in text.split(b"\n")[0]
    flags = {"crash_loaded": int(is_crash), "kexec_loaded": int(not is_crash)}
    recorded = load_json("captures", name, "result.json")
    machine = captured(name, release=recorded["kernel"], **flags)
    machine.kdump_log = text
    for key, value in changes.items():
        setattr(machine, key, value)
    return machine


def triage(*arguments: str) -> Any:
    done = call("triage", *arguments, "--format", "json")
    assert done.err == ""
    assert done.status == done.document["exit_code"]
    return done.document


def analyzed(tmp_path: Path, machine: Machine, kernel: str, *options: str) -> Any:
    """Return what analyze says of the same texts."""
    given = {"iomem": machine.iomem, "dmesg": machine.dmesg, "segments": machine.kdump_log}
    arguments = [kernel]
    for option, data in given.items():
        if data:
            path = tmp_path / f"{option}.txt"
            path.write_bytes(data)
            arguments += [f"--{option}", str(path)]
    return call("analyze", *arguments, *options, "--format", "json").document


def same(found: Any, expected: Any) -> None:
    """Hold what was said of the placement against what analyze says."""
    inner = found["report"]
    assert found["verdict"] == expected["verdict"]
    assert found["exit_code"] == expected["exit_code"]
    assert inner["segments"] == expected["segments"]
    assert inner["placements"][0]["start"] == expected["placements"][0]["start"]
    for key in ("loader", "mode", "path", "load_address", "kernel_base", "kaslr", "sme", "cmdline"):
        assert inner["boot"][key] == expected["boot"][key], key


def facts(found: Any, name: str) -> list[str]:
    return [fact["value"] for fact in found["facts"] if fact["name"] == name]


def place(found: Any, name: str) -> str:
    fact = next(fact for fact in found["facts"] if fact["name"] == name)
    return f"{fact['member']}:{fact['line']}"


@pytest.mark.parametrize("name", CAPTURES)
def test_a_capture_as_a_sosreport(tmp_path: Path, name: str) -> None:
    machine = machine_of(name)
    kernel = kernel_of(name)
    layout = SOS[CAPTURES.index(name) % len(SOS)]
    found = triage(str(report(machine, layout, tmp_path)), "--kernel", kernel)
    same(found, analyzed(tmp_path, machine, kernel))
    assert found["class"] is None
    assert facts(found, "release")[0] == machine.release
    assert found["report"]["kernel"]["release"] == machine.release
    assert found["contradictions"] == []


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", [LOGGED[0], "k612-1g-bios-nokaslr-crash-s"])
def test_every_layout_gives_the_same_answer(tmp_path: Path, name: str, layout: str) -> None:
    machine = machine_of(name)
    kernel = kernel_of(name)
    log = machine.dmesg + machine.kdump_log.split(b"\n", 3)[3]
    expected = machine_of(name, dmesg=log, kdump_log=b"")
    machine.dmesg, machine.kdump_log = log, b""
    if layout == "supportconfig":
        expected.iomem = b""
    found = triage(str(report(machine, layout, tmp_path)), "--kernel", kernel)
    same(found, analyzed(tmp_path, expected, kernel))
    assert set(facts(found, "crash_size")) == {"201326592"}


@pytest.mark.parametrize("name", [name for name in LOGGED if "k61-8g" not in name])
def test_kallsyms_do_without_a_kernel(tmp_path: Path, name: str) -> None:
    release = load_json("captures", name, "result.json")["kernel"]
    symbols = DATA / "symbols" / f"{release}.kallsyms.txt"
    machine = machine_of(name, kallsyms=symbols.read_bytes())
    found = triage(str(report(machine, "4.9", tmp_path)))
    same(found, analyzed(tmp_path, machine, str(symbols)))
    assert found["report"]["kernel"]["release"] == release
    assert "init_size" in {one["what"] for one in found["missing"]}


@pytest.mark.parametrize("packing", PACKERS)
def test_every_packing_and_the_folder(tmp_path: Path, packing: str) -> None:
    machine = machine_of("k612-1g-bios-nokaslr-crash-s")
    kernel = kernel_of("k612-1g-bios-nokaslr-crash-s")
    packed = triage(str(report(machine, "4.9", tmp_path, packing)), "--kernel", kernel)
    folder = triage(str(unpacked(machine, "4.9", tmp_path)), "--kernel", kernel)
    for key in ("verdict", "class", "report"):
        assert packed[key] == folder[key]
    # A folder is looked into, an archive goes by: the order of the facts is another.
    assert sorted(map(str, packed["facts"])) == sorted(map(str, folder["facts"]))


def founding(**changes: Any) -> Machine:
    machine = Machine(
        release="5.0.0",
        iomem=(FOUNDING / "iomem.txt").read_bytes(),
        cmdline=b"root=/dev/sda1 crashkernel=256M mem_encrypt=on nokaslr\n",
        kdump_log=(FOUNDING / "segments.txt").read_bytes(),
        crash_size=256 << 20,
    )
    for key, value in changes.items():
        setattr(machine, key, value)
    return machine


def test_the_founding_failure(tmp_path: Path) -> None:
    kernel = str(DATA / "kernels" / "5.0-old.yaml")
    machine = founding()
    found = triage(str(report(machine, "4.0", tmp_path)), "--kernel", kernel)
    same(found, analyzed(tmp_path, machine, kernel))
    assert (found["verdict"], found["class"]) == ("collision", "P")
    assert any("boot_params" in text for text in found["evidence"])
    assert "mem_encrypt=off" in found["do_now"][0]
    assert {one["class"] for one in found["excluded"]} == {"R", "L"}


def test_the_founding_failure_from_its_symbols_alone(tmp_path: Path) -> None:
    symbols = (DATA / "symbols" / "5.0-old.System.map").read_bytes()
    found = triage(str(report(founding(kallsyms=symbols), "3.9", tmp_path)))
    assert (found["verdict"], found["class"]) == ("collision", "P")


BASE = "k612-1g-bios-nokaslr-crash-s"
KERNEL = str(DATA / "kernels" / "6.12.117+deb12-amd64.yaml")
RED_HAT = (
    b'KDUMP_KERNELVER=""\nKDUMP_COMMANDLINE=""\n'
    b'KDUMP_COMMANDLINE_REMOVE="hugepages hugepagesz slub_debug quiet"\n'
    b'KDUMP_COMMANDLINE_APPEND="irqpoll nr_cpus=1 reset_devices nokaslr mem_encrypt=on"\n'
    b'KEXEC_ARGS="-s"\n'
)
OOM = (
    b"[    0.000000] Linux version 6.12.117+deb12-amd64 (a@b) #1 SMP\n"
    b"[    0.000000] Command line: elfcorehdr=0x32000000 nokaslr nr_cpus=1\n"
    b"[    4.338946] swapper/0 invoked oom-killer: gfp_mask=0x6040c0(GFP_KERNEL)\n"
    b"[    4.660422] 65532 pages RAM\n"
)
ACTIVE = b"[    0.500000] Memory Encryption Features active: AMD SME\n"
SNP = b"[    1.000000] SEV-SNP: RMP table physical range [0x70000000 - 0x72ffffff]\n"


def healthy(**changes: Any) -> Machine:
    machine = captured(BASE)
    machine.settings = {"etc/sysconfig/kdump": RED_HAT}
    machine.initrd_size = 20 << 20
    machine.kexec_tools = "2.0.29"
    for key, value in changes.items():
        setattr(machine, key, value)
    return machine


def answered(tmp_path: Path, machine: Machine, layout: str = "4.9", *options: str) -> Any:
    return triage(str(report(machine, layout, tmp_path)), "--kernel", KERNEL, *options)


def test_a_healthy_machine_is_clear_and_says_what_to_suspect(tmp_path: Path) -> None:
    found = answered(tmp_path, healthy())
    assert (found["verdict"], found["class"]) == ("clear", None)
    assert any("(class M)" in text for text in found["look_next"])
    assert any("clear placement does not mean" in text for text in found["cautions"])
    assert found["report"]["basis"] == "proof"
    assert {segment["origin"] for segment in found["report"]["segments"]} == {"predicted"}


def test_what_kdump_is_told_decides_the_load(tmp_path: Path) -> None:
    found = answered(tmp_path, healthy())
    boot = found["report"]["boot"]
    assert (boot["loader"], boot["mode"], boot["kaslr"]) == ("kexec_file_load", "crash", "off")
    assert boot["initrd_size"] == 20 << 20
    assert "irqpoll nr_cpus=1 reset_devices nokaslr mem_encrypt=on" in boot["cmdline"]
    assert "crashkernel=" not in boot["cmdline"]
    asked = {
        "--mode": "crash", "--loader": "kexec_file_load", "--initrd": str(20 << 20),
        "--kexec-tools": "2.0.29", "--running-kernel": "6.12.117+deb12-amd64",
        "--cmdline": facts(found, "crash_cmdline")[0],
    }  # fmt: skip
    options = [word for pair in asked.items() for word in pair]
    expected = analyzed(tmp_path, healthy(), KERNEL, *options)
    same(found, expected)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_crash_kernel_that_ran_out_of_memory(tmp_path: Path, layout: str) -> None:
    crash = {"127.0.0.1-2026-11-28/kexec-dmesg.log": OOM}
    found = answered(tmp_path, healthy(crash=crash), layout)
    assert (found["verdict"], found["class"]) == ("clear", "M")
    assert "swapper/0 invoked oom-killer" in found["evidence"][0]
    assert any(one["name"].startswith("report C") for one in found["lookalikes"])


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_crash_kernel_that_was_never_loaded(tmp_path: Path, layout: str) -> None:
    log = healthy().dmesg + b"[ 9.0] kdumpctl[12]: kdump: kexec: failed to load kdump kernel\n"
    state = b"kdump: Kdump is not operational\n"
    machine = healthy(crash_loaded=0, dmesg=log, kdump_state=state)
    found = answered(tmp_path, machine, layout)
    assert found["class"] == "L"
    assert "failed to load kdump kernel" in found["evidence"][0]
    assert {"R", "P"} <= {one["class"] for one in found["excluded"]}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_reservation_that_failed(tmp_path: Path, layout: str) -> None:
    base = healthy()
    log = re.sub(rb"\[[^\n]*crashkernel reserved[^\n]*\n",
                 b"[    0.004] crashkernel reservation failed - memory is in use.\n",
                 base.dmesg)  # fmt: skip
    assert log != base.dmesg
    iomem = re.sub(rb"[^\n]*Crash kernel\n", b"", base.iomem)
    machine = healthy(dmesg=log, iomem=iomem, crash_size=0, crash_loaded=0)
    found = answered(tmp_path, machine, layout)
    assert found["class"] == "R"
    assert "memory is in use" in found["evidence"][0]
    assert "leave the address out" in found["do_now"][0]


def test_a_reservation_that_nobody_asked_for(tmp_path: Path) -> None:
    base = healthy()
    machine = healthy(
        cmdline=base.cmdline.replace(b"crashkernel=192M ", b""),
        dmesg=re.sub(rb"crashkernel=192M |\[[^\n]*crashkernel reserved[^\n]*\n", b"", base.dmesg),
        iomem=re.sub(rb"[^\n]*Crash kernel\n", b"", base.iomem),
        crash_size=0,
        crash_loaded=0,
    )
    found = answered(tmp_path, machine)
    assert found["class"] == "R"
    assert "crashkernel= is not given" in found["summary"]


def test_a_reservation_that_iomem_lost(tmp_path: Path) -> None:
    iomem = re.sub(rb"[^\n]*Crash kernel\n", b"", healthy().iomem)
    found = answered(tmp_path, healthy(iomem=iomem, crash_loaded=0))
    assert found["class"] == "R"
    assert "does not show it" in found["summary"]


def test_a_host_of_snp_guests(tmp_path: Path) -> None:
    found = answered(tmp_path, healthy(dmesg=healthy().dmesg + SNP))
    assert found["class"] == "J"
    assert any(one["name"].startswith("report K") for one in found["lookalikes"])


def test_a_machine_without_sme(tmp_path: Path) -> None:
    settings = {"etc/sysconfig/kdump": RED_HAT.replace(b"mem_encrypt=on", b"mem_encrypt=off")}
    found = answered(tmp_path, healthy(settings=settings))
    assert found["class"] is None
    assert found["verdict"] == "not-applicable"
    assert any("without SME" in text or "does not use SME" in text for text in found["look_next"])


def test_sme_takes_its_share_of_the_memory(tmp_path: Path) -> None:
    found = answered(tmp_path, healthy(dmesg=healthy().dmesg + ACTIVE))
    memory = found["memory"]
    assert memory["encryption"] == 64 << 20
    assert memory["needed"] == memory["kernel"] + 3 * (20 << 20) + (64 << 20)
    assert memory["reserved"] == 192 << 20
    assert memory["kernel"] == 0x37EE000


def test_members_that_contradict_each_other_are_both_shown(tmp_path: Path) -> None:
    machine = healthy(more={"proc/cmdline": b"root=/dev/sdb1 mem_encrypt=off\n"})
    found = answered(tmp_path, machine)
    (one,) = found["contradictions"]
    assert one["name"] == "cmdline"
    assert {fact["member"] for fact in one["facts"]} == {
        "proc/cmdline",
        "sos_commands/kernel/dmesg",
    }
    assert one["used"] == "neither is used"


def test_what_was_read_without_root_is_asked_for(tmp_path: Path) -> None:
    zeros = b"00000000-00000000 : Reserved\n00000000-00000000 : System RAM\n"
    hidden = (DATA / "symbols" / "unprivileged.kallsyms.txt").read_bytes()
    machine = healthy(iomem=zeros, kallsyms=hidden)
    found = triage(str(report(machine, "4.9", tmp_path)))
    assert (found["verdict"], found["report"], found["exit_code"]) == ("undecided", None, 4)
    wanted = {one["what"]: one for one in found["missing"]}
    assert wanted["iomem"]["command"] == "sudo cat /proc/iomem"
    assert "read without root" in wanted["iomem"]["why"]
    assert "without the privilege" in wanted["the kernel"]["why"]


def test_facts_have_their_places(tmp_path: Path) -> None:
    found = answered(tmp_path, healthy())
    assert place(found, "crash_loaded") == "sys/kernel/kexec_crash_loaded:1"
    assert place(found, "cmdline") == "proc/cmdline:1"
    assert place(found, "kexec_args") == "etc/sysconfig/kdump:5"
    lines = healthy().iomem.split(b"\n")
    (line,) = [number for number, text in enumerate(lines, 1) if text.endswith(b"Crash kernel")]
    assert place(found, "reservation") == f"proc/iomem:{line}"
    assert place(found, "kexec_tools") == "sos_commands/rpm/sh_-c_rpm_--nodigest_-qa:2"


def test_places_in_a_supportconfig_are_those_of_its_files(tmp_path: Path) -> None:
    machine = healthy()
    found = answered(tmp_path, machine, "supportconfig")
    folder = unpacked(machine, "supportconfig", tmp_path)
    for name in ("cmdline", "kexec_args", "crash_loaded", "initrd_size", "reservation"):
        fact = next(fact for fact in found["facts"] if fact["name"] == name)
        text = (folder / fact["member"]).read_text().split("\n")[fact["line"] - 1]
        word = {"reservation": "crashkernel reserved", "kexec_args": "-s"}.get(name)
        assert (word or fact["value"].split(" ")[0]) in text, name


def test_options_count_more_than_what_is_found(tmp_path: Path) -> None:
    path = str(report(healthy(), "4.9", tmp_path))
    found = triage(path, "--kernel", KERNEL, "--cmdline", "mem_encrypt=off", "--initrd", "1M")
    assert found["report"]["boot"]["cmdline"] == "elfcorehdr=0x32000000 mem_encrypt=off"
    assert found["report"]["boot"]["initrd_size"] == 1 << 20
    other = triage(path, "--kernel", str(DATA / "kernels" / "6.1.0-56-amd64.yaml"))
    assert other["report"]["kernel"]["release"] == "6.1.0-56-amd64"
    assert any("the one that runs is 6.12.117" in text for text in other["remarks"])


def test_single_files_told_by_their_content(tmp_path: Path) -> None:
    machine = machine_of(BASE)
    names = {"a": machine.iomem, "b": machine.dmesg, "c": machine.kdump_log}
    for name, data in names.items():
        (tmp_path / name).write_bytes(data)
    paths = [str(tmp_path / name) for name in names]
    found = triage(*paths, KERNEL)
    same(found, analyzed(tmp_path, machine, KERNEL))
    assert {fact["member"] for fact in found["facts"]} >= set(paths)
    folder = triage(str(tmp_path), "--kernel", KERNEL)
    assert folder["verdict"] == "clear"


@pytest.mark.parametrize("form", ["text", "plain", "markdown"])
def test_nothing_of_whose_machine_it_was(tmp_path: Path, form: str) -> None:
    network = b"ip=10.1.2.3::10.1.2.254:255.255.255.0:epyc17:eth0"
    root = b"root=UUID=0a86b691-f733-4cb0-9c5c-b88e0ef9e212 nfsroot=alice@files.corp.example:/srv"
    failed = b"[ 3.0] kdump: mount: 52:54:00:12:34:56 fe80::5054:ff:fe12 failed\n"
    target = b"ssh bob@store.corp.example\n"
    machine = healthy(
        cmdline=network + b" " + root + b" crashkernel=192M\n",
        dmesg=healthy().dmesg + failed,
        settings={"etc/sysconfig/kdump": RED_HAT, "etc/kdump.conf": target},
    )
    path = str(report(machine, "4.9", tmp_path))
    plain = call("triage", path, "--kernel", KERNEL, "--format", form, "--redact", "--explain")
    secrets = (HOST, "10.1.2", "0a86b691", "alice", "bob", "corp.example", "52:54", "fe80::")
    for secret in secrets:
        assert secret not in plain.out, secret
    assert "0x32000000" in plain.out
    open_ = call("triage", path, "--kernel", KERNEL, "--format", form)
    for secret in (HOST, "10.1.2.3", "alice"):
        assert secret in open_.out


def test_the_first_screen_is_enough(tmp_path: Path) -> None:
    path = str(report(founding(), "4.9", tmp_path))
    kernel = str(DATA / "kernels" / "5.0-old.yaml")
    arguments = ("triage", path, "--kernel", kernel, "--format", "text")
    done = run(*arguments, env={"COLUMNS": "80"})
    screen = done.out.split("\n")[:24]
    assert max(map(len, screen)) <= 80
    labels = [line.split("  ")[0] for line in screen if line[:1].isupper()]
    assert labels[:3] == ["CLASS", "VERDICT", "WHY"]
    assert {"DO NOW", "TRY NEXT", "MEMORY", "ASK FOR"} <= set(labels)
    (why,) = [at for at, line in enumerate(screen) if line.startswith("WHY")]
    assert screen[why + 3].startswith("DO NOW")
    assert done.status == 1


def test_formats_that_are_for_gates_are_refused(tmp_path: Path) -> None:
    done = call("triage", str(report(healthy(), "4.9", tmp_path)), "--format", "junit")
    assert done.status == 2
    assert "'text', 'plain', 'markdown', 'json'" in done.err


def test_what_holds_nothing_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("hello\n")
    done = call("triage", str(tmp_path / "x"), "--format", "text")
    assert done.status == 3
    assert "nothing that smecheck recognizes" in done.err


def test_an_archive_of_archives_is_named(tmp_path: Path) -> None:
    inner = report(healthy(), "4.9", tmp_path)
    with tarfile.open(tmp_path / "all.tar", "w") as tar:
        tar.add(inner, arcname="a.tar")
    done = call("triage", str(tmp_path / "all.tar"), "--format", "text")
    assert done.status == 3
    assert "is an archive of archives: a.tar" in done.err


@pytest.mark.parametrize("form", ["text", "plain", "markdown", "json"])
def test_the_sample_gives_the_approved_answer(form: str) -> None:
    arguments = ("triage", "samples/sosreport", "--format", form)
    found = run(*arguments, cwd=ROOT, env={"COLUMNS": "80"})
    assert (found.status, found.err) == (1, "")
    shown = found.out
    if form == "json":  # the placement analysis has goldens of its own
        document = found.document
        document["report"] = document["report"]["schema"]
        shown = json.dumps(document, indent=1) + "\n"
    version = f'"version": "{__version__}"'
    shown = shown.replace(version, '"version": "@@VERSION@@"')
    compare(shown, DATA / "triage" / f"sample.{form}")


def test_links_that_every_sosreport_begins_with_are_no_loss(tmp_path: Path) -> None:
    top = b"sosreport-host/"
    links = [TarMember(top + name, b"", b"2", b"sos_commands/x/y") for name in (b"date", b"free")]
    iomem = TarMember(top + b"proc/iomem", machine_of(LOGGED[0]).iomem)
    (tmp_path / "sos.tar").write_bytes(archive(*links, iomem))
    assert triage(str(tmp_path / "sos.tar"))["remarks"] == []
