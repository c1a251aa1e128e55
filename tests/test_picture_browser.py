"""Pages in a real browser: loaded from a file, zoomed, pointed at, walked by keyboard, printed.

They need a Chromium on the path (Debian: apt install chromium; SMECHECK_CHROMIUM names another) and
its Python client (pip install -e '.[browser]'); without them they are skipped, and say so.
"""

from __future__ import annotations

import json
import os
import shutil
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from commandline import SAMPLES, run, sample
from report_samples import collision, retold
from test_picture import HOSTILE, LARGEST, OPTIONS

from smecheck.report.options import Picture
from smecheck.report.render import draw

api = pytest.importorskip(
    "playwright.sync_api", reason="no browser test was run: pip install -e '.[browser]'"
)
CHROMIUM = os.environ.get("SMECHECK_CHROMIUM") or next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no browser test was run: no chromium on the path"
)
SECOND = 1.0
"""Of a browser's own time for a page, on a slow machine."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with api.sync_playwright() as driver:
        started = driver.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox"],  # CI is root; the pages are our own
        )
        yield started
        started.close()


@pytest.fixture
def opened(browser: Any) -> Iterator[Callable[..., Any]]:
    """Return what opens a file; whatever the page then complains of fails the test."""
    complaints: list[str] = []
    contexts = []

    def open_page(path: Path, **options: Any) -> Any:
        context = browser.new_context(viewport={"width": 1280, "height": 900}, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
        page.on("dialog", lambda dialog: complaints.append(f"dialog: {dialog.message}"))
        page.on("request", lambda asked: complaints.append(f"request: {asked.url}"))
        page.goto(path.as_uri())
        complaints.remove(f"request: {path.as_uri()}")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pages")
    for name in ("founding-failure", "kaslr-gamble"):
        saved = ("--save-html", f"{name}.html", "--save-svg", f"{name}.svg")
        assert run(*sample(name), *saved, "-q", cwd=folder).status == 1
    return folder


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A machine of 16 TiB in 2,048 ranges, that the founding failure is loaded on."""
    folder = tmp_path_factory.mktemp("large")
    step = (16 << 40) // 2048
    lines = []
    for start in range(0, 16 << 40, step):
        lines.append(f"{start:x}-{start + step - 0x2001:x} : System RAM")
        lines.append(f"{start + step - 0x2000:x}-{start + step - 1:x} : Reserved")
    (folder / "iomem.txt").write_text("\n".join(lines) + "\n")
    load = SAMPLES / "kaslr-gamble"
    found = run(
        *("analyze", str(load / "kernel.yaml"), "--segments", str(load / "kexec.log")),
        *("--iomem", "iomem.txt", "--save-html", "large.html", "-q"),
        cwd=folder,
    )
    assert found.status == 1
    return folder / "large.html"


def ticks(page: Any) -> list[str]:
    return page.locator("#lens .tick").all_text_contents()


def shown(page: Any) -> str:
    return page.locator("#shown").inner_text()


def test_a_founding_failure_is_zoomed_and_moved(opened: Callable[..., Any], pages: Path) -> None:
    page = opened(pages / "founding-failure.html")
    first = ticks(page)
    assert first[0] == "0x6fc00000"
    page.get_by_role("button", name="Zoom in").click()
    closer = ticks(page)
    assert (closer[0], closer[-1]) == ("0x6fe80000", "0x70380000")
    page.get_by_role("button", name="Higher").click()
    assert ticks(page)[0] == "0x6ffc0000"
    page.get_by_role("button", name="All of it").click()
    assert (ticks(page)[0], ticks(page)[-1]) == ("0x0", "0x80000000")
    page.get_by_role("button", name="Workarea").click()
    assert ticks(page) == first
    page.locator("#lens").focus()
    for key in ("+", "ArrowRight", "ArrowLeft", "-"):
        page.keyboard.press(key)
    assert ticks(page) == first
    page.keyboard.press("+")
    page.keyboard.press("0")
    assert ticks(page) == first


def test_a_pointer_zooms_and_drags(opened: Callable[..., Any], pages: Path) -> None:
    page = opened(pages / "founding-failure.html")
    first = ticks(page)
    box = page.locator("#lens").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 20)
    page.mouse.wheel(0, 100)
    assert ticks(page) == first  # that scrolls the page
    page.evaluate("scrollTo(0, 0)")
    page.keyboard.down("Shift")
    page.mouse.wheel(0, -100)
    page.keyboard.up("Shift")
    page.wait_for_function(f"document.querySelector('#lens .tick').textContent !== '{first[0]}'")
    closer = ticks(page)
    assert int(closer[-1], 16) - int(closer[0], 16) < int(first[-1], 16) - int(first[0], 16)
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 4, box["y"] + 20, steps=3)
    page.mouse.up()
    assert int(ticks(page)[0], 16) > int(closer[0], 16)
    overview = page.locator("#overview").bounding_box()
    page.mouse.click(overview["x"] + overview["width"] / 3, overview["y"] + overview["height"] / 2)
    assert int(ticks(page)[0], 16) < 0x40000000


