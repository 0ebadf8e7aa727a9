"""docs/conformance.md says what npformer gives today, and has what every package answered."""

from __future__ import annotations

import json

import pytest

from tests.conformance.engines import ENGINES, recorded
from tests.conformance.page import PAGE, page
from tests.conformance.questions import QUESTIONS
from tests.conformance.with_npformer import answers


def test_npformer_gives_what_the_page_says():
    today = json.loads(json.dumps(answers().rows))
    assert today == recorded("npformer")["rows"], "run python -m tests.conformance npformer"


def test_the_page_has_the_answers():
    assert PAGE.read_text("utf-8") == page(), "run python -m tests.conformance npformer"


@pytest.mark.parametrize("name", ENGINES)
def test_a_package_ran_as_pinned_and_answered_what_there_is_to_ask(name):
    told = recorded(name)
    pinned = dict(entry.split("==") for entry in ENGINES[name].pinned)
    assert told["versions"].items() <= pinned.items() or not pinned
    columns = {question.key: len(question.columns) for question in QUESTIONS}
    assert told["rows"].keys() <= columns.keys()
    for key, rows in told["rows"].items():
        for _, cells in rows:
            assert len(cells) == columns[key] or cells[0].startswith("raises")
