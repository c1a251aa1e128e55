"""``smecheck --version``: that of smecheck, and of what its answers can depend on."""

from __future__ import annotations

import os
import sys

from smecheck import __version__

_PACKAGES = (
    "pyelftools",
    "backports.zstd",
    "cramjam",
    "lz4",
    "lzallright",
    "PyYAML",
    "click",
    "rich",
)
_SUFFIX = ".dist-info"


def version_text() -> str:
    """Return one line: smecheck, Python, and the packages that are installed."""
    found = [f"python {sys.version.split()[0]}"]
    versions = _installed()
    for package in _PACKAGES:
        version = versions.get(_normalized(package))
        if version is not None:
            found.append(f"{package} {version}")
    return f"smecheck {__version__} ({', '.join(found)})"


def _installed() -> dict[str, str]:
    """Return the versions of what is installed, by the names of the folders that describe it.

    They are called NAME-VERSION.dist-info (Python Packaging User Guide, "Recording installed
    projects"). ``importlib.metadata`` says the same, and takes longer than all the rest.
    """
    versions: dict[str, str] = {}
    for folder in sys.path:
        try:
            names = os.listdir(folder or ".")  # noqa: PTH208 - pathlib would be imported for it
        except OSError:
            continue
        for name in names:
            if name.endswith(_SUFFIX):
                project, _, version = name.removesuffix(_SUFFIX).partition("-")
                versions.setdefault(_normalized(project), version)
    return versions


def _normalized(name: str) -> str:
    return name.lower().replace("-", "_").replace(".", "_")
