"""A rule of insights-core: what `smecheck triage` says of a sosreport.

PYTHONPATH=samples/integrations insights-run -p smecheck_triage SOSREPORT
"""

import json
import subprocess

from insights.core.context import SosArchiveContext
from insights.core.plugins import make_fail, make_info, make_pass, rule

CONTENT = (
    "{{verdict}}, class {{letter}}: {{told}}{% for step in do_now %}\n  do: {{step}}{% endfor %}"
)


@rule(SosArchiveContext)
def report(archive):
    """A failure where there is a collision, a pass where it is clear, else information."""
    run = subprocess.run(  # noqa: S603
        ["smecheck", "triage", archive.root, "--format", "json"],  # noqa: S607
        capture_output=True,
        text=True,
        check=False,
    )
    if not run.stdout:
        return make_info(
            "SMECHECK_NOT_READ",
            verdict="not read",
            letter="none",
            told=run.stderr.strip(),
            do_now=[],
        )
    answer = json.loads(run.stdout)
    make = {0: make_pass, 1: make_fail}.get(answer["exit_code"], make_info)
    return make(
        "SMECHECK_TRIAGE",
        verdict=answer["verdict"],
        letter=answer["class"] or "none",
        told=answer["headline"] or answer["summary"],
        do_now=answer["do_now"],
    )
