"""The formats of a gate's answer, and the choice between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from smecheck.report.render import Format, RenderOptions

if TYPE_CHECKING:
    from smecheck.model.gate import GateReport

FORMATS = (Format.TEXT, Format.PLAIN, Format.JSON)


def render_gate(gate: GateReport, chosen: Format, options: RenderOptions) -> str:
    """Write the answer in one of ``FORMATS``; the text ends with a line break."""
    match chosen:
        case Format.TEXT:
            from smecheck.report.gate_text import render_gate_text

            return render_gate_text(gate, options)
        case Format.PLAIN:
            from smecheck.report.gate_plain import render_gate_plain

            return render_gate_plain(gate, options)
        case Format.JSON:
            from smecheck.report.gate_json import render_gate_json

            return render_gate_json(gate, options)
        case _:
            raise ValueError(f"the gate has no format {chosen.value}")
