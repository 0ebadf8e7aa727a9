r"""What autograd keeps between forward and backward, operation by operation.

A forward leaves a tape: for each operation, the tensors that its backward will read. The backward
goes through it from the end, frees what an operation kept, and adds the gradients of that
operation's parameters. So memory is at its peak somewhere in between, and where it is depends on
the batch: this file writes the tape down, ``npformer/plan/memory.py`` plays it back.

Legend      t, s tokens of queries and of keys, B T or B S; D, F, V as everywhere; K = N d_k,
            W = N d_v. A number takes f bytes as stored and p as multiplied: p = f in full
            precision, p = 2 under bfloat16 autocast.

What an operation keeps, and is not kept already:

    Linear          its input: p t I. Autocast casts what is stored in full, and every Linear casts
                    for itself: q_proj, k_proj and v_proj keep three copies of the one x they read.
                    Also a bfloat16 copy of its weight and bias.
    attention       q, k, v, its result p t W, and a row's log-sum of exponentials, a float32 for
                    each head. So the fused kernels, flash or memory-efficient on CUDA and flash on
                    the CPU: they make the probabilities again in the backward. Where the CPU has
                    none (in bfloat16 the twin takes plain products, which are faster there, and
                    values of another size than the keys), the probabilities, p t N S.
    activation      ReLU its result, which the next Linear keeps anyway; GELU and SiLU their input.
    dropout         its mask: a byte a number on CUDA, on the CPU a number a number.
    residual sum    nothing.
    layer norm      its input, in full, and mean and 1/deviation of each row.
    embedding       the ids, 8 bytes a token.
    cross-entropy   the logarithms of the probabilities, f t V; in chunks, with the projection, the
                    gradients that it has already made: f (t + V) D.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from npformer.config import RunConfig
from npformer.plan.operation import Operation, Segment
from npformer.plan.parameters import linear_size
from npformer.plan.shape import DeviceKind, Precision, Shape


class Tape:
    """Writes the tape of one forward, in its order; ``segments`` is what it wrote."""

    def __init__(
        self, config: RunConfig, shape: Shape, device: DeviceKind, *, sharded: bool = False
    ) -> None:
        self.config, self.shape, self.device = config, shape, device
        self.sharded = sharded
        self.full, self.product = Precision.of(config)
        self.mixed = self.product < self.full
        c = config.model
        self.fused = device == "cuda" or (c.head_k == c.head_v and not self.mixed)
        self.segments: list[Segment] = []
        self._beside = 0  # bytes of gradients that wait while others are worked on
        self._write()

    def _write(self) -> None:
        c, shape = self.config.model, self.shape
        s, t = shape.source_tokens, shape.target_tokens
        stream = self.full * s * c.d_model
        with self._segment():
            self._embedding(s, source=True)
        for _ in range(c.encoder_layers):
            with self._layer(s):
                self._sublayer_attention("encoder.self_attn", s, s, shape.source)
                self._feed_forward("encoder.feed_forward", s)
        if c.norm == "pre":
            with self._segment():
                self._norm("encoder.norm", s)
        with self._segment():
            self._add("encoder", 0 if self.mixed else stream)  # the memory, which every layer reads
            self._embedding(t, source=False)
        for layers_left in reversed(range(c.decoder_layers)):
            with self._layer(t):
                # The memory's gradient gathers here until the encoder's backward.
                self._beside = stream
                self._sublayer_attention("decoder.self_attn", t, t, shape.target)
                self._sublayer_attention("decoder.cross_attn", t, s, shape.source)
                self._beside = stream if layers_left else 0
                self._feed_forward("decoder.feed_forward", t)
        if c.norm == "pre":
            with self._segment():
                self._norm("decoder.norm", t)
        with self._segment():
            self._loss(t)

    @contextmanager
    def _segment(self) -> Iterator[None]:
        self.segments.append(Segment())
        yield

    @contextmanager
    def _layer(self, tokens: int) -> Iterator[None]:
        width = self.full * tokens * self.config.model.d_model
        again = self.config.twin.checkpoint_activations
        self.segments.append(Segment(input=width, layer=True, again=again))
        yield

    def _add(
        self,
        module: str,
        keeps: int = 0,
        gradient: int = 0,
        working: int = 0,
        *,
        forward: int = 0,
        copies: int = 0,
        awaits: bool = False,
    ) -> None:
        self.segments[-1].operations.append(
            Operation(module, keeps, gradient, working + self._beside, forward, copies, awaits)
        )

    def _copies(self, numbers: int) -> int:
        """Bytes of autocast's copy of a weight; what FSDP gathers is in that precision already."""
        return self.product * numbers if self.mixed and not self.sharded else 0

    def _linear(
        self, module: str, tokens: int, inputs: int, outputs: int, *, keeps: int, waiting: int = 0
    ) -> None:
        """``keeps`` bytes of its input; ``waiting`` bytes beside it: gradients for later."""
        size = linear_size(inputs, outputs)
        copies = self._copies(size)
        dy, dx = self.product * tokens * outputs, self.product * tokens * inputs
        self._add(
            module, keeps + copies, self.full * size, dy + dx + copies + waiting, copies=copies
        )

    def _sublayer_attention(self, module: str, t: int, s: int, keys: int) -> None:
        c, f, p = self.config.model, self.full, self.product
        k, v = c.heads * c.head_k, c.heads * c.head_v
        around = f * t * c.d_model  # the residual's gradient, which goes past the sub-layer
        if c.norm == "pre":
            self._norm(module, t, around)
        # What the projections read: the result of a layer norm, or the memory.
        x, m = p * t * c.d_model, p * s * c.d_model
        dq, dk, dv = p * t * k, p * s * k, p * s * v
        if self.mixed:
            reads = (x, m, m)
        else:
            reads = (x, 0, 0)  # the memory is kept by the encoder's end
        self._linear(f"{module}.q_proj", t, c.d_model, k, keeps=reads[0], waiting=around)
        self._linear(f"{module}.k_proj", s, c.d_model, k, keeps=reads[1], waiting=around + dq)
        self._linear(f"{module}.v_proj", s, c.d_model, v, keeps=reads[2], waiting=around + dq + dk)
        y = p * t * v
        if self.fused:
            inside, probabilities = 4 * t * c.heads, 0
        else:
            inside = probabilities = p * t * c.heads * keys
        kept = dq + dk + dv + y + inside
        self._add(module, kept, 0, y + dq + dk + dv + around + 2 * probabilities)
        self._linear(f"{module}.out_proj", t, v, c.d_model, keeps=0, waiting=around)
        self._dropout(module, t, around)
        if c.norm == "post":
            self._norm(module, t)

    def _feed_forward(self, module: str, t: int) -> None:
        c, f, p = self.config.model, self.full, self.product
        around = f * t * c.d_model
        if c.norm == "pre":
            self._norm(module, t, around)
        hidden = p * t * c.d_ff
        self._linear(
            f"{module}.linear1", t, c.d_model, c.d_ff, keeps=p * t * c.d_model, waiting=around
        )
        kept = hidden if c.activation == "relu" else 2 * hidden
        self._add(f"{module}.activation", kept, 0, 2 * hidden + around)
        self._linear(f"{module}.linear2", t, c.d_ff, c.d_model, keeps=0, waiting=around)
        self._dropout(module, t, around)
        if c.norm == "post":
            self._norm(module, t)

    def _norm(self, module: str, tokens: int, waiting: int = 0) -> None:
        width = self.full * tokens * self.config.model.d_model
        statistics = 2 * self.full * tokens
        gradient = 2 * self.full * self.config.model.d_model
        self._add(f"{module}.norm", width + statistics, gradient, 2 * width + waiting)

    def _dropout(self, module: str, tokens: int, waiting: int) -> None:
        numbers = tokens * self.config.model.d_model
        each = 1 if self.device == "cuda" else self.product
        mask = each * numbers if self.config.model.dropout else 0
        self._add(f"{module}.dropout", mask, 0, 2 * self.product * numbers + waiting)

    def _embedding(self, tokens: int, *, source: bool) -> None:
        c, f = self.config.model, self.full
        each = 1 if self.device == "cuda" else f
        mask = each * tokens * c.d_model if c.dropout else 0
        table, width = f * c.vocab_size * c.d_model, f * tokens * c.d_model
        keeps = mask + 8 * tokens
        if source:  # the last of the matrix's uses in the backward: it is added to the others
            self._add("embedding", keeps, 0, width + table)
        elif c.tie_output:
            # The output projection's gradient is there. That of a plain Linear is a transposed
            # view, to which autograd cannot add in place: it makes a third.
            in_place = self.mixed or self.config.twin.loss_chunk
            self._add("embedding", keeps, 0, width + (1 if in_place else 2) * table)
        else:
            self._add("embedding", keeps, table, width, awaits=True)

    def _loss(self, t: int) -> None:
        c, f, p = self.config.model, self.full, self.product
        table, x = c.vocab_size * c.d_model, t * c.d_model
        if chunk := min(self.config.twin.loss_chunk, t):
            logits = chunk * c.vocab_size
            # Two moments of a chunk: its logits are made while the last one's gradient is still
            # there, and the weight's gradient is added to.
            # To add two dtypes, PyTorch's CPU kernels cast all of one first.
            cast = f * table if self.mixed and self.device == "cpu" else 0
            before = p * logits if chunk < t else 0
            made_now = (f + p if self.mixed else f) * logits
            moments = (before + made_now, p * (logits + table) + cast)
            forward = max(moments) + f * x + (p * table if self.mixed else 0)
            made = f * (x + table)
            self._add(
                "loss",
                made + 8 * t,
                f * table,
                f * x,
                forward=forward,
                awaits=c.tie_output,
            )
            return
        copies, logits = self._copies(table), t * c.vocab_size
        self._add(
            "output_proj",
            p * x + copies,
            f * table,
            p * (logits + x) + copies,
            copies=copies,
            awaits=c.tie_output,
        )
        forward = (f + p if self.mixed else f) * logits
        self._add("loss", f * logits + 24 * t, 0, 2 * f * logits, forward=forward)
