"""``run``, its table and its dictionary."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from npformer.errors import VerifyError
from npformer.verify.components import registry
from npformer.verify.mutants import MUTANTS, mutation_score
from npformer.verify.report import run


def text(table) -> str:
    file = io.StringIO()
    Console(width=200, file=file).print(table)
    return file.getvalue()


def test_a_report_of_right_components():
    names = []
    report = run(["relu", "Linear"], cases=12, progress=names.append)
    assert report.passed
    assert names == ["relu", "Linear"]
    assert [(r.component, r.dtype, r.cases) for r in report.results] == [
        ("relu", "float64", 12), ("relu", "float32", 12), ("Linear", "float64", 3),
        ("Linear", "float32", 3),
    ]  # fmt: skip
    assert report.cases == 30
    printed = text(report.table())
    for word in ("relu", "Linear", "PyTorch's", "right"):
        assert word in printed
    assert report.failures() == []


def test_a_report_is_json():
    report = run(["gelu"], cases=20, seed=7)
    assert json.loads(json.dumps(report.to_dict(), allow_nan=False)) == report.to_dict()
    assert report.to_dict()["seed"] == 7


def test_a_report_of_a_wrong_component(monkeypatch):
    wrong = MUTANTS["softmax/mean-for-sum"].plant(registry.component("softmax"))
    monkeypatch.setitem(registry.COMPONENTS, "softmax", wrong)
    report = run(["softmax"], cases=20, dtypes=["float64"])
    assert not report.passed
    assert "wrong" in text(report.table())
    lines = report.failures()
    assert lines[0].startswith("softmax, float64: dx (PyTorch)")
    assert any(line.startswith("    x = ") for line in lines)
    result = report.to_dict()["results"][0]
    assert result["verdict"] == "wrong"
    assert set(result["example"]) == {"x", "axis", "dy"}
    json.dumps(report.to_dict(), allow_nan=False)


def test_the_mutation_score_is_json():
    found = mutation_score(["silu"]).to_dict()
    planted = [m for m in MUTANTS.values() if m.component == "silu"]
    assert found["mutants"] == found["caught"] == len(planted) > 0
    assert json.loads(json.dumps(found, allow_nan=False)) == found


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"components": ["sofmax"]}, "did you mean 'softmax'"),
        ({"cases": 0}, "cases is 0; it must be 1 or more"),
        ({"dtypes": ["float16"]}, "'float16' is not checked; choose float64 or float32"),
    ],
)
def test_what_cannot_be_run_is_refused(arguments, message):
    with pytest.raises(VerifyError, match=message):
        run(**{"components": ["relu"], **arguments})
