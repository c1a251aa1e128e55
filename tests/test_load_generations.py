"""What changed in kexec-tools and in kexec_file_load: each change, just before it and with it."""

from __future__ import annotations

from pathlib import Path

import pytest
from recorded_loads import image_of

from smecheck.evidence import Known
from smecheck.load.candidates import candidates_of, ram_ranges
from smecheck.load.predict import default_loader, predict
from smecheck.load.request import LoadRequest, Prediction, Refusal
from smecheck.load.segments import Loader, Mode, Segment, SegmentRole
from smecheck.load.versions import (
    Change,
    KernelChange,
    ToolsChange,
    Version,
    parse_version,
    version_text,
)
from smecheck.machine.firmware import E820Type, FirmwareMap, FirmwareMapKind, FirmwareRange
from smecheck.machine.host import Host
from smecheck.read.machine.iomem import parse_iomem
from smecheck.record import replace
from smecheck.span import Span

HEADER = {
    "protocol": 0x20F,
    "xloadflags": 0x7F,
    "loadflags": 1,
    "setup_sects": 39,
    "cmdline_size": 2047,
    "initrd_addr_max": 0x7FFFFFFF,
    "file_size": 0x805000,
    "init_size": 0x2000000,
    "kernel_alignment": 0x200000,
    "pref_address": 0x1000000,
    "relocatable": 1,
}
IOMEM = """\
00000000-00000fff : Reserved
00001000-0009ffff : System RAM
00100000-3fffffff : System RAM
  20000000-20ffffff : Kernel code
  28000000-37ffffff : Crash kernel
40000000-4fffffff : Reserved
100000000-13fffffff : System RAM
  120000000-12fffffff : Crash kernel
"""
LOW_ONLY = "00000000-00000fff : Reserved\n00001000-0009ffff : System RAM\n" + (
    "00100000-02efffff : System RAM\n"
)


def before(change: Change) -> Version:
    """Return a version that has not what the change brought: that of the patch before, or 99."""
    major, minor, patch = change.since
    if patch:
        return major, minor, patch - 1
    return (major, minor - 1, 99) if minor else (major - 1, 99, 0)


def tools(version: Version, **changes: object) -> LoadRequest:
    host = Host(kexec_tools=Known(version_text(version), "t"), cpus=Known(2, "t"))
    made = LoadRequest(
        image_of(HEADER), Loader.KEXEC_LOAD, Mode.LOAD, parse_iomem(IOMEM, "iomem"), host=host
    )
    return replace(made, **changes)


def kernel(version: Version, **changes: object) -> LoadRequest:
    host = Host(kernel_release=Known(version_text(version), "t"), cpus=Known(2, "t"))
    return tools((2, 0, 32), loader=Loader.KEXEC_FILE_LOAD, host=host, **changes)


def one(prediction: Prediction, role: SegmentRole) -> Segment:
    (found,) = [segment for segment in prediction.segments if segment.role is role]
    return found


def roles(prediction: Prediction) -> set[SegmentRole]:
    return {segment.role for segment in prediction.segments}


def test_the_last_byte_of_a_range() -> None:
    change = ToolsChange.COUNTS_LAST_BYTE
    old = one(predict(tools(before(change))), SegmentRole.PURGATORY)
    new = one(predict(tools(change.since)), SegmentRole.PURGATORY)
    assert (old.span.end, new.span.end) == (0x13FFFF000, 0x140000000)


def test_which_of_two_reservations() -> None:
    change = ToolsChange.HIGH_CRASH_KERNEL
    equal = IOMEM.replace("28000000-37ffffff", "28000000-38ffffff")
    crash = {"mode": Mode.CRASH, "memory": parse_iomem(equal, "iomem")}
    old = one(predict(tools(before(change), **crash)), SegmentRole.KERNEL)
    new = one(predict(tools(change.since, **crash)), SegmentRole.KERNEL)
    assert old.span.start in Span(0x28000000, 0x39000000)
    assert new.span.start in Span(0x120000000, 0x130000000)


