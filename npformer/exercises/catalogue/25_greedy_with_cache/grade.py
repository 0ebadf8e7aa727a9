"""The cached steps beside the whole forward, with earlier positions gone too; then greedy."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np

from npformer.cards.strategies import GeneratorSource, draw_rng
from npformer.exercises.faults import Complaint, a_kind
from npformer.exercises.grading import against_function, first_failure
from npformer.exercises.load import load_python

TOLD_BY = 60
"""Sentences by which one mistake of ``greedy`` is told from another."""
AGAIN = (
    "the step is right, but it reads the position of an earlier token again; what it needs of "
    "earlier tokens should come from the cache"
)
SOLUTION = load_python(Path(__file__).parent / "solution.py")


def grade(submission, cases, seed):
    """Steps first: greedy is built from them."""
    file = getattr(submission, "__file__", None)
    asked = SimpleNamespace(
        cached_logits=_cached_logits(submission), decode=_decode(submission), __file__=file
    )
    mistakes = [
        (said, {"cached_logits": _cached_logits(SimpleNamespace(step=wrong))})
        for said, wrong in STEPS
    ]
    options = {"cases": cases, "seed": seed}
    steps = (asked, "cached_logits", _whole)
    sentences = (asked, "decode", _decode(SOLUTION))
    return first_failure(
        lambda: against_function(*steps, _sentence, mistakes=mistakes, **options),
        lambda: _with(against_function(*steps, _hiding, **options), lambda: AGAIN),
        lambda: _with(
            against_function(*sentences, _start, **options), lambda: _diagnosis(asked.decode, seed)
        ),
    )


def _with(outcome, diagnosis):
    return outcome.with_(diagnosis=diagnosis()) if outcome.kind == "wrong" else outcome


def _cached_logits(functions):
    """cached_logits of start.py around any step."""
    empty_cache = getattr(functions, "empty_cache", SOLUTION.empty_cache)
    kind = getattr(functions, "Weights", SOLUTION.Weights)

    def cached_logits(tokens, positions, hide=False, **others):
        """Raises ``Complaint`` if a step does not return a token's logits and the cache."""
        weights = kind(positions=positions.copy(), **others)
        cache, rows = empty_cache(weights), []
        for t, token in enumerate(tokens):
            found = functions.step(int(token), cache, weights)
            if not isinstance(found, (tuple, list)) or len(found) != 2:
                said = f"step returns {a_kind(found)}; it must return logits, cache"
                raise Complaint("type", said)
            logits, cache = found
            if np.shape(logits) != (len(weights.output),):
                said = f"logits, from step, has the shape {np.shape(logits)}; it must be "
                raise Complaint("shape", said + f"{(len(weights.output),)}")
            rows.append(logits)
            if hide:
                weights.positions[t] = np.nan
        return np.array(rows)

    return cached_logits


def _whole(tokens, hide=False, **weights):
    return SOLUTION.whole_forward(tokens, SOLUTION.Weights(**weights))


def _decode(functions):
    """decode of start.py; the tokens as text, so that a message shows all of them."""
    kind = getattr(functions, "Weights", SOLUTION.Weights)

    def decode(limit, **weights):
        """Raises ``Complaint`` if ``greedy`` returns no list."""
        found = functions.greedy(kind(**weights), limit)
        if not isinstance(found, (tuple, list, np.ndarray)):
            raise Complaint("type", f"greedy returns {a_kind(found)}; it must return a list of ids")
        return {"tokens": str([int(token) for token in found])}

    return decode


def _weights(source, length):
    rng = draw_rng(source)
    v, d = source.integer(3, 5), source.choice((2, 3, 4))
    shapes = {
        "embedding": (v, d),
        "positions": (length, d),
        **dict.fromkeys(("wq", "wk", "wv"), (d, d)),
        "output": (v, d),
    }
    return {name: rng.standard_normal(shape) for name, shape in shapes.items()}


