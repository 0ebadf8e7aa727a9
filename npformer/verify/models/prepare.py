"""From what a caller gives to a question: the subject in its widest dtype, and what goes in."""

from __future__ import annotations

import copy
import inspect
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from npformer.errors import VerifyError
from npformer.verify.models.fills import Said, fills, id_said
from npformer.verify.models.inputs import OTHER, Stream, Streams, like, named
from npformer.verify.models.numpy_subject import NumpySubject
from npformer.verify.models.options import build, is_module, needs
from npformer.verify.models.question import EDGES, Question, around, thresholds, told
from npformer.verify.models.subject import Subject

TRIALS = (5, 8, 16, 64, 128)
"""Lengths at which it is found out what goes in; some models take multiples of a block alone."""
WIDTHS = ("d_model", "dim", "embed_dim", "hidden_size", "n_embd", "dim_in", "in_features")
SIZES = ("vocab_size", "num_tokens", "vocabulary", "n_vocab")


def is_torch(module: Any) -> bool:
    """Whether it is a ``torch.nn.Module``, asked without importing PyTorch."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(module, torch.nn.Module)


@dataclass(frozen=True)
class Given:
    """What a caller of ``check_model`` says of the model, besides the model; see there."""

    inputs: Any = None
    lengths: Sequence[int] | None = None
    padding: Said = None
    step: Callable[..., Any] | None = None
    plain: Any = None
    call: Callable[..., Any] | None = None
    vocabulary: int | None = None
    width: int | None = None
    batch_first: bool | None = None
    seed: int = 0


def prepare(module: Any, given: Given, most: int = len(EDGES)) -> Question:
    """All of a question but whether it is causal, at ``most`` of the edges.

    Raises VerifyError if nothing that can be drawn goes through, at any length.
    """
    q = _question(module, given)
    _set_lengths(q, given.lengths, most)
    q.padding = fills(q, given.padding)
    q.step = q.subject.stepper() if given.step is None else q.subject.step_by(given.step)
    if given.plain is not None:
        q.plain = _plain(q, module, given)
    return q


def _subject(module: Any, given: Given, wide: bool) -> Subject:
    """In float64 if ``wide``, else as it is."""
    if not is_torch(module):
        return NumpySubject(module, call=given.call, wide=wide)
    from npformer.verify.models.torch_subject import TorchSubject

    first = _batch_first(module) if given.batch_first is None else given.batch_first
    return TorchSubject(module, call=given.call, batch_first=first, wide=wide)


def _question(module: Any, given: Given) -> Question:
    said = ""
    for subject in (_subject(module, given, wide) for wide in (True, False)):
        for streams, length in candidates(subject, given):
            try:
                drawn = streams.draw(2, length, np.random.default_rng(given.seed))
                y = subject.forward(drawn, 1).y
            except VerifyError:
                raise
            except Exception as error:
                said = said or f"{streams}, length {length}: {told(error)}"
                continue
            fits = [name for name, a in drawn.items() if y.shape[:2] == a.shape[:2]]
            if len(fits) > 1 and streams.drawn is not None:
                other = streams.draw(2, length + 1, np.random.default_rng(given.seed))
                fits = [n for n in fits if other[n].shape[1] == length + 1] or fits
            if not fits:
                shapes = ", ".join(str(a.shape) for a in drawn.values())
                raise VerifyError(
                    f"{subject.name} gives an output of shape {y.shape} for inputs of {shapes}; it "
                    "must be (batch, length, ...), or call= has to make it so"
                )
            together = tuple(fits) if streams.drawn is not None else (fits[-1],)
            streams = Streams(streams.streams, fits[-1], streams.drawn, together)
            subject.look_inside(drawn)
            modes = (False, True) if is_torch(module) or subject.takes("rng") else (False,)
            return Question(subject, streams, (), None, given.seed, modes)
    raise VerifyError(
        f"nothing that was tried goes through {type(module).__name__} ({said}); give inputs=, a "
        "function (batch, length, rng) -> arrays, or vocabulary= or width="
    )


def _plain(q: Question, module: Any, given: Given) -> Subject:
    """The plain form, with the parameters of the form that saves."""
    form = given.plain
    if not is_module(form) and not needs(form):
        form = build(form, {})
    elif not is_module(form):
        copied = copy.deepcopy(module)
        form = form(copied) or copied
    plain = _subject(form, given, q.subject.dtype.startswith("float64"))
    plain.load(q.subject.module)
    return plain


def candidates(subject: Subject, given: Given) -> Iterator[tuple[Streams, int]]:
    """Streams that may fit, and lengths, likeliest first.

    Raises VerifyError for inputs that are given and are no arrays at all.
    """
    inputs, vocabulary, width = given.inputs, given.vocabulary, given.width
    trials = (*(given.lengths or ())[-1:], *TRIALS)
    if callable(inputs):
        for length in trials:
            drawn = named(inputs(2, length, np.random.default_rng(0)))
            if not drawn:
                raise VerifyError("inputs= gives no arrays; a model is asked through them")
            yield Streams(like(drawn), next(iter(drawn)), inputs), length
        return
    if inputs is not None:
        examples = named(
            inputs, _names(subject, given.call) if not isinstance(inputs, dict) else None
        )
        if not examples:
            raise VerifyError("inputs= holds no arrays; a model is asked through them")
        target = list(examples)[-1]
        for length in (examples[target].shape[1], *trials):
            yield Streams(like(examples), target), length
        return
    names, sounds = _names(subject, given.call), _sounds(subject)
    avoided = {name: id_said(subject, given.padding, name) for name in names}
    vocabularies = [vocabulary] if vocabulary else [] if width else _vocabularies(subject)
    widths = [width] if width else [] if vocabulary else _widths(subject)
    for length in trials:
        for size in vocabularies:
            kinds = tuple(
                sounds.get(name) or Stream(name, vocabulary=size, avoid=avoided[name])
                for name in names
            )
            yield Streams(kinds, names[-1]), length
        for size in widths:
            yield Streams(tuple(Stream(name, width=size) for name in names), names[-1]), length


def _set_lengths(q: Question, lengths: Sequence[int] | None, most: int) -> None:
    """The lengths at which the model runs, of those given, or of the edges and its thresholds."""
    if any(n < 1 for n in lengths or ()):
        raise VerifyError(f"lengths are {tuple(lengths or ())}; each must be 1 or more")
    wanted = sorted(set(lengths or {*EDGES[:most], *around(thresholds(q.subject))}))
    q.lengths = tuple(n for n in wanted if q.runs(n))
    if not q.lengths:
        said = next(iter(q.refused.values()), "")
        raise VerifyError(f"{q.subject.name} runs at none of the lengths {wanted}: {said}")


def _names(subject: Subject, call: Callable[..., Any] | None) -> list[str]:
    """Of the streams: what the model says it reads, or the arguments that its forward needs."""
    if streams := getattr(subject.module, "streams", None):
        return list(streams)
    function = call or subject.module.forward
    needed = [
        name
        for name, p in inspect.signature(function).parameters.items()
        if p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
    ]
    return (needed[1:] if call else needed) or ["x"]


def _sounds(subject: Subject) -> dict[str, Stream]:
    """Those of the streams that the model says it hears."""
    heard = getattr(subject.module, "heard", {})
    return {
        name: Stream(name, width=getattr(subject.module.config, field), sound=True)
        for name, field in heard.items()
    }


def _vocabularies(subject: Subject) -> list[int]:
    said: list[int] = []
    tables: list[int] = []
    positions: list[int] = []
    for path, module in subject.modules():
        for holder in (module, getattr(module, "config", None)):
            said += [v for n in SIZES if isinstance(v := getattr(holder, n, None), int)]
        weight = getattr(module, "weight", None)
        shape: Any = getattr(getattr(weight, "data", weight), "shape", ())
        if "embed" in type(module).__name__.lower() and len(shape) == 2:
            (positions if "pos" in path.lower() else tables).append(int(shape[0]))
    return list(dict.fromkeys([*said, *tables, *positions]))


def _widths(subject: Subject) -> list[int]:
    found = []
    for _, module in subject.modules():
        for holder in (module, getattr(module, "config", None)):
            found += [v for n in WIDTHS if isinstance(v := getattr(holder, n, None), int)]
    for _, module in subject.modules():
        weight = getattr(module, "weight", None)
        shape = getattr(getattr(weight, "data", weight), "shape", ())
        if shape:
            found.append(int(shape[-1]))
    if is_torch(subject.module):
        found += [int(p.shape[-1]) for p in subject.module.parameters() if p.ndim]
    return list(dict.fromkeys([*found, OTHER]))


def _batch_first(module: Any) -> bool:
    """PyTorch's own layers put the length first unless they are told otherwise."""
    own = getattr(module, "batch_first", None)
    if isinstance(own, bool):
        return own
    if not type(module).__module__.startswith("torch.nn"):
        return True
    return not any(getattr(m, "batch_first", None) is False for m in module.modules())
