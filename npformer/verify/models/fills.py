"""How the streams of a model are padded: as the caller says, or as the model does."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping

import numpy as np

from npformer.errors import VerifyError
from npformer.verify.models.question import Fill, Padding, Question
from npformer.verify.models.subject import Subject

Said = int | Padding | Mapping[str, int | Padding] | None
PADS = ("padding_id", "pad_token_id", "pad_id", "padding_idx")
HIDDEN = ("key_padding_mask", "src_key_padding_mask", "padding_mask")
"""Arguments (B, T) in which True hides a position, of the only stream, ..."""
HIDDEN_SOURCE = ("src_key_padding_mask", "memory_key_padding_mask", "encoder_padding_mask")
"""... of another stream than the target, all at once, ..."""
HIDDEN_TARGET = ("tgt_key_padding_mask", "decoder_padding_mask")
"""... of the target beside another stream."""
SHOWN = ("attention_mask", "mask")
"""Arguments in which True shows one: (B, T), or (B, 1, 1, T) for attention's scores."""
SHOWN_SOURCE = ("attention_mask", "encoder_attention_mask")
SHOWN_TARGET = ("decoder_attention_mask",)


def fills(q: Question, said: Said) -> dict[str, Fill]:
    """By stream, the padding said, or else an id that the model knows and an argument that runs.

    An id that is said is every id stream's; a function is that of the other stream than the
    target, if there is one. Raises VerifyError for a stream that the model does not have.
    """
    names = [stream.name for stream in (*q.streams.others, q.streams.stream(q.target))]
    if isinstance(said, Mapping):
        for name in said:
            if name not in names:
                raise VerifyError(
                    f"padding names {name!r}, which is no stream of {q.subject.name}; it has "
                    f"{', '.join(names)}"
                )
        return {name: _fill(each) for name, each in said.items()}
    if callable(said):
        return {names[0]: Fill(told=said)}
    found = {}
    for name in names:
        fill = Fill(id_said(q.subject, said, name) if q.streams.stream(name).discrete else None)
        if said is None:
            fill = fill._replace(told=_argument(q, name))
        if fill != Fill():
            found[name] = fill
    return found


def _fill(said: int | Padding) -> Fill:
    return Fill(told=said) if callable(said) else Fill(said)


def id_said(subject: Subject, said: Said, name: str) -> int | None:
    """The id that fills one stream, and stands nowhere else in it."""
    own = said.get(name) if isinstance(said, Mapping) else said
    if isinstance(own, int):
        return own
    return _known_id(subject) if said is None else None


def _known_id(subject: Subject) -> int | None:
    """As the model's configuration or its table says."""
    for _, module in subject.modules():
        for holder in (getattr(module, "config", None), module):
            for name in PADS:
                value = getattr(holder, name, None)
                if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
                    return value
    return None


def _argument(q: Question, name: str) -> Padding | None:
    """The argument of a known name that runs, and hides or shows."""
    length = max(q.lengths[:4])
    inputs = q.draw(length + 1, length)  # a mask (B, T) is no (T, T)
    for way in _ways(q, name, length):
        shown = np.ones(inputs[name].shape[:2], bool)
        with contextlib.suppress(Exception):
            q.run(inputs, **way(inputs, shown))
            return way
    return None


def _ways(q: Question, name: str, length: int) -> Iterator[Padding]:
    if not q.streams.others:
        yield from (_hides(n) for n in HIDDEN if q.subject.takes(n))
        shown: tuple[str, ...] = SHOWN
    elif name == q.target:
        yield from (_hides(n) for n in HIDDEN_TARGET if q.subject.takes(n))
        shown = SHOWN_TARGET
    else:
        if together := [n for n in HIDDEN_SOURCE if q.subject.takes(n)]:
            yield _hides(*together)
        shown = SHOWN_SOURCE
    for each in shown:
        if q.subject.takes(each):
            if length > 1:
                yield _shows(each, scores=False)
            yield _shows(each, scores=True)


def _hides(*names: str) -> Padding:
    return lambda inputs, shown: dict.fromkeys(names, ~shown)


def _shows(name: str, scores: bool) -> Padding:
    return lambda inputs, shown: {name: shown[:, None, None, :] if scores else shown}
