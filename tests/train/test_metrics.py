from __future__ import annotations

import json

import pytest

from npformer.errors import CheckpointError
from npformer.train.metrics import Metrics, read_metrics


def test_lines_are_json_and_come_back(tmp_path):
    path = tmp_path / "metrics.jsonl"
    with Metrics(path) as metrics:
        metrics.write(update=1, loss=2.5)
        metrics.write(update=2, loss=2.25)
        assert len(path.read_text().splitlines()) == 2  # also before it is closed
    assert [json.loads(line) for line in path.read_text().splitlines()] == read_metrics(path)
    assert read_metrics(path) == [{"update": 1, "loss": 2.5}, {"update": 2, "loss": 2.25}]


def test_numbers_that_json_lacks_become_null(tmp_path):
    with Metrics(tmp_path / "m") as metrics:
        metrics.write(update=1, loss=float("nan"), perplexity=float("inf"))
    assert read_metrics(tmp_path / "m") == [{"update": 1, "loss": None, "perplexity": None}]


def test_resuming_drops_later_lines_averages_and_a_torn_line(tmp_path):
    path = tmp_path / "m"
    with Metrics(path) as metrics:
        for update in (1, 2, 3, 4):
            metrics.write(update=update, loss=1.0)
        metrics.write(update=2, averaged=3, validation_loss=1.0)
    with path.open("a") as file:
        file.write('{"update": 2, "lo')
    with Metrics(path, 2) as metrics:
        metrics.write(update=3, loss=9.0)
    assert [(x["update"], x["loss"]) for x in read_metrics(path)] == [(1, 1.0), (2, 1.0), (3, 9.0)]


def test_a_new_run_starts_with_an_empty_file(tmp_path):
    path = tmp_path / "m"
    path.write_text('{"update": 1}\n')
    with Metrics(path):
        pass
    assert path.read_text() == ""


def test_which_updates_were_validated_is_known_after_resuming(tmp_path):
    with Metrics(tmp_path / "m") as metrics:
        metrics.write(update=4, loss=1.0)
        assert not metrics.has_validation(4)
        metrics.write(update=4, validation_loss=1.0)
        assert metrics.has_validation(4)
        metrics.write(update=8, validation_loss=1.0)
    with Metrics(tmp_path / "m", 5) as metrics:
        assert metrics.has_validation(4)
        assert not metrics.has_validation(8)


def test_a_place_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match="cannot write"):
        Metrics(tmp_path / "missing" / "m")


def test_a_line_that_does_not_fit_on_the_disk_is_told(tmp_path, monkeypatch):
    with Metrics(tmp_path / "m") as metrics:
        real = metrics._file

        class Full:
            def write(self, text):
                raise OSError(28, "No space left on device")

        metrics._file = Full()
        with pytest.raises(CheckpointError, match="No space left"):
            metrics.write(update=1)
        metrics._file = real


def test_lines_of_others_are_passed_over(tmp_path):
    (tmp_path / "m").write_text('7\n{"no": "update"}\nnot json\n{"update": 3}\n')
    assert read_metrics(tmp_path / "m") == [{"update": 3}]
    assert read_metrics(tmp_path / "none") == []
