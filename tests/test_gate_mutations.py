"""A real build is clean; one fault in it is one failure, of the rule that is meant for it."""

from __future__ import annotations

import pytest
from mutations import MUTANTS, Mutant, description, image_of, mutated
from recorded import DATA

from smecheck.builds.gate import GateOptions, GateQuestion, gate
from smecheck.builds.gate_report import GateReport, GateRow, GateVerdict, RowOutcome
from smecheck.kernel.image import KernelImage
from smecheck.read.kernel.complements import Complements, read_with_misfits


def answer(image: KernelImage) -> GateReport:
    return gate(GateQuestion(image, GateOptions(today="2026-01-01")))


def rows(report: GateReport, *outcomes: RowOutcome) -> dict[str, GateRow]:
    return {row.check: row for row in report.rows if row.outcome in outcomes}


def test_the_unmutated_kernel_is_clean() -> None:
    report = answer(image_of(description()))
    assert report.verdict is GateVerdict.PASS
    assert {row.outcome for row in report.rows} == {RowOutcome.PASSED}


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.what)
def test_mutation(mutant: Mutant) -> None:
    report = answer(image_of(mutated(mutant.mutate)))
    failed = rows(report, RowOutcome.FAILED)
    assert list(failed) == [mutant.rule]
    assert failed[mutant.rule].severity is mutant.severity
    assert failed[mutant.rule].message
    assert failed[mutant.rule].remedy
    because = {
        check: row.message
        for check, row in rows(report, RowOutcome.SKIPPED).items()
        if "because" in row.message
    }
    assert because == mutant.skipped


def test_there_are_enough() -> None:
    assert len(MUTANTS) >= 20
    assert len({mutant.rule for mutant in MUTANTS}) >= 9


@pytest.mark.parametrize("bzimage", ["6.1.0-56-amd64", "6.12.117+deb12-cloud-amd64"])
def test_the_bzimage_of_another_build(bzimage: str) -> None:
    kernel, other = (
        str(DATA / "kernels" / f"{name}.yaml") for name in ("6.1.0-56-cloud-amd64", bzimage)
    )
    image = read_with_misfits(kernel, Complements(bzimage=other))
    (misfit,) = image.misfits
    assert (misfit.source, misfit.fact) == (other, "the release")
    report = answer(image)
    failed = rows(report, RowOutcome.FAILED)
    assert list(failed) == ["SME026"]
    assert f"{bzimage} here" in failed["SME026"].message
    skipped = rows(report, RowOutcome.SKIPPED)
    assert skipped["SME007"].message == "skipped because SME026 failed"
    assert skipped["proof"].message == "skipped because SME026 failed"
