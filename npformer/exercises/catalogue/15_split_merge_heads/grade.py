"""Four functions of arrays, each beside the solution's; T, N and H are different."""

from pathlib import Path

from npformer.cards.strategies import draw_rng
from npformer.exercises.grading import against_function, first_failure
from npformer.exercises.load import load_python

SOLUTION = load_python(Path(__file__).parent / "solution.py")


def _sizes(source):
    n, h, t = source.choice([(2, 2, 1), (2, 2, 2), (2, 1, 3), (1, 3, 2), (3, 2, 4), (2, 4, 3)])
    return source.integer(1, 2), t, n, h


def _counted(source, count):
    """Entries that are all different: small integers, easy to follow."""
    return 1.0 + draw_rng(source).permutation(count)


def _together(name):
    def draw(source):
        b, t, n, h = _sizes(source)
        entries = _counted(source, b * t * n * h).reshape(b, t, n * h)
        return {name: entries, "heads": n}

    return draw


def _apart(name):
    def draw(source):
        b, t, n, h = _sizes(source)
        return {name: _counted(source, b * t * n * h).reshape(b, n, t, h)}

    return draw


def _split_straight(x, heads):
    b, t, d = x.shape
    return x.reshape(b, heads, t, d // heads)


def _split_components_first(x, heads):
    b, t, d = x.shape
    return x.reshape(b, t, d // heads, heads).transpose(0, 3, 1, 2)


def _split_not_swapped(x, heads):
    b, t, d = x.shape
    return x.reshape(b, t, heads, d // heads)


def _merge_straight(x):
    b, n, t, h = x.shape
    return x.reshape(b, t, n * h)


def _merge_components_first(x):
    b, n, t, h = x.shape
    return x.transpose(0, 2, 3, 1).reshape(b, t, n * h)


SPLIT = [
    ("x is reshaped to (B, N, T, H) in one step: head 0 then holds whole positions",
     _split_straight),
    ("the last axis is read as (H, N); the H numbers of one head stand together, so it is (N, H)",
     _split_components_first),
    ("the heads are not moved in front of the positions", _split_not_swapped),
]  # fmt: skip
MERGE = [
    ("x is reshaped to (B, T, N H) without the swap: each row mixes several positions",
     _merge_straight),
    ("component 0 of every head comes first; a merged row is head 0, then head 1, and so on",
     _merge_components_first),
]  # fmt: skip
UNDO_MERGE = [(sentence.replace("x is", "dy is"), f) for sentence, f in SPLIT]
UNDO_SPLIT = [(sentence.replace("x is", "dy is"), f) for sentence, f in MERGE]


def grade(submission, cases, seed):
    asked = [
        ("split_heads", _together("x"), SPLIT),
        ("merge_heads", _apart("x"), MERGE),
        ("split_heads_backward", _apart("dy"), UNDO_SPLIT),
        ("merge_heads_backward", _together("dy"), UNDO_MERGE),
    ]

    def question(name, draw, wrong):
        def ask():
            mistakes = [
                (sentence, {name: lambda dy=None, f=f, **kw: f(kw.pop("x", dy), **kw)})
                for sentence, f in wrong
            ]
            return against_function(
                submission, name, getattr(SOLUTION, name), draw,
                cases=cases // 4, seed=seed, mistakes=mistakes,
            )  # fmt: skip

        return ask

    return first_failure(*(question(*each) for each in asked))
