"""progress.json: written whole, read back, and refused when damaged."""

from __future__ import annotations

import json

import pytest

from npformer.exercises.exercise import ExerciseError
from npformer.exercises.outcome import Outcome
from npformer.exercises.progress import FILE, read_progress
from npformer.files import atomic

WRONG = Outcome("wrong", "dx[0] is 1 and should be 2")
PASSED = Outcome("passed", "right on 100 generated cases")


def test_what_is_written_is_read(tmp_path):
    progress = read_progress(tmp_path / "new")
    progress.start("01_a")
    progress.check("01_a", WRONG)
    progress.of("01_a").hints = 2
    progress.check("02_b", PASSED)
    progress.save()
    again = read_progress(tmp_path / "new")
    assert again.entries == progress.entries
    assert [again.of(n).state for n in ("01_a", "02_b", "03_c")] == ["started", "passed", ""]
    assert again.of("01_a").last == WRONG.verdict


def test_a_pass_stays_a_pass(tmp_path):
    progress = read_progress(tmp_path)
    progress.check("01_a", PASSED)
    when = progress.of("01_a").passed
    progress.check("01_a", WRONG)
    assert progress.of("01_a").passed == when
    assert progress.of("01_a").checks == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is damaged"),
        ("[]", "is damaged"),
        ('{"version": 1}', "is damaged"),
        ('{"version": 9, "exercises": {}}', "version 9"),
        ('{"version": 1, "exercises": {"a": {"x": 1}}}', "is damaged"),
    ],
)
def test_a_damaged_file_is_left_alone(tmp_path, text, said):
    (tmp_path / FILE).write_text(text)
    with pytest.raises(ExerciseError, match=said):
        read_progress(tmp_path)
    assert (tmp_path / FILE).read_text() == text


def test_an_interrupted_write_leaves_the_old_file(tmp_path, monkeypatch):
    progress = read_progress(tmp_path)
    progress.start("01_a")
    progress.save()
    before = (tmp_path / FILE).read_bytes()

    def full(path):
        raise OSError("no space")

    monkeypatch.setattr(atomic, "_sync", full)
    progress.start("02_b")
    with pytest.raises(OSError, match="no space"):
        progress.save()
    assert (tmp_path / FILE).read_bytes() == before
    assert json.loads(before)["version"] == 1
    assert [p.name for p in tmp_path.iterdir()] == [FILE]
