"""The search on tables of random logits: the sentence that it finds, then its score."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np

from npformer.cards.strategies import GeneratorSource, draw_rng
from npformer.exercises.faults import Complaint, a_kind
from npformer.exercises.grading import against_function
from npformer.exercises.load import load_python

TOLD_BY = 400
"""Cases by which one mistake is told from another."""
SOLUTION = load_python(Path(__file__).parent / "solution.py")


def grade(submission, cases, seed):
    """One question: tokens and score."""
    file = getattr(submission, "__file__", None)
    asked = SimpleNamespace(beam_search=_named(submission.beam_search), __file__=file)
    right = _named(SOLUTION.beam_search)
    outcome = against_function(asked, "beam_search", right, _draw, cases=cases, seed=seed)
    if outcome.kind == "wrong":
        return outcome.with_(diagnosis=_diagnosis(asked.beam_search, right, seed))
    return outcome


def _diagnosis(function, right, seed):
    """The mistake that gives the same on many cases: most tables hide most mistakes."""
    source = GeneratorSource(np.random.default_rng(seed))
    drawn = [_draw(source) for _ in range(TOLD_BY)]
    try:
        got = [function(**case) for case in drawn]
    except Exception:
        return ""
    wanted = [right(**case) for case in drawn]
    if all(map(_alike, got, wanted)):
        return ""
    for said, wrong in MISTAKES:
        if all(map(_alike, got, (_named(wrong)(**case) for case in drawn))):
            return f"this is what you get when {said}"
    return ""


def _alike(one, other):
    near = abs(one["score"] - other["score"]) <= 1e-9 * abs(other["score"])
    return near and one["tokens"] == other["tokens"]


def _named(function):
    """The results by name; the tokens as text, so that a message shows all of them."""

    def beam_search(**arguments):
        """Raises ``Complaint`` if it does not return a list of ids and a number."""
        found = function(**arguments)
        if not isinstance(found, (tuple, list)) or len(found) != 2:
            said = f"beam_search returns {a_kind(found)}; it must return tokens, score"
            raise Complaint("type", said)
        tokens, score = found
        if not isinstance(tokens, (tuple, list, np.ndarray)):
            raise Complaint("type", f"tokens is {a_kind(tokens)}; it must be a list of ids")
        if np.ndim(score) or not isinstance(score, (int, float, np.number, np.ndarray)):
            raise Complaint("type", f"score is {a_kind(score)}; it must be a number")
        return {"tokens": str([int(token) for token in tokens]), "score": float(score)}

    return beam_search


def _draw(source):
    size = source.integer(2, 5)
    logits = 1.5 * draw_rng(source).standard_normal((size, size))
    logits[:, 0] -= source.choice((0.0, 1.0))  # ends that are rarer: longer sentences
    return {
        "logits": logits,
        "beam": source.integer(1, 4),
        "alpha": source.choice((0.0, 0.6, 1.0, 2.0)),
        "limit": source.integer(1, 6),
    }


def _paper(n, alpha):
    return ((5 + n) / 6) ** alpha


def _wrong(
    penalty=_paper,
    unfinished=None,
    stop="nothing lives",
    places="shared",
    width=None,
    choose="score",
    end=False,
    cut="last",
    kept_by="log P",
):
    """A search with one rule replaced."""

    def beam_search(logits, beam, alpha, limit):
        log_p = SOLUTION.log_softmax(logits)
        beam = width or beam
        live, finished = [(0.0, [])], []
        for step in range(1, limit + 1):
            by = penalty(step, alpha)
            groups = []
            for log_prob, tokens in live:
                last = tokens[-1] if tokens else 0
                row = log_p[last]
                groups.append([(log_prob + row[b], [*tokens, b]) for b in range(len(row))])
            room = beam if places == "all living" else beam - len(finished)
            if kept_by == "last token":
                best = _by_last_token(groups, log_p)[:room]
            elif places == "each":
                best = [c for group in groups for c in _sorted(group)[:beam]]
            else:
                best = _sorted(c for group in groups for c in group)[:room]
            finished += [(p / by, tokens, p) for p, tokens in best if tokens[-1] == 0]
            live = [(p, tokens) for p, tokens in best if tokens[-1] != 0]
            if not live or (stop == "first" and finished):
                break
        by = (unfinished or penalty)(step, alpha)
        living = [(p / by, tokens, p) for p, tokens in live]
        every = finished + living if cut == "equal" else finished or living
        which = {"score": lambda f: f[0], "log P": lambda f: f[2], "first": lambda f: 0}[choose]
        score, tokens, _ = max(every, key=which)
        return tokens if end or not tokens or tokens[-1] else tokens[:-1], score

    return beam_search


def _sorted(extensions):
    return sorted(extensions, key=lambda pair: -pair[0])


def _by_last_token(groups, log_p):
    def own(pair):
        tokens = [0, *pair[1]]
        return -log_p[tokens[-2], tokens[-1]]

    return sorted((c for group in groups for c in group), key=own)


MISTAKES = [
    ("no length penalty is taken: the score is log P itself", _wrong(lambda n, alpha: 1.0)),
    ("log P is multiplied by the penalty; it is divided by it",
     _wrong(lambda n, alpha: ((5 + n) / 6) ** -alpha)),
    ("n does not count the end", _wrong(lambda n, alpha: _paper(n - 1, alpha))),
    ("n is the number of the tokens returned: that of a finished hypothesis lacks its end",
     _wrong(lambda n, alpha: _paper(n - 1, alpha), unfinished=_paper)),
    ("log P is divided by the length to the power of alpha, not by ((5 + n) / 6)^alpha",
     _wrong(lambda n, alpha: n**alpha)),
    ("log P is divided by the length: the mean per token", _wrong(lambda n, alpha: n)),
    ("the search stops as soon as a hypothesis has finished; a live one may still win",
     _wrong(stop="first")),
    ("finished hypotheses give their places back: each step keeps as many as the beam is wide",
     _wrong(places="all living")),
    ("every hypothesis keeps a beam of extensions of its own; the places are for all together",
     _wrong(places="each")),
    ("one hypothesis alone is followed, as in greedy decoding", _wrong(width=1)),
    ("the extensions are kept by their last token's probability, not by that of the whole",
     _wrong(kept_by="last token")),
    ("the winner is the finished hypothesis of the largest log P, not of the largest score",
     _wrong(choose="log P")),
    ("the first hypothesis that finished is returned, not the one of the largest score",
     _wrong(choose="first")),
    ("the tokens returned include the 0 at the end", _wrong(end=True)),
    ("hypotheses cut at the limit compete with finished ones; they count only if there is none",
     _wrong(cut="equal")),
]  # fmt: skip
