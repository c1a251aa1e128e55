"""What `smecheck triage` says of hotsos's DATA_ROOT, as properties that a scenario can ask for."""

import json
import subprocess

from hotsos.core.config import HotSOSConfig


class Triage:
    """One run of smecheck; each property is of its answer."""

    def __init__(self):
        run = subprocess.run(  # noqa: S603
            ["smecheck", "triage", HotSOSConfig.data_root, "--format", "json"],  # noqa: S607
            capture_output=True,
            text=True,
            check=False,
        )
        self.answer = json.loads(run.stdout) if run.stdout else {}

    @property
    def collides(self):
        """Whether the placement destroys anything."""
        return self.answer.get("exit_code") == 1

    @property
    def told(self):
        """The answer in one sentence."""
        return self.answer.get("headline") or self.answer.get("summary")

    @property
    def do_now(self):
        """What to do, all in one line."""
        return "; ".join(self.answer.get("do_now", []))
