"""A published model in NumPy beside the library that it was published for, module by module.

A bisection judges by the twin, which has the weights and the settings that npformer has read. What
was read wrongly, two matrices in each other's place for example, shows only beside the library
itself. Its modules are found by the family's own table: where a parameter is a tensor, the two
modules that hold them take and give the same arrays.

Chapter     walkthroughs/14_how_we_know.md
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from npformer import seam
from npformer.errors import ConfigError, VerifyError
from npformer.ops.array import Array
from npformer.pretrained import Pretrained
from npformer.pretrained.library import Library
from npformer.pretrained.load import Renamed
from npformer.pretrained.tensors import Exported
from npformer.text.tokenizer import Tokenizer

WEIGHT = ".weight"
SAME = {np.dtype(np.float64): 1e-9, np.dtype(np.float32): 1e-3}
"""The largest error, relative to the largest entry, of arrays that are the same."""
NOTHING = {np.dtype(np.float64): 1e-12, np.dtype(np.float32): 1e-5}
"""A gradient this small beside the largest is rounding alone, as that of a bias of keys."""
WRITTEN = 12
"""Tokens that an encoder-decoder writes, to be compared on."""


class Compared(NamedTuple):
    """One module on both sides; errors are relative to the library's largest entry."""

    path: str
    theirs: str
    """The library's path of it."""
    input: float
    output: float
    doutput: float
    """Of the gradient that arrives at the output."""
    weight: float
    """Of the gradient of its weight."""


@dataclass(frozen=True)
class Comparison:
    """What a comparison found; falsy if anything differs."""

    rows: tuple[Compared, ...]
    """The modules in the order of the forward."""
    output: str
    """What the library calls what both models give: the logits, or the last states."""
    error: float
    """Of that."""
    gradients: dict[str, float]
    """Of every tensor, by the family's name of it."""
    same: float
    """What error passes."""

    @property
    def passed(self) -> bool:
        return max(self.error, *self.gradients.values()) <= self.same

    def __bool__(self) -> bool:
        return self.passed

    @property
    def activation(self) -> str | None:
        """The first module whose output differs though its input is the same, by its path.

        Where an input differs first, it is what lies between two modules. None where none differs.
        """
        before = "the embedding"
        for row in self.rows:
            if row.input > self.same:
                return f"between {before} and {row.path}"
            if row.output > self.same:
                return row.path
            before = row.path
        return f"after {before}" if self.error > self.same else None

    @property
    def gradient(self) -> str | None:
        """The same of the first gradient on its way back, where every activation is the same."""
        if self.passed or self.activation is not None:
            return None
        after = "the output"
        for row in reversed(self.rows):
            if row.doutput > self.same:
                return f"between {row.path} and {after}"
            if row.weight > self.same:
                return row.path
            after = row.path
        return f"before {after}"

    def __str__(self) -> str:
        lines = [f"{'':48}  {'output':>8}  {'gradient':>8}  {'weight':>8}"]
        lines += [
            f"{row.path:48}  {row.output:8.1e}  {row.doutput:8.1e}  {row.weight:8.1e}"
            for row in self.rows
        ]
        worst = max(self.gradients, key=self.gradients.__getitem__)
        lines.append(
            f"{self.output:48}  {self.error:8.1e}\n"
            f"the worst of {len(self.gradients)} gradients is {worst}: {self.gradients[worst]:.1e}"
        )
        for what, where in (("activation", self.activation), ("gradient", self.gradient)):
            if where is not None:
                lines.append(f"the first {what} that differs is made {_in(where)}")
        return "\n".join(lines)


def inputs_of(found: Pretrained, given: str) -> dict[str, Array]:
    """What the model reads for what somebody gives, one text for most: an array for each stream.

    The target of a model that reads a source is what it writes of itself. Raises TokenizerError
    for what has no ids, ConfigError for a text longer than the model takes.
    """
    model, tokenizer = found.model, found.tokenizer()
    first, *more = model.streams
    if more:
        source = found.family.read(given, tokenizer, model.config)
        return {first: source, more[0]: _written(model, source, tokenizer)}
    ids = tokenizer.prompt(given)
    if not model.decodes:
        ids = tokenizer.whole(tokenizer.encode(given))
    if len(ids) > model.config.max_length:
        raise ConfigError(
            f"the text has {len(ids)} tokens, the model takes {model.config.max_length}; shorten it"
        )
    return {first: np.array([ids], np.int64)}