def test_the_vector_table() -> None:
    change = ToolsChange.WHOLE_VECTOR_TABLE
    ram = FirmwareRange(Span(0, 0x9FC00), E820Type.RAM, "t")
    firmware = FirmwareMap("memmap", FirmwareMapKind.SYSFS, (ram,))
    for version, start in ((before(change), 0x100), (change.since, 0x400)):
        assert ram_ranges(candidates_of(None, firmware, version)).spans == (Span(start, 0x9FC00),)


def test_the_seed() -> None:
    change = ToolsChange.RNG_SEED
    assert SegmentRole.RNG_SEED not in roles(predict(tools(before(change))))
    assert one(predict(tools(change.since)), SegmentRole.RNG_SEED).span == Span(0x100000, 0x101000)


def test_the_default_system_call() -> None:
    change = ToolsChange.FILE_LOAD_FIRST
    for version, loader in (
        (before(change), Loader.KEXEC_LOAD),
        (change.since, Loader.KEXEC_FILE_LOAD),
    ):
        assert default_loader(Host(kexec_tools=Known(version_text(version), "t"))) is loader


def test_an_elfcorehdr_that_may_grow() -> None:
    change = ToolsChange.HOTPLUG
    assert refused(hotplug(before(change), 0x38001)) == "unrecognized option '--hotplug'"
    # What the kernel says replaces what is needed, be it more or less.
    for told, size in ((0x38001, 0x39000), (1, 0x1000), (12345678, 0x12E000)):
        found = one(predict(hotplug(change.since, told)), SegmentRole.ELFCOREHDR)
        assert found.span.size == size


def hotplug(version: Version, told: int | None, *, release: str | None = None) -> LoadRequest:
    request = tools(version, mode=Mode.CRASH)
    host = replace(request.host, kexec_options=("--hotplug",))
    if told is not None:
        host = replace(host, crash_elfcorehdr_size=Known(told, "t"))
    if release is not None:
        host = replace(host, kernel_release=Known(release, "t"))
    return replace(request, host=host)


@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize(
    ("option", "change"),
    [("-d", KernelChange.DEBUG_FLAG), ("--no-cma", KernelChange.NO_CMA_FLAG)],
)
def test_a_flag_that_the_running_kernel_does_not_know(
    option: str, change: KernelChange, mode: Mode
) -> None:
    """As recorded with ``-d -s`` of 2.0.29 on 6.1 and of 2.0.32 on 5.10."""

    def asked(version: Version) -> LoadRequest:
        made = kernel(version, mode=mode)
        told = Known("2.0.33", "t")
        return replace(made, host=replace(made.host, kexec_options=(option,), kexec_tools=told))

    refusal = predict(asked(before(change))).refusal
    assert refusal is not None
    assert refusal.text.startswith(
        "syscall kexec_file_load not available. (the kernel says Invalid"
    )
    assert refusal.falls_back
    assert predict(asked(change.since)).placed


def test_messages_of_older_kexec_tools_are_their_own() -> None:
    change = ToolsChange.DEBUG_FLAG
    for version in (change.since, before(change)):
        made = kernel((6, 1, 0))
        told = Known(version_text(version), "t")
        host = replace(made.host, kexec_options=("-d",), kexec_tools=told)
        is_refused = predict(replace(made, host=host)).refusal is not None
        assert is_refused is change.is_in(version)


def refused(request: LoadRequest) -> str:
    refusal = predict(request).refusal
    assert refusal is not None
    return refusal.text


