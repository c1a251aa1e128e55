"""One load, told of in several places: what contradicts, what does not count, what it means."""

from __future__ import annotations

from pathlib import Path

import pytest
from commandline import SAMPLES, Run, call

SAMPLE = SAMPLES / "founding-failure"
ASKED = ("analyze", str(SAMPLE / "kernel.yaml"), "--iomem", str(SAMPLE / "iomem.txt"))
LOG = str(SAMPLE / "kexec.log")
"""A load of kexec-tools, of mode load, onto the machine of the sample."""

LOAD = """\
schema: smecheck/segments-v1
loader: {loader}
mode: {mode}
cmdline: nokaslr mem_encrypt=on
segments:
  - {{name: kernel, start: 0x10000000, size: 0xd41000}}
"""
HOST = "schema: smecheck/host-v1\nkexec_options: [{options}]\n"


def load(tmp_path: Path, *options: str, loader: str = "kexec_load", mode: str = "crash") -> Run:
    path = tmp_path / "load.yaml"
    path.write_text(LOAD.format(loader=loader, mode=mode))
    return call(*ASKED, "--segments", str(path), *options, "--format", "plain")


def host(tmp_path: Path, words: str, *options: str) -> Run:
    path = tmp_path / "host.yaml"
    path.write_text(HOST.format(options=words))
    return call(*ASKED, "--host", str(path), *options, "--format", "plain")


@pytest.mark.parametrize(
    ("options", "other"),
    [
        (("--path", "kexec"), "the load, which is of mode crash"),
        (("--mode", "load"), "the load, which is of mode crash"),
        (("--path", "first-boot"), "the load, which is of mode crash"),
        (("--loader", "kexec_file_load"), "the load, which is a kexec_load"),
        (("--path", "kexec", "--mode", "crash"), "--mode crash"),
    ],
)
def test_a_description_that_says_otherwise(
    tmp_path: Path, options: tuple[str, ...], other: str
) -> None:
    found = load(tmp_path, *options)
    assert found.status == 2
    assert found.problem[0].startswith(f"{' '.join(options[:2])} contradicts {other}")


@pytest.mark.parametrize("options", [("--path", "kdump"), ("--mode", "crash"), ()])
def test_a_description_that_says_the_same(tmp_path: Path, options: tuple[str, ...]) -> None:
    found = load(tmp_path, *options)
    assert found.err == ""
    assert "boot.path: kdump" in found.out


@pytest.mark.parametrize("options", [("--path", "kdump"), ("--mode", "crash")])
def test_a_log_without_a_load_of_that_mode(options: tuple[str, ...]) -> None:
    found = call(*ASKED, "--segments", LOG, *options)
    assert found.status == 3
    assert "holds no load of mode crash" in found.problem[0]


@pytest.mark.parametrize(
    ("words", "options", "problem"),
    [
        ("-p", ("--mode", "load"), "--mode load contradicts kexec -p (kexec_options of "),
        ("--load-pan", ("--path", "kexec"), "--path kexec contradicts kexec -p"),
        ("-lc", ("--mode", "crash"), "--mode crash contradicts kexec -l"),
        ("-s", ("--loader", "kexec_load"), "--loader kexec_load contradicts kexec -s"),
        ("-c", ("--loader", "kexec_file_load"), "--loader kexec_file_load contradicts kexec -c"),
        ("-p", ("--segments", LOG), "holds no load of mode crash"),
        ("-ls", ("--segments", LOG), "kexec -s (kexec_options of "),
        ("--mem-max=0x7fffffff", ("--mem-max", "1M"), "--mem-max 0x100000 contradicts"),
        ("--initrd=/boot/i", ("--mode", "load", "--initrd", "0"), "--initrd 0 contradicts"),
    ],
)
def test_options_of_kexec_that_say_otherwise(
    tmp_path: Path, words: str, options: tuple[str, ...], problem: str
) -> None:
    found = host(tmp_path, words, *options)
    assert found.status in (2, 3)
    assert problem in found.problem[0]


def test_an_empty_file_is_an_initrd_that_kexec_refuses(tmp_path: Path) -> None:
    (tmp_path / "initrd").touch()
    given = ("--mode", "load", "--initrd", str(tmp_path / "initrd"))
    for words in ("-l", "-l, --initrd=/boot/i"):
        found = host(tmp_path, words, *given)
        assert "Cannot read the initrd: the file is empty" in found.out, found.err


