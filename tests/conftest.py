"""Test modules import their neighbours (elfwriter, recorded) by name."""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


def pytest_configure(config: pytest.Config) -> None:
    """Refuse to run the tests of real kernels without any."""
    if config.getoption("markexpr") == "real" and not os.environ.get("SMECHECK_KERNELS"):
        raise pytest.UsageError(
            "-m real reads real kernels: set SMECHECK_KERNELS to a folder with vmlinuz files"
        )
