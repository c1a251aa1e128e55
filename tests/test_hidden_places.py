"""What moves segments of kexec_file_load and shows in no memory map: a premise, or no answer."""

from __future__ import annotations

from pathlib import Path

import pytest
from commandline import call
from recorded import DATA, kernel

from smecheck.analysis import analyze
from smecheck.asked import BootRequest
from smecheck.case import Case
from smecheck.evidence import Known
from smecheck.kernel.image import KernelImage
from smecheck.load.cross_check import as_given
from smecheck.load.predict import predict
from smecheck.load.predicted_load import machine_with_log
from smecheck.load.request import LoadRequest, Prediction, WholeMachine
from smecheck.load.segments import Loader, Mode, Placing, SegmentRole
from smecheck.machine.host import Host
from smecheck.read.load.segments import read_segments
from smecheck.read.log.dmesg import read_dmesg
from smecheck.read.machine.iomem import parse_iomem
from smecheck.read.source import NamedStream
from smecheck.record import replace

NEW = kernel("7.3.4+deb13-cloud-amd64")
IOMEM = """\
00001000-0009fbff : System RAM
00100000-7ffdffff : System RAM
  6e000000-7dffffff : Crash kernel
"""
EVIDENCE = DATA / "evidence"
KERNEL = str(DATA / "kernels" / "7.3.4+deb13-cloud-amd64.yaml")

FACTS = {
    "ima_kexec": ((6, 0), {Mode.LOAD, Mode.CRASH}, Placing.BY_THE_RULES),
    "kho": ((6, 16), {Mode.LOAD}, Placing.IN_OWN_AREAS),
    "cma": ((6, 17), {Mode.LOAD}, Placing.UNALIGNED),
    "keep_memblock": ((6, 18), {Mode.LOAD}, Placing.BY_THE_RULES),
    "dm_crypt_keys": ((6, 16), {Mode.CRASH}, Placing.BY_THE_RULES),
}
"""The release from which on it may be, the modes that it moves, how it is placed then."""


def asked(
    mode: Mode, release: str | None = "7.3.4", cmdline: str = "", **facts: bool
) -> LoadRequest:
    host = Host(
        source="h",
        kernel_release=Known(release, "h") if release is not None else Host().kernel_release,
        cmdline=Known(cmdline, "h: cmdline") if cmdline else Host().cmdline,
    )
    known = {name: Known(value, f"h: {name}") for name, value in facts.items()}
    return LoadRequest(
        image=NEW,
        loader=Loader.KEXEC_FILE_LOAD,
        mode=mode,
        memory=parse_iomem(IOMEM, "iomem"),
        host=replace(host, **known),
        cmdline="quiet",
    )


def premises(prediction: Prediction, name: str) -> list[str]:
    return [text for text in prediction.assumptions if f"{name} of --host" in text]


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("name", FACTS)
def test_by_release_and_mode(name: str, mode: Mode) -> None:
    since, modes, placing = FACTS[name]
    before = (since[0] - 1, 19) if since[1] == 0 else (since[0], since[1] - 1)
    for release, is_in in ((before, False), (since, True)):
        text = f"{release[0]}.{release[1]}.0"
        matters = is_in and mode in modes
        used = predict(asked(mode, text, **{name: True}))
        assert (used.unknown is not None) is matters
        if used.unknown is not None:
            assert f"(h: {name})" in used.unknown
            assert used.placing is placing
        unused = predict(asked(mode, text, **{name: False}))
        assert unused.unknown is None
        assert not premises(unused, name)
        assert bool(premises(predict(asked(mode, text)), name)) is matters


@pytest.mark.parametrize("words", ["ro cma=1G", "ro kho=on"])
def test_the_command_line_of_the_running_kernel(words: str) -> None:
    prediction = predict(asked(Mode.LOAD, cmdline=words))
    assert prediction.unknown is not None
    assert f"(h: cmdline: {words.split()[1]})" in prediction.unknown
    assert predict(asked(Mode.CRASH, cmdline=words)).unknown is None
    tools = replace(asked(Mode.LOAD, cmdline=words), loader=Loader.KEXEC_LOAD)
    assert predict(tools).unknown is None


def test_a_description_comes_before_the_command_line() -> None:
    assert predict(asked(Mode.LOAD, cmdline="cma=1G kho=on", cma=False, kho=False)).unknown is None


def test_without_a_release_what_is_known_counts() -> None:
    assert predict(asked(Mode.LOAD, release=None, cma=True)).unknown is not None
    assert predict(asked(Mode.LOAD, release="6.12.0", cma=True)).unknown is None


def test_kexec_tools_may_be_told_to_leave_the_area_alone() -> None:
    request = asked(Mode.LOAD, cmdline="cma=1G")
    told = replace(request.host, kexec_options=("--no-cma",))
    assert predict(replace(request, host=told)).unknown is None


@pytest.mark.parametrize(
    ("config", "name", "unknown"),
    [
        ({"CONFIG_KEXEC_HANDOVER": "n"}, "kho", False),
        ({"CONFIG_CMA": "n"}, "cma", False),
        ({"CONFIG_DMA_CMA": "y", "CONFIG_CMA_SIZE_MBYTES": "64"}, "cma", True),
        ({"CONFIG_DMA_CMA": "y", "CONFIG_CMA_SIZE_MBYTES": "0"}, "cma", False),
        ({"CONFIG_ARCH_KEEP_MEMBLOCK": "y"}, "keep_memblock", True),
        ({"CONFIG_INTEL_TDX_HOST": "n"}, "keep_memblock", False),
    ],
)
def test_the_configuration_of_the_running_kernel(
    config: dict[str, str], name: str, unknown: bool
) -> None:
    image = replace(NEW, config=config)
    release = NEW.release
    assert isinstance(release, Known)
    request = asked(Mode.LOAD, release.value, "quiet")
    prediction = predict(replace(request, image=image))
    assert (prediction.unknown is not None) is unknown
    assert not premises(prediction, name)
    other = predict(replace(request, image=image, host=asked(Mode.LOAD, "7.3.5", "quiet").host))
    assert other.unknown is None
    assert premises(other, name)