@pytest.mark.parametrize("words", ["-a, -l", "-a, --load", "-al"])
def test_what_a_allows_is_no_contradiction(tmp_path: Path, words: str) -> None:
    for loader in ("kexec_load", "kexec_file_load"):
        found = host(tmp_path, words, "--loader", loader, "--initrd", "0")
        assert f"boot.loader: {loader}" in found.out


def test_options_say_mode_and_system_call(tmp_path: Path) -> None:
    found = host(tmp_path, "-cl", "--initrd", "0", "--cmdline", "nokaslr")
    assert "boot.path: kexec" in found.out
    assert "boot.loader: kexec_load" in found.out
    found = host(tmp_path, "--kexec-file, -l", "--initrd", "0", "--cmdline", "nokaslr")
    assert "boot.loader: kexec_file_load" in found.out
    assert "kexec_options" in found.out


def test_several_words_in_one_item(tmp_path: Path) -> None:
    one = host(tmp_path, "-c -l", "--initrd", "0", "--cmdline", "nokaslr")
    several = host(tmp_path, "-c, -l", "--initrd", "0", "--cmdline", "nokaslr")
    assert one.out == several.out


def test_an_initrd_of_unknown_size(tmp_path: Path) -> None:
    found = host(tmp_path, "-cl, --initrd=/boot/initrd", "--cmdline", "nokaslr")
    assert "verdict: undecided" in found.out
    assert "kexec is given the initrd /boot/initrd, but its size is not known" in found.out
    found = host(tmp_path, "-cl, --initrd=/boot/initrd", "--cmdline", "nokaslr", "--initrd", "8M")
    assert found.status in (0, 1)


def test_what_kexec_file_load_does_not_look_at(tmp_path: Path) -> None:
    found = host(tmp_path, "-ls, -tbzImage, --mem-max=0x7fffffff", "--initrd", "0")
    assert "--type=bzImage does not count: the running kernel places" in found.out
    assert "--mem-max does not count: the running kernel places" in found.out


def test_a_command_line_that_is_passed_on(tmp_path: Path) -> None:
    path = tmp_path / "host.yaml"
    path.write_text(
        HOST.format(options="-cl, --reuse-cmdline, --append=nokaslr")
        + "cmdline: BOOT_IMAGE=/v root=/dev/sda1 crashkernel=256M\n"
    )
    found = call(*ASKED, "--host", str(path), "--initrd", "0", "--format", "json").document
    assert found["boot"]["cmdline"] == "root=/dev/sda1 crashkernel=256M nokaslr"
    assert found["boot"]["kaslr"] == "off"
    path.write_text(HOST.format(options="-cl, --reuse-cmdline, --append=nokaslr"))
    found = call(*ASKED, "--host", str(path), "--initrd", "0", "--format", "json").document
    assert found["boot"]["kaslr"] == "unknown"


def test_the_command_line_that_counts(tmp_path: Path) -> None:
    found = host(tmp_path, "-cl, --append=ro", "--cmdline", "nokaslr", "--initrd", "0")
    assert "--cmdline counts, not the command line among the kexec_options" in found.out
    same = host(tmp_path, "-cl, --append=nokaslr", "--cmdline", "nokaslr", "--initrd", "0")
    assert "--cmdline counts" not in same.out


@pytest.mark.parametrize(
    ("options", "names"),
    [
        (("--kexec-tools", "2.0.25"), "--kexec-tools does"),
        (("--cpus", "4", "--mem-min", "1M"), "--cpus, --mem-min do"),
        (("--running-kernel", "6.1.0", "--mem-max", "4G"), "--running-kernel, --mem-max do"),
    ],
)
def test_what_a_recorded_load_makes_irrelevant(options: tuple[str, ...], names: str) -> None:
    said = f"{names} not count: the load is recorded"
    assert said in call(*ASKED, "--segments", LOG, *options, "--format", "plain").out
    checked = call(*ASKED, "--segments", LOG, *options, "--cross-check", "--format", "plain")
    assert "not count" not in checked.out


def test_keys_that_a_recorded_load_makes_irrelevant(tmp_path: Path) -> None:
    path = tmp_path / "host.yaml"
    path.write_text("schema: smecheck/host-v1\ncpus: 64\ngbpages: true\nkexec_options: [--noefi]\n")
    found = call(*ASKED, "--segments", LOG, "--host", str(path), "--format", "plain")
    # The same 1 GiB frames have a table, whatever the size of kexec's pages.
    assert f"cpus ({path}), gbpages ({path}) do not count: the load is recorded" in found.out
    first = call(*ASKED, "--path", "first-boot", "--host", str(path), "--format", "plain")
    assert f"cpus ({path}), gbpages ({path}) do not count: the question is a first" in first.out


