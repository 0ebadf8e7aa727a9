"""Gemma 2 (Gemma Team, 2024, arXiv:2408.00118): norms on both sides of a branch, and two caps."""

from __future__ import annotations

from typing import Any, ClassVar

from npformer.pretrained import quirks
from npformer.pretrained.families.llama import Llama
from npformer.pretrained.fields import Fields
from npformer.pretrained.windows import windows


class Gemma2(Llama):
    """A norm multiplies by 1 + weight; every second layer, from the first, is local."""

    model_types: ClassVar[tuple[str, ...]] = ("gemma2",)
    kv_heads: ClassVar[int | None] = 4
    head_size: ClassVar[int | None] = 256
    tie = True
    padding_id: ClassVar[int | None] = 0
    activation_field, activation = "hidden_activation", "gelu_pytorch_tanh"
    norms: ClassVar = {
        "self_attn_residual.norm": "input_layernorm",
        "self_attn_residual.norm_after": "post_attention_layernorm",
        "feed_forward_residual.norm": "pre_feedforward_layernorm",
        "feed_forward_residual.norm_after": "post_feedforward_layernorm",
    }
    softcap: ClassVar[float | None] = 50.0
    """``attn_logit_softcapping`` where a config has none."""
    norm_type: ClassVar[str] = "rms_norm_plus_one"
    window: ClassVar[int] = 4096
    """``sliding_window`` where a config has none."""
    one_way: ClassVar[tuple[Any, ...]] = (None, False)
    """What ``use_bidirectional_attention`` may be for a text that is read one way."""
    ignored_fields: ClassVar = {
        "hidden_act": "hidden_activation is what is read",
        "sliding_window_size": "an older name of sliding_window",
        "cache_implementation": "how the library keeps keys and values",
    }
    quirks: ClassVar = {
        "interleaved halves": quirks.INTERLEAVED,
        "eps": quirks.EPS,
        "weight without 1": quirks.WITHOUT_ONE,
        "embedding not scaled": quirks.EMBEDDING_UNSCALED,
        "scale of the head": quirks.SCALE_OF_HEAD,
        "gelu of erf": quirks.OTHER_GELU,
        "scores not capped": quirks.SCORES_UNCAPPED,
        "logits not capped": quirks.LOGITS_UNCAPPED,
        "window of one key more": quirks.WINDOW_LONGER,
        "the others local": quirks.OTHERS_LOCAL,
    }

    def settings(self, fields: Fields) -> dict[str, Any]:
        """The settings of the model's config. Raises ConfigError for what npformer has not."""
        fields.only("use_bidirectional_attention", *self.one_way)
        found = super().settings(fields)
        window = fields.take("sliding_window", self.window)
        return {
            **found,
            "norm": "sandwich",
            "norm_type": self.norm_type,
            "scale_embedding": True,
            "attention_scale": self.scale_of_scores(fields),
            "softcap": self.cap_of_scores(fields),
            "logit_softcap": fields.take("final_logit_softcapping", self.logit_softcap),
            **windows(fields, found["layers"], window, self.local(fields)),
        }

    logit_softcap: ClassVar[float | None] = 30.0
    """``final_logit_softcapping`` where a config has none."""

    def scale_of_scores(self, fields: Fields) -> float:
        """The factor of attention's scores."""
        scale: float = fields.take("query_pre_attn_scalar", 256) ** -0.5
        return scale

    def cap_of_scores(self, fields: Fields) -> float | None:
        """The cap of attention's scores."""
        cap: float | None = fields.take("attn_logit_softcapping", self.softcap)
        return cap

    def local(self, fields: Fields) -> Any:
        """Whether a layer, counted from 0, is local where the config has no list of them."""
        return lambda n: n % 2 == 0
