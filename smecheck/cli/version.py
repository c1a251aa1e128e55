"""``smecheck --version``: that of smecheck, and of what its answers can depend on."""

from __future__ import annotations

import sys

from smecheck import __version__

_PACKAGES = ("pyelftools", "lz4", "backports.zstd", "python-lzo", "PyYAML", "click", "rich")


def version_text() -> str:
    """Return one line: smecheck, Python, and the packages that are installed."""
    from importlib.metadata import PackageNotFoundError, version

    found = [f"python {sys.version.split()[0]}"]
    for package in _PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    return f"smecheck {__version__} ({', '.join(found)})"
