"""Where the calls of a NumPy model come by: an observer of the seam that knows its paths."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from npformer.models.loss import LOSS
from npformer.seam import Call
from npformer.verify.lockstep.observer import Observer
from npformer.verify.lockstep.visits import Site, is_op

Run = Callable[..., Any]


class NumpyObserver(Observer):
    """Watches one model (``npformer.seam.watching``); a subclass says what to do with its calls.

    What an op calls is the op's own affair, and so is a method that runs the one that it replaces,
    as a subclass's does by ``super()``. Calls of other models' modules pass.
    """

    def __init__(self, model: Any) -> None:
        super().__init__(model)
        self._running: list[tuple[Site, bool]] = []

    def __call__(self, call: Call, run: Run, *args: Any, **kwargs: Any) -> Any:
        site = self._site(call)
        if site is None:
            return run(*args, **kwargs)
        if site.operation == "accumulate":
            return self._through(site, False, self.accumulate, site.path, run, call.owner, *args)
        function = call.function if call.owner is None else call.function.__get__(call.owner)
        through = self.backward if call.is_backward else self.forward
        return self._through(site, call.is_backward, through, site, run, function, *args, **kwargs)

    def loss(self, which: str, function: Run, *args: Any, **kwargs: Any) -> Any:
        """Call the loss, which may be any function: its ``forward`` or its ``backward``."""
        site = Site("loss", LOSS.name, LOSS.name)
        through = getattr(self, which)
        return self._through(
            site, which == "backward", through, site, function, function, *args, **kwargs
        )

    def forward(self, site: Site, run: Run, function: Run, *args: Any, **kwargs: Any) -> Any:
        """y, cache; ``run`` makes the call of ``function``."""
        raise NotImplementedError

    def backward(
        self, site: Site, run: Run, function: Run, dy: Any, cache: Any, *others: Any
    ) -> Any:
        """gradients"""
        raise NotImplementedError

    def accumulate(self, path: str, run: Run, parameter: Any, gradient: Any) -> None:
        """Add to a parameter's gradient."""
        raise NotImplementedError

    def _through(self, site: Site, back: bool, through: Run, *args: Any, **kwargs: Any) -> Any:
        self._running.append((site, back))
        try:
            return through(*args, **kwargs)
        finally:
            self._running.pop()

    def _site(self, call: Call) -> Site | None:
        here, back = self._running[-1] if self._running else (Site("loss", "", ""), False)
        if here.is_op:
            return None
        if call.owner is None:
            known = is_op(call.pair) and call.name != call.pair
            return Site(here.path, call.pair, call.pair) if known else None
        path = self.paths.get(id(call.owner))
        if path is None:
            return None
        site = Site(path, call.pair, type(call.owner).__name__)
        return None if (site, call.is_backward) == (here, back) else site