@pytest.mark.parametrize(
    ("asked", "keys", "counting"),
    [
        (
            *("-lc", ("cpus", "vmcoreinfo", "gbpages", "ima_kexec", "kernel_purgatory")),
            ("rng_seed", "purgatory"),
        ),
        (
            *("-ls", ("cpus", "vmcoreinfo", "gbpages", "rng_seed", "purgatory")),
            ("ima_kexec", "kernel_purgatory"),
        ),
    ],
)
def test_keys_that_the_load_does_not_depend_on(
    tmp_path: Path, asked: str, keys: tuple[str, ...], counting: tuple[str, ...]
) -> None:
    path = tmp_path / "host.yaml"
    path.write_text(
        HOST.format(options=asked)
        + "cpus: 4\nvmcoreinfo: true\ngbpages: false\nrng_seed: true\nima_kexec: false\n"
        + "purgatory: {size: 0x9000}\nkernel_purgatory: {size: 0x5000}\n"
    )
    found = call(*ASKED, "--host", str(path), "--initrd", "0", "--format", "json").document
    (said,) = [text for text in found["assumptions"] if "does not depend on it" in text]
    assert all(f"{key} ({path})" in said for key in keys)
    assert not any(f" {key} ({path})" in f" {said}" for key in counting)


def test_what_a_proof_takes_for_granted_depends_on_the_version() -> None:
    kernel = ASKED[1]
    found = call("analyze", kernel, "--kexec-tools", "2.0.32", "--mode", "load", "--cpus", "4")
    assert "--kexec-tools" not in found.out
    assert "--cpus does not count: no load is predicted" in found.out


def test_a_policy_that_contradicts_itself(tmp_path: Path) -> None:
    (tmp_path / "load.yaml").write_text(LOAD.format(loader="kexec_load", mode="crash"))
    (tmp_path / "host.yaml").write_text(HOST.format(options="-p"))
    (tmp_path / "policy.yaml").write_text(
        "schema: smecheck/policy-v1\nmachines:\n"
        f"  - {{name: a, iomem: {SAMPLE / 'iomem.txt'}, segments: load.yaml, path: kexec}}\n"
        f"  - {{name: b, iomem: {SAMPLE / 'iomem.txt'}, segments: load.yaml, mode: load}}\n"
        f"  - {{name: c, iomem: {SAMPLE / 'iomem.txt'}, host: host.yaml, mode: load}}\n"
        f"  - {{name: d, iomem: {SAMPLE / 'iomem.txt'}, segments: load.yaml, mode: crash}}\n"
    )
    found = call(
        *("gate", str(SAMPLE / "kernel.yaml"), "--policy", str(tmp_path / "policy.yaml")),
        *("--format", "json"),
    )
    assert found.status == 3
    errors = {row["target"]: row for row in found.document["results"] if row["outcome"] == "error"}
    assert set(errors) == {"a", "b", "c"}
    assert "contradicts" in errors["a"]["message"]


def test_the_loads_of_a_log_are_not_those_of_a_first_boot(tmp_path: Path) -> None:
    """A log that shows how kdump was loaded may be asked about the boot that wrote it."""
    (tmp_path / "dmesg").write_text(
        "[    0.000000] Linux version 5.0.0 (a@b) (gcc) #1 SMP\n"
        "[    0.000000] Command line: BOOT_IMAGE=/v root=/dev/sda1 nokaslr mem_encrypt=on\n"
        "[    0.000000] BIOS-provided physical RAM map:\n"
        "[    0.000000] BIOS-e820: [mem 0x0000000000000000-0x000000000009fbff] usable\n"
        "[    0.000000] BIOS-e820: [mem 0x0000000000100000-0x000000007fffffff] usable\n"
        "[    9.000000] kexec-bzImage64: Loaded purgatory at 0x7dffa000\n"
        "[    9.000001] kexec-bzImage64: Loaded boot_param, command line and misc at 0x7dff8000 "
        "bufsz=0x10f0 memsz=0x10f0\n"
        "[    9.000002] kexec-bzImage64: Loaded 64bit kernel at 0x7a000000 bufsz=0x1000 "
        "memsz=0xd41000\n"
        "[    9.000003] kexec_file: kexec_file_load: type:0, start:0x7dffa160 head:0x2 flags:0x8\n"
    )
    asked = ("analyze", str(SAMPLE / "kernel.yaml"), "--dmesg", str(tmp_path / "dmesg"))
    loaded = call(*asked, "--format", "json").document
    assert loaded["boot"]["path"] == "kexec"
    first = call(*asked, "--path", "first-boot", "--format", "json").document
    assert (first["boot"]["path"], first["segments"]) == ("first-boot", [])


