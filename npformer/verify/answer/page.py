"""A report as one HTML page that needs nothing else: no script, no file, no network."""

from __future__ import annotations

import html
from importlib import resources
from typing import TYPE_CHECKING

import numpy as np

from npformer.verify.answer.message import number
from npformer.verify.report import Report
from npformer.verify.tally import Tally
from npformer.verify.units.error import ACCEPT, CAP

if TYPE_CHECKING:
    from npformer.verify.mutants import MutationScore


def page(report: Report, score: MutationScore | None = None) -> str:
    """The page: a line of summary, the errors, each failure with its code, then the mutants."""
    style = resources.files("npformer.verify.answer").joinpath("report.css")
    right = sum(r.passed for r in report.results)
    verdict = (
        '<span class="right">All right.</span>'
        if report.passed
        else f'<span class="wrong">{len(report.results) - right} wrong.</span>'
    )
    parts = [
        "<h1>Gradients, checked</h1>",
        f"<p>{verdict} {right} of {len(report.results)} rows right, {report.cases:,} cases, "
        f"seed {report.seed}.</p>",
        _table(report),
        *_failures(report),
    ]
    if score is not None:
        parts.append(_mutants(score))
    return _document(style.read_text(encoding="utf-8"), "\n".join(parts))


def _document(style: str, body: str) -> str:
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<link rel="icon" href="data:,">\n'
        f"<title>Gradients, checked</title>\n<style>\n{style}</style>\n</head>\n<body>\n<main>\n"
        f"{body}\n</main>\n</body>\n</html>\n"
    )


def _table(report: Report) -> str:
    against = html.escape(report.against)
    rows = "\n".join(_row(r, report.verdict(r)) for r in report.results)
    return (
        '<div class="wide"><table>\n<caption>Worst errors in rounding units, multiples of the '
        f"rounding error that the operation cannot avoid. {report.bound} "
        f"The upper bar is ours, the lower {against}'s; a full bar is {CAP:.0f} or more. "
        "Directional counts the cases that a directional derivative of the forward confirmed."
        "</caption>\n<thead><tr><th>checked</th><th>dtype</th>"
        '<th class="number">cases</th><th class="number">forward</th>'
        f'<th class="number">{against}</th><th class="number">gradient</th>'
        f'<th class="number">{against}</th><th>gradient, {against} below</th>'
        '<th class="number">directional</th><th>verdict</th></tr></thead>\n'
        f"<tbody>\n{rows}\n</tbody>\n</table></div>"
    )


def _row(r: Tally, said: str) -> str:
    gradients = r.kind != "optimizer"
    errors = [r.forward_error, r.pytorch_forward_error]
    errors += [r.gradient_error, r.pytorch_gradient_error] if gradients else []
    cells = "".join(f'<td class="number">{number(e)}</td>' for e in errors)
    cells += "" if gradients else "<td></td><td></td>"
    verdict = (
        f'<td class="right">{said}</td>'
        if r.passed
        else f'<td class="wrong">wrong in {r.failed_cases:,}</td>'
    )
    return (
        f"<tr><td>{html.escape(r.component)}</td><td>{r.dtype}</td>"
        f'<td class="number">{r.cases:,}</td>{cells}<td>{_bars(r) if gradients else ""}</td>'
        f'<td class="number">{r.directional_cases or ""}</td>{verdict}</tr>'
    )


def _bars(r: Tally) -> str:
    def width(error: float) -> str:
        return f"{100 * min(error / CAP, 1.0) if np.isfinite(error) else 100:.1f}%"

    over = " over" if not r.passed and r.gradient_error > ACCEPT else ""
    return (
        f'<div class="bars" aria-hidden="true">'
        f'<i class="ours{over}" style="width:{width(r.gradient_error)}"></i>'
        f'<i style="width:{width(r.pytorch_gradient_error)}"></i></div>'
    )


def _failures(report: Report) -> list[str]:
    parts = []
    for name, text in report.messages():
        parts.append(f"<h2>{html.escape(name)}</h2>\n<pre>{html.escape(text)}</pre>")
    return parts


def _mutants(score: MutationScore) -> str:
    rows = []
    for trial in score.trials:
        by = html.escape(trial.failure.oracle) if trial.failure else ""
        caught = f"<td>{by}</td>" if by else '<td class="wrong">nobody</td>'
        rows.append(
            f"<tr><td>{html.escape(trial.mutant.name)}</td>"
            f'<td class="text">{html.escape(trial.mutant.wrong)}</td>{caught}'
            f'<td class="number">{trial.cases:,}</td></tr>'
        )
    return (
        f"<h2>{score.caught} of {score.total} wrong backwards caught</h2>\n"
        '<div class="wide"><table>\n<thead><tr><th>mutant</th><th>what it gets wrong</th>'
        '<th>caught by</th><th class="number">cases</th></tr></thead>\n<tbody>\n'
        + "\n".join(rows)
        + "\n</tbody>\n</table></div>"
    )
