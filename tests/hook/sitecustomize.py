"""Runs in every smecheck that the tests start: its reports are held against tests/invariants.py.

Nothing is imported for it before the program itself imports what makes the reports.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

_MAKES_REPORTS = "smecheck.analysis"


class _Hook(MetaPathFinder):
    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if name != _MAKES_REPORTS:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is None or spec.loader is None:
            return None
        load = spec.loader.exec_module

        def load_and_hold(module: ModuleType) -> None:
            load(module)
            sys.path.append(str(Path(__file__).parents[1]))
            invariants = importlib.import_module("invariants")
            sys.path.pop()
            invariants.hold(module)

        spec.loader.exec_module = load_and_hold  # type: ignore[method-assign]
        return spec


sys.meta_path.insert(0, _Hook())
