"""Every format times every way to end: the same exit status, and readable by its own tools."""

from __future__ import annotations

from pathlib import Path

import format_readers as readers
import pytest
from commandline import run
from format_cases import CASES, FORMATS, UNANSWERED, ending, fill

from smecheck.report.options import Format


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("matrix")
    fill(made)
    return made


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("case", CASES)
def test_exit_status_and_error_are_the_same(case: str, form: str, folder: Path) -> None:
    found = ending(case, form, folder)
    assert found.status == CASES[case][1]
    assert found.err == ending(case, "plain", folder).err


@pytest.mark.parametrize("form", [form for form in Format if not form.is_for_people])
@pytest.mark.parametrize("case", CASES)
def test_answers_can_be_read_and_tell_failure(case: str, form: Format, folder: Path) -> None:
    out = ending(case, form.value, folder).out
    assert readers.shows_failure(form, out) is (CASES[case][1] > 0)


@pytest.mark.parametrize("case", CASES)
def test_people_read_of_an_error_once(case: str, folder: Path) -> None:
    for form in ("text", "plain"):
        assert bool(ending(case, form, folder).raw) is (case not in UNANSWERED)


@pytest.mark.parametrize("case", CASES)
def test_files_hold_what_would_be_printed(case: str, folder: Path, tmp_path: Path) -> None:
    arguments, status = CASES[case]
    options = [f"--report={form}={tmp_path / form}" for form in FORMATS]
    assert run(*arguments, *options, cwd=folder).status == status
    written = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    answered = {form: ending(case, form, folder).raw for form in FORMATS}
    assert written == ({} if case in UNANSWERED else answered)