def test_what_a_crash_kernel_may_use_does_not_count_for_another(tmp_path: Path) -> None:
    ranges = tmp_path / "crash_cma_ranges"
    ranges.write_text("52000000-71ffffff\n")
    recorded = call(*ASKED, "--segments", LOG, "--crash-cma", str(ranges), "--format", "plain")
    assert "--crash-cma does not count: the load is recorded" in recorded.out
    asked = ("--mode", "load", "--loader", "kexec_file_load", "--initrd", "1M")
    predicted = call(*ASKED, *asked, "--crash-cma", str(ranges), "--format", "plain")
    assert "--crash-cma does not count: a kexec_file_load of mode load does not" in predicted.out


KDUMP = SAMPLES / "dead-kdump"
OF_KDUMP = (
    *("analyze", str(KDUMP / "kernel.yaml"), "--iomem", str(KDUMP / "iomem.txt")),
    *("--mode", "crash", "--initrd", "0", "--cmdline", "nokaslr"),
)
"""A machine whose iomem shows a Crash kernel at 0x6e000000, of 256 MiB."""


@pytest.mark.parametrize(
    ("start", "status"), [("0x6e000000", 1), ("0x6d000000", 2), ("0x10000000", 2)]
)
def test_another_reservation_than_that_of_iomem(start: str, status: int, tmp_path: Path) -> None:
    path = tmp_path / "host.yaml"
    path.write_text(f"schema: smecheck/host-v1\ncrash_kernel: {{start: {start}, size: 256M}}\n")
    found = call(*OF_KDUMP, "--host", str(path), "--format", "plain")
    assert found.status == status
    if status == 2:
        assert f"of {path} contradicts {KDUMP / 'iomem.txt'}:" in found.problem[0]
    # What kexec -l does is no question of the reservation, but the two are still not of one boot.
    of_load = [*OF_KDUMP, "--host", str(path), "--mode", "load"]
    assert (call(*of_load, "--format", "plain").status == 2) is (status == 2)


@pytest.mark.parametrize(("loader", "is_told"), [("kexec_load", True), ("kexec_file_load", False)])
def test_areas_that_kexec_load_does_not_hand_over(
    loader: str, is_told: bool, tmp_path: Path
) -> None:
    path = tmp_path / "crash_cma_ranges"
    path.write_text("52000000-5dffffff\n")
    found = call(*OF_KDUMP, "--loader", loader, "--crash-cma", str(path), "--format", "plain")
    assert ("--crash-cma does not count: a kexec_load of mode crash" in found.out) is is_told


@pytest.mark.parametrize(
    ("shown", "status"), [("52000000-5dffffff", 0), ("52000000-55ffffff", 2), ("", 2)]
)
def test_other_areas_than_those_of_the_log(shown: str, status: int, tmp_path: Path) -> None:
    (tmp_path / "dmesg").write_text(
        "[    0.0] Linux version 7.3.4 (a@b) (gcc) #1 SMP\n"
        "[    0.0] Command line: crashkernel=256M crashkernel=192M,cma\n"
        "[    0.0] cma: Reserved 192 MiB at 0x0000000052000000\n"
        "[    0.0] crashkernel CMA reserved: 192 MB in 1 ranges\n"
    )
    (tmp_path / "areas").write_text(f"{shown}\n")
    given = ("--dmesg", str(tmp_path / "dmesg"), "--crash-cma", str(tmp_path / "areas"))
    found = call(*OF_KDUMP, *given, "--loader", "kexec_file_load", "--format", "plain")
    assert found.status == 2 if status == 2 else found.status in (0, 1, 4)
    if status:
        assert "contradict those that the log shows" in found.problem[0]


@pytest.mark.parametrize("options", [("--loader", "kexec_load"), ("--loader", "kexec_file_load")])
def test_a_system_call_that_loads_no_first_boot(options: tuple[str, ...]) -> None:
    found = call(*ASKED, "--path", "first-boot", *options, "--format", "plain")
    said = f"{' '.join(options)} does not count: the question is a first boot, not a load"
    assert said in found.out
    assert "does not count" not in call(*ASKED, *options, "--mode", "load", "--format", "plain").out
