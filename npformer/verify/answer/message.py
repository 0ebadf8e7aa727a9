"""A check's result as a dozen lines of text."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence

import numpy as np

from npformer.cards.case import is_output
from npformer.verify.result import Checked
from npformer.verify.verdict import Failure, at_index

LONG = 24
"""Lines of code beyond this are left to ``result.failure.reproduce``."""
WIDTH = 100


def message(result: Checked) -> str:
    """What was checked and how it did; of a failure, what, where, why, and how to see it."""
    if result.failure is None:
        return _right(result)
    why = _why(result)  # which may leave a remark
    lines = [*_headline(result, result.failure), *_remarks(result), *why]
    code = result.failure.reproduce.splitlines()
    if len(code) > LONG or any(len(line) > 400 for line in code):
        lines.append("The smallest input found is long: print(result.failure.reproduce)")
    elif code:
        lines.append("The smallest input that Hypothesis found:")
        lines += [f"    {line}" for line in code]
    lines.append(f"The same cases again: seed={result.seed}")
    return "\n".join(lines)


def _right(result: Checked) -> str:
    dtypes = " and ".join(t.dtype for t in result.tallies)
    told = f"worst error of a gradient {number(result.gradient_error)} rounding units"
    if any(t.pytorch_gradient_error for t in result.tallies):
        told += f", {result.against}'s own {number(result.pytorch_gradient_error)}"
    if result.directional_cases:
        told += f"; the forward's own derivative agrees in {result.directional_cases:,}"
    right = (
        f"{result.name} is right against {result.against}: {result.cases:,} cases, {dtypes}, "
        f"seed {result.seed}; {told}"
    )
    return "\n".join([right, *_sizes(result), *_remarks(result)])


def _sizes(result: Checked) -> list[str]:
    """Of the axes: what was not seen was not checked."""
    if not result.sizes:
        return []
    seen = "; ".join(f"{letter} {runs(sizes)}" for letter, sizes in result.sizes.items())
    return _wrapped(f"  sizes: {seen}", "    ")


def runs(numbers: Sequence[int]) -> str:
    """``1-7, 16, 64-65``."""
    found: list[list[int]] = []
    for n in numbers:
        if found and n == found[-1][-1] + 1:
            found[-1].append(n)
        else:
            found.append([n])
    return ", ".join(str(r[0]) if len(r) == 1 else f"{r[0]}-{r[-1]}" for r in found)


def _remarks(result: Checked) -> list[str]:
    return [line for remark in result.remarks for line in _wrapped(f"  {remark}", "    ")]


def _headline(result: Checked, failure: Failure) -> list[str]:
    dtype = next((t.dtype for t in result.tallies if t.failure is not None), "")
    share = f"{result.failed_cases:,} of {result.cases:,} cases fail"
    gradients = ("d", "grad ")
    named = [n for n in result.wrong if is_output(n) or n.startswith(gradients)]
    named = [n for n in named if n.startswith("grad ") or re.fullmatch(r"\w+(\[\d+\])?", n)]
    if len(named) > 1:
        share += f" ({', '.join(f'{n} in {result.wrong[n]:,}' for n in named[:4])})"
    if failure.index is None or failure.expected is None:
        return _wrapped(f"{result.name} is wrong: {failure.result}: {failure.message}") + [
            f"  {dtype}; {share}"
        ]
    at = at_index(failure.result, failure.index)
    error = f"off by {number(failure.error)} rounding units"
    if failure.pytorch is not None:
        error += f", {result.against} by {number(failure.pytorch)}"
    return [
        f"{result.name} is wrong: {at} is {failure.got:.8g}, expected {failure.expected:.8g}",
        f"  {error}; {dtype}; {share}",
    ]


def _why(result: Checked) -> list[str]:
    if not result.diagnoses:
        return []
    first = result.diagnoses[0]
    see = f" See {first.chapter}." if first.chapter else ""
    return _wrapped(f"Diagnosis: {first.sentence}.{see}")


def _wrapped(text: str, indent: str = "  ") -> list[str]:
    return textwrap.wrap(text, WIDTH, subsequent_indent=indent, break_long_words=False)


def number(value: float) -> str:
    """An error, short: 0.52, 12.3, 4.2e+15."""
    if not np.isfinite(value):
        return "infinitely many" if value == np.inf else "NaN"
    return f"{value:.2f}" if value < 100 else f"{value:.1e}"
