"""All parameters of a model in one contiguous buffer, all their gradients in another.

Most optimizers' formulas are elementwise, so they need not know where one parameter ends and the
next begins. Over one flat buffer they run in blocks that stay in cache, and any cut of the buffer
is a fair share of the work for a thread. Those that look at a whole matrix cut between parameters.

Chapter     walkthroughs/10_optimizers.md
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from npformer.errors import ShapeError
from npformer.nn.module import Array, Parameter


class FlatParameters:
    """Moves named parameters into flat buffers; each ``data`` and ``grad`` becomes a view.

    ``named``: path -> Parameter, or pairs of them, as ``Module.named_parameters`` gives. Values
    are kept, and a gradient that is None becomes zeros. A parameter that appears under two paths,
    or two parameters that hold the same array, are tied: they get one place in the buffers under
    the first path, so their gradients add up. Those that are not trainable stay where they are,
    outside the buffers. Raises ``ShapeError`` unless all parameters share one dtype.

    Afterwards write *into* ``parameter.data`` and ``parameter.grad`` (``data[...] = x``); giving
    them another array would cut the tie to the buffers.
    """

    def __init__(self, named: Mapping[str, Parameter] | Iterable[tuple[str, Parameter]]) -> None:
        every = named.items() if isinstance(named, Mapping) else named
        pairs = [(path, parameter) for path, parameter in every if parameter.trainable]
        kinds = {parameter.data.dtype for _, parameter in pairs}
        if len(kinds) > 1:
            raise ShapeError(
                f"parameters have dtypes {', '.join(sorted(map(str, kinds)))}; "
                "one flat buffer holds one dtype"
            )
        tied: dict[tuple, list[Parameter]] = {}
        self.shapes: dict[str, tuple[int, ...]] = {}
        for path, parameter in pairs:
            group = tied.setdefault(_place(path, parameter.data), [])
            if not group:
                self.shapes[path] = parameter.data.shape
            if not any(parameter is other for other in group):
                group.append(parameter)

        size = sum(group[0].data.size for group in tied.values())
        dtype = kinds.pop() if kinds else np.dtype(np.float32)
        self.data: Array = np.zeros(size, dtype)  # (P,) every weight, in the order of the paths
        self.grad: Array  # (P,) every gradient, in the same order
        for group, data in zip(tied.values(), self.views(self.data).values(), strict=True):
            data[...] = group[0].data
            for parameter in group:
                parameter.data = data
        self._join_gradients(list(tied.values()))

    def _join_gradients(self, groups: list[list[Parameter]]) -> None:
        """Make the gradients of each group of tied parameters one, a view into ``grad``."""
        self.grad = np.zeros_like(self.data)
        for group, grad in zip(groups, self.views(self.grad).values(), strict=True):
            for parameter in group:
                if parameter.grad is not None:
                    grad += parameter.grad
            for parameter in group:
                parameter.grad = grad

    def gradients(self) -> dict[str, Array]:
        """Every gradient by path, of its parameter's shape; not copies."""
        return self.views(self.grad)

    def scaled_gradient(self, part: slice, factor: float, out: Array) -> None:
        """``factor`` times the gradients of the numbers in ``part``, into ``out``."""
        np.multiply(self.grad[part], factor, out=out)

    def views(self, flat: Array) -> dict[str, Array]:
        """Cut ``flat`` (P,) into views by path, each of its parameter's shape."""
        return {path: flat[span].reshape(self.shapes[path]) for path, span in self.spans().items()}

    def spans(self) -> dict[str, slice]:
        """Where each parameter is in a flat buffer, by path."""
        spans, start = {}, 0
        for path, shape in self.shapes.items():
            spans[path] = slice(start, start + int(np.prod(shape, dtype=np.int64)))
            start = spans[path].stop
        return spans

    def ranges(self, count: int) -> list[slice]:
        """``count`` disjoint ranges of whole parameters, about as large as each other."""
        starts = np.array([span.start for span in self.spans().values()] + [self.data.size])
        even = np.linspace(0, self.data.size, count + 1)[1:-1]
        cuts = [int(starts[np.abs(starts - cut).argmin()]) for cut in even]
        bounds = [0, *cuts, self.data.size]
        return [slice(start, stop) for start, stop in zip(bounds[:-1], bounds[1:], strict=True)]

    def between(self, start: int, stop: int | None = None) -> list[str]:
        """The paths of the parameters, of one number at least, that begin in a range."""
        stop = self.data.size if stop is None else stop
        spans = self.spans().items()
        return [path for path, s in spans if start <= s.start < stop and s.start < s.stop]

    def first_nonfinite(self) -> str | None:
        """The path of the first parameter whose gradient holds a NaN or an infinity, if any."""
        for path, gradient in self.gradients().items():
            if not np.isfinite(gradient).all():
                return path
        return None


def _place(path: str, array: Array) -> tuple:
    # Empty arrays may share an address without being tied, so they go by their path.
    if not array.size:
        return (path,)
    return (array.__array_interface__["data"][0], array.shape, array.strides)
