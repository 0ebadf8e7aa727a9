"""The NumPy engine: hand-written backwards, the batch cut over worker threads.

NumPy lets go of the interpreter's lock inside matrix products and large elementwise work, so
threads that each take some rows of the batch through the whole forward and backward run truly
side by side. Each works on a replica of the model: the same weights, and gradients that are summed
with the others' (``gradient_sums.py``). The mathematics in ``npformer/ops`` knows nothing of this.

Chapter     walkthroughs/11_lockstep.md
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from threadpoolctl import ThreadpoolController

from npformer.config import RunConfig
from npformer.errors import NonFiniteError
from npformer.models.loss import LOSS
from npformer.models.model import Model
from npformer.nn.module import Array
from npformer.optim import clip_factor, gradient_norm, make_optimizer
from npformer.seam import quiet
from npformer.text.batches import Batch
from npformer.text.judged_batches import JudgedBatch
from npformer.train.adapted import make_trained
from npformer.train.checkpoint import save_arrays
from npformer.train.engine import Step, not_finite
from npformer.train.gradient_sums import SummedParameters
from npformer.train.judged_loss import JudgedLoss
from npformer.train.memory import keep_freed_memory, peak_memory
from npformer.train.rates import rate_factors
from npformer.train.token_loss import TokenLoss, packed_forward

Task = TypeVar("Task")
Result = TypeVar("Result")


class NumpyEngine:
    """``Engine`` (see ``engine.py``) over a NumPy model.

    The result of a batch depends on ``config.train.workers``, for it decides the order of sums and
    which generator drops what, but not on how many cores the machine has.

    ``weights`` (path -> array) are the initial ones, below any adapters; without them they are
    drawn from ``config.train.seed``. What is trained is a copy. What adapters leave frozen is
    shared with the caller, for it is as large as the model: nobody may change it meanwhile, and
    ``restore`` writes into it.
    """

    peak_flops = 0.0  # what NumPy's BLAS can do is for `npformer bench` to measure

    def __init__(self, config: RunConfig, *, weights: Mapping[str, Array] | None = None) -> None:
        keep_freed_memory()
        train = config.train
        self._model = make_trained(config, np.random.default_rng(train.seed), weights)
        self._model.run_layers(checkpointed=train.checkpoint_activations, freed=True)
        self._clip_norm = config.optim.clip_norm
        self._judged = JudgedLoss(config.preferences)
        self._loss: Any = self._judged if config.preferences.judged else TokenLoss(train)
        self.flat = SummedParameters(self._model.named_parameters())
        self.optimizer = make_optimizer(config.optim, self.flat)
        self.optimizer.rates = rate_factors(config, self.flat.shapes)
        self.loss = 0.0
        """Sum of the losses since the last update."""
        self.tokens = self.units = 0
        """Valid target tokens since then; and what the losses are of."""
        self._load: Array | int = 0  # tokens of each layer's experts since then
        self.replicas = [self.flat.replica(self._model, w) for w in range(train.workers)]
        for replica in self.replicas:
            replica.projects = self._loss.projects
        self._pool = ThreadPoolExecutor(train.workers, thread_name_prefix="worker")
        self._blas = ThreadpoolController()

    @property
    def model(self) -> Model:
        """The model, with the weights that are evaluated."""
        self.optimizer.eval()
        return self._model

    def flops(self, batch: Batch) -> float:
        """Of no use without a peak to compare it with: 0."""
        return 0.0

    def gradients(self, batch: Batch, seed: tuple[int, ...]) -> None:
        """Add the gradient of the summed losses.

        ``seed`` decides the dropout: worker w draws its masks from ``default_rng([*seed, w])``.
        """

        self.optimizer.train()

        def run(worker: int, rows: Batch) -> tuple[float, Array | int]:
            model = self.replicas[worker]
            rng = np.random.default_rng([*seed, worker])
            loss, dy, cache = self._loss.forward(model, rows, rng)
            load: Array | int = 0
            if model.auxiliary:
                loss += float(cache.auxiliary.loss)
                load = 0 if cache.auxiliary.load is None else cache.auxiliary.load
            model.backward(dy, cache)
            return loss, load

        parts = self._cut(batch)
        self.flat.begin(len(parts))
        for loss, load in self._parallel(run, parts):
            self.loss += loss
            self._load = self._load + load
        self.flat.end()
        self.tokens += batch.tokens
        self.units += batch.units

    def update(self, learning_rate: float) -> Step:
        """Step along the gathered gradient divided by its units, and clear it.

        Raises NonFiniteError naming the parameter, with weights and optimizer as they were.
        """
        loss, tokens, units, load = self.loss, self.tokens, self.units, self._load
        self.loss, self.tokens, self.units, self._load = 0.0, 0, 0, 0
        workers, gradients = len(self.replicas), self.flat.gradients()

        def norm_of(worker: int, part: slice) -> float:
            paths = self.flat.between(part.start, part.stop)
            return gradient_norm(*(gradients[path] for path in paths if path in gradients))

        norm = math.hypot(*self._parallel(norm_of, self.flat.ranges(workers))) / units
        if not np.isfinite([norm, loss]).all():
            name = self.flat.first_nonfinite()
            self.flat.clear()
            raise NonFiniteError(not_finite(loss, name))
        scale = clip_factor(norm, self._clip_norm) / units
        self.optimizer.advance()

        def apply(worker: int, part: slice) -> None:
            self.optimizer.apply(learning_rate, scale, part.start, part.stop)

        self._parallel(apply, self.optimizer.ranges(workers))
        self.flat.clear()
        if self._model.auxiliary:
            self._model.rebalance(np.asarray(load))
        return Step(loss, tokens, norm, units)

    def evaluate(self, batch: Batch) -> tuple[float, int]:
        """The summed token losses of a batch, no smoothing, no dropout; and its valid tokens."""
        model = self.model

        def run(worker: int, rows: Batch) -> float:
            logits, targets, _ = packed_forward(model, rows)
            loss, _ = LOSS.forward(logits, targets, reduction="sum", ignore_index=rows.no_target)
            return float(loss)

        return sum(self._parallel(run, self._cut(batch))), batch.tokens

    def log_probs(self, batch: JudgedBatch) -> Array:
        """The log-probability (A,) of each answer, as the loss takes it, without dropout."""
        model = self.model

        def run(worker: int, rows: Any) -> Array:
            return self._judged.log_probs(model, rows)[0].astype(np.float64)

        found = np.empty((len(batch), batch.answers))
        count = len(self.replicas)
        for worker, part in enumerate(self._parallel(run, self._cut(batch))):
            found[worker::count] = part.reshape(-1, batch.answers)
        return found.reshape(-1)

    def state(self) -> dict[str, Array]:
        """Copies of weights, ``model/<path>``, and of the optimizer's arrays, ``optim/<name>``."""
        return {
            **{f"model/{k}": v.copy() for k, v in self.model.state_dict().items()},
            **{f"optim/{k}": v.copy() for k, v in self.optimizer.state().items()},
        }

    def restore(self, state: Mapping[str, Array]) -> None:
        """Take over a state; ShapeError unless every name, shape and dtype agrees.

        A state of weights alone leaves the optimizer as it is.
        """
        parts: dict[str, dict[str, Array]] = {"model": {}, "optim": {}}
        for key, array in state.items():
            kind, _, name = key.partition("/")
            parts[kind][name] = array
        self.model.load_state_dict(parts["model"])
        if parts["optim"]:
            self.optimizer.restore(parts["optim"])

    def save(self, directory: Path) -> None:
        """Write the two files of a checkpoint that hold arrays."""
        save_arrays(directory, self.state())

    def memory(self) -> int:
        """The most bytes that this process has had in memory."""
        return peak_memory()

    def _cut(self, batch: Batch) -> list[Batch]:
        """The rows of a batch in as many parts as there are workers, none of them empty.

        They are dealt out, for in a batch of sorted pairs the last rows have the least padding.
        """
        count = len(self.replicas)
        return [batch.rows(slice(w, None, count)) for w in range(min(count, len(batch)))]

    def _parallel(self, run: Callable[[int, Task], Result], tasks: list[Task]) -> list[Result]:
        """``run(worker, task)`` of every task at once, each with BLAS held to its own thread.

        Who watches the caller (``npformer/seam.py``) watches the workers too.
        """

        def quietly(worker: int, task: Task) -> Result:
            with quiet():  # what overflows is found, and named, by ``update``
                return run(worker, task)

        if len(tasks) == 1:
            return [quietly(0, tasks[0])]
        contexts = [copy_context() for _ in tasks]
        with self._blas.limit(limits=1, user_api="blas"):
            return list(
                self._pool.map(
                    lambda context, *given: context.run(quietly, *given),
                    contexts,
                    range(len(tasks)),
                    tasks,
                )
            )