def compare(
    found: Pretrained, model: Any, inputs: Mapping[str, Array], rng: np.random.Generator
) -> Comparison:
    """One forward and backward of both, in lockstep, with a gradient of the output from ``rng``.

    ``inputs`` are the arrays that the model's forward takes, by name; padding is compared nowhere.
    ``model`` is the library's, in the precision that it is to be run in; its gradients and those
    of ``found`` are replaced. Raises VerifyError for a model without any module of the family's.
    """
    names = found.family.own_names([name for name, _ in model.named_parameters()])
    entries = found.family.entries(found.model.config)
    pairs = _pairs(found, names)
    if not pairs:
        raise VerifyError(
            f"a {type(model).__name__} has no module of {type(found.family).__name__}"
        )
    library = found.family.library(found.model.config)
    shown = _Shown(found.model, inputs)
    ours = _Watched({path: module for path, module in found.model.named_modules() if path in pairs})
    with seam.watching(ours):
        y, cache = getattr(found.model, library.method)(**inputs)
        dy = rng.standard_normal(y.shape).astype(y.dtype)
        if not found.model.decodes:
            dy = shown.zeroed(dy)  # nobody asks for padding's
        for parameter in found.model.parameters():
            parameter.grad = None
        getattr(found.model, library.backward)(dy, cache)
    with _hooked(model, set(pairs.values())) as theirs:
        right, gradients = _run(model, library, inputs, shown, dy)
    parameters = dict(found.model.named_parameters())
    own = Exported(
        [e for e in entries if all(parameters[path].trainable for path in e.ours)],
        {
            path: np.zeros_like(parameter.data) if parameter.grad is None else parameter.grad
            for path, parameter in parameters.items()
        },
    )
    expected = Renamed(gradients, {own: name for own, name in names.items() if name in gradients})
    nothing = NOTHING[y.dtype] * max(float(abs(g).max(initial=0)) for g in gradients.values())
    errors = {
        # What the library never trains, such as a buffer, has no gradient there, or has one where
        # loading makes it forget that (findings/transformers-whisper-table-trained.sh).
        name: _apart(own[name], expected[name], nothing)
        for name in own
        if name in expected
    }
    tensors = {path.removesuffix(WEIGHT): name for name, path in _weights(found).items()}
    rows = [
        Compared(path, pairs[path], came, went, back, errors[tensors[path]])
        for path, seen in ours.seen.items()
        for came, went, back in [map(shown.apart, seen, theirs[pairs[path]])]
        if tensors[path] in errors
    ]
    error = shown.apart(y, right)
    return Comparison(tuple(rows), library.output, error, errors, SAME[y.dtype])


def _written(model: Any, source: Array, tokenizer: Tokenizer) -> Array:
    """source (1, ...) -> (1, T) ids that the model writes, as decoding begins them."""
    ids = list(tokenizer.begin) or [tokenizer.first]
    most = min(len(ids) + WRITTEN, model.config.max_length)
    state = model.start(source)
    for n in range(most - 1):
        newest = int(model.step(np.array([ids[n]]), state)[0].argmax())
        if n < len(ids) - 1:
            continue  # of those that it begins with
        if newest in tokenizer.ends:
            break
        ids.append(newest)
    return np.array([ids], np.int64)


def _weights(found: Pretrained) -> dict[str, str]:
    """The family's name of each tensor that is one parameter, perhaps transposed, and its path."""
    return {
        entry.theirs[0]: entry.ours[0]
        for entry in found.family.entries(found.model.config)
        if len(entry.ours) == len(entry.theirs) == 1
        and entry.ours[0].endswith(WEIGHT)
        and entry.theirs[0].endswith(WEIGHT)  # and no parameter beside others in a module
    }


def _pairs(found: Pretrained, names: dict[str, str]) -> dict[str, str]:
    """The library's path of each module of ours that takes numbers and holds one of the tensors."""
    model = found.model
    entrances = [model.entrance(stream) for stream in model.streams]
    # Of ids and places: a family may scale what these give. A table that is never trained is too.
    other: list[Any] = [part for each in entrances for part in (each.embedding, each.positions)]
    if model.output_scale != 1:  # of the states here, and of the logits there
        other.append(model.output_proj)
    left_out = {path for path, m in model.named_modules() if any(m is part for part in other)}
    frozen = {path for path, p in model.named_parameters() if not p.trainable}
    left_out |= {path.removesuffix(WEIGHT) for path in frozen}
    return {
        path.removesuffix(WEIGHT): names[name].removesuffix(WEIGHT)
        for name, path in _weights(found).items()
        if name in names and path.removesuffix(WEIGHT) not in left_out
    }


