"""What hatchling does besides packing the files: the manual pages go into the wheel."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ManualPages(BuildHookInterface):  # type: ignore[type-arg]
    """Makes the pages when a wheel is built, and has them installed where ``man`` looks."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Write the pages; an editable installation goes without them."""
        if version == "editable":
            return
        sys.path.insert(0, str(Path(self.root) / "docs"))
        from man_pages import manual_pages

        self._folder = tempfile.TemporaryDirectory()
        for name, text in manual_pages().items():
            page = Path(self._folder.name) / name
            page.write_text(text, "utf-8")
            build_data["shared_data"][str(page)] = f"share/man/man1/{name}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002
        """Remove what was written."""
        if version != "editable":
            self._folder.cleanup()
