"""How others test a gradient: each tester judges a component on the cases of a plain test file.

A test file has a few cases of fixed, ordinary shapes: a size of its own for each letter, generic
numbers in contiguous arrays, a random upstream gradient, and whatever options come up.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from typing import Any, NamedTuple, TypeVar

import numpy as np

from npformer.cards.case import Array, Case
from npformer.cards.discovery import CARDS
from npformer.cards.strategies import SimpleSource
from npformer.cards.values import EXPONENTS, LAYOUTS
from npformer.verify.component import Component
from npformer.verify.components.registry import component
from npformer.verify.diagnosis.evidence import silence
from npformer.verify.museum.adapters import as_jax, as_torch
from npformer.verify.subjects.engines import double_precision

T = TypeVar("T")

CASES = {"ops": 8, "nn": 8, "models": 4, "optim": 8}
"""In a test file, by the component's folder: a model's case is dear to differentiate by numbers."""


class PlainSource(SimpleSource):
    """What stands in a test file: sizes from 2 on that differ, generic values, contiguous arrays.

    Of ``count`` cases, the one whose ``turn`` it is: each option occurs equally often.
    """

    most = 10**6

    def __init__(self, seed: Sequence[int], turn: int, count: int) -> None:
        self.rng = np.random.default_rng([*seed, turn])
        self._orders = np.random.default_rng(seed)
        self._turn, self._count = turn, count

    def integer(self, low: int, high: int) -> int:
        return int(self.rng.integers(low, high, endpoint=True))

    def choice(self, options: Sequence[T]) -> T:
        if options is LAYOUTS:
            return options[0]
        if all(option in EXPONENTS for option in options):  # powers of ten
            return 0  # type: ignore[return-value]
        in_turn = np.arange(self._count) % len(options)
        return options[int(self._orders.permutation(in_turn)[self._turn])]

    def sizes(self, letters: str, least: Mapping[str, int]) -> dict[str, int]:
        each = list(dict.fromkeys(letters))
        return {a: 2 + int(i) for a, i in zip(each, self.rng.permutation(len(each)), strict=True)}

    def values(self, shape: tuple[int, ...], dtype: np.dtype) -> Array:
        return np.asarray(self.rng.standard_normal(shape), dtype)


def plain_cases(of: Component) -> list[Case]:
    """The cases of a plain test file of this component, always the same."""
    count = CASES[CARDS[of.name].home.split(".")[1]]
    sources = (PlainSource(tuple(of.name.encode()), turn, count) for turn in range(count))
    return [of.draw(source, np.dtype(float)) for source in sources]


class Rival(NamedTuple):
    """A tester."""

    name: str
    words: str
    """What it is, for the caption."""
    accepts: Callable[[Component, Case], bool]
    needs_gradient: bool = True
    """Whether it has nothing to say of an optimizer, which has no backward."""
    package: str = "torch"
    """That must be installed."""
    heading: str = ""
    """Its name in two lines, if it is long."""


def _gradcheck(**options: Any) -> Callable[[Component, Case], bool]:
    def accepts(of: Component, case: Case) -> bool:
        import torch

        inputs = [torch.from_numpy(np.array(a)).requires_grad_() for a in case.inputs.values()]
        return torch.autograd.gradcheck(
            as_torch(of, case), inputs, raise_exception=False, **options
        )

    return accepts


def _check_grads(of: Component, case: Case) -> bool:
    import jax
    from jax.test_util import check_grads

    with double_precision():
        inputs = tuple(jax.numpy.asarray(a) for a in case.inputs.values())
        try:
            check_grads(as_jax(of, case), inputs, order=1, modes=["rev"])
        except AssertionError:
            return False
    return True


def _allclose(rtol: float, atol: float) -> Callable[[Component, Case], bool]:
    """The output and every gradient beside PyTorch's, in float32."""

    def accepts(of: Component, case: Case) -> bool:
        narrow = case.cast(np.float32)
        right, found = of.twin(narrow), of.run(narrow)
        return all(
            np.shape(found[name]) == np.shape(a)
            and np.allclose(found[name], a, rtol, atol, equal_nan=True)
            for name, a in right.items()
        )

    return accepts


RIVALS = (
    Rival("gradcheck", "torch.autograd.gradcheck as it comes", _gradcheck()),
    Rival("fast", "gradcheck(fast_mode=True)", _gradcheck(fast_mode=True)),
    Rival("check_grads", "jax.test_util.check_grads(order=1, modes=['rev'])", _check_grads,
          package="jax", heading="check_\ngrads"),
    Rival("Liger", "allclose at rtol 2e-2, atol 2e-1: Liger-Kernel's RMS norm in bfloat16",
          _allclose(2e-2, 2e-1), needs_gradient=False),
    Rival("CS336", "allclose at rtol = atol = 1e-2: Stanford CS336, assignment 2; KernelBench in "
          "bfloat16", _allclose(1e-2, 1e-2), needs_gradient=False),
    Rival("KernelBench", "allclose at rtol = atol = 1e-4: KernelBench in float32, which looks at "
          "outputs alone, and is given the gradients here", _allclose(1e-4, 1e-4),
          needs_gradient=False, heading="Kernel\nBench"),
)  # fmt: skip


def version(package: str) -> str | None:
    """Of an installed package; None if it is not."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def catches(rival: Rival, planted: Component, name: str) -> bool | None:
    """Whether it rejects a wrong version on a case on which it accepts the right one.

    None if it has nothing to say of the component of that name, or rejects the right one always.
    """
    cases = accepted(rival, name)
    return not all(_accepts(rival, planted, case) for case in cases) if cases else None


@functools.lru_cache(maxsize=len(RIVALS))  # the wrong versions of a card come one after another
def accepted(rival: Rival, name: str) -> list[Case]:
    """Of the plain test file, the cases on which it accepts the right component."""
    of = component(name)
    if version(rival.package) is None or (rival.needs_gradient and of.kind == "optimizer"):
        return []
    return [case for case in plain_cases(of) if _accepts(rival, of, case)]


def _accepts(rival: Rival, of: Component, case: Case) -> bool:
    with warnings.catch_warnings(), silence():
        warnings.simplefilter("ignore")
        try:
            return rival.accepts(of, case)
        except Exception:  # a wrong version may be wrong enough for this
            return False
