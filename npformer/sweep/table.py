"""The trials as a table: CSV, Markdown and JSON, the best trial first and the failed ones last."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

from npformer.fields import to_dict
from npformer.files.atomic import write_file
from npformer.sweep.result import Trial, Trials
from npformer.sweep.space import configure, show

TABLES = ("table.csv", "table.md", "table.json")
_MEASURES = ("validation_loss", "perplexity", "bleu", "chrf", "updates", "tokens", "seconds")
_TITLES = {
    "validation_loss": "loss",
    "perplexity": "perplexity",
    "bleu": "BLEU",
    "chrf": "chrF",
    "seconds": "s",
}
_FORMATS = {
    "validation_loss": "{:.4f}",
    "perplexity": "{:.2f}",
    "bleu": "{:.1f}",
    "chrf": "{:.1f}",
    "seconds": "{:.0f}",
}


def write_tables(result: Trials) -> None:
    """Write ``table.csv``, ``table.md`` and ``table.json`` into the sweep's directory. OSError."""
    contents = (_csv(result), markdown(result), json.dumps(as_dict(result), indent=2) + "\n")
    for name, content in zip(TABLES, contents, strict=True):
        write_file(result.directory / name, content.encode())


def ordered(result: Trials) -> list[Trial]:
    """The finished trials, best first, then the others by number."""
    ranked = result.ranked()
    return [*ranked, *(trial for trial in result.trials if trial.objective is None)]


def cells(result: Trials) -> tuple[list[str], list[list[str]]]:
    """Titles and rows for a person: the numbers rounded, what failed in words."""
    fields = [axis.field for axis in result.plan.axes]
    known = {name for trial in result.trials for name, x in trial.results.items() if x is not None}
    measures = [name for name in _FORMATS if name in known]
    rows = []
    for trial in ordered(result):
        rows.append(
            [
                f"{trial.number:04d}",
                *(_short(trial.values.get(name)) for name in fields),
                *(
                    _FORMATS[name].format(trial.results[name])
                    if trial.results.get(name) is not None
                    else "-"
                    for name in measures
                ),
                _note(trial),
            ]
        )
    titles = ["trial", *fields, *(_TITLES[name] for name in measures), ""]
    if all(row[-1] == "" for row in rows):
        titles, rows = titles[:-1], [row[:-1] for row in rows]
    return titles, rows


def markdown(result: Trials) -> str:
    """The table in Markdown."""
    titles, rows = cells(result)
    numbers = len(titles) - (titles[-1] == "")
    rules = ["--:"] * numbers + ["---"] * (len(titles) - numbers)
    escaped = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    lines = [titles, rules, *escaped]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _csv(result: Trials) -> str:
    fields = [axis.field for axis in result.plan.axes]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["trial", *fields, "state", *_MEASURES, "same_as", "reason"])
    for trial in ordered(result):
        values = [show(trial.values[name]) if name in trial.values else "" for name in fields]
        measures = [trial.results.get(name, "") for name in _MEASURES]
        same = "" if trial.same_as is None else trial.same_as
        writer.writerow([trial.number, *values, trial.state, *measures, same, trial.reason])
    return text.getvalue()


def as_dict(result: Trials) -> dict[str, Any]:
    """What ``table.json`` holds."""
    plan, best = result.plan, result.best
    content: dict[str, Any] = {
        "over": [str(axis) for axis in plan.axes],
        "sampler": plan.sampler,
        "objective": plan.objective,
        "best": None,
        "trials": [
            {
                "trial": trial.number,
                "values": dict(trial.values),
                "state": trial.state,
                "objective": trial.objective,
                **dict(trial.results),
                "same_as": trial.same_as,
                "reason": trial.reason,
                "directory": str(trial.directory.relative_to(result.directory)),
            }
            for trial in ordered(result)
        ],
    }
    if best is not None:
        config = to_dict(configure(plan.base, best.values))
        content["best"] = {"trial": best.number, "config": config}
    return content


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else show(value)


def _note(trial: Trial) -> str:
    if trial.same_as is not None:
        return f"same as {trial.same_as:04d}" + (f": {trial.reason}" if trial.reason else "")
    if trial.state == "failed":
        return f"failed: {trial.reason}"
    return "" if trial.state == "finished" else "not finished"
