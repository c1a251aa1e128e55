"""What many questions about one machine share is worked out once."""

from __future__ import annotations

import time
from pathlib import Path

from commandline import SAMPLES, call

from smecheck.load.versions import parse_version
from smecheck.remembered import remembered

Calls = list[tuple[object, ...]]


def counted() -> tuple[Calls, object]:
    calls: Calls = []

    @remembered
    def ask(*args: object) -> object:
        calls.append(args)
        return [*args]

    return calls, ask


def test_the_same_object_is_the_same() -> None:
    calls, ask = counted()
    one, other = [1], [1]
    assert ask(one, "a") is ask(one, "a")  # type: ignore[operator]
    assert ask(other, "a") == [[1], "a"]  # type: ignore[operator]
    assert len(calls) == 2


def test_small_arguments_are_the_same_if_they_are_equal() -> None:
    calls, ask = counted()
    one = object()
    for text in ("2.0.25", "2.0.25", "2.0.26"):
        version = parse_version(text)
        ask(one, version)  # type: ignore[operator]
    ask(one, 1)  # type: ignore[operator]
    ask(one, True)  # type: ignore[operator]
    assert [args[1] for args in calls] == [(2, 0, 25), (2, 0, 26), 1, True]
    ask(([1], [2]))  # type: ignore[operator]
    ask(([1], [2]))  # type: ignore[operator]
    assert len(calls) == 6


def test_only_the_last_few_are_kept() -> None:
    calls, ask = counted()
    maps = [[number] for number in range(6)]
    for one in (*maps, maps[5], maps[2], maps[0]):
        ask(one)  # type: ignore[operator]
    assert [args[0] for args in calls] == [*maps, maps[0]]


def iomem(ranges: int) -> str:
    """Return a map whose memory is in many small ranges, below a large one."""
    lines = ["00001000-0009fbff : System RAM", "00100000-3fffffff : System RAM"]
    start = 0x40000000
    for _ in range(ranges):
        lines.append(f"{start:08x}-{start + 0x1FFFF:08x} : System RAM")
        lines.append(f"{start + 0x20000:08x}-{start + 0x3FFFF:08x} : Reserved")
        start += 0x40000
    lines.append(f"{start:08x}-{start + 0x3FFFFFFF:08x} : System RAM")
    return "\n".join(lines) + "\n"


def test_advice_does_not_take_longer_with_every_range(tmp_path: Path) -> None:
    """Some four hundred loads are tried: 10 s of CPU with 1,000 ranges, before."""
    sample = SAMPLES / "founding-failure"
    taken = {}
    for ranges in (125, 1000):
        (tmp_path / "iomem").write_text(iomem(ranges))
        begun = time.process_time()
        found = call(
            *("analyze", str(sample / "kernel.yaml"), "--iomem", str(tmp_path / "iomem")),
            *("--segments", str(sample / "kexec.log"), "--cmdline", "quiet", "--advise"),
            *("--format", "json"),
        )
        taken[ranges] = time.process_time() - begun
        assert found.document["advice"]
    assert taken[1000] < 4 * taken[125]