def parameters(request: LoadRequest) -> tuple[int, int | None]:
    (found,) = (one for one in predict(request).segments if one.role is SegmentRole.BOOT_PARAMS)
    return found.span.size, found.buffer_size


def test_48_bytes_of_a_kernel_that_could_hand_over() -> None:
    """With a command line of 3861 bytes boot_params end 16 bytes before a page does."""
    fits = asked(Mode.LOAD, kexec_handover=True)
    without = replace(fits, host=replace(fits.host, kexec_handover=Known(False, "h")))
    assert parameters(fits)[1] == (parameters(without)[1] or 0) + 48
    for length, pages in ((3840, 2), (3888, 3)):
        longer = replace(fits, image=_long_cmdlines(), cmdline="x" * length)
        assert parameters(longer)[0] == pages * 4096
        unknown = replace(longer, host=asked(Mode.LOAD).host)
        assert bool(premises(predict(unknown), "kexec_handover")) is (pages == 3)
        assert parameters(unknown)[0] == 2 * 4096


def test_a_crash_kernel_of_a_kernel_that_hands_over() -> None:
    """It is predicted, with the bytes that such a kernel always keeps."""
    on, off = asked(Mode.CRASH, kho=True), asked(Mode.CRASH, kho=True, kexec_handover=False)
    assert (parameters(on)[1] or 0) == (parameters(off)[1] or 0) + 48


def _long_cmdlines() -> KernelImage:
    other = {**NEW.header.other, "cmdline_size": 1 << 16}
    return replace(NEW, header=replace(NEW.header, other=other))


def test_keys_that_a_recorded_load_shows() -> None:
    """A load with keys is not predicted, and what the kernel added is not what was given."""
    guest = DATA / "guests" / "k73cloud-2g-bios-nokaslr-exec-c"
    text = (guest / "panic-s.v32.load.txt").read_text()
    keyed = text.replace("=0x6e000000 console", "=0x6e000000 dmcryptkeys=0x7000000 console")
    assert keyed != text
    log = read_dmesg(str(guest / "dmesg.txt"))
    for shown, unknown in ((text, False), (keyed, True)):
        segments = read_segments(NamedStream.of("load", shown.encode()))
        question = Case(NEW, BootRequest(), segments, log=log, cross_check=True)
        check = analyze(question).cross_check
        assert check is not None
        assert ("dm-crypt" in (check.unknown or "")) is unknown
    words = "elfcorehdr=0x1000 dmcryptkeys=0x2000 ro"
    assert as_given(words, Loader.KEXEC_FILE_LOAD, Mode.CRASH) == "ro"


@pytest.mark.parametrize(
    ("line", "has_keys"),
    [
        ("Loaded dm crypt keys to kexec_buffer bufsz=0x24000 memsz=0x24000", True),
        ("kexec: Loaded dm crypt keys to kexec_buffer bufsz=0x24000 memsz=0x24000", True),
        ("No dm crypt key to load", False),
    ],
)
def test_keys_that_a_log_shows(line: str, has_keys: bool) -> None:
    lines = ("Linux version 7.3.4 (x) (y)", line, "RAMDISK: [mem 0x00001000-0x00001fff]")
    text = "".join(f"[    0.000000] {one}\n" for one in lines)
    log = read_dmesg(NamedStream.of("d", text.encode()))
    machine = machine_with_log(WholeMachine(), log)
    assert machine.host.dm_crypt_keys == Known(has_keys, f"d:2: {line}")


@pytest.mark.parametrize("words", ["quiet", "nokaslr mem_encrypt=on", "nokaslr mem_encrypt=off"])
def test_proven_safe_is_not_clear_where_nothing_keeps_to_the_proof(
    words: str, tmp_path: Path
) -> None:
    """The first of the wrong "clear": cma=128M in the log, and kernel 2 lost its initrd."""
    log = EVIDENCE / "captures" / "k73cloud-2g-bios-nokaslr-exec-s-cma.dmesg.txt"
    load = ("--loader", "kexec_file_load", "--mode", "load", "--initrd", "1031504")
    options = (KERNEL, "--dmesg", str(log), *load, "--cmdline", words)
    done = call("analyze", *options, "--format", "json")
    assert (done.status, done.document["verdict"]) == (4, "undecided")
    text = call("analyze", *options, "--format", "plain").out
    assert f"{log}:" in text
    assert "cma: Reserved" in text
    host = tmp_path / "host.yaml"
    host.write_text("schema: smecheck/host-v1\ncma: false\nkho: false\n")
    settled = call("analyze", *options, "--host", str(host), "--format", "json")
    safe = "not-applicable" if "=off" in words else "clear"
    assert (settled.status, settled.document["verdict"]) == (0, safe)
    for other in (("kexec_load", "load"), ("kexec_file_load", "crash")):
        answer = call("analyze", *options, "--loader", other[0], "--mode", other[1])
        assert answer.status == 0
