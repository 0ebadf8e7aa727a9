"""gpt-oss (OpenAI, 2025, arXiv:2508.10925): sinks, windows in every second layer, clamped gates."""

from __future__ import annotations

from typing import Any, ClassVar

from npformer.pretrained import quirks
from npformer.pretrained.experts import IGNORED, expert_settings
from npformer.pretrained.families.llama import Llama
from npformer.pretrained.fields import Fields
from npformer.pretrained.tensors import Entry, whole
from npformer.pretrained.turns import by_turns
from npformer.pretrained.windows import windows


class GptOss(Llama):
    """The gate and what it opens lie in one tensor, column by column, in mxfp4 or whole."""

    model_types: ClassVar[tuple[str, ...]] = ("gpt_oss",)
    theta: ClassVar[float] = 150_000.0
    eps: ClassVar[float] = 1e-5
    head_size: ClassVar[int | None] = 64
    kv_heads: ClassVar[int | None] = 8
    ignored_fields: ClassVar = {
        **Llama.ignored_fields,
        **IGNORED,
        "initial_context_length": "the length of training, which rope_scaling says too",
        "experts_per_token": "num_experts_per_tok by another name",
    }
    quirks: ClassVar = {
        "interleaved halves": quirks.INTERLEAVED,
        "no rotation": quirks.UNTURNED,
        "frequencies not stretched": quirks.UNSTRETCHED,
        "bounds of stretching rounded": quirks.BOUNDS_ROUNDED,
        "eps": quirks.EPS,
        "scale of d_model / heads": quirks.SCALE_OF_WIDTH,
        "1 + weight": quirks.WITH_ONE,
        "embedding scaled": quirks.EMBEDDING_SCALED,
        "gates not clamped": quirks.EXPERTS_UNCLAMPED,
        "weights not divided": quirks.SHARES_UNDIVIDED,
        "window of one key more": quirks.WINDOW_LONGER,
        "every layer local": quirks.ALL_LOCAL,
        "the other layers local": quirks.OTHERS_LOCAL,
    }

    def settings(self, fields: Fields) -> dict[str, Any]:
        """The settings of the model's config. Raises ConfigError for what npformer has not."""
        for name, value in (("swiglu_alpha", 1.702), ("swiglu_limit", 7.0),
                            ("attention_bias", True)):  # fmt: skip
            fields.only(name, value)
        found = super().settings(fields)
        window = fields.take("sliding_window", 128)
        return {
            **found,
            **windows(fields, found["layers"], window, lambda n: n % 2 == 0),
            **expert_settings(fields, fields.take("num_local_experts", 128), 4),
            "activation": "swiglu_clamped",
            "attention_bias": "all",
            "feed_forward_bias": True,
            "expert_router_bias": True,
            "sinks": True,
        }

    def attention(self, config: Any, ours: str, theirs: str) -> list[Entry]:
        """The part of a layer's attention."""
        sinks = whole(f"{ours}.sinks", f"{theirs}.sinks")
        return [*super().attention(config, ours, theirs), sinks]

    def feed_forward(self, config: Any, ours: str, theirs: str) -> list[Entry]:
        """The part of a layer's mixture."""
        own, their = f"{ours}.experts", f"{theirs}.experts"
        pair, down = (("gate_proj", "up_proj"), config.d_ff, "gate_up_proj"), ("down_proj",)
        table = [
            whole(f"{ours}.router.{kind}", f"{theirs}.router.{kind}") for kind in ("weight", "bias")
        ]
        for names, groups, tensor in (pair, (down, 1, "down_proj")):
            weights, biases = ([f"{own}.{name}.{k}" for name in names] for k in ("weight", "bias"))
            table.append(by_turns(weights, f"{their}.{tensor}", groups, transposed=True))
            table.append(by_turns(biases, f"{their}.{tensor}_bias", groups, vectors=True))
        return table