def test_pointing_says_what_is_there(opened: Callable[..., Any], pages: Path) -> None:
    page = opened(pages / "founding-failure.html")
    page.locator("#lens .written").hover()
    said = shown(page)
    for part in (
        "workarea, surely written",
        "[0x70000000, 0x70209000)",
        "known from",
        "owner: nobody",
    ):
        assert part in said
    page.locator("#lens .kernel").hover()
    assert "kernel segment" in shown(page)
    assert "kexec.log:" in shown(page)
    page.locator("#lens .unpack-copy").hover()
    assert "decompressor copies itself" in shown(page)


def test_the_keyboard_goes_from_mark_to_mark(opened: Callable[..., Any], pages: Path) -> None:
    page = opened(pages / "founding-failure.html")
    page.locator("#lens").focus()
    names = set()
    drawn = page.locator("#lens .mark").count()
    for _ in range(drawn):
        page.keyboard.press("ArrowDown")
        names.add(shown(page).split("\n")[0])
        label = page.evaluate("document.activeElement.getAttribute('aria-label')")
        assert label.startswith(shown(page).split("\n")[0])
    assert {"System RAM", "kernel segment", "boot_params", "purgatory", "SME001"} <= names
    page.keyboard.press("ArrowUp")
    page.keyboard.press("+")  # a mark that leaves the view leaves the focus with the lens
    inside = "document.getElementById('lens').contains(document.activeElement)"
    assert page.evaluate(inside)
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.id") == "lens"
    page.keyboard.press("Tab")
    assert not page.evaluate(inside)


def test_a_finding_leads_to_its_place(opened: Callable[..., Any], pages: Path) -> None:
    page = opened(pages / "founding-failure.html")
    page.get_by_role("link", name="all of boot_params").click()
    assert shown(page).startswith("SME001\n[0x70151000, 0x70155000)")
    low, *_, high = (int(tick, 16) for tick in ticks(page))
    assert (low, high) == (0x70141000, 0x70165000)


def test_755_places_are_a_strip_that_says_which_collide(
    opened: Callable[..., Any], pages: Path
) -> None:
    page = opened(pages / "kaslr-gamble.html", color_scheme="dark")
    colliding = page.locator("#strip .colliding")
    assert colliding.count() == 2
    colliding.last.hover()
    assert "[0x7e400000, 0x7e600000)" in shown(page)
    assert "SME001 collides with initrd" in shown(page)
    page.locator("#strip .places").hover(position={"x": 40, "y": 5})
    assert "755 possible positions of _text" in shown(page)