@pytest.mark.parametrize("loader", Loader)
@pytest.mark.parametrize("mode", Mode)
def test_hotplug_without_a_word_of_the_kernel_on_the_size(loader: Loader, mode: Mode) -> None:
    def asked(told: int | None, release: str | None = None) -> LoadRequest:
        given = hotplug(ToolsChange.HOTPLUG.since, told, release=release)
        return replace(given, loader=loader, mode=mode)

    for told, release in ((0, "6.12.0"), (0, None), (None, "6.5.0"), (None, None)):
        assert refused(asked(told, release)).startswith("Path /sys/kernel/crash_elfcorehdr_size")
    assert predict(asked(None, "6.6.0")).placed
    assert predict(asked(0x38001)).placed
    # Before it, kexec-tools asks whether there is a reservation at all.
    bare = parse_iomem(IOMEM.replace("Crash kernel", "x"), "iomem")
    crash = replace(asked(0), mode=Mode.CRASH, memory=bare)
    assert refused(crash) == "Memory for crashkernel is not reserved"


def test_what_counts_as_reserved() -> None:
    change = ToolsChange.RESERVED_IN_ANY_CASE
    memory = parse_iomem(IOMEM, "iomem")
    for version, count in ((before(change), 3), (change.since, 5)):
        assert len(candidates_of(memory, None, version).ranges) == count


def test_a_reservation_that_is_not_whole_kib() -> None:
    change = ToolsChange.SHRINKS_RESERVATIONS
    odd = parse_iomem(IOMEM.replace("28000000-37ffffff", "28000070-37ffffff"), "iomem")
    crash = {"mode": Mode.CRASH, "memory": odd}
    assert refused(tools(before(change), **crash)).startswith("Cannot load the kernel")
    assert predict(tools(change.since, **crash)).placed


def test_ram_that_a_driver_added_is_dumped() -> None:
    change = ToolsChange.HOTPLUGGED_RAM
    added = "".join(
        f"{start:x}-{start + 0xFFFFFF:x} : System RAM (kmem)\n"
        for start in range(0x1000000000, 0x1100000000, 0x1000000)
    )
    crash = {"mode": Mode.CRASH, "memory": parse_iomem(IOMEM + added, "iomem")}
    for version, content in ((before(change), 0x400), (change.since, 0x3C00)):
        found = one(predict(tools(version, **crash)), SegmentRole.ELFCOREHDR)
        assert found.buffer_size == content


def test_more_ranges_than_there_is_room_for() -> None:
    change = ToolsChange.MORE_CRASH_RANGES
    many = "".join(
        f"{start:x}-{start + 0xFFF:x} : System RAM\n"
        for start in range(0x1000000000, 0x1000000000 + 2100 * 0x2000, 0x2000)
    )
    crash = {"mode": Mode.CRASH, "memory": parse_iomem(IOMEM + many, "iomem")}
    assert "max limit" in refused(tools(before(change), **crash))
    assert predict(tools(change.since, **crash)).placed


@pytest.mark.parametrize("mode", Mode)
def test_an_initrd_without_content(mode: Mode) -> None:
    assert refused(tools((2, 0, 18), mode=mode, initrd_size=0)).startswith("Cannot read ")
    assert predict(tools((2, 0, 18), mode=mode, initrd_size=1)).placed
    by_kernel = kernel((6, 12, 0), mode=mode, initrd_size=0)
    assert "the initrd is empty" in refused(by_kernel)


def test_what_kexec_says_of_an_image_that_the_kernel_does_not_take() -> None:
    change = ToolsChange.FALLS_BACK
    for version, text in (
        (before(change), "kexec_file_load failed: Invalid argument"),
        (change.since, "syscall kexec_file_load not available."),
    ):
        request = kernel((6, 12, 0), initrd_size=0)
        host = replace(request.host, kexec_tools=Known(version_text(version), "t"))
        refusal = predict(replace(request, host=host)).refusal
        assert refusal is not None
        assert refusal.text.startswith(text)
        assert refusal.falls_back is change.is_in(version)


def test_kexec_file_load_knows_no_other_entry() -> None:
    request = kernel((6, 12, 0))
    for option in ("--entry-32bit", "--real-mode"):
        host = replace(request.host, kexec_options=(option,))
        assert "does not support 16bit or 32bit entry" in refused(replace(request, host=host))


