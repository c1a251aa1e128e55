"""The command line as the decompressor reads it, and which variant of the search a kernel has."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kaslr_cases import image

from smecheck.boot.kaslr.early_options import EarlyOptions, early_options, kernel_text
from smecheck.boot.kaslr.slots import GiganticRule, KaslrRules, LimitRule
from smecheck.boot.kaslr.variants import Variants, kaslr_variants
from smecheck.evidence import Known, Unknown
from smecheck.kernel.cmdline import next_argument
from smecheck.kernel.cmdline_numbers import memparse
from smecheck.kernel.identity import identify
from smecheck.kernel.image import Section
from smecheck.record import replace
from smecheck.span import Span

MIB, GIB = 1 << 20, 1 << 30
NO_LIMIT = (1 << 64) - 1


def variants(release: str | None, **config: str) -> Variants:
    kernel = replace(
        image("v612"),
        release=Unknown("a test") if release is None else Known(release, "test"),
        config={f"CONFIG_{name}": value for name, value in config.items()},
    )
    return kaslr_variants(kernel, identify(kernel))


def first(release: str) -> KaslrRules:
    return variants(release, EFI_SOFT_RESERVE="y", UNACCEPTED_MEMORY="y").rules[0]


OLD, NEW = first("5.0.0"), first("6.12.0")


def read(cmdline: str, rules: KaslrRules) -> EarlyOptions:
    return early_options(kernel_text(cmdline, rules), rules, False)


@pytest.mark.parametrize(
    ("text", "name", "value", "rest"),
    [
        ("a=b c", "a", "b", "c"),
        ("a  b", "a", None, "b"),
        ('"a=b c" d', "a", "b c", "d"),
        ('a="b c" d', "a", "b c", "d"),
        ('a="b', "a", "b", ""),
        ('mem="', "mem", "", ""),
        ('"mem="', "mem", "", ""),
        ("=a=b", "=a", "b", ""),
        ('"', "", None, ""),
        ("a=b=c", "a", "b=c", ""),
    ],
)
def test_arguments(text: str, name: str, value: str | None, rest: str) -> None:
    assert next_argument(text) == (name, value, rest)


@pytest.mark.parametrize(
    ("text", "value", "rest"),
    [
        ("4G", 4 * GIB, ""),
        ("0x10m$", 16 * MIB, "$"),
        ("010", 8, ""),
        ("08", 0, "8"),
        ("0x", 0, "x"),
        ("0xg", 0, "xg"),
        ("12345678901234567890123", 12345678901234567890123 % 2**64, ""),
        ("16E", 0, ""),
        ("", 0, ""),
        ("G", 0, ""),
    ],
)
def test_numbers(text: str, value: int, rest: str) -> None:
    assert memparse(text) == (value, rest)


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    for rules in (OLD, NEW):
        assert read(text, rules).limit > 0


def test_the_last_limit_or_the_lowest() -> None:
    assert read("mem=3G mem=6G", OLD).limit == 6 * GIB
    assert read("mem=3G mem=6G", NEW).limit == 3 * GIB
    assert read("", OLD).limit == NO_LIMIT
    assert read("", NEW).limit == 1 << 46
    assert early_options("", NEW, True).limit == 1 << 52
    assert read("memmap=2G", OLD).limit == 2 * GIB
    assert read("memmap=2G$0", NEW).limit == 2 * GIB
    assert read("memmap=2G@1M", OLD).limit == NO_LIMIT


@pytest.mark.parametrize("stop", ["mem=0", "mem=x", "mem", "--"])
def test_what_stops_the_reading(stop: str) -> None:
    assert read(f"{stop} mem=3G", OLD).limit == NO_LIMIT
    assert read(f"mem=nopentium {stop}=x mem=3G", OLD).limit in (3 * GIB, NO_LIMIT)


def test_nopentium_does_not_stop_it() -> None:
    assert read("mem=nopentium mem=3G", OLD).limit == 3 * GIB


def test_a_fifth_range_of_a_list_gives_up_a_fifth_list_does_not() -> None:
    ranges = [f"1M${number}G" for number in range(1, 6)]
    separate = read(" ".join(f"memmap={text}" for text in ranges), NEW)
    assert not separate.gives_up
    assert separate.excluded == tuple(Span.sized(n * GIB, MIB) for n in range(1, 5))
    assert read("memmap=" + ",".join(ranges), NEW).gives_up
    assert read("memmap=" + ",".join(ranges[:4]) + ",", NEW).gives_up
    assert not read("memmap=" + ",".join(ranges[:4]), NEW).gives_up
    assert not read("memmap=exactmap,1M$1G", NEW).excluded


def test_only_2047_bytes_count_since_v5_10() -> None:
    cmdline = "x" * 2042 + " mem=3G"
    assert read(cmdline, OLD).limit == 3 * GIB
    assert read(cmdline, NEW).limit == 1 << 46
    assert len(kernel_text("é" * 2000, NEW)) == 2047, "bytes, not characters"
    assert kernel_text("a\0b", OLD) == "a"


def test_gigantic_pages_need_their_size_first() -> None:
    assert read("hugepagesz=1G hugepages=3", OLD).gigantic_pages == 3
    assert read("hugepages=3 hugepagesz=1G", OLD).gigantic_pages == 0
    assert read("hugepagesz=1G hugepages=3 hugepagesz=2M hugepages=9", NEW).gigantic_pages == 3
    assert read("hugepagesz=1G hugepages=3", first("4.17.0")).gigantic_pages == 0


def test_fake_efi_memory() -> None:
    option = "efi_fake_mem=1G@4G:0x40000"
    assert read(option, first("6.1.0")).excluded == (Span.sized(4 * GIB, GIB),)
    assert read(option, NEW).excluded == ()
    assert read("efi_fake_mem=1G@4G:0x10000", first("6.1.0")).excluded == ()


@pytest.mark.parametrize(
    ("release", "differing"),
    [
        ("4.14.0", {"gigantic": GiganticRule.NOT_KNOWN_TO_IT, "limit": LimitRule.LAST}),
        ("4.19.0", {"gigantic": GiganticRule.KEEPS_LAST, "filters_srat": False}),
        ("5.1.0", {"filters_srat": True, "rounds_size": False}),
        ("5.4.0", {"rounds_size": True, "avoids_indirect": False}),
        ("5.9.0", {"avoids_indirect": True, "keeps_exact_gap": False, "reads_fake_mem": True}),
        ("5.10.0", {"keeps_exact_gap": True, "gigantic": GiganticRule.SKIPS_ALL}),
        ("6.1.0-56-amd64", {"takes_unaccepted": False, "reads_fake_mem": True}),
        ("6.12.0", {"takes_unaccepted": True, "reads_fake_mem": False}),
    ],
)
def test_variants_by_release(release: str, differing: dict[str, object]) -> None:
    rules = first(release)
    assert {name: getattr(rules, name) for name in differing} == differing


def test_what_the_release_does_not_tell_is_computed_both_ways() -> None:
    updated = variants("4.19.0-5-amd64", EFI_SOFT_RESERVE="n", MEMORY_HOTREMOVE="n")
    assert {rules.rounds_size for rules in updated.rules} == {True, False}
    assert len(variants("5.0.0", EFI_SOFT_RESERVE="n", MEMORY_HOTREMOVE="n").rules) == 1


def test_what_the_configuration_does_not_tell_is_computed_both_ways() -> None:
    silent = variants("6.12.0")
    for point in ("skips_soft_reserved", "takes_unaccepted", "filters_srat"):
        assert {getattr(rules, point) for rules in silent.rules} == {True, False}
    # 2 * MAX_NUMNODES, of the default and of MAXSMP.
    assert {rules.srat_capacity for rules in silent.rules} == {0, 128, 2048}
    told = variants("6.12.0", MEMORY_HOTREMOVE="y", ACPI="y", NODES_SHIFT="5")
    assert {rules.srat_capacity for rules in told.rules} == {64}


@pytest.mark.parametrize(
    ("release", "has_section", "origin", "limits"),
    [
        ("4.18.0", True, "the release 4.18.0: a distribution's", set(LimitRule)),
        ("4.18.0", False, "the release 4.18.0", {LimitRule.LAST}),
        ("5.3.0", True, "the release 5.3.0", {LimitRule.LAST}),
        ("6.12.0", True, "the release 6.12.0", {LimitRule.LOWEST}),
        (None, True, "the scheme: since v5.3", set(LimitRule)),
        (None, False, "the scheme: v4.14 to v5.2", {LimitRule.LAST}),
    ],
)
def test_the_section_tells_of_which_releases_it_may_be(
    release: str | None, has_section: bool, origin: str, limits: set[LimitRule]
) -> None:
    scratch = Section(".init.scratch", 0xFFFFFFFF82000000, 2 * MIB, "NOBITS")
    kernel = replace(
        image("v612"),
        release=Unknown("a test") if release is None else Known(release, "test"),
        sections=(scratch,) if has_section else (),
        sections_complete=True,
        sme_text=Known(True, "a test"),
    )
    found = kaslr_variants(kernel, identify(kernel))
    assert found.origin == origin
    assert {rules.limit for rules in found.rules} == limits


def test_a_kernel_that_carries_features_back_may_have_any_later_variant() -> None:
    red_hat = variants("4.18.0-305.el8.x86_64")
    assert {rules.limit for rules in red_hat.rules} == set(LimitRule)
    assert len(variants(None).rules) > len(variants("5.0.0").rules)
