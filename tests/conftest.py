"""Test modules import their neighbours (elfwriter, recorded) by name."""

import gc
import importlib
import os
import sys
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parent))

# A machine that is busy is not a failure: what bounds time here bounds CPU time. The examples are
# the same every time, so that a change is judged by what it changes; --hypothesis-profile=explore
# draws others.
settings.register_profile("the same", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None)
settings.load_profile("the same")


def pytest_configure(config: pytest.Config) -> None:
    """Hold every report against the invariants; refuse to run the tests of kernels without any."""
    # Before any test module imports what makes reports.
    importlib.import_module("invariants").hold(importlib.import_module("smecheck.analysis"))
    if config.getoption("markexpr") == "real" and not os.environ.get("SMECHECK_KERNELS"):
        raise pytest.UsageError(
            "-m real reads real kernels: set SMECHECK_KERNELS to a folder with vmlinuz files"
        )


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Keep the collector away from ten thousand tests, which live as long as the process does."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()