def test_a_map_that_kexec_tools_brings_out_of_order() -> None:
    """The interrupt vectors stay RAM then, and nothing confines a crash kernel."""

    def ram(start: int, end: int) -> FirmwareRange:
        return FirmwareRange(Span(start, end), E820Type.RAM, "t")

    overlapping = FirmwareMap(
        "memmap",
        FirmwareMapKind.SYSFS,
        (
            ram(0, 0x9FC00),
            ram(0x100000, 0x30000001),
            ram(0x10000000, 0x40000000),
            FirmwareRange(Span(0x20000000, 0x20001000), E820Type.RESERVED, "t"),
            ram(0x140000000, 0x180000000),
        ),
    )
    candidates = candidates_of(None, overlapping, (2, 0, 32))
    assert not candidates.in_order
    assert ram_ranges(candidates).spans[0].start == 0
    found = predict(tools((2, 0, 32), mode=Mode.CRASH, firmware=overlapping))
    # The backup goes to the top of memory, which is not what the crash kernel may use.
    assert one(found, SegmentRole.BACKUP).span.end == 0x180000000
    assert found.refusal == Refusal("Cannot load the kernel")
    assert predict(tools((2, 0, 32), firmware=overlapping)).placed


def test_no_kernel_below_its_preferred_address() -> None:
    low = {"memory": parse_iomem(LOW_ONLY, "iomem"), "window": Span(0, 0x2F00000)}
    for change, ask in (
        (ToolsChange.ABOVE_PREF_ADDRESS, tools),
        (KernelChange.ABOVE_PREF_ADDRESS, kernel),
    ):
        found = predict(ask(before(change), **low))
        assert one(found, SegmentRole.KERNEL).span.start == 0xE00000
        refusal = predict(ask(change.since, **low)).refusal
        assert refusal is not None
        assert (refusal.size, refusal.role) == (0x2000000, "kernel")


def test_what_the_32_bit_loader_keeps() -> None:
    change = ToolsChange.ENTRY32_INIT_SIZE
    for version, size in ((before(change), 0x800000), (change.since, 0x2000000)):
        request = tools(version)
        host = replace(request.host, kexec_options=("--entry-32bit",))
        found = one(predict(replace(request, host=host)), SegmentRole.KERNEL)
        assert found.span.size == size


def test_the_backup_of_low_memory() -> None:
    change = KernelChange.NO_BACKUP
    old = predict(kernel(before(change), mode=Mode.CRASH))
    assert one(old, SegmentRole.BACKUP).span == Span(0x120000000, 0x12009F000)
    assert one(old, SegmentRole.ELFCOREHDR).span.start == 0x12009F000
    new = predict(kernel(change.since, mode=Mode.CRASH))
    assert SegmentRole.BACKUP not in roles(new)
    assert one(new, SegmentRole.ELFCOREHDR).span.start == 0x120000000


def test_the_seed_of_the_kernel() -> None:
    change = KernelChange.RNG_SEED
    old = one(predict(kernel(before(change))), SegmentRole.BOOT_PARAMS)
    new = one(predict(kernel(change.since)), SegmentRole.BOOT_PARAMS)
    assert (old.buffer_size, new.buffer_size) == (0x1090, 0x10C0)


def test_measurements_that_are_handed_over() -> None:
    change = KernelChange.IMA
    for version, known in ((before(change), True), (change.since, False)):
        request = kernel(version)
        host = replace(request.host, ima_kexec=Known(True, "t"))
        assert (predict(replace(request, host=host)).unknown is None) is known


def test_room_for_cpus_that_may_come() -> None:
    change = KernelChange.CRASH_HOTPLUG
    for version, size in ((before(change), 0x1000), (change.since, 0xE1000)):
        found = one(predict(kernel(version, mode=Mode.CRASH)), SegmentRole.ELFCOREHDR)
        assert found.span.size == size


