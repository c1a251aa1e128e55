"""Whether the kernel that is booted uses SME: every variant of its switch, and what tells it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recorded import kernel, segment_list

from smecheck.analysis import analyze
from smecheck.answer import Report, Verdict
from smecheck.asked import BootRequest, Path, Switch, asked_by_options
from smecheck.boot.boot import Boot, SmeState
from smecheck.case import Case
from smecheck.evidence import Known, Unknown
from smecheck.kernel.cmdline import word_position
from smecheck.kernel.identity import SWITCH_SYMBOLS
from smecheck.kernel.image import KernelImage
from smecheck.machine.kernel_log import Encryption, KernelLog, LoggedBoot, LogLine
from smecheck.record import replace
from smecheck.span import Span

OLD, NEW = kernel("5.0-old"), kernel("6.1.0-56-cloud-amd64")
ON, OFF = SWITCH_SYMBOLS
DEFAULT = "CONFIG_AMD_MEM_ENCRYPT_ACTIVE_BY_DEFAULT"
ACTIVE, INACTIVE, UNKNOWN = SmeState.ACTIVE, SmeState.INACTIVE, SmeState.UNKNOWN


def with_symbols(image: KernelImage, *names: str, release: str = "6.1.0") -> KernelImage:
    """Return the image with a whole symbol table that has these names."""
    symbols = {**image.symbols, **dict.fromkeys(names, 0xFFFFFFFF831A7000)}
    return replace(
        image, symbols=symbols, symbols_complete=True, release=Known(release, "the banner")
    )


OF_BUILD = with_symbols(OLD, ON, OFF, release="5.0.0")
ON_ONLY = with_symbols(NEW, ON)
IN_DECOMPRESSOR = with_symbols(NEW, release="6.12.117+deb12-cloud-amd64")


def built(image: KernelImage, default: str) -> KernelImage:
    return replace(image, config={"CONFIG_AMD_MEM_ENCRYPT": "y", DEFAULT: default})


def answer(image: KernelImage, cmdline: str | None, path: Path = Path.KEXEC) -> Report:
    return analyze(Case(image, asked_by_options(cmdline=cmdline, path=path)))


def state(image: KernelImage, cmdline: str | None, path: Path = Path.KEXEC) -> SmeState:
    return answer(image, cmdline, path).boot.sme


@pytest.mark.parametrize(
    ("image", "without", "on", "off", "other", "off_on", "on_off", "off_on_off"),
    [
        # The image does not tell which variant it has.
        (NEW, UNKNOWN, UNKNOWN, INACTIVE, UNKNOWN, UNKNOWN, INACTIVE, UNKNOWN),
        (built(NEW, "n"), INACTIVE, UNKNOWN, INACTIVE, INACTIVE, UNKNOWN, INACTIVE, UNKNOWN),
        (built(NEW, "y"), UNKNOWN, UNKNOWN, INACTIVE, UNKNOWN, UNKNOWN, INACTIVE, UNKNOWN),
        # The scheme rules out the decompressor of v6.9; the last value counts.
        (OLD, UNKNOWN, UNKNOWN, INACTIVE, UNKNOWN, UNKNOWN, INACTIVE, INACTIVE),
        (OF_BUILD, UNKNOWN, UNKNOWN, INACTIVE, UNKNOWN, UNKNOWN, INACTIVE, INACTIVE),
        (built(OF_BUILD, "n"), INACTIVE, UNKNOWN, INACTIVE, INACTIVE, UNKNOWN, INACTIVE, INACTIVE),
        # cbebd68f59f0 may be in it or not: no option then means off in spite of the build.
        (built(OF_BUILD, "y"), UNKNOWN, UNKNOWN, INACTIVE, UNKNOWN, UNKNOWN, INACTIVE, INACTIVE),
        (ON_ONLY, INACTIVE, UNKNOWN, INACTIVE, INACTIVE, UNKNOWN, INACTIVE, INACTIVE),
        # The decompressor believes the word whose first place comes later.
        (IN_DECOMPRESSOR, INACTIVE, UNKNOWN, INACTIVE, INACTIVE, UNKNOWN, INACTIVE, UNKNOWN),
    ],
)
def test_each_variant_of_the_switch(
    image: KernelImage,
    without: SmeState,
    on: SmeState,
    off: SmeState,
    other: SmeState,
    off_on: SmeState,
    on_off: SmeState,
    off_on_off: SmeState,
) -> None:
    on_, off_ = "mem_encrypt=on", "mem_encrypt=off"
    assert state(image, "quiet") is without
    assert state(image, f"quiet {on_}") is on
    assert state(image, f"{off_} quiet") is off
    assert state(image, "mem_encrypt=On") is other
    assert state(image, f"{off_} {on_}") is off_on
    assert state(image, f"{on_} {off_}") is on_off
    assert state(image, f"{off_} {on_} {off_}") is off_on_off
    assert state(image, None) is UNKNOWN


def test_the_version_alone_decides_nothing() -> None:
    for release in ("4.14.0", "5.10.0", "6.5.0", "6.12.117+deb12-amd64"):
        named = replace(NEW, release=Known(release, "the banner"))
        assert state(named, "quiet") is UNKNOWN
    # Nor do symbols that may have left out local data (kallsyms), or not be all.
    no_data = {name: at for name, at in NEW.symbols.items() if name != "sme_workarea"}
    assert state(replace(IN_DECOMPRESSOR, symbols=no_data), "quiet") is UNKNOWN
    assert state(replace(IN_DECOMPRESSOR, symbols_complete=False), "quiet") is UNKNOWN
    assert state(replace(ON_ONLY, symbols_complete=False), "quiet") is UNKNOWN
    # A table without the two names, and no v6.9: this program may just not have asked for them.
    assert state(with_symbols(NEW, release="6.1.0"), "quiet") is UNKNOWN


@pytest.mark.parametrize(
    ("release", "cmdline", "is_presumed"),
    [
        ("6.8.12", "quiet", False),
        ("6.9.0", "quiet", True),
        ("7.3.4+deb13-amd64", "quiet", True),
        ("7.3.4+deb13-amd64", "mem_encrypt=off", False),  # off is off
        ("7.3.4+deb13-amd64", "mem_encrypt=on", False),
        ("7.3.4+deb13-amd64", "mem_encrypt=on mem_encrypt=off", False),
    ],
)
def test_since_v6_9_the_release_says_what_the_default_is_and_that_is_a_premise(
    release: str, cmdline: str, is_presumed: bool
) -> None:
    found = answer(replace(NEW, release=Known(release, "the banner")), cmdline)
    presumed = found.boot.sme_answer.presumed_off
    assert (presumed is not None) is is_presumed
    premises = [text for text in found.assumptions if text.startswith("SME is assumed to be off")]
    assert bool(premises) is is_presumed
    if presumed is not None:
        assert found.boot.sme is UNKNOWN
        assert f"such as this {release}" in premises[0]
        assert "no mem_encrypt= on the command line" in premises[0]


def test_a_running_kernel_of_that_release_may_deny_what_the_release_says() -> None:
    named = replace(NEW, release=Known("7.3.4", "the banner"))
    log = of_log("SME")
    ran = replace(log.boot, release=Known("7.3.4", "dmesg.txt:1"), cmdline=Known("ro", "dmesg:2"))
    request = asked_by_options(cmdline="quiet", path=Path.KEXEC)
    found = analyze(Case(named, request, log=replace(log, boot=ran))).boot
    assert found.sme_answer.presumed_off is None


def test_a_first_boot_may_go_through_the_efi_stub() -> None:
    first = Path.FIRST_BOOT
    # The stub believes the last of them, the decompressor the later of the first ones.
    assert (
        state(IN_DECOMPRESSOR, "mem_encrypt=off mem_encrypt=on mem_encrypt=off", first) is UNKNOWN
    )
    assert state(IN_DECOMPRESSOR, "mem_encrypt=on,x", first) is UNKNOWN
    assert state(IN_DECOMPRESSOR, "mem_encrypt=on,x") is INACTIVE
    assert state(IN_DECOMPRESSOR, "mem_encrypt=on mem_encrypt=off", first) is INACTIVE
    assert state(IN_DECOMPRESSOR, "quiet", first) is INACTIVE
    # The stub, unlike all others, reads a command line that is built in.
    built_in = answer(IN_DECOMPRESSOR, "quiet", first).boot.sme_evidence
    assert any("CONFIG_CMDLINE" in text for text in built_in)
    assert not any("CONFIG_CMDLINE" in t for t in answer(ON_ONLY, "quiet", first).boot.sme_evidence)


def test_a_vmlinux_without_its_decompressor_never_turns_it_on_since_v6_9() -> None:
    spans = [Span.sized(load.paddr, load.memsz) for load in NEW.loads]
    whole = segment_list(kernel=spans[0])
    parts = replace(
        whole,
        segments=tuple(segment_list(kernel=span).segments[0] for span in sorted(spans)),
        cmdline=Known("mem_encrypt=on", "a test"),
    )
    for image, expected in ((IN_DECOMPRESSOR, INACTIVE), (ON_ONLY, UNKNOWN), (NEW, UNKNOWN)):
        boot = analyze(Case(image, BootRequest(), parts)).boot
        assert boot.sme is expected
    assert state(IN_DECOMPRESSOR, "mem_encrypt=on") is UNKNOWN


def test_a_header_that_asks_for_it_is_believed() -> None:
    other = {**NEW.header.other, "xloadflags": 0xFF}
    asked = replace(IN_DECOMPRESSOR, header=replace(NEW.header, other=other))
    assert state(asked, "mem_encrypt=off") is UNKNOWN


def of_log(*features: str) -> KernelLog:
    seen = Encryption(features, "Memory Encryption Features active: …", "dmesg.txt:9")
    return KernelLog("dmesg.txt", LoggedBoot(1, begins=True, is_up=True, encryption=seen))


def test_the_log_of_the_machine_says_whether_it_can() -> None:
    def with_log(image: KernelImage, cmdline: str | None, *features: str) -> Boot:
        request = asked_by_options(cmdline=cmdline)
        return analyze(Case(image, request, log=of_log(*features))).boot

    assert with_log(OLD, "mem_encrypt=on", "SME").sme is ACTIVE
    assert not any(
        "SME is assumed" in t for t in with_log(OLD, "mem_encrypt=on", "SME").assumptions
    )
    # The kernel that ran there is another one: what this one does is for its own switch to say.
    assert with_log(OLD, "quiet", "SME").sme is UNKNOWN
    # Since cbebd68f59f0 the default of the build counts for a value that is not known alone.
    assert with_log(built(OF_BUILD, "y"), "quiet", "SME").sme is UNKNOWN
    assert with_log(built(OF_BUILD, "y"), "mem_encrypt=On", "SME").sme is ACTIVE
    assert with_log(OLD, "mem_encrypt=off", "SME").sme is INACTIVE
    assert with_log(OLD, None, "SME").sme is UNKNOWN
    assert with_log(OLD, "mem_encrypt=on").sme is UNKNOWN
    three = "mem_encrypt=off mem_encrypt=on mem_encrypt=off"
    assert with_log(IN_DECOMPRESSOR, three, "SME").sme is ACTIVE
    assert with_log(NEW, three, "SME").sme is UNKNOWN


@pytest.mark.parametrize("features", [("SEV",), ("SEV", "SEV-ES"), ("SEV-SNP",), ("TDX",)])
@pytest.mark.parametrize("cmdline", [None, "mem_encrypt=on"])
def test_a_guest_with_encrypted_memory_has_no_workarea(
    features: tuple[str, ...], cmdline: str | None
) -> None:
    found = analyze(Case(OLD, asked_by_options(cmdline=cmdline), log=of_log(*features)))
    assert found.boot.sme is INACTIVE
    assert found.verdict is Verdict.NOT_APPLICABLE
    assert features[0] in found.headline
    stated = asked_by_options(cmdline=cmdline, sme=Switch.ON)
    assert analyze(Case(OLD, stated, log=of_log(*features))).boot.sme is ACTIVE


@pytest.mark.parametrize(
    ("name", "generations", "expected"),
    [
        ("KVM", "5.0.0", INACTIVE),
        ("Microsoft Hyper-V", "5.0.0", INACTIVE),
        ("Xen PV", "5.0.0", UNKNOWN),
        ("VMware", "5.0.0", UNKNOWN),
        ("KVM", "4.14.100", UNKNOWN),
    ],
)
def test_no_kernel_since_v4_15_turns_it_on_under_a_hypervisor(
    name: str, generations: str, expected: SmeState
) -> None:
    boot = LoggedBoot(1, begins=True, is_up=True, hypervisor=LogLine(name, "dmesg.txt:3"))
    image = replace(OLD, release=Known(generations, "the banner"))
    request = asked_by_options(cmdline="mem_encrypt=on")
    found = analyze(Case(image, request, log=KernelLog("dmesg.txt", boot)))
    assert found.boot.sme is expected
    assert (name in found.headline) is (expected is INACTIVE)


def test_a_kernel_without_the_code_is_inactive_whatever_is_said() -> None:
    bare = replace(OLD, symbols={"_text": 0, "_end": 0}, symbols_complete=True)
    for stated in Switch:
        boot = analyze(Case(bare, asked_by_options(sme=stated, cmdline="mem_encrypt=on"))).boot
        assert boot.sme is INACTIVE
        assert "no SME code" in boot.sme_evidence[0]
        assert not any("SME is assumed" in text for text in boot.assumptions)


def test_inactive_is_not_applicable_and_not_clear() -> None:
    segments = segment_list(
        kernel=Span.sized(0x10000000, 0xD41000), boot_params=Span.sized(0x10E00000, 0x1000)
    )
    question = Case(built(OLD, "n"), asked_by_options(cmdline="nokaslr"), segments)
    found = analyze(question)
    assert found.verdict is Verdict.NOT_APPLICABLE
    assert not found.findings
    assert "off is the default" in found.headline
    assert f"{DEFAULT}=n" in found.headline
    on = replace(question, asked=asked_by_options(cmdline="nokaslr mem_encrypt=on"))
    assert analyze(on).verdict is Verdict.COLLISION
    unknown = replace(question, image=OLD)
    assert analyze(unknown).verdict is Verdict.COLLISION
    assert any("SME is assumed to be active" in text for text in analyze(unknown).assumptions)


def test_evidence_names_what_decides_and_the_variants() -> None:
    decides, variants = answer(ON_ONLY, "quiet").boot.sme_evidence
    assert "mem_encrypt=on only" in decides
    assert ON in variants
    assert OFF in variants
    assert "29956748339a" in variants
    decides, variants, why = answer(NEW, "quiet").boot.sme_evidence
    assert "depends on the build" in decides
    assert "nothing in the image shows how" in variants
    assert f"{DEFAULT} is not known" in why


def test_untrusted_values_are_shown_as_data() -> None:
    (text, _, _) = answer(OLD, "mem_encrypt=\x9b31mred").boot.sme_evidence
    assert "\x9b" not in text
    assert "?31mred" in text


@given(st.lists(st.sampled_from(["a", "ab", "b", "a=", "", "\t", "\x01"]), max_size=8))
def test_word_position_is_where_the_kernel_finds_it(words: list[str]) -> None:
    cmdline = " ".join(words)
    expected = 0
    for match in re.finditer(r"[^\x00-\x20]+", cmdline):
        if match[0] == "a" and not expected:
            expected = match.start() + 1
    assert word_position(cmdline, "a") == expected


def test_unknown_is_the_answer_without_a_command_line() -> None:
    found = answer(OLD, None).boot
    assert isinstance(found.cmdline, Unknown)
    assert found.sme_evidence == ("the command line of the kernel is not known",)