def _sentence(source):
    count = source.integer(1, 5)
    weights = _weights(source, count + source.integer(1, 3))
    tokens = draw_rng(source).integers(0, len(weights["embedding"]), count)
    tokens[0] = 0
    return {"tokens": tokens, **weights}


def _hiding(source):
    return {**_sentence(source), "hide": True}


def _start(source):
    limit = source.integer(1, 8)
    weights = _weights(source, limit + source.integer(0, 3))
    return {**weights, "limit": limit}


def _diagnosis(decode, seed):
    source = GeneratorSource(np.random.default_rng(seed))
    drawn = [_start(source) for _ in range(TOLD_BY)]
    try:
        got = [decode(**case) for case in drawn]
    except Exception:
        return ""
    if got == [_decode(SOLUTION)(**case) for case in drawn]:
        return ""
    for said, wrong in SENTENCES:
        if got == [_decode(SimpleNamespace(greedy=wrong))(**case) for case in drawn]:
            return f"this is what you get when {said}"
    return ""


def _step(position=lambda t: t, seen="all", scale=True, skip=1, values_by="wv"):
    """A step with one thing done otherwise; ``seen`` says which keys it attends to."""

    def step(token, cache, weights):
        keys, values = cache
        where = position(len(keys))
        x = weights.embedding[token] + (0 if where is None else weights.positions[where])
        keys = np.concatenate([keys, (weights.wk @ x)[None]])
        values = np.concatenate([values, (getattr(weights, values_by) @ x)[None]])
        scores = keys @ (weights.wq @ x) / (np.sqrt(len(x)) if scale else 1)
        rows = {"all": slice(None), "newest": slice(-1, None), "first": slice(1), "past": slice(-1)}
        own = rows[seen]
        answer = SOLUTION.softmax(scores[own]) @ values[own] if len(scores[own]) else 0
        return weights.output @ (skip * x + answer), (keys, values)

    return step


STEPS = [
    ("every step takes position 0; the position is the number of tokens before this one",
     _step(lambda t: 0)),
    ("no position is added to the embedding", _step(lambda t: None)),
    ("the position is one too high: it is the length of the cache before this token joins",
     _step(lambda t: t + 1)),
    ("the earlier keys and values are not used: each token attends to itself alone",
     _step(seen="newest")),
    ("the token does not attend to itself: its key and value join too late", _step(seen="past")),
    ("a causal mask hides all keys but the first; a step has nothing to hide", _step(seen="first")),
    ("the scores are not divided by sqrt(D)", _step(scale=False)),
    ("the skip path is left out", _step(skip=0)),
    ("the values are made with wk", _step(values_by="wk")),
]  # fmt: skip


def _greedy(feed="newest", end=False, begin=False, turns=0, stop=True, pick=np.argmax, fresh=False):
    """greedy with one rule replaced."""

    def greedy(weights, limit):
        token, cache, tokens = 0, SOLUTION.empty_cache(weights), []
        for _ in range(min(limit + turns, len(weights.positions))):
            if fresh:
                cache = SOLUTION.empty_cache(weights)
            logits, cache = SOLUTION.step(token if feed == "newest" else 0, cache, weights)
            token = int(pick(logits))
            if token == 0 and stop:
                if end:
                    tokens.append(0)
                break
            tokens.append(token)
        return [0, *tokens] if begin else tokens

    return greedy


SENTENCES = [
    ("the list holds the 0 that ended the sentence", _greedy(end=True)),
    ("the list holds the 0 that began the sentence", _greedy(begin=True)),
    ("the search does not end at token 0", _greedy(stop=False)),
    ("one token more than limit is taken", _greedy(turns=1)),
    ("one token fewer than limit is taken", _greedy(turns=-1)),
    ("token 0 is fed at every step, not the newest one", _greedy(feed="first")),
    ("every step starts from an empty cache", _greedy(fresh=True)),
    ("the smallest logit is taken; it is the largest", _greedy(pick=np.argmin)),
]  # fmt: skip