def test_16_tib_in_2048_ranges_are_usable_within_a_second(browser: Any, large: Path) -> None:
    assert large.stat().st_size < LARGEST
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def spent() -> float:
        metrics = session.send("Performance.getMetrics")["metrics"]
        return next(one["value"] for one in metrics if one["name"] == "ThreadTime")

    before = spent()
    page.goto(large.as_uri())
    page.get_by_role("button", name="All of it").click()
    assert ticks(page)[-1] == "0x100000000000"
    page.locator("#lens").focus()
    page.keyboard.press("+")
    page.locator("#lens .ram").first.hover()
    assert "System RAM" in shown(page)
    assert 0.01 < spent() - before < SECOND
    page.close()


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_names_stay_text(text: str, opened: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(draw(retold(collision(), text), Picture.HTML, OPTIONS))
    page = opened(tmp_path / "page.html")
    assert page.locator("script").count() == 2
    assert page.locator("img").count() == 0
    page.locator("#lens").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    readable = text.replace("\x1b", "\\x1b").replace("\uffff", "\\uffff")
    assert readable in page.locator("#shown").text_content()
    assert page.locator("#shown > *").count() == 1
    svg = draw(retold(collision(), text), Picture.SVG, OPTIONS)
    (tmp_path / "drawing.svg").write_text(svg)
    assert opened(tmp_path / "drawing.svg").locator("rect").count() > 10


def test_the_page_forbids_what_it_does_not_hold(browser: Any, pages: Path, tmp_path: Path) -> None:
    """Were a name ever markup, its script would not run: the policy is in force."""
    whole = (pages / "founding-failure.html").read_text(encoding="utf-8")
    hit = whole.replace(
        "</main>", "<script>window.hit = 1</script><b onclick='hit = 1'>x</b></main>"
    )
    (tmp_path / "page.html").write_text(hit, encoding="utf-8")
    page = browser.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.goto((tmp_path / "page.html").as_uri())
    page.locator("b").click()
    assert page.evaluate("window.hit") is None
    assert any("Content Security Policy" in text for text in complaints)
    page.close()


def test_without_scripts_the_picture_is_there(opened: Callable[..., Any], pages: Path) -> None:
    page = opened(pages / "kaslr-gamble.html", java_script_enabled=False)
    assert page.locator("#lens .written").is_visible()
    assert page.locator("#strip .colliding").count() == 2
    assert not page.locator(".controls").is_visible()
    assert not page.locator("#shown").is_visible()
    page.get_by_role("link", name="all of initrd").first.click()
    assert page.url.endswith("#found-0")
    assert page.locator("#found-0").is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_follows_light_and_dark_and_prints_light(
    scheme: str, opened: Callable[..., Any], pages: Path
) -> None:
    page = opened(pages / "founding-failure.html", color_scheme=scheme)
    ground = "getComputedStyle(document.body).backgroundColor"
    white = "rgb(255, 255, 255)"
    assert (page.evaluate(ground) == white) is (scheme == "light")
    pdf = page.pdf()
    assert pdf.startswith(b"%PDF")
    assert 1 <= pdf.count(b"/Type /Page\n") <= 6
    page.emulate_media(media="print")
    assert page.evaluate(ground) == white
    assert not page.locator(".controls").is_visible()
    assert page.locator("#lens .written").is_visible()


def test_a_printed_page_holds_the_table(opened: Callable[..., Any], pages: Path) -> None:
    page = opened(pages / "founding-failure.html")
    folded = _glyphs(page.pdf())
    page.evaluate("document.querySelector('details').open = true")
    assert abs(_glyphs(page.pdf()) - folded) < 50
    assert folded > 3000


def _glyphs(pdf: bytes) -> int:
    """Count what is drawn of text, in a PDF whose streams are deflated."""
    total = 0
    for piece in pdf.split(b"stream\n")[1:]:
        try:
            total += zlib.decompress(piece.split(b"\nendstream")[0]).count(b"Tj")
        except zlib.error:
            continue
    return total


AXE = next(
    (path for folder in os.get_exec_path() if (path := Path(folder) / "axe.min.js").is_file()),
    None,
)


@pytest.mark.skipif(AXE is None, reason="axe was not asked: .ci/tools FOLDER fetches axe.min.js")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_violation(scheme: str, browser: Any, pages: Path) -> None:
    for name in ("founding-failure", "kaslr-gamble"):
        context = browser.new_context(bypass_csp=True, color_scheme=scheme)
        page = context.new_page()
        page.goto((pages / f"{name}.html").as_uri())
        page.add_script_tag(path=AXE)
        found = page.evaluate("axe.run()")
        assert len(found["passes"]) > 20
        assert [violation["id"] for violation in found["violations"]] == []
        context.close()


HOSTILE_MACHINE = "<img src=x onerror=alert(1)> </script> & 'm'"


def test_a_gate_and_a_comparison_are_pages(opened: Callable[..., Any], tmp_path: Path) -> None:
    load = SAMPLES / "founding-failure"
    machine = {
        "name": HOSTILE_MACHINE,
        "iomem": str(load / "iomem.txt"),
        "segments": str(load / "kexec.log"),
        "cmdline": "nokaslr mem_encrypt=on",
    }
    policy = {"schema": "smecheck/policy-v1", "machines": [machine]}
    (tmp_path / "policy.yaml").write_text(json.dumps(policy))
    old, new = str(load / "kernel.yaml"), str(SAMPLES / "debian-6.1-kexec" / "kernel.yaml")
    for name, command in {
        "gate": ("gate", old, "--policy", "policy.yaml"),
        "gates": ("gate", old, new, "--policy", "policy.yaml"),
        "compare": ("compare", new, old),
    }.items():
        assert run(*command, "-q", "--save-html", f"{name}.html", cwd=tmp_path).status == 1
    page = opened(tmp_path / "gate.html")
    row = page.locator("table.matrix tr", has=page.get_by_role("rowheader", name=HOSTILE_MACHINE))
    assert "✕ failed" in row.inner_text()
    assert page.locator("h1").inner_text().startswith("FAIL SME007 on kernel")
    assert f"error SME001 on {HOSTILE_MACHINE}" in page.locator("main").inner_text()
    page.locator("#lens .kept").last.hover()
    assert "reserved for the kernel by kaslr" in shown(page)
    page = opened(tmp_path / "gates.html")
    assert page.locator("section").count() == 2
    page.get_by_role("link", name="debian-6.1-kexec").click()
    assert page.locator("#kernel-1 h2").first.is_visible()
    page = opened(tmp_path / "compare.html")
    assert page.locator("h1").inner_text().startswith("WORSE")
    labels = page.locator("#lens .label").all_text_contents()
    assert labels[:6] == [
        *("old kernel", "old workarea", "old init_size"),
        *("new kernel", "new workarea", "new init_size"),
    ]
    page.locator("#lens").focus()
    page.keyboard.press("ArrowDown")
    assert "kernel, _text to _end" in shown(page)


@pytest.mark.parametrize("name", ["founding-failure", "kaslr-gamble"])
def test_a_drawing_stands_alone(name: str, opened: Callable[..., Any], pages: Path) -> None:
    page = opened(pages / f"{name}.svg")
    lines = page.locator("text").evaluate_all(
        "all => all.map(one => [one.textContent, one.getBBox().x + one.getBBox().width])"
    )
    assert [text for text, end in lines if end > 1000] == []