def test_the_order_of_ranges_and_their_last_byte() -> None:
    assert KernelChange.FROM_HIGHEST_RANGE.since == KernelChange.COUNTS_LAST_BYTE.since
    change = KernelChange.FROM_HIGHEST_RANGE
    old, new = predict(kernel(before(change))), predict(kernel(change.since))
    assert one(old, SegmentRole.PURGATORY).span.end == 0x9F000
    assert one(old, SegmentRole.KERNEL).span.start == 0x3DE00000
    assert one(new, SegmentRole.PURGATORY).span.end == 0x140000000
    assert one(new, SegmentRole.KERNEL).span.start == 0x13DE00000


def test_each_range_from_the_highest_on_is_tried() -> None:
    small = "200000000-2000fffff : System RAM\n"
    memory = parse_iomem(IOMEM + small, "iomem")
    found = predict(kernel(KernelChange.FROM_HIGHEST_RANGE.since, memory=memory))
    assert one(found, SegmentRole.PURGATORY).span.end == 0x200100000
    assert one(found, SegmentRole.KERNEL).span.start == 0x13E000000


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (KernelChange.HANDOVER, "kho=on"),
        (KernelChange.CONTIGUOUS, "cma="),
        (KernelChange.KEEPS_MEMBLOCK, "CONFIG_ARCH_KEEP_MEMBLOCK"),
    ],
)
def test_what_cannot_be_seen_is_said(change: KernelChange, word: str) -> None:
    for version, said in ((before(change), False), (change.since, True)):
        texts = predict(kernel(version)).assumptions
        assert any(word in text for text in texts) is said


def test_keys_that_a_crash_kernel_may_be_given() -> None:
    change = KernelChange.DM_CRYPT_KEYS
    for version, said in ((before(change), False), (change.since, True)):
        texts = predict(kernel(version, mode=Mode.CRASH)).assumptions
        assert any("dm-crypt" in text for text in texts) is said


def test_areas_of_a_crash_kernel_are_left_out_of_the_vmcore() -> None:
    """An area inside System RAM cuts it in two: 73 headers instead of 72, on another page."""
    change = KernelChange.CRASH_CMA
    for version, size in ((before(change), 0x1000), (change.since, 0x2000)):
        made = kernel(version, mode=Mode.CRASH)
        host = replace(
            made.host,
            cpus=Known(66, "t"),
            crash_elfcorehdr_size=Known(1, "t"),
            crash_cma_ranges=Known((Span(0x10000000, 0x18000000),), "t"),
        )
        found = one(predict(replace(made, host=host)), SegmentRole.ELFCOREHDR)
        assert found.span.size == size


def test_the_kernels_own_purgatory() -> None:
    large, small = KernelChange.LARGE_PURGATORY, KernelChange.SMALL_PURGATORY
    sizes = {before(large): 0x5000, large.since: 0x6000, before(small): 0x6000, small.since: 0x5000}
    for version, size in sizes.items():
        assert one(predict(kernel(version)), SegmentRole.PURGATORY).span.size == size


def test_every_change_is_tried_here() -> None:
    text = Path(__file__).read_text()
    for changes in (ToolsChange, KernelChange):
        for change in changes:
            assert f"{changes.__name__}.{change.name}" in text


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("2.0.25", (2, 0, 25)),
        ("kexec-tools 2.0.29", (2, 0, 29)),
        ("1:2.0.25-3+deb12u3", (2, 0, 25)),
        ("6.1.0-56-cloud-amd64", (6, 1, 0)),
        ("6.9-rc1", (6, 9, 0)),
        ("v5.4.302", (5, 4, 302)),
        ("newest", None),
        ("", None),
        ("6", None),
    ],
)
def test_versions(text: str, version: Version | None) -> None:
    assert parse_version(text) == version