class _Shown:
    """Which tokens of a text that is read whole are no padding; everything else is shown."""

    def __init__(self, model: Any, inputs: Mapping[str, Array]) -> None:
        first, *more = model.streams
        ids = inputs[first]
        self.mask: Array | None = None
        if (more or not model.decodes) and ids.dtype.kind == "i":
            self.mask = ids != model.config.padding_id  # (B, S)

    def zeroed(self, dy: Array) -> Array:
        """dy (B, S, ...) with 0 at padding."""
        return dy if self.mask is None else np.where(self.mask[..., None], dy, 0).astype(dy.dtype)

    def apart(self, ours: Array, theirs: Array) -> float:
        """As ``_apart``, without what belongs to padding."""
        theirs = _laid_out(theirs, ours.shape)
        alike = ours.shape == theirs.shape
        if self.mask is not None and alike and ours.shape[:2] == self.mask.shape:
            ours, theirs = ours[self.mask], theirs[self.mask]
        return _apart(ours, theirs)


class _Watched:
    """Of each module by its path: input, output, and the gradient that arrives."""

    def __init__(self, modules: dict[str, Any]) -> None:
        self.seen: dict[str, list[Array]] = {}
        self._paths = {id(module): path for path, module in modules.items()}

    def __call__(self, call: seam.Call, run: Any, *args: Any, **kwargs: Any) -> Any:
        path = self._paths.get(id(call.owner))
        result = run(*args, **kwargs)
        if path is not None and call.name == "forward":
            # Until a gradient arrives, there is none.
            self.seen[path] = [args[0], result[0], np.zeros_like(result[0])]
        elif path is not None and call.name == "backward":
            self.seen[path][2] = args[0]
        return result


@contextmanager
def _hooked(model: Any, paths: set[str]) -> Iterator[dict[str, list[Array]]]:
    """The same of the library's modules."""
    seen: dict[str, list[Array]] = {}

    def hook(path: str) -> Any:
        def look(module: Any, inputs: Any, output: Any) -> None:
            if isinstance(output, tuple):  # a router's scores, with what it made of them
                output = output[0]
            seen[path] = [_numpy(inputs[0]), _numpy(output)]
            output.register_hook(lambda gradient: seen[path].append(_numpy(gradient)))

        return look

    handles = [
        module.register_forward_hook(hook(path))
        for path, module in model.named_modules()
        if path in paths
    ]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def _run(
    model: Any, library: Library, inputs: Mapping[str, Array], shown: _Shown, dy: Array
) -> tuple[Array, dict[str, Array]]:
    import torch

    model.zero_grad()
    model.config.use_cache = False
    wide = next(model.parameters()).dtype
    given = {
        library.inputs[name]: torch.from_numpy(array).to(wide if array.dtype.kind == "f" else None)
        for name, array in inputs.items()
    }
    if shown.mask is not None:
        given["attention_mask"] = torch.from_numpy(shown.mask.astype(np.int64))
    y = getattr(model(**given), library.output)
    y.backward(torch.from_numpy(dy).to(y.dtype))
    read = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    return _numpy(y), {name: _numpy(gradient) for name, gradient in read.items()}


def _numpy(tensor: Any) -> Array:
    array: Array = tensor.detach().cpu().numpy().copy()
    return array


def _in(where: str) -> str:
    return where if " " in where else f"in {where}"


def _laid_out(theirs: Array, shape: tuple[int, ...]) -> Array:
    """An array of the library's in our layout.

    It may have heads or channels before positions, and rows where we have positions of sentences,
    or these where we have rows.
    """
    if {len(shape), theirs.ndim} == {2, 3} and theirs.size == math.prod(shape):
        return theirs.reshape(shape)
    return theirs.swapaxes(1, 2) if theirs.shape != shape and len(shape) in (3, 4) else theirs


def _apart(ours: Array, theirs: Array, nothing: float = 0.0) -> float:
    """The largest error relative to the largest entry; 0 where there is ``nothing`` in both."""
    if ours.shape != theirs.shape:
        return float("inf")
    largest = float(abs(theirs).max(initial=0))
    if max(largest, float(abs(ours).max(initial=0))) <= nothing:
        return 0.0
    return float(abs(ours - theirs).max(initial=0)) / (largest or 1.0)
