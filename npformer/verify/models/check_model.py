"""``check_model``: the invariants that any Transformer must have, asked of one.

Chapter     walkthroughs/14_how_we_know.md
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from npformer.errors import VerifyError
from npformer.verify.models import causality
from npformer.verify.models.causality import Causality
from npformer.verify.models.fills import Said
from npformer.verify.models.invariants import INVARIANTS
from npformer.verify.models.options import build, combinations, singles, values
from npformer.verify.models.prepare import Given, prepare
from npformer.verify.models.question import BOUND, BOUND_ELSE, NotAsked, Question, told
from npformer.verify.models.replay import replayed
from npformer.verify.models.result import Asked, ModelResult

FEWER = 6
"""Of the lengths, how many are asked with an option set otherwise, besides the thresholds."""
ABOUT_CAUSALITY = ("causal", "bidirectional", "mask")
"""Words in the name of an option that may make a model another kind of model."""


def check_model(
    module: Any,
    inputs: Any = None,
    *,
    causal: bool | None = None,
    options: Mapping[str, Sequence[Any]] | None = None,
    lengths: Sequence[int] | None = None,
    padding: Said = None,
    step: Callable[..., Any] | None = None,
    plain: Any = None,
    call: Callable[..., Any] | None = None,
    vocabulary: int | None = None,
    width: int | None = None,
    batch_first: bool | None = None,
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
) -> ModelResult:
    """Ask a model what must hold of any Transformer; what cannot be asked is said, with the reason.

        check_model(MyModel(config))
        check_model(lambda rotary=False: MyModel(rotary=rotary), causal=True)

    The model is copied, and computes in float64 if it can; the caller's own is left as it is.

    Args:
        module: a ``torch.nn.Module``, or a NumPy module with ``y, cache = forward(...)`` and
            ``backward(dy, cache)``; or a function or class that builds one, whose arguments that
            are booleans or choices are options, as are those of a dataclass ``module.config``.
        inputs: arrays like those that go in, or a function (batch, length, rng) -> arrays. None:
            token ids below the size of a table, or vectors, whatever goes through.
        causal: whether no output may depend on later tokens. None: found out, by which positions
            reach which outputs and by what the model says of itself; the result is False where a
            decoder without its mask could not be told from an encoder.
        options: each with its values, in place of those that are found; {} for none.
        lengths: to ask at; unless given, block edges up to 65 and both sides of the model's own
            thresholds.
        padding: the id that fills a batch, or a function (inputs, shown) -> the keyword arguments
            that hide what is not shown; ``shown`` is (B, T), True for what is real. Of several
            streams the function's is the source's; ``{"target": ...}`` says it by stream.
        step: ``step(module, newest, state, *others) -> y, state`` for one position with a cache;
            the first state is None. A module with ``start`` and ``step``, or ``past_key_values``,
            needs none.
        plain: the same model without its memory-saving form, or a function or class that builds
            it, or a function that takes a copy of the model and switches the saving off.
        call: ``call(module, *inputs) -> y`` where the forward needs more than its inputs.
        vocabulary: of token ids, where it cannot be seen.
        width: of vectors, where it cannot be seen.
        batch_first: False if the length is the first axis; PyTorch's own layers say so.
        seed: decides every draw.
        progress: called with what is being asked.

    Raises:
        VerifyError: nothing goes through the module, or nothing could be asked of it.
    """
    given = Given(inputs, lengths, padding, step, plain, call, vocabulary, width, batch_first, seed)
    tell = progress or (lambda text: None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with replayed(seed):  # the weights that a builder draws, too
            base = build(module, {})
        q = prepare(base, given)
        known = causality.found(q) if causal is None else Causality(causal, causality.YOURS)
        q.causal, q.not_causal = known.causal, known.because
        result = _empty(q, known)
        result.asked += _asked(q, "", tell)
        right = []
        for chosen in singles(module, values(module, options)):
            answers = _asked_with(module, chosen, given, causal, known, result, tell)
            if answers and not any(a.broken for a in answers):
                right.append(chosen)
        for chosen in combinations(right, q.rng(9)):
            _asked_with(module, chosen, given, causal, known, result, tell)
    if not result.held and not result.broken:
        reasons = "; ".join(f"{a.name}: {a.not_asked}" for a in result.asked)
        raise VerifyError(f"nothing could be asked of {result.name}: {reasons}")
    return result


def _asked_with(
    module: Any,
    chosen: Mapping[str, Any],
    given: Given,
    causal: bool | None,
    known: Causality,
    result: ModelResult,
    tell: Callable[[str], None],
) -> list[Asked]:
    """The answers with some options set; none, and a note, where they build nothing that runs."""
    label = ", ".join(f"{name}={value}" for name, value in chosen.items())
    try:
        with replayed(given.seed):
            built = build(module, chosen)
        q = prepare(built, given, FEWER)
    except Exception as error:
        result.notes.append(f"{label} was not asked: {told(error)}")
        return []
    with_it = _causal_with(q, chosen, causal, known)
    q.causal, q.not_causal = with_it.causal, with_it.because
    answers = _asked(q, label, tell)
    result.asked += answers
    return answers


def _causal_with(
    q: Question, chosen: Mapping[str, Any], said: bool | None, known: Causality
) -> Causality:
    """An option may make another kind of model only if its name says so."""
    about = any(word in name.lower() for name in chosen for word in ABOUT_CAUSALITY)
    return causality.found(q) if said is None and about else known


def _empty(q: Question, known: Causality) -> ModelResult:
    dtype = q.subject.dtype
    bound = BOUND.get(dtype, BOUND_ELSE)
    result = ModelResult(
        q.subject.name,
        dtype,
        f"equal up to {bound * q.subject.eps:.0e} of the largest entry ({bound:.0e} units of eps)",
        str(q.streams),
        str(known),
        q.lengths,
        q.seed,
        untested=known.untested,
        undecided=known.undecided,
    )
    kinds: dict[str, list[int]] = {}
    for n, said in q.refused.items():
        kinds.setdefault(re.sub(r"\d+", "#", said), []).append(n)
    for several in kinds.values():
        listed = ", ".join(map(str, several))
        result.notes.append(f"length {listed} is refused: {q.refused[several[0]]}")
    return result


def _asked(q: Question, label: str, tell: Callable[[str], None]) -> list[Asked]:
    answers: list[Asked] = []
    for invariant in INVARIANTS:
        tell(f"{q.subject.name}{', ' + label if label else ''}: {invariant.SENTENCE}")
        about = (invariant.NAME, invariant.SENTENCE, label)
        if answers and answers[0].broken:
            answers.append(Asked(*about, not_asked="the same call does not repeat"))
            continue
        try:
            comparisons, broken = invariant.look(q)
            answers.append(Asked(*about, comparisons, broken))
        except NotAsked as reason:
            answers.append(Asked(*about, not_asked=str(reason)))
        except Exception as error:
            answers.append(Asked(*about, not_asked=f"the model raises {told(error)}"))
    return answers
