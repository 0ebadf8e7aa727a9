"""The mask, then the range of columns of a tile, on lengths that differ and on windows of one."""

from pathlib import Path

from npformer.exercises.grading import against_function, first_failure
from npformer.exercises.load import load_python

HERE = Path(__file__).parent
SOLUTION, KNOWN = load_python(HERE / "solution.py"), load_python(HERE / "mistakes.py")


def _draw(source):
    return {
        "t": source.integer(1, 6),
        "s": source.integer(1, 7),
        "window": source.integer(1, 5),
        "causal": source.choice((True, False)),
    }


def _rows(source):
    found = _draw(source)
    first = source.integer(0, found["t"] - 1)
    return {"first_row": first, "rows": source.integer(1, found["t"] - first), **found}


def grade(submission, cases, seed):
    options = {"cases": cases, "seed": seed}
    return first_failure(
        lambda: against_function(
            submission, "window_mask", SOLUTION.window_mask, _draw, mistakes=KNOWN.MASKS, **options
        ),
        lambda: against_function(
            submission, "tile_columns", SOLUTION.tile_columns, _rows, mistakes=KNOWN.COLUMNS,
            **options
        ),
    )  # fmt: skip
