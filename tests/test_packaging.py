"""What packs smecheck names what there is: the container, Debian's package, the single file."""

from __future__ import annotations

import re
import tomllib

from commandline import ROOT

from smecheck import __version__

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
REQUIRED = {re.split(r"[<>=!;\s]", requirement)[0] for requirement in PROJECT["dependencies"]}


def test_the_container_is_given_what_there_is() -> None:
    recipe = (ROOT / "docs" / "container" / "Containerfile").read_text()
    copied = [
        word
        for line in re.findall(r"^COPY ([^-].*)$", recipe, re.MULTILINE)
        for word in line.split()[:-1]
    ]
    assert {"pyproject.toml", "smecheck", "docs"} <= set(copied)
    assert all((ROOT / name).exists() for name in copied)
    extras = set(re.findall(r"\.\[(\w+)\]", recipe))
    assert extras <= set(PROJECT["optional-dependencies"])


def test_debian_s_package_is_of_this_version() -> None:
    changelog = (ROOT / "docs" / "debian" / "changelog").read_text()
    assert changelog.startswith(f"smecheck ({__version__}) ")


def test_debian_s_package_leaves_out_nothing_but_what_a_program_replaces() -> None:
    left_out = (ROOT / "docs" / "debian" / "py3dist-overrides").read_text().split()
    assert set(left_out) == {"backports.zstd", "cramjam"}
    assert set(left_out) < REQUIRED
    control = (ROOT / "docs" / "debian" / "control").read_text()
    assert "Recommends: lz4, zstd" in control


def test_the_single_file_brings_every_decoder() -> None:
    script = (ROOT / ".ci" / "pyz").read_text()
    for module in ("cramjam", "backports.zstd", "lzallright"):
        assert module in script
    oldest = re.search(r">=(\d+)\.(\d+)", PROJECT["requires-python"])
    assert oldest
    assert f"set -- {oldest[1]}.{oldest[2]} " in script
    assert f"sys.version_info < ({oldest[1]}, {oldest[2]})" in script
